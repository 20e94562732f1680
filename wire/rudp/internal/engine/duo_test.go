package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// duo is two ends with a network of no bandwidth limit between them. One way takes
// delay; lose decides about each datagram.
type duo struct {
	t     testing.TB
	now   int64
	delay int64
	rand  *rand.Rand
	ends  [2]*end // the client, the server
	air   []flight
	lose  func(from int, b []byte) bool
	log   bool
	steps int
	most  int // steps
	// from, if set, is the address that a datagram seems to come from; to is that of the
	// one that lose looks at.
	from   func(to int, b []byte) netip.AddrPort
	to     netip.AddrPort
	mark   func() uint8 // what arrives of a datagram's mark
	server Config       // of newHello
	front  *Front
	full   bool // it takes no more sessions
	// forged: an attacker with the keys was at it.
	forged bool
	// started is called with a server that HELLO made.
	started func(e *end)
}

type flight struct {
	at int64
	to int
	b  []byte
}

// end is one end with a driver that does as little as it may.
type end struct {
	d       *duo
	i       int
	c       *Conn
	batch   Batch
	replies map[*Call]*reply // calls of ours
	serve   func(e *end, ev Event)
	sent    int
	open    bool
	gone    *Event
	down    *Event
	room    int
	token   []byte
	freed   []any
	tls     func(ev Event)
	front   func(b []byte) bool // false: for the session
}

type reply struct {
	header   lupine.Metadata
	messages [][]byte
	trailer  lupine.Metadata
	err      *lupine.Error
	over     bool
	at       int64
}

var testSeal = NewPlain(testID, testSalt)

func newDuo(t testing.TB, change func(cfg *[2]Config)) *duo {
	d := &duo{t: t, most: 300_000, now: second, delay: 5 * millisecond, rand: rand.New(rand.NewPCG(1, 2))}
	var cfg [2]Config
	for i := range cfg {
		p := DefaultParams()
		p.Incarnation = [16]byte{byte(i + 1)}
		p.MaxSlots = uint64(256 * i)
		p.FirstCredit, p.MaxHeader, p.DictEntries, p.DictBytes, p.IdleTimeout = firstCredit, maxHeaderBytes, DictEntries, DictBytes, 300_000
		p.MaxDatagram = mostDatagram
		cfg[i] = Config{
			Server: i == 1, ID: testID, Index: uint32(100 + i), PeerIndex: uint32(101 - i), Local: p,
			Seal: testSeal, Rand: d.rand.Uint64,
		}
	}
	if change != nil {
		change(&cfg)
	}
	for i := range cfg {
		if cfg[i].Seal != nil {
			cfg[i].Peer = &cfg[1-i].Local
		}
	}
	for i := range cfg {
		if cfg[1].ID == 0 && i == 1 {
			break // the test makes the server when it has a HELLO
		}
		d.add(i, cfg[i])
	}
	return d
}

func (d *duo) add(i int, cfg Config) *end {
	e := &end{d: d, i: i, c: New(cfg, d.now), replies: map[*Call]*reply{}}
	e.batch.Buf = make([]byte, 0, 128<<10)
	d.ends[i] = e
	return e
}

// run lets time pass until done, or for so long.
func (d *duo) run(most int64, done func() bool) bool {
	end := d.now + most
	for {
		for _, e := range d.ends {
			if e != nil {
				e.pump()
			}
		}
		if done != nil && done() {
			return true
		}
		next := end
		for i := range d.air {
			next = min(next, d.air[i].at)
		}
		for _, e := range d.ends {
			if e == nil {
				continue
			}
			if at := e.c.Next(); at != 0 {
				next = min(next, max(at, d.now))
			}
		}
		d.steps++
		if d.steps > d.most {
			d.t.Fatalf("the engines do not come to rest at %d: %v", d.now, next)
		}
		if next >= end {
			d.now = end
			return done == nil
		}
		d.now = max(d.now, next)
		d.deliver()
		for _, e := range d.ends {
			if e == nil {
				continue
			}
			if at := e.c.Next(); at != 0 && at <= d.now {
				e.c.Tick(d.now)
				e.take()
			}
		}
	}
}

func (d *duo) deliver() {
	var touched [2]bool
	for i := 0; i < len(d.air); {
		f := d.air[i]
		if f.at > d.now {
			i++
			continue
		}
		d.air = append(d.air[:i], d.air[i+1:]...)
		e := d.ends[f.to]
		if e == nil {
			continue
		}
		touched[f.to] = true
		var p Packet
		if p.From = testFrom; d.from != nil {
			p.From = d.from(f.to, f.b)
		}
		if d.mark != nil {
			p.ECN = d.mark()
		}
		if drop := e.c.Opener().Open(f.b, &p); drop != DropNone {
			continue
		}
		e.c.Receive(d.now, &p)
		e.take()
	}
	for i, e := range d.ends {
		if touched[i] {
			e.c.Flush(d.now)
		}
	}
}

// pump sends what there is to send.
func (e *end) pump() {
	for {
		e.batch.Reset()
		if !e.c.Poll(e.d.now, &e.batch) {
			e.take()
			return
		}
		e.batch.Seal()
		for i := range e.batch.List {
			b := e.batch.Bytes(i)
			if e.d.log {
				e.d.dump(e.i, b)
			}
			e.sent++
			e.d.to = e.batch.List[i].To
			if e.d.lose != nil && e.d.lose(e.i, b) {
				continue
			}
			if e.front != nil && e.front(b) {
				continue
			}
			e.d.air = append(e.d.air, flight{e.d.now + e.d.delay, 1 - e.i, bytes.Clone(b)})
		}
		e.take()
	}
}

func (d *duo) dump(from int, b []byte) {
	var p Packet
	o := d.ends[from].c.Opener()
	if d.ends[1-from] != nil {
		o = d.ends[1-from].c.Opener()
	}
	if drop := o.Open(bytes.Clone(b), &p); drop != DropNone {
		fmt.Printf("%9.3f %d: %d bytes, %v\n", float64(d.now)/1e6, from, len(b), drop)
		return
	}
	fmt.Printf("%9.3f %d: %#x #%d %d bytes:", float64(d.now)/1e6, from, uint8(p.Kind), p.Number, len(b))
	fs := ParseFrames(p.Kind.Level(), p.Frames)
	var f Frame
	pads := 0
	for {
		more, err := fs.Next(&f)
		if err != nil || !more {
			if err != nil {
				fmt.Print(err)
			}
			break
		}
		if f.Type == TypePad {
			pads++
			continue
		}
		n := len(f.Data)
		if f.Type.Stream() {
			f.Data = f.Data[:min(n, 4)]
		}
		fmt.Printf(" [%s +%d]", show(f), n)
	}
	if pads > 0 {
		fmt.Printf(" PAD x %d", pads)
	}
	fmt.Println()
}

// take deals with events.
func (e *end) take() {
	for {
		ev, ok := e.c.Event()
		if !ok {
			return
		}
		switch ev.Kind {
		case EventOpen:
			e.open = true
		case EventCrypto:
			e.tls(ev)
		case EventToken:
			e.token = bytes.Clone(ev.Message)
		case EventGone:
			e.gone = &ev
		case EventDown:
			e.down = &ev
		case EventRoom:
			e.room++
		case EventReleased:
			e.freed = append(e.freed, ev.Owner)
		default:
			e.call(ev)
		}
	}
}

func (e *end) call(ev Event) {
	r := e.replies[ev.Call]
	if r == nil {
		if e.serve != nil {
			e.serve(e, ev)
		}
		return
	}
	switch ev.Kind {
	case EventHeader:
		r.header = ev.Metadata
	case EventMessage:
		if Checksum(ev.Message) != ev.CRC && !e.d.forged {
			e.d.t.Errorf("a message has the wrong checksum")
		}
		r.messages = append(r.messages, bytes.Clone(ev.Message))
		e.c.Consumed(e.d.now, ev.Call, len(ev.Message))
	case EventEnded:
		r.over, r.err, r.trailer, r.at = true, ev.Err, ev.Metadata, e.d.now
	}
}

// record makes the MESSAGE record of p.
func msg(p []byte) Message {
	return Message{Bytes: SealMessage(append(make([]byte, MessageRoom), p...), CompressionNone)}
}

// begin begins a unary call.
func (e *end) begin(path string, p []byte) (*Call, *reply) {
	e.d.t.Helper()
	call, r := new(Call), new(reply)
	if err := e.c.Begin(e.d.now, call, &Head{Path: path}, msg(p), true); err != nil {
		e.d.t.Fatalf("Begin: %v", err)
	}
	e.replies[call] = r
	return call, r
}

// echo is a serve that answers unary calls with their message.
func echo(e *end, ev Event) {
	if ev.Kind == EventMessage {
		e.c.Write(e.d.now, ev.Call, msg(ev.Message), false)
		e.c.Finish(e.d.now, ev.Call, nil, nil)
	}
}

func TestUnary(t *testing.T) {
	d := newDuo(t, nil)
	d.log = testing.Verbose()
	d.ends[1].serve = echo
	for i := range 3 {
		want := []byte(fmt.Sprint("hello ", i))
		_, r := d.ends[0].begin("/a.B/C", want)
		if !d.run(second, func() bool { return r.over }) {
			t.Fatal("the call does not end")
		}
		if r.err != nil || len(r.messages) != 1 || !bytes.Equal(r.messages[0], want) {
			t.Fatalf("reply %q, error %v", r.messages, r.err)
		}
	}
	d.run(10*second, nil)
	if n := d.ends[0].sent + d.ends[1].sent; n != 7 {
		t.Errorf("3 calls took %d datagrams; want 7", n)
	}
}
