package engine

import (
	"bytes"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// FuzzConn runs two ends and an attacker who has the keys. The input is a program:
// an operation a byte, with the bytes after it as its arguments. Nothing may
// panic, memory stays within the limits, and the books add up.
func FuzzConn(f *testing.F) {
	f.Add([]byte{0, 5, 9, 9, 9, 1, 4, 9, 9, 9})
	f.Add([]byte{1, 3, 9, 2, 0, 40, 9, 9, 6, 0, 9, 9, 3, 9, 9})
	f.Add([]byte{0, 200, 9, 7, 3, 1, 0xff, 9, 8, 0x42, 0, 1, 9, 9, 12})
	f.Add([]byte{1, 3, 10, 255, 9, 10, 255, 10, 255, 9, 4, 11, 9, 9})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 150 {
			return
		}
		p := &fuzzProgram{b: program}
		p.d = newDuo(t, func(cfg *[2]Config) {
			for i := range cfg {
				cfg[i].Local.MaxSlots = 8
				cfg[i].MaxSlotsTop = 32
				cfg[i].ReplyBudget, cfg[i].Assembly = 100_000, 200_000
				cfg[i].Budget = &Budget{Receive: 300_000, Replies: 150_000}
				cfg[i].MaxReceive = 1 << 20
			}
		})
		for i := range p.d.ends {
			p.d.ends[i].serve = p.serve
		}
		for len(p.b) > 0 {
			p.step()
			p.check()
		}
		for _, e := range p.d.ends {
			e.c.Close(p.d.now, CodeNone, "")
		}
		p.d.run(100*second, nil)
		p.check()
		for _, e := range p.d.ends {
			if n := e.c.budget.receive.Load(); e.gone == nil || n != 0 || e.c.inFlight != 0 || e.c.replies != 0 {
				t.Fatalf("a closed session keeps %d bytes, %d in flight, %d of replies", n, e.c.inFlight, e.c.replies)
			}
			for _, r := range e.replies {
				if !r.over {
					t.Fatal("a call never ended")
				}
			}
		}
		given := make([]int, p.lent)
		for _, e := range p.d.ends {
			for _, i := range e.freed {
				given[i.(int)]++
			}
		}
		for i, n := range given {
			if n != 1 {
				t.Fatalf("message %d was given back %d times", i, n)
			}
		}
	})
}

type fuzzProgram struct {
	d     *duo
	b     []byte
	mine  []*Call // begun
	their []*Call // to be finished
	lent  int     // messages that were given to the engines, by number
}

func (p *fuzzProgram) arg() int {
	if len(p.b) == 0 {
		return 0
	}
	n := int(p.b[0])
	p.b = p.b[1:]
	return n
}

func (p *fuzzProgram) serve(e *end, ev Event) {
	switch ev.Kind {
	case EventCall:
		ev.Call.Owner = e
		p.their = append(p.their, ev.Call)
	case EventMessage:
		if ev.Head != nil {
			p.d.t.Fatal("a message with a head")
		}
		e.c.Consumed(p.d.now, ev.Call, len(ev.Message)/2)
	}
}

func (p *fuzzProgram) step() {
	d := p.d
	op := p.arg()
	e := d.ends[op>>4&1]
	switch op % 13 {
	case 0, 1, 2: // a call of some kind
		call, r := new(Call), new(reply)
		head := &Head{Kind: lupine.Kind(op >> 5 & 3), Path: "/a.B/C", Metadata: lupine.Metadata{{Key: "k", Value: "v"}}}
		if op>>7 != 0 {
			head.ID = lupine.CallID{Seq: 1 + uint64(p.arg()), Repeat: p.arg()&1 != 0}
		}
		last := head.Kind == lupine.Unary || head.Kind == lupine.ServerStreaming
		if e.c.Begin(d.now, call, head, p.lend(p.arg()*p.arg()), last) != nil {
			e.freed = append(e.freed, p.lent-1) // it was not taken
		} else {
			e.replies[call] = r
			p.mine = append(p.mine, call)
		}
	case 3: // more of a stream
		if len(p.mine) > 0 {
			call := p.mine[p.arg()%len(p.mine)]
			if r := e.replies[call]; r != nil && !r.over {
				e.c.Write(d.now, call, p.lend(p.arg()*100), p.arg()&1 != 0)
			}
		}
	case 4: // a handler does something
		if len(p.their) > 0 {
			p.handle()
		}
	case 5: // an application cancels
		if len(p.mine) > 0 {
			call := p.mine[p.arg()%len(p.mine)]
			if r := e.replies[call]; r != nil && !r.over {
				e.c.Cancel(d.now, call)
				r.over = true
			}
		}
	case 6: // a datagram is lost, or comes twice
		d.sendAll()
		if len(d.air) > 0 {
			i := p.arg() % len(d.air)
			if op>>4&1 == 0 {
				d.air = append(d.air[:i], d.air[i+1:]...)
			} else {
				d.air = append(d.air, d.air[i])
			}
		}
	case 7, 8: // the attacker changes frames, or makes some
		p.attack(op % 13)
	case 9, 10: // time passes
		d.run(int64(p.arg()+1)*millisecond, nil)
	case 11:
		d.run(int64(p.arg())*50*millisecond, nil)
	case 12:
		e.c.Drain(d.now)
	}
}

func (p *fuzzProgram) handle() {
	i := p.arg() % len(p.their)
	call := p.their[i]
	e, ok := call.Owner.(*end)
	if !ok {
		p.their = append(p.their[:i], p.their[i+1:]...)
		return
	}
	switch what := p.arg(); what % 4 {
	case 0:
		e.c.Header(p.d.now, call, lupine.Metadata{{Key: "h", Value: "v"}})
	case 1:
		e.c.Write(p.d.now, call, p.lend(what*300), false)
	case 2:
		e.c.Finish(p.d.now, call, nil, lupine.Metadata{{Key: "t", Value: "v"}})
		p.their = append(p.their[:i], p.their[i+1:]...)
	case 3:
		e.c.Finish(p.d.now, call, &lupine.Error{Code: lupine.Code(what)}, nil)
		p.their = append(p.their[:i], p.their[i+1:]...)
	}
}

// attack changes bytes of a datagram under way, or makes a new one, and seals it
// as it should be.
func (p *fuzzProgram) attack(op int) {
	d := p.d
	d.forged = true
	d.sendAll()
	if op == 7 && len(d.air) > 0 {
		f := &d.air[p.arg()%len(d.air)]
		body := bytes.Clone(f.b[:len(f.b)-crcBytes])
		if at := HeaderBytes + p.arg(); at < len(body) {
			body[at] = byte(p.arg())
		}
		f.b = testSeal.Seal(body, 0, 0)
		return
	}
	to := p.arg() & 1
	e := d.ends[to]
	b := AppendHeader(nil, Header{KindData0, e.c.cfg.Index, e.c.window.next + uint64(p.arg())})
	n := min(p.arg()%64, len(p.b))
	b = append(b, p.b[:n]...)
	p.b = p.b[n:]
	d.air = append(d.air, flight{d.now, to, testSeal.Seal(b, 0, 0)})
}

// sendAll lets both ends send what they have.
func (d *duo) sendAll() {
	for _, e := range d.ends {
		e.pump()
	}
}

// lend is a message whose bytes the engine has to give back.
func (p *fuzzProgram) lend(n int) Message {
	m := msg(make([]byte, n))
	m.Owner = p.lent
	p.lent++
	return m
}

// check looks at the books of both ends.
func (p *fuzzProgram) check() {
	for i, e := range p.d.ends {
		c := e.c
		flying, eliciting := 0, 0
		for n := c.sent.base; n < c.sent.next; n++ {
			if r := c.sent.at(n); !r.over {
				if r.flying {
					flying += int(r.size)
				}
				if r.elicits {
					eliciting++
				}
			}
		}
		if flying != c.inFlight || eliciting != c.levels[LevelData].eliciting {
			p.d.t.Fatalf("end %d: in flight %d, eliciting %d; the packets say %d, %d", i, c.inFlight, c.levels[LevelData].eliciting, flying, eliciting)
		}
		used, lazy, busy, replies := 0, 0, 0, int64(0)
		for _, s := range c.theirs {
			if s == nil {
				continue
			}
			used += int(s.in.booked)
			replies += s.kept
			if s.lazy {
				lazy++
			}
			if s.state == slotReceiving || s.state == slotRunning {
				busy++
			}
		}
		inUse := 0
		for _, s := range c.mine {
			used += int(s.in.booked)
			if s.state != slotFree {
				inUse++
			}
		}
		if int64(used) != c.budget.receive.Load() || replies != c.replies || replies != c.budget.replies.Load() {
			p.d.t.Fatalf("end %d: books say %d and %d; slots %d and %d", i, c.budget.receive.Load(), c.replies, used, replies)
		}
		if c.phase == phaseOpen && (lazy != c.lazyLeft || busy != c.theirsBusy || inUse != c.inUse) {
			p.d.t.Fatalf("end %d: lazy %d, busy %d, in use %d; slots say %d, %d, %d", i, c.lazyLeft, c.theirsBusy, c.inUse, lazy, busy, inUse)
		}
		if c.budget.receive.Load() > c.budget.Receive+1<<20 {
			p.d.t.Fatalf("end %d keeps %d bytes", i, c.budget.receive.Load())
		}
	}
}
