package engine

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// bug is a mistake planted into a run. Production code knows nothing of it: a
// hook stands between the engine and what surrounds it, and does what the engine,
// or its driver, would do if it were wrong in that way.
type bug struct {
	// frame stands before a frame takes effect; true drops it.
	frame func(e *node, p *Packet, f *Frame) bool
	// after stands after a frame took effect.
	after func(e *node, f *Frame)
	// datagram may change what is about to be sealed.
	datagram func(e *node, b *Batch, d *Datagram)
	// identity is Config.Identity.
	identity func(*Call, *HeadIn) Known
	// tick stands before the engine's Tick, begin before its Begin, sent after
	// datagrams have left.
	tick, begin, sent func(e *node)
	// dropped is told of a datagram that did not open.
	dropped func(e *node, b []byte, d Drop)
	// reset stands before a RESET is given to the engine.
	reset func(e *node)
	// ended may change what the engine says about a call's end, canceled what it
	// says of one that was given up.
	ended    func(a *attempt, err *lupine.Error) *lupine.Error
	canceled func(a *attempt, x lupine.Executed) lupine.Executed
}

// every is true each nth time.
func every(n int) func() bool {
	i := 0
	return func() bool { i++; return i%n == 0 }
}

// entryOf is the slot that a frame of a caller names, if its callee has it.
func (e *node) entryOf(f *Frame) *slot {
	if f.Call.Slot >= uint64(len(e.conn.theirs)) {
		return nil
	}
	return e.conn.theirs[f.Call.Slot]
}

// opening reports whether a frame begins a request.
func opening(f *Frame) bool {
	return f.Type.Stream() && f.Type&(StreamReply|StreamOffset) == 0
}

// planted are the mistakes that a simulation must find, each within maxHunt
// schedules. make makes one for one schedule. Of the table in docs/rudp.md, 8.5,
// one is not here: a lazy reply that its callee sends again too is in TestPacketsTell.
var planted = []struct {
	name string
	make func() *bug
}{
	{"duplicate suppression is off", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			if s := e.entryOf(f); opening(f) && s != nil && s.seq == f.Call.Seq && s.state == slotDone {
				s.seq--
			}
			return false
		}}
	}},
	{"a settled call runs again", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			if s := e.entryOf(f); opening(f) && s != nil && s.seq == f.Call.Seq && s.state == slotSettled {
				s.seq--
			}
			return false
		}}
	}},
	{"a late call of a slot's past runs", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			if s := e.entryOf(f); opening(f) && s != nil && s.seq > f.Call.Seq && s.state >= slotDone {
				s.seq = f.Call.Seq - 1
			}
			return false
		}}
	}},
	{"a packet is acked before its call is inserted, and the call dropped", func() *bug {
		now := every(15)
		return &bug{frame: func(_ *node, _ *Packet, f *Frame) bool { return opening(f) && now() }}
	}},
	{"a reply is freed when it was sent", func() *bug {
		return &bug{sent: func(e *node) {
			for _, s := range e.conn.theirs {
				if s != nil && s.state == slotDone && !s.ended && s.out.fin && s.out.next == s.out.total() {
					s.state = slotSettled
					e.conn.settle(s)
				}
			}
		}}
	}},
	{"a slot is used again before its canceled call has ended", func() *bug {
		return &bug{begin: func(e *node) {
			for _, s := range e.conn.mine {
				if s.state == slotClosing {
					e.conn.over(s)
				}
			}
		}}
	}},
	{"calls that were given up are all said not to have run", func() *bug {
		return &bug{canceled: func(*attempt, lupine.Executed) lupine.Executed { return lupine.No }}
	}},
	{"calls of a lost session are said not to have run", func() *bug {
		return &bug{ended: func(_ *attempt, err *lupine.Error) *lupine.Error {
			if err != nil && err.Code == lupine.Unavailable && err.Executed == lupine.Maybe {
				err.Executed = lupine.No
			}
			return err
		}}
	}},
	{"no back-off", func() *bug { return &bug{tick: func(e *node) { e.conn.ptoCount = 0 }} }},
	{"seq is compared as 16 bits", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			s := e.entryOf(f)
			if opening(f) && s != nil && s.seq != 0 && f.Call.Seq > s.seq && f.Call.Seq&0xffff < s.seq&0xffff {
				f.Call.Seq = 1 // one of long ago
			}
			return false
		}}
	}},
	{"a number is used twice", func() *bug {
		now, last := every(20), uint64(0)
		return &bug{datagram: func(e *node, b *Batch, d *Datagram) {
			raw := b.Buf[d.At:d.End]
			if k := Kind(raw[0]); k != KindData0 && k != KindData1 {
				return
			}
			if e.server && now() {
				binary.BigEndian.PutUint64(raw[5:], last)
				d.Number = last
			}
			if e.server {
				last = d.Number
			}
		}}
	}},
	{"the replay window is set before the tag is checked", func() *bug {
		return &bug{dropped: func(e *node, b []byte, d Drop) {
			if d == DropTag && len(b) > HeaderBytes && Kind(b[0]) != KindHello {
				e.conn.window.set(binary.BigEndian.Uint64(b[5:]))
			}
		}}
	}},
	{"ids are used before their DEFINE was acked", func() *bug {
		return &bug{begin: func(e *node) {
			for i := range e.conn.wdict.entries {
				e.conn.wdict.entries[i].acked = true
			}
		}}
	}},
	{"what a lost packet meant is forgotten", func() *bug {
		now := every(7)
		return &bug{tick: func(e *node) {
			for i := e.conn.sent.firstMean; i < e.conn.sent.nextMean; i++ {
				if now() {
					e.conn.sent.mean(i).moved = true
				}
			}
		}}
	}},
	{"CANCEL is sent once", func() *bug {
		return &bug{sent: func(e *node) {
			for i := e.conn.sent.firstMean; i < e.conn.sent.nextMean; i++ {
				if m := e.conn.sent.mean(i); m.kind == meantCancel {
					m.moved = true
				}
			}
		}}
	}},
	{"a message is given back when it was sent", func() *bug {
		return &bug{sent: func(e *node) {
			for _, list := range [][]*slot{e.conn.mine, e.conn.theirs} {
				for _, s := range list {
					if s == nil || s.out.settled || s.out.next < s.out.total() {
						continue
					}
					for i := range s.out.pieces {
						if f, _ := s.out.pieces[i].owner.(*buffer); f != nil && i >= s.out.first {
							for k := range f.b {
								f.b[k] = 0xee
							}
						}
					}
				}
			}
		}}
	}},
	{"ACKs are lost on their way into the engine", func() *bug {
		now := every(3)
		return &bug{frame: func(_ *node, _ *Packet, f *Frame) bool { return f.Type == TypeAck && now() }}
	}},
	{"ENDED is swallowed", func() *bug {
		return &bug{frame: func(_ *node, _ *Packet, f *Frame) bool { return f.Type == TypeEnded }}
	}},
	{"a tombstone runs its call again", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			if s := e.entryOf(f); opening(f) && s != nil && s.seq == f.Call.Seq && s.ended && s.endCode == lupine.DataLoss {
				s.seq--
			}
			return false
		}}
	}},
	{"RESET is believed at once", func() *bug {
		return &bug{reset: func(e *node) { e.conn.lose(e.now(), "a RESET came") }}
	}},
	{"GRANT is lowered by a late frame", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			if f.Type != TypeGrantReply && f.Type != TypeGrantRequest {
				return false
			}
			list := e.conn.theirs
			if f.Type == TypeGrantRequest {
				list = e.conn.mine
			}
			if n := f.Call.Slot; n < uint64(len(list)) && list[n] != nil && list[n].seq == f.Call.Seq {
				list[n].out.credit = f.Offset
			}
			return false
		}}
	}},
	{"credit is ignored", func() *bug {
		return &bug{begin: func(e *node) { e.conn.peer.FirstCredit = 1 << 40 }}
	}},
	{"MAX_SLOTS is ignored", func() *bug {
		return &bug{begin: func(e *node) { e.conn.allowed = 1000 }}
	}},
	{"an address is trusted before it has answered", func() *bug {
		return &bug{sent: func(e *node) {
			if e.conn.path.trial {
				e.conn.settlePath(e.conn.path.here)
			}
		}}
	}},
	{"an end that drains closes when it runs nothing", func() *bug {
		return &bug{sent: func(e *node) {
			if c := e.conn; e.server && c.phase == phaseOpen && c.session.draining && c.theirsBusy == 0 {
				c.Close(e.now(), CodeNone, "drained")
			}
		}}
	}},
	{"an end that drains starts what it refuses", func() *bug {
		return &bug{
			frame: func(e *node, _ *Packet, f *Frame) bool {
				e.relapsed = opening(f) && e.conn.session.draining
				if e.relapsed {
					e.conn.session.draining = false
				}
				return false
			},
			after: func(e *node, f *Frame) {
				if !e.relapsed {
					return
				}
				e.relapsed, e.conn.session.draining = false, true
				if s := e.entryOf(f); s != nil && s.state == slotRunning && s.seq == f.Call.Seq {
					e.conn.endCall(e.now(), s, lupine.Unavailable, lupine.No, "draining")
				}
			},
		}
	}},
	{"of bytes that overlap the later win, shifted by one", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			s := e.entryOf(f)
			if s == nil || !f.Type.Stream() || f.Type&StreamReply != 0 || s.seq != f.Call.Seq || len(f.Data) == 0 {
				return false
			}
			if lo, hi := f.Offset, f.Offset+uint64(len(f.Data)); lo < s.in.have && s.in.have < hi {
				f.Data = append([]byte{0x55}, f.Data[:len(f.Data)-1]...)
			}
			return false
		}}
	}},
	{"no PTO", func() *bug {
		return &bug{tick: func(e *node) { e.conn.levels[LevelData].lastSent = e.now() }}
	}},
	{"handlers are not told that their caller is lost", func() *bug {
		return &bug{tick: func(e *node) { e.conn.session.lostTold = true }}
	}},
	{"a repeat that the server does not know is run", func() *bug {
		return &bug{identity: func(_ *Call, h *HeadIn) Known { return KnownNew }}
	}},
	{"the key phase flips back on a late packet", func() *bug {
		return &bug{frame: func(e *node, p *Packet, _ *Frame) bool {
			if e.w.plan.tls && p.Kind.Level() == LevelData && p.keys < e.conn.keys.readGen {
				e.conn.keyPhase ^= 1
			}
			return false
		}}
	}},
	{"a seq above the last is taken while its slot runs", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			if s := e.entryOf(f); opening(f) && s != nil && (s.state == slotReceiving || s.state == slotRunning) && f.Call.Seq > s.seq {
				s.state = slotDone
			}
			return false
		}}
	}},
	{"an ACK for packets that were never sent is ignored", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			return f.Type == TypeAck && f.Ack.Largest >= e.conn.sent.next
		}}
	}},
	{"bytes beyond a grant are taken", func() *bug {
		return &bug{frame: func(e *node, _ *Packet, f *Frame) bool {
			if s := e.entryOf(f); s != nil && f.Type.Stream() && f.Type&StreamReply == 0 && s.seq == f.Call.Seq {
				s.in.credit = max(s.in.credit, f.Offset+uint64(len(f.Data)))
			}
			return false
		}}
	}},
	{"it is forgotten that an ACK has left without the reply", func() *bug {
		return &bug{sent: func(e *node) {
			for _, s := range e.conn.theirs {
				if s != nil && (s.state == slotReceiving || s.state == slotRunning) {
					s.acksAt = e.conn.acksSent
				}
			}
		}}
	}},
	{"a PATH_RESPONSE is taken from another address", func() *bug {
		return &bug{frame: func(e *node, p *Packet, f *Frame) bool {
			if f.Type == TypePathResponse && e.conn.path.trial {
				p.From = e.conn.path.here
			}
			return false
		}}
	}},
	{"GRANTs go beyond Assembly", func() *bug {
		return &bug{begin: func(e *node) {
			for _, x := range []*node{e, e.peer} {
				x.conn.cfg.Assembly = 1 << 40
			}
		}}
	}},
	{"one bit of a message is wrong", func() *bug {
		now := every(50)
		return &bug{frame: func(_ *node, _ *Packet, f *Frame) bool {
			if f.Type.Stream() && len(f.Data) > 20 && now() {
				f.Data[len(f.Data)-1] ^= 1
			}
			return false
		}}
	}},
}

// maxHunt is within how many schedules each planted mistake must be found. The
// seeds are the same each time, so that it is found each time or never.
const maxHunt = 1000

// TestSimFindsBugs plants each mistake and runs schedules until one fails.
func TestSimFindsBugs(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			r := sim.Run(sim.Budget{Schedules: maxHunt}, 1, 1, func() func(uint64, sim.Tally) (bool, error) {
				return func(seed uint64, tally sim.Tally) (bool, error) {
					_, counts, err := plan(seed).run(p.make(), tally, nil)
					return counts, err
				}
			})
			var f *failure
			switch {
			case r.Err == nil:
				t.Errorf("not found in %d schedules", r.Schedules)
			case errors.As(r.Err, &f) && f.kind == badPanic:
				t.Errorf("seed %d panics: %v", r.Seed, r.Err)
			default:
				t.Logf("found in %d schedules, by seed %d: %v", r.Schedules, r.Seed, r.Err)
			}
		})
	}
}

// TestSimShrinks makes a failing schedule small, and sees that it still fails in
// the same way.
func TestSimShrinks(t *testing.T) {
	p := planted[0] // duplicate suppression
	for seed := uint64(1); ; seed++ {
		s := plan(seed)
		_, _, err := s.run(p.make(), sim.Tally{}, nil)
		if err == nil {
			continue
		}
		small := s.shrink(p.make, err)
		_, _, again := small.run(p.make(), sim.Tally{}, nil)
		if again == nil || again.(*failure).kind != err.(*failure).kind {
			t.Fatalf("seed %d: %v became %v", seed, err, again)
		}
		if n := len(small.steps) + len(small.faults); n > 8 {
			t.Errorf("seed %d was shrunk to %d steps and faults; want a few", seed, n)
		}
		t.Logf("%d steps and %d faults became:\n%s", len(s.steps), len(s.faults), small.report(p.make))
		return
	}
}
