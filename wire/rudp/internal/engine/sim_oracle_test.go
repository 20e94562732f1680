package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// numbers is a set of packet numbers.
type numbers []uint64

func (b *numbers) add(n uint64) {
	for uint64(len(*b)) <= n/64 {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b numbers) has(n uint64) bool { return n/64 < uint64(len(b)) && b[n/64]>>(n%64)&1 != 0 }

// seen is what the oracle knows of packets that came and went at an end.
type seen struct {
	came     numbers // numbers that opened
	effected numbers // all of their frames took effect
	used     numbers
	acked    numbers // of what came, what was said to have been acked
	frames   int     // of the packet at hand, that have not taken effect yet
	judged   bool    // the packet at hand is looked at
}

// begin counts the frames of a packet. It reports whether its number is new.
func (s *seen) begin(p *Packet) bool {
	s.judged, s.frames = false, 0
	if p.Kind != KindData0 && p.Kind != KindData1 && p.Kind != KindHandshake && p.Kind != KindHello {
		return false
	}
	fs := ParseFrames(p.Kind.Level(), unpadded(p.Kind, p.Frames))
	var f Frame
	for {
		ok, err := fs.Next(&f)
		if err != nil || !ok {
			break
		}
		s.frames += int(flag(f.Type != TypePad))
	}
	s.judged = true
	fresh := !s.came.has(p.Number)
	s.came.add(p.Number)
	return fresh
}

// unpadded is a packet's frames without most of the PAD at the end of a HELLO.
func unpadded(kind Kind, frames []byte) []byte {
	end := len(frames)
	for kind == KindHello && end > 200 && frames[end-1] == byte(TypePad) {
		end--
	}
	return frames[:end]
}

// end notes that a packet has taken effect.
func (s *seen) end(p *Packet) {
	if s.judged && s.frames <= 0 {
		s.effected.add(p.Number)
	}
}

// beforeFrame and afterFrame stand around what a frame does.
func (e *node) beforeFrame(_ *Conn, p *Packet, f *Frame) bool {
	e.w.frames[f.Type]++
	if f.Type == TypePathResponse && e.server {
		if a := e.p.address(p.From); a.asked[string(f.Data)] && !a.proven {
			a.proven = true
			e.w.did("addresses proven")
		}
	}
	if f.Type == TypeProbe {
		e.probedFor(f)
	}
	return e.w.bug.frame != nil && e.w.bug.frame(e, p, f)
}

func (e *node) afterFrame(_ *Conn, _ *Packet, f *Frame) {
	e.seen.frames -= int(flag(f.Type != TypePad))
	if e.w.bug.after != nil {
		e.w.bug.after(e, f)
	}
}

// inspect looks at a datagram that is about to be sealed and sent.
func (e *node) inspect(b *Batch, d *Datagram) {
	w := e.w
	if w.bug.datagram != nil {
		w.bug.datagram(e, b, d)
	}
	raw := b.Buf[d.At:d.End]
	kind := Kind(raw[0])
	var frames []byte
	number := d.Number
	switch kind {
	case KindHello:
		at := helloFixed + int(raw[27])
		frames = raw[at:]
	case KindHandshake, KindData0, KindData1:
		frames = raw[HeaderBytes:]
		number = binary.BigEndian.Uint64(raw[5:])
	default:
		return
	}
	if e.seen.used.has(number) {
		w.fail(badSeal, "%v seals number %d twice", e, number)
	}
	e.seen.used.add(number)
	if w.trace.Log != nil {
		w.logf("%v sends %s", e, describe(kind, number, frames))
	}
	fs := ParseFrames(kind.Level(), unpadded(kind, frames))
	var f Frame
	bare := true
	defer func() {
		if bare {
			e.bare += d.End - d.At + d.Tag
		}
	}()
	for {
		ok, err := fs.Next(&f)
		if err != nil {
			w.fail(badPeer, "%v sends what cannot be parsed: %v", e, err)
		}
		if !ok || err != nil {
			break
		}
		bare = bare && (f.Type <= TypeAckECN || f.Type == TypePathChallenge || f.Type == TypePathResponse)
		switch f.Type {
		case TypeAck, TypeAckECN:
			e.checkAck(f.Ack)
		case TypePathChallenge:
			e.challenged(d.To, f.Data)
		}
	}
}

// checkAck looks at what an ACK says to have taken effect.
func (e *node) checkAck(a Ack) {
	s := &e.seen
	for a.Count > 0 {
		r := a.Next()
		for n := r.High; ; n-- {
			if !s.acked.has(n) {
				if !s.came.has(n) || !s.effected.has(n) {
					e.w.fail(badAck, "%v acks packet %d, which did not take effect (it came: %v)", e, n, s.came.has(n))
					return
				}
				s.acked.add(n)
			}
			if n == r.Low {
				break
			}
		}
	}
}

// challenged notes a PATH_CHALLENGE.
func (e *node) challenged(to netip.AddrPort, data []byte) {
	e.tick.input()
	if e.server && to.IsValid() {
		a := e.p.address(to)
		if a.asked == nil {
			a.asked = make(map[string]bool)
		}
		a.asked[string(data)] = true
	}
}

// describe lists the frames of a packet.
func describe(kind Kind, number uint64, frames []byte) string {
	if kind == KindReset || kind == KindRetry || kind == KindVersions {
		return map[Kind]string{KindReset: "RESET", KindRetry: "RETRY", KindVersions: "VERSIONS"}[kind]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v packet %d:", kind.Level(), number)
	fs := ParseFrames(kind.Level(), frames)
	var f Frame
	pad := 0
	for {
		ok, err := fs.Next(&f)
		if err != nil {
			fmt.Fprintf(&b, " %v", err)
		}
		if !ok || err != nil {
			break
		}
		if f.Type == TypePad {
			pad++
			continue
		}
		fmt.Fprintf(&b, " %v", f.Type)
		switch f.Type {
		case TypeAck, TypeAckECN:
			for a := f.Ack; a.Count > 0; {
				r := a.Next()
				fmt.Fprintf(&b, "[%d-%d]", r.Low, r.High)
			}
		case TypeCrypto:
			fmt.Fprintf(&b, "(%d bytes from %d)", len(f.Data), f.Offset)
		case TypeProbe, TypeWorking:
			for l := f.Calls; l.Count > 0; {
				n := l.Next()
				fmt.Fprintf(&b, "(%d.%d)", n.Slot, n.Seq)
			}
		case TypeGrantReply, TypeGrantRequest:
			fmt.Fprintf(&b, "(%d.%d to %d)", f.Call.Slot, f.Call.Seq, f.Offset)
		case TypeCancel:
			fmt.Fprintf(&b, "(%d.%d)", f.Call.Slot, f.Call.Seq)
		case TypeEnded:
			fmt.Fprintf(&b, "(%d.%d code %d %v %q)", f.Call.Slot, f.Call.Seq, f.Code, f.Executed, f.Data)
		case TypeClose:
			fmt.Fprintf(&b, "(%v %q)", Code(f.Code), f.Data)
		case TypeDefine:
			fmt.Fprintf(&b, "(%d)", f.ID)
		case TypeMaxSlots:
			fmt.Fprintf(&b, "(%d)", f.Slots)
		}
		if f.Type.Stream() {
			fmt.Fprintf(&b, "(%d.%d, %d bytes from %d", f.Call.Slot, f.Call.Seq, len(f.Data), f.Offset)
			if f.Type&StreamFin != 0 {
				b.WriteString(", end")
			}
			if f.Type&StreamEager != 0 {
				b.WriteString(", eager")
			}
			b.WriteString(")")
		}
	}
	if pad > 0 {
		fmt.Fprintf(&b, " %d PAD", pad)
	}
	return b.String()
}

// ticks watches the intervals between an end's PTOs while nothing comes and
// nothing is asked of it.
type ticks struct {
	ptos           uint64 // before the tick
	last, interval int64
	row            int
	level          Level
}

// input is what begins a row anew: a packet came, or the driver did something.
func (t *ticks) input() { t.row = 0 }

func (t *ticks) before(e *node) {
	t.ptos = e.conn.Stats.PTOs
	if e.now()-e.due > us { // the host was paused, or its clock leapt
		t.row = 0
	}
}

func (t *ticks) after(e *node) {
	if e.dead || e.conn.Stats.PTOs == t.ptos {
		return
	}
	asking := 0
	for i := range e.conn.levels {
		asking += int(flag(e.conn.levels[i].eliciting > 0))
	}
	if asking > 1 || e.conn.probeLevel != t.level {
		t.row, t.level = 0, e.conn.probeLevel // levels take turns
		return
	}
	interval := e.now() - t.last
	t.last = e.now()
	e.w.did("PTOs")
	if t.row++; t.row > 3 { // times 1, 1, 2, 4, ..., and up to a tenth
		if least := min(t.interval*3/2, ptoMax*9/10); interval < least {
			e.w.fail(badBackOff, "%v: PTO %d in a row comes %s after the one before, which came after %s", e, t.row, millis(interval), millis(t.interval))
		}
	}
	t.interval = interval
}

// checkFlight looks at the bytes in flight. before is what they were.
func (e *node) checkFlight(before int) {
	c := e.conn
	// The last datagram may go beyond it, and an ACK with PING (5.2) is never held.
	most := max(c.cc.Window()+c.mtu, before) + e.bare
	e.bare = 0
	if e.probed {
		most += c.mtu
	}
	if c.inFlight > most {
		e.w.fail(badFlight, "%v has %d bytes in flight, and a window of %d", e, c.inFlight, c.cc.Window())
	}
}

// compare looks at both ends of a session that has nothing to do: their books
// are empty, and the same.
func (p *joint) compare() {
	if !p.alive() || !p.client.open || !p.server.open {
		return
	}
	p.w.did("books compared")
	p.client.atRest()
	p.server.atRest()
	if n := p.client.buffers; n != 0 && !p.w.plan.hosted() { // a callee keeps replies until slots are used again
		p.w.fail(badMemory, "%v has %d messages, and nothing to do", p.client, n)
	}
	for _, x := range []struct{ caller, callee *node }{{p.client, p.server}, {p.server, p.client}} {
		x.caller.compare(x.callee)
	}
}

// atRest looks at one end.
func (e *node) atRest() {
	c, w := e.conn, e.w
	mine, theirs := c.Calls()
	switch {
	case mine != 0 || theirs != 0:
		w.fail(badBooks, "%v has %d calls of its own and %d of its peer's, and nothing to do", e, mine, theirs)
	case c.inFlight != 0 && !(w.plan.hosted() && e.now()-c.lastSent < s1): // NatKeepAlive
		w.fail(badBooks, "%v has %d bytes in flight, and nothing to do", e, c.inFlight)
	case c.reserved != 0 || len(c.wanting) != 0:
		w.fail(badMemory, "%v has %d bytes reserved, %d streams wait for room, and it has nothing to do", e, c.reserved, len(c.wanting))
	}
	e.checkMemory()
	if receive, _ := c.budget.Used(); receive != 0 && len(e.p.order) == 1 {
		w.fail(badMemory, "%v has %d bytes of messages, and nothing to do", e, receive)
	}
}

// checkMemory compares the engine's book of memory with ours.
func (e *node) checkMemory() {
	messages, replies := 0, int64(0)
	for _, list := range [][]*slot{e.conn.mine, e.conn.theirs} {
		for _, s := range list {
			if s == nil {
				continue
			}
			for i := s.out.first; i < len(s.out.pieces); i++ {
				messages += int(flag(s.out.pieces[i].owner != nil))
			}
			if !s.mine {
				replies += int64(s.out.held())
			}
		}
	}
	if messages != e.buffers || replies != e.conn.replies {
		e.w.fail(badMemory, "%v has %d messages and %d bytes of replies; by our books %d, and by its own %d", e, messages, replies, e.buffers, e.conn.replies)
	}
}

// compare looks at what the two ends know of the calls of one.
func (e *node) compare(callee *node) {
	w := e.w
	for i, s := range e.conn.mine {
		var t *slot
		if i < len(callee.conn.theirs) {
			t = callee.conn.theirs[i]
		}
		switch {
		case s.state != slotFree:
			w.fail(badBooks, "%v: slot %d is not free, and nothing is to be done", e, i)
		case t == nil:
		case t.seq > s.seq || t.state != slotSettled && t.state != slotDone && t.state != slotFree:
			w.fail(badBooks, "%v: slot %d has had %d calls; its callee says %d, and is in state %d", e, i, s.seq, t.seq, t.state)
		}
	}
	if len(callee.conn.theirs) > 0 && uint64(len(callee.conn.theirs)) > callee.conn.announced || e.conn.allowed > callee.conn.announced {
		w.fail(badBooks, "%v may use %d slots, its callee takes %d", e, e.conn.allowed, callee.conn.announced)
	}
	for i := range e.conn.wdict.entries {
		d := &e.conn.wdict.entries[i]
		if in := callee.conn.rdict.Get(uint64(i + 1)); d.acked && (in == nil || in.Bytes != d.bytes) {
			w.fail(badBooks, "%v: id %d is %q, and its peer does not know it", e, i+1, d.bytes)
		}
	}
}
