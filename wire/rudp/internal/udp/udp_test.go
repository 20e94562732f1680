package udp

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"
)

var ways = []struct {
	name string
	cfg  Config
}{{"batches", Config{}}, {"no batches", Config{NoBatch: true}}, {"plain", Config{Plain: true}}}

func pair(t testing.TB, addr string, cfg Config) (server, client *Socket) {
	t.Helper()
	server, err := Listen(context.Background(), addr, cfg)
	if err != nil {
		t.Skipf("no %s here: %v", addr, err)
	}
	t.Cleanup(func() { server.Close() })
	to := server.Local()
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port())
	}
	client, err = Dial(context.Background(), to, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server, client
}

// receive reads so many datagrams.
func receive(t *testing.T, s *Socket, n int) (all [][]byte, from netip.AddrPort, ecn uint8) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	r := s.NewReader()
	b := make([]byte, ReadBytes)
	for len(all) < n {
		got, err := r.Read(b)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		got.Each(b, func(p []byte) { all = append(all, bytes.Clone(p)) })
		from, ecn = got.From, got.ECN
	}
	return all, from, ecn
}

// TestBatches: datagrams arrive as they were cut, in order, with their mark, and the
// answer finds back; all ways of sending and receiving, over IPv4, IPv6 and a socket
// that has both.
func TestBatches(t *testing.T) {
	for _, way := range ways {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
			t.Run(way.name+" "+addr, func(t *testing.T) {
				server, client := pair(t, addr, way.cfg)
				if f := client.Features(); way.cfg == (Config{}) && canBatch && !f.ECN {
					t.Errorf("features %+v", f)
				}
				for _, c := range []struct{ total, segment int }{
					{1, 1}, {100, 100}, {2400, 1200}, {12_345, 1200}, {60_000, 1200}, {64 * 64, 64}, {63*900 + 1, 900}, {60_000, 60_000},
				} {
					sent := make([]byte, c.total)
					for i := range sent {
						sent[i] = byte(i * 7 / 5)
					}
					want := (c.total + c.segment - 1) / c.segment
					n, err := client.NewWriter().Write(sent, c.segment, netip.AddrPort{}, 2)
					if n != c.total || err != nil {
						t.Fatalf("%d by %d: sent %d, %v", c.total, c.segment, n, err)
					}
					all, from, ecn := receive(t, server, want)
					if len(all) != want || !bytes.Equal(bytes.Join(all, nil), sent) || len(all[0]) != min(c.segment, c.total) {
						t.Fatalf("%d by %d: %d datagrams, want %d", c.total, c.segment, len(all), want)
					}
					if client.Features().ECN && ecn != 2 {
						t.Errorf("the mark is %d, want 2", ecn)
					}
					if from != client.Local() {
						t.Errorf("from %v, want %v", from, client.Local())
					}
					if n, err := server.NewWriter().Write(sent[:10*min(c.segment, c.total)/10], c.segment, from, 1); n == 0 || err != nil {
						t.Fatalf("the answer: %d, %v", n, err)
					}
					if back, from, _ := receive(t, client, 1); len(back[0]) != min(c.segment, c.total) || from != client.Remote() {
						t.Errorf("the answer has %d bytes, from %v", len(back[0]), from)
					}
				}
			})
		}
	}
}

// TestMarks: each datagram has the mark that it was sent with, whatever the last one had,
// over IPv4, IPv6 and between the two families of one socket.
func TestMarks(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			server, client := pair(t, addr, Config{})
			if !server.Features().ECN || !client.Features().ECN {
				t.Skip("no marks here")
			}
			out, back := client.NewWriter(), server.NewWriter()
			for _, mark := range []uint8{2, 0, 1, 2, 2, 0, 0, 3} {
				for _, size := range []int{10, 25} { // one datagram, three at once
					if _, err := out.Write(make([]byte, size), 10, netip.AddrPort{}, mark); err != nil {
						t.Fatal(err)
					}
					_, from, ecn := receive(t, server, (size+9)/10)
					if ecn != mark {
						t.Errorf("%d bytes: the mark is %d, want %d", size, ecn, mark)
					}
					if _, err := back.Write(make([]byte, size), 10, from, mark); err != nil {
						t.Fatal(err)
					}
					if _, _, ecn := receive(t, client, (size+9)/10); ecn != mark {
						t.Errorf("the answer of %d bytes: the mark is %d, want %d", size, ecn, mark)
					}
				}
			}
		})
	}
}

// TestRefused: a port that nobody has shows as ErrRefused, and the socket lives on.
func TestRefused(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			server, client := pair(t, "127.0.0.1:0", way.cfg)
			server.Close()
			w, r := client.NewWriter(), client.NewReader()
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			for range 3 {
				w.Write([]byte("x"), 1, netip.AddrPort{}, 0)
				if _, err := r.Read(make([]byte, ReadBytes)); err != ErrRefused {
					t.Fatalf("%v, want %v", err, ErrRefused)
				}
			}
		})
	}
}

// TestTooLong: what the device does not take is named.
func TestTooLong(t *testing.T) {
	for _, way := range ways {
		_, client := pair(t, "127.0.0.1:0", way.cfg)
		if _, err := client.NewWriter().Write(make([]byte, 70_000), 70_000, netip.AddrPort{}, 0); err != ErrTooLong {
			t.Errorf("%s: %v, want %v", way.name, err, ErrTooLong)
		}
	}
}

// TestDeadline: a deadline in the past ends a Read that waits, Close likewise.
func TestDeadline(t *testing.T) {
	for _, way := range ways {
		server, _ := pair(t, "127.0.0.1:0", way.cfg)
		errs := make(chan error, 1)
		read := func() {
			_, err := server.NewReader().Read(make([]byte, ReadBytes))
			errs <- err
		}
		go read()
		server.SetReadDeadline(time.Unix(1, 0))
		if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", way.name, err)
		}
		server.SetReadDeadline(time.Time{})
		go read()
		server.Close()
		if err := <-errs; err == nil {
			t.Errorf("%s: no error after Close", way.name)
		}
	}
}

// TestNoAllocations: a round trip costs none, at either end.
func TestNoAllocations(t *testing.T) {
	for _, way := range ways {
		server, client := pair(t, "127.0.0.1:0", way.cfg)
		sr, sw, cr, cw := server.NewReader(), server.NewWriter(), client.NewReader(), client.NewWriter()
		b, c := make([]byte, ReadBytes), make([]byte, ReadBytes)
		n := testing.AllocsPerRun(100, func() {
			cw.Write(b[:3000], 1200, netip.AddrPort{}, 2)
			for left := 3000; left > 0; {
				got, err := sr.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				left -= got.N
				sw.Write(b[:got.N], got.Segment, got.From, 2)
			}
			for left := 3000; left > 0; {
				got, err := cr.Read(c)
				if err != nil {
					t.Fatal(err)
				}
				left -= got.N
			}
		})
		if n > 0 {
			t.Errorf("%s: %v allocations for a round trip", way.name, n)
		}
	}
}

func BenchmarkPingPong(b *testing.B) {
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			server, client := pair(b, "127.0.0.1:0", way.cfg)
			go func() {
				r, w, buf := server.NewReader(), server.NewWriter(), make([]byte, ReadBytes)
				for {
					got, err := r.Read(buf)
					if err != nil {
						return
					}
					w.Write(buf[:got.N], got.Segment, got.From, 0)
				}
			}()
			r, w, buf := client.NewReader(), client.NewWriter(), make([]byte, ReadBytes)
			b.ReportAllocs()
			for b.Loop() {
				w.Write(buf[:64], 64, netip.AddrPort{}, 0)
				if _, err := r.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
