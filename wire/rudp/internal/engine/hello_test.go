package engine

import (
	"testing"
)

// newHello is a duo whose client has to say HELLO to a Front first.
func newHello(t testing.TB, change func(cfg *[2]Config)) *duo {
	var server Config
	d := newDuo(t, func(cfg *[2]Config) {
		for i := range cfg {
			cfg[i].Seal, cfg[i].PeerIndex = nil, 0
		}
		cfg[1].Local.Salt, cfg[1].Local.HasSalt = testSalt, true
		if change != nil {
			change(cfg)
		}
		server = cfg[1]
		cfg[1].ID = 0
	})
	front := NewFront(FrontConfig{Mode: server.Mode, Secret: [32]byte{1}}, d.now)
	d.server, d.front = server, front
	d.ends[0].front = func(b []byte) bool {
		var p Packet
		answer, verdict := front.Handle(d.now, b, testFrom, &p, nil)
		switch verdict {
		case VerdictAnswer:
			if len(answer) > len(b) {
				t.Errorf("an answer of %d bytes to %d", len(answer), len(b))
			}
			d.air = append(d.air, flight{d.now + 2*d.delay, 0, answer})
			return true
		case VerdictHello:
			if d.full {
				d.air = append(d.air, flight{d.now + 2*d.delay, 0, front.Refuse(&p.Hello, CodeBusy, "full", nil)})
				return true
			}
			if d.ends[1] == nil {
				cfg := server
				cfg.ID, cfg.PeerIndex = p.Hello.ID, p.Hello.From
				cfg.Token = front.Token(d.now, testFrom.Addr())
				e := d.add(1, cfg)
				e.serve = echo
				if d.started != nil {
					d.started(e)
				}
			}
		}
		return false
	}
	return d
}

func TestPlainHandshake(t *testing.T) {
	for _, loss := range []uint64{0, 300} {
		for seed := range 20 {
			d := newHello(t, nil)
			for range seed {
				d.rand.Uint64()
			}
			d.log = testing.Verbose() && loss == 0 && seed == 0
			d.lose = dropSome(d, loss)
			if !d.run(10*second, func() bool { return d.ends[0].open }) {
				t.Fatalf("loss %d: the handshake does not end: %+v", loss, d.ends[0].gone)
			}
			_, r := d.ends[0].begin("/a.B/C", []byte("hello"))
			if !d.run(10*second, func() bool { return r.over }) || r.err != nil {
				t.Fatalf("loss %d: %+v", loss, r.err)
			}
			d.run(10*second, nil)
			if d.ends[0].token == nil || !d.ends[1].c.hello.confirmed {
				t.Error("no token came, or the server is not confirmed")
			}
			d.books()
			d.ends[0].c.Close(d.now, CodeNone, "bye")
			d.run(60*second, nil)
			if d.ends[0].gone == nil || loss == 0 && d.ends[1].gone == nil {
				t.Errorf("loss %d: the session is not over", loss)
			}
		}
	}
}

func TestNobody(t *testing.T) {
	d := newHello(t, nil)
	d.lose = func(int, []byte) bool { return true }
	d.run(20*second, func() bool { return d.ends[0].gone != nil })
	if d.ends[0].gone == nil {
		t.Fatal("the handshake never ends")
	}
	t.Log(d.ends[0].gone.Err)
}
