package engine

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/lupine-rpc/lupine/rpctest/sim"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// simCall is one call, with all of its attempts, in the oracle's books.
type simCall struct {
	w     *world
	plan  *callPlan
	start int64
	try   int
	st    *clientCall // the attempt under way; nil: none
	node  *node       // where it waits for a stream
	ended bool
	end   outcome
	tries []attempt
	again *sim.Timer
}

// attempt is what became of one attempt.
type attempt struct {
	conn    *simConn
	ran     bool // the server's application saw it
	told    bool // the caller was told that it did not run
	aborted bool // the handler reset it
	gone    bool // the handler knows that the caller has left
}

// outcome is how a call ended.
type outcome uint8

const (
	pending outcome = iota
	ok
	canceled
	expired   // its deadline passed
	refused   // it did not run
	aborted   // the handler reset it
	lost      // the connection ended
	malformed // our engine found fault with the response
)

var outcomeNames = [...]string{"pending", "ok", "canceled", "expired", "refused", "aborted", "lost", "malformed"}

func (o outcome) String() string { return outcomeNames[o] }

// begin starts a call.
func (w *world) begin(p *callPlan) {
	call := &simCall{w: w, plan: p, start: w.Now()}
	w.calls = append(w.calls, call)
	w.left++
	if w.trace.Log != nil {
		w.logf("call%v", p)
	}
	if p.deadline > 0 {
		w.After(p.deadline, func() { call.giveUp(expired) })
	}
	if p.cancel > 0 {
		w.After(p.cancel, func() { call.giveUp(canceled) })
	}
	call.launch()
}

// launch makes an attempt on the connection in use, or on a new one.
func (call *simCall) launch() {
	w := call.w
	if call.ended {
		return
	}
	c := w.cur
	if c == nil || c.client.dead || c.client.down {
		c = w.dial()
	}
	call.tries = append(call.tries, attempt{conn: c})
	call.try = len(call.tries) - 1
	c.client.submit(call)
}

// giveUp ends a call from the caller's side.
func (call *simCall) giveUp(how outcome) {
	if call.ended {
		return
	}
	w := call.w
	switch {
	case call.st != nil:
		w.fire(how.String() + " while under way")
		if call.plan.cancel > 0 && call.st.SentEnd {
			w.did("canceled after the request was sent")
		}
		call.st.finish(how)
		return
	case call.node != nil:
		w.did("gave up waiting for a stream")
		call.node.unqueue(call)
		call.notRun()
	}
	call.over(how)
}

// notRun notes that the caller is told that the attempt did not run.
func (call *simCall) notRun() {
	a := &call.tries[call.try]
	a.told = true
	if a.ran {
		call.w.fail(badRun, "call %d, attempt %d on conn %d: the caller is told that it did not run, but it did", call.plan.key, call.try, a.conn.n)
	}
}

// over ends the call.
func (call *simCall) over(how outcome) {
	w := call.w
	if call.ended {
		w.fail(badEnd, "call %d ends twice: %v, then %v", call.plan.key, call.end, how)
		return
	}
	call.again.Stop()
	call.ended, call.end = true, how
	call.st, call.node = nil, nil
	w.left--
	w.tally["calls "+how.String()]++
	w.trace.Add(uint64(call.plan.key), uint64(how), uint64(w.Now()))
	if w.trace.Log != nil {
		w.logf("call %d ends: %v", call.plan.key, how)
	}
	call.judge(how)
}

// judge checks that the call had a reason to end as it did.
func (call *simCall) judge(how outcome) {
	w, p := call.w, call.plan
	late := w.Now() - call.start - p.deadline
	if p.deadline > 0 && late > 50*ms {
		w.fail(badEnd, "call %d ends %s after its deadline", p.key, millis(late))
	}
	good := false
	switch how {
	case ok, canceled: // ok was checked by who received it
		good = how == ok || p.cancel > 0
	case expired:
		good = p.deadline > 0 && late >= 0
	case aborted:
		good = call.tries[call.try].aborted
	case lost:
		good = call.tries[call.try].conn.faulty
	}
	if !good || p.key == 1<<20 && how != ok {
		w.fail(badEnd, "call %d ends without a reason: %v", p.key, how)
	}
}

// repeat makes another attempt, after one that did not run.
func (call *simCall) repeat() {
	call.notRun()
	call.st, call.node = nil, nil
	call.again = call.w.After(call.w.rand.Between(0, 20*ms), call.launch)
}

// where says what a pending call is doing.
func (call *simCall) where() string {
	switch {
	case call.st != nil:
		s := call.st
		return fmt.Sprintf("attempt %d, conn %d, stream %d, %+v", call.try, s.n.c.n, s.ID, struct {
			pending                      int
			sendWindow, recvWindow, conn int64
			sentEnd, recvEnd             bool
		}{len(s.Stream.pending), s.sendWindow, s.recvWindow, s.n.eng.sendWindow, s.SentEnd, s.RecvEnd})
	case call.node != nil:
		return fmt.Sprintf("waits for a stream on %v: %v", call.node, call.node.eng.CanOpen())
	}
	return "between attempts"
}

// pattern is what messages are made of, and text what metadata is. Each begins
// at a place of its own. Most of text has long Huffman codes, so that it is sent
// as it is: coding it took a third of the time.
var pattern, text = func() (p []byte, t string) {
	r := sim.NewRand(7, 7)
	p = make([]byte, 64<<10+256<<10)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	b := make([]byte, 128<<10)
	for i := range b {
		if i < 8<<10 {
			b[i] = byte(' ' + 1 + r.IntN(94))
		} else {
			b[i] = "{}|~^<>`"[r.IntN(8)]
		}
	}
	return p, string(b)
}()

const prefixLen = 5

// body is message i of a call.
func body(key uint32, reply bool, i int, size int32) []byte {
	at := (key*7919 + uint32(i)*104729 + uint32(flag(reply))*31337) & 0xffff
	return pattern[at : at+uint32(size)]
}

// appendMessage appends a message as gRPC frames it.
func appendMessage(dst []byte, b []byte) []byte {
	n := len(b)
	dst = append(dst, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, b...)
}

// inflow takes one direction of a call's messages and compares them with what
// was sent.
type inflow struct {
	key   uint32
	reply bool
	sizes []int32
	msg   int // whole messages so far
	at    int // bytes of the next, its prefix included
	whole int // bytes of whole messages that the reader has not taken
}

// add takes a piece, and returns what is wrong with it.
func (f *inflow) add(p []byte) string {
	for len(p) > 0 {
		if f.msg == len(f.sizes) {
			return fmt.Sprintf("%d bytes more than were sent", len(p))
		}
		size := f.sizes[f.msg]
		var prefix [prefixLen]byte
		head := appendMessage(prefix[:0], nil)
		head[1], head[2], head[3], head[4] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
		var k int
		var want []byte
		if f.at < prefixLen {
			k = min(prefixLen-f.at, len(p))
			want = head[f.at : f.at+k]
		} else {
			k = min(prefixLen+int(size)-f.at, len(p))
			want = body(f.key, f.reply, f.msg, size)[f.at-prefixLen : f.at-prefixLen+k]
		}
		if !bytes.Equal(p[:k], want) {
			return fmt.Sprintf("message %d differs within bytes %d to %d", f.msg, f.at, f.at+k)
		}
		f.at += k
		p = p[k:]
		if f.at == prefixLen+int(size) {
			f.msg++
			f.at = 0
			f.whole += prefixLen + int(size)
		}
	}
	return ""
}

// missing is how many bytes the message that is coming still needs; 0: unknown.
func (f *inflow) missing() int {
	if f.at < prefixLen {
		return 0
	}
	return prefixLen + int(f.sizes[f.msg]) - f.at
}

// take gives the reader all whole messages; it returns their size.
func (f *inflow) take() int {
	n := f.whole
	f.whole = 0
	return n
}

// kept are header blocks that an end sends often.
type kept struct{ request, response, done *hpack.Block }

func newKept() kept {
	block := func(fields ...hpack.Pair) *hpack.Block { return &hpack.Block{Fields: fields} }
	return kept{
		request: block(requestBlock...),
		response: block(hpack.Pair{Name: ":status", Value: "200", Mode: hpack.Keep},
			hpack.Pair{Name: "content-type", Value: "application/grpc", Mode: hpack.Keep}),
		done: block(hpack.Pair{Name: "grpc-status", Value: "0", Mode: hpack.Keep}),
	}
}

// metadata is what a header block of a call carries beside its kept part: its
// key, and n bytes in fields of at most 4000.
func metadata(key uint32, try int, n int32) []hpack.Pair {
	mode := hpack.Mode(key % 4)
	pairs := []hpack.Pair{{Name: "sim-key", Value: strconv.Itoa(int(key))}, {Name: "sim-try", Value: strconv.Itoa(try), Mode: hpack.Literal}}
	for at := int32(0); at < n; {
		k := min(n-at, 4000)
		from := int32(key*613&0xffff) + at
		pairs = append(pairs, hpack.Pair{Name: "sim-pad", Value: text[from : from+k], Mode: mode})
		at += k
	}
	return pairs
}

// readMetadata checks a header block against metadata. What is read off it is
// only key and try.
func readMetadata(h *Head) (key uint32, try int, pads int32, wrong string) {
	k, t := -1, -1
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Name {
		case "sim-key":
			k, _ = strconv.Atoi(f.Value)
		case "sim-try":
			t, _ = strconv.Atoi(f.Value)
		case "sim-pad":
			from := int32(uint32(k)*613&0xffff) + pads
			if k < 0 || int(from)+len(f.Value) > len(text) || f.Value != text[from:int(from)+len(f.Value)] {
				return 0, 0, 0, "metadata differs"
			}
			pads += int32(len(f.Value))
		case "content-type", "te", "user-agent", "grpc-status", "grpc-accept-encoding":
		default:
			return 0, 0, 0, "unknown field " + f.Name
		}
	}
	if k < 0 || t < 0 {
		return 0, 0, 0, "no key"
	}
	return uint32(k), t, pads, ""
}
