package engine

import (
	"encoding/binary"
	"slices"
	"testing"
)

// limited returns a server that notes which limits were hit.
func limited() (*Conn, *[]Limit) {
	hits := new([]Limit)
	cfg := testConfig(true)
	cfg.Hit = func(l Limit) { *hits = append(*hits, l) }
	return New(cfg, 1), hits
}

// TestLimits: each ends the connection, in bounded time, with a reason and a
// count.
func TestLimits(t *testing.T) {
	pad := append([]byte{255}, make([]byte, 255)...)
	reset := func(r *raw, i int) {
		r.request(uint32(2*i+1), true).frame(frameRST, 0, uint32(2*i+1), 0, 0, 0, 8)
	}
	for _, c := range []struct {
		name  string
		most  int // rounds
		code  Code
		limit Limit
		round func(r *raw, i int)
	}{
		{"rapid reset", 1100, EnhanceYourCalm, LimitResets, reset},
		{"GOAWAY", 4200, EnhanceYourCalm, LimitControl, func(r *raw, _ int) { r.frame(frameGoAway, 0, 0, make([]byte, 8)...) }},
		{"DATA that is all padding", 4200, EnhanceYourCalm, LimitControl, func(r *raw, i int) {
			if i == 0 {
				r.request(1, false)
			}
			r.frame(frameData, flagPadded, 1, pad...)
		}},
		{"DATA for a stream that was reset", 40, FlowControlError, LimitLate, func(r *raw, i int) {
			if i == 0 {
				r.request(1, false).frame(frameWindow, 0, 1, 0, 0, 0, 0)
			}
			r.data(1, false, 16000)
		}},
		{"answered calls that are not fetched", 2100, EnhanceYourCalm, LimitAnswers, func(r *raw, i int) { r.request(uint32(2*i+1), true) }},
	} {
		conn, hits := limited()
		conn.Next(1, rawClient().buf.Bytes())
		ended := false
		for i := 0; i < c.most && !ended; i++ {
			r := newRaw()
			c.round(r, i)
			for in := r.buf.Bytes(); !ended; {
				ev, n, err := conn.Next(1000, in)
				in = in[n:]
				if err != nil {
					ended = true
					if got := err.(*Error); got.Code != c.code || got.Reason == "" {
						t.Errorf("%s: ended with %v, want %v", c.name, got, c.code)
					}
					if !slices.Contains(*hits, c.limit) {
						t.Errorf("%s: limits %v were counted, want %v", c.name, *hits, c.limit)
					}
				}
				if ev.Kind == EventHeaders && c.limit == LimitAnswers {
					conn.BeginHeaders()
					conn.EndHeaders(ev.Stream, true)
				}
				if ev.Kind == EventHeaders || ev.Kind == EventReset {
					if ev.Kind == EventReset || c.limit == LimitAnswers {
						conn.Release(1000, ev.Stream)
					}
				}
				if ev.Kind == EventData {
					conn.Consumed(ev.Stream, len(ev.Data))
				}
				if ev.Kind == EventNone {
					break
				}
			}
			if c.limit != LimitAnswers {
				conn.TakeOut(nil)
			}
		}
		if !ended {
			t.Errorf("%s: not ended after %d rounds", c.name, c.most)
		}
	}
}

// TestLastReset: the stream whose reset was one too many is still there for the
// owner to end.
func TestLastReset(t *testing.T) {
	conn, _ := limited()
	conn.Next(1, rawClient().buf.Bytes())
	for id := uint32(1); ; id += 2 {
		in := newRaw().request(id, true).frame(frameRST, 0, id, 0, 0, 0, 8).buf.Bytes()
		ev, n, err := conn.Next(1, in)
		if err != nil || ev.Kind != EventHeaders {
			t.Fatalf("%v, %v", ev.Kind, err)
		}
		s := ev.Stream
		if _, _, err = conn.Next(1, in[n:]); err != nil {
			open := false
			conn.EachAbove(0, func(o *Stream) { open = open || o == s })
			if !open {
				t.Error("the last stream is gone, and nobody was told")
			}
			return
		}
		conn.Release(1, s)
		conn.TakeOut(nil)
	}
}

// TestSettingsOnce: a frame of SETTINGS moves the windows once, to the last value
// that it says.
func TestSettingsOnce(t *testing.T) {
	conn, _ := limited()
	in := rawClient().request(1, true).buf.Bytes()
	var s *Stream
	for s == nil {
		ev, n, err := conn.Next(1, in)
		if err != nil || n == 0 {
			t.Fatal("no request", err)
		}
		if in = in[n:]; ev.Kind == EventHeaders {
			s = ev.Stream
		}
	}
	var p []byte
	for _, v := range []uint32{0, maxWindow, 7, 10} {
		p = appendSetting(p, settingWindow, v)
	}
	if _, _, err := conn.Next(1, newRaw().frame(frameSettings, 0, 0, p...).buf.Bytes()); err != nil || s.sendWindow != 10 {
		t.Errorf("the window is %d, want 10; %v", s.sendWindow, err)
	}
}

// TestLingering: replies that wait for windows hold their slots.
func TestLingering(t *testing.T) {
	conn, hits := limited()
	r := rawClient().frame(frameSettings, 0, 0, append([]byte{0, settingWindow}, binary.BigEndian.AppendUint32(nil, 0)...)...)
	for i := range uint32(1000) {
		r.request(2*i+1, true)
	}
	in, served := r.buf.Bytes(), 0
	for {
		ev, n, err := conn.Next(1, in)
		if err != nil {
			t.Fatal(err)
		}
		in = in[n:]
		if ev.Kind == EventNone {
			break
		}
		if ev.Kind == EventHeaders {
			served++
			conn.BeginHeaders()
			conn.EndHeaders(ev.Stream, false)
			conn.Send(ev.Stream, make([]byte, 10), false, 1<<20)
			conn.Finish(ev.Stream, nil, nil)
			conn.Release(1, ev.Stream)
		}
	}
	if most := int(testConfig(true).MaxStreams); served != most || !slices.Contains(*hits, LimitStreams) {
		t.Errorf("%d calls were served while their replies waited, want %d", served, most)
	}
	// Once the windows are open, all is over and others may come.
	r = newRaw().frame(frameSettings, 0, 0, append([]byte{0, settingWindow}, binary.BigEndian.AppendUint32(nil, 100)...)...).request(2001, true)
	got := false
	for in := r.buf.Bytes(); ; {
		ev, n, err := conn.Next(1, in)
		if err != nil {
			t.Fatal(err)
		}
		if in = in[n:]; ev.Kind == EventNone {
			break
		}
		conn.Pump(1 << 20)
		conn.TakeOut(nil)
		got = got || ev.Kind == EventHeaders
	}
	if !got || conn.Streams() != 1 {
		t.Errorf("%d streams are open, the new one among them: %v", conn.Streams(), got)
	}
}
