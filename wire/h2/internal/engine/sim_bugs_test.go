package engine

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/lupine-rpc/lupine/rpctest/sim"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// bug is a mistake planted into a run. Production code knows nothing of it: a
// hook stands between the engine and what surrounds it, and does what the engine,
// or its driver, would do if it were wrong in that way.
type bug struct {
	// frame may change a frame that leaves n, or drop it.
	frame func(n *node, h *frameHeader, p []byte) (drop bool)
	// before and after stand around the engine's Next. window is the peer's
	// initial window before it.
	before func(n *node)
	after  func(n *node, ev *Event, window int32)
	// stepwise has Next see one frame at a time.
	stepwise                bool
	beforeOpen              func(n *node)
	sent                    func(buf []byte)
	beforeReset, afterReset func(n *node, s *Stream)
	afterRelease            func(n *node, s *Stream)
	loseEnd, padTwice       bool
	alwaysNo                bool
}

// every is true each nth time.
func every(n int) func() bool {
	i := 0
	return func() bool { i++; return i%n == 0 }
}

// planted are the mistakes that a simulation must find, each within maxHunt
// schedules.
var planted = []struct {
	name string
	make func() *bug // for one schedule
}{
	{"a stream's WINDOW_UPDATE is forgotten", func() *bug {
		now := every(3)
		return &bug{frame: func(_ *node, h *frameHeader, _ []byte) bool { return h.typ == frameWindow && h.stream != 0 && now() }}
	}},
	{"the connection's WINDOW_UPDATE is forgotten", func() *bug {
		now := every(3)
		return &bug{frame: func(_ *node, h *frameHeader, _ []byte) bool { return h.typ == frameWindow && h.stream == 0 && now() }}
	}},
	{"padding is counted twice", func() *bug { return &bug{padTwice: true} }},
	{"END_STREAM is lost where DATA is split", func() *bug { return &bug{loseEnd: true} }},
	{"a stream id is used again", func() *bug {
		now := every(10)
		return &bug{beforeOpen: func(n *node) {
			if n.eng.nextID > 5 && now() {
				n.eng.nextID -= 2
			}
		}}
	}},
	{"the limit on CONTINUATION is forgotten", func() *bug {
		return &bug{stepwise: true, before: func(n *node) { n.eng.continuations = 0 }}
	}},
	{"the limit on frames that carry nothing is forgotten", func() *bug {
		return &bug{stepwise: true, before: func(n *node) { n.eng.controls.tokens = controlBurst; n.eng.provoked = 0 }}
	}},
	{"a client's RST_STREAM is swallowed", func() *bug {
		return &bug{frame: func(n *node, h *frameHeader, _ []byte) bool { return h.typ == frameRST && !n.server }}
	}},
	{"a change of the initial window is reckoned from the default", func() *bug {
		return &bug{after: func(n *node, ev *Event, old int32) {
			if ev.Kind == EventSettings && n.eng.peer.window != old {
				for s := n.eng.streams.first; s != nil; s = s.nextStream {
					s.sendWindow += int64(old) - defaultWindow
				}
			}
		}}
	}},
	{"open streams keep the old initial window", func() *bug {
		return &bug{after: func(n *node, ev *Event, old int32) {
			if ev.Kind == EventSettings {
				for s := n.eng.streams.first; s != nil; s = s.nextStream {
					s.sendWindow -= int64(n.eng.peer.window) - int64(old)
				}
			}
		}}
	}},
	{"an aborted header block stays in the encoder's table", func() *bug {
		now := every(7)
		return &bug{beforeOpen: func(n *node) {
			if now() {
				n.eng.Enc.Append(nil, hpack.Pair{Name: "sim-aborted", Value: itoa(n.eng.nextID), Mode: hpack.Keep})
			}
		}}
	}},
	{"a smaller header table is ignored", func() *bug {
		return &bug{after: func(n *node, ev *Event, _ int32) {
			if ev.Kind == EventSettings {
				n.eng.Enc.SetLimit(hpack.DefaultTableSize)
			}
		}}
	}},
	{"a slot is released twice", func() *bug {
		now := every(10)
		return &bug{afterRelease: func(n *node, s *Stream) {
			if now() {
				n.eng.Release(n.time(), s)
			}
		}}
	}},
	{"GOAWAY names one stream too few", func() *bug { return goAwayBug(-2) }},
	{"GOAWAY names one stream too many", func() *bug { return goAwayBug(2) }},
	{"streams above GOAWAY's last are taken", func() *bug {
		return &bug{before: func(n *node) {
			if n.eng.goAwaySent && n.server {
				n.eng.goAwayLast = maxStreamID
			}
		}}
	}},
	{"frames of a stream that was reset are taken", func() *bug {
		return &bug{afterReset: func(n *node, s *Stream) {
			s.Closed = false
			n.eng.streams.add(s)
		}}
	}},
	{"a reset stream stays in the queue of those that send", func() *bug {
		return &bug{beforeReset: func(_ *node, s *Stream) { s.queued = false }}
	}},
	{"a reset stream keeps its grant", func() *bug {
		return &bug{beforeReset: func(_ *node, s *Stream) { s.grant = 0 }}
	}},
	{"a buffer is used again before it has been sent", func() *bug { return &bug{sent: scribble} }},
	{"a broken link's calls are all said not to have run", func() *bug { return &bug{alwaysNo: true} }},
	{"a call that ran is refused", func() *bug {
		return &bug{frame: func(n *node, h *frameHeader, p []byte) bool {
			if h.typ == frameRST && n.server && binary.BigEndian.Uint32(p) == uint32(InternalError) {
				p[3] = byte(RefusedStream)
			}
			return false
		}}
	}},
	{"SETTINGS_MAX_CONCURRENT_STREAMS is ignored", func() *bug {
		return &bug{after: func(n *node, ev *Event, _ int32) {
			if ev.Kind == EventSettings {
				n.eng.peer.maxStreams = 1000
			}
		}}
	}},
	{"a turn to send is lost", func() *bug {
		now := every(5)
		return &bug{after: func(n *node, _ *Event, _ int32) {
			if s := n.eng.readyFirst; s != nil && now() {
				n.eng.popReady()
			}
		}}
	}},
	{"DATA goes to the stream before", func() *bug {
		now := every(40)
		return &bug{frame: func(_ *node, h *frameHeader, _ []byte) bool {
			if h.typ == frameData && h.stream > 2 && now() {
				h.stream -= 2
			}
			return false
		}}
	}},
	{"one bit is wrong", func() *bug {
		now := every(60)
		return &bug{frame: func(_ *node, h *frameHeader, p []byte) bool {
			if h.typ == frameData && len(p) > 0 && now() {
				p[len(p)-1] ^= 1
			}
			return false
		}}
	}},
	{"a finished stream is closed at one end only", func() *bug {
		now := every(4)
		return &bug{after: func(n *node, ev *Event, _ int32) {
			if s := ev.Stream; n.server && s != nil && ev.End && !s.Closed && now() {
				s.RecvEnd = false
			}
		}}
	}},
}

func goAwayBug(by int) *bug {
	return &bug{frame: func(n *node, h *frameHeader, p []byte) bool {
		if h.typ == frameGoAway && n.server {
			if last := binary.BigEndian.Uint32(p); last > 2 && last < maxStreamID {
				binary.BigEndian.PutUint32(p, last+uint32(by))
			}
		}
		return false
	}}
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
				t.Logf("seed %d: %v", r.Seed, r.Err)
			}
		})
	}
}

// TestSimShrinks makes a failing schedule small, and sees that it still fails in
// the same way.
func TestSimShrinks(t *testing.T) {
	p := planted[2] // padding is counted twice
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
		if n := len(small.steps); n > 2 {
			t.Errorf("seed %d was shrunk to %d steps; want one call, or two", seed, n)
		}
		t.Logf("%d steps became:\n%s", len(s.steps), small.report(p.make))
		return
	}
}
