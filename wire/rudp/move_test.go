package rudp

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// firewall passes datagrams on to a server, but for those of clients that it blocks.
type firewall struct {
	front *net.UDPConn
	to    *net.UDPAddr
	mu    sync.Mutex
	ways  map[netip.AddrPort]*net.UDPConn
	shut  map[netip.AddrPort]bool
	// meddle, if set, sees each datagram and passes on what it likes.
	meddle func(b []byte, pass func([]byte))
}

// through passes on b, or what meddle makes of it.
func (f *firewall) through(b []byte, pass func([]byte)) {
	if f.meddle == nil {
		pass(b)
		return
	}
	f.meddle(b, pass)
}

func newFirewall(t *testing.T, to string, meddle func(b []byte, pass func([]byte))) *firewall {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f := &firewall{front: front, to: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)), ways: map[netip.AddrPort]*net.UDPConn{}, shut: map[netip.AddrPort]bool{}, meddle: meddle}
	go f.run(t)
	t.Cleanup(func() {
		front.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, w := range f.ways {
			w.Close()
		}
	})
	return f
}

func (f *firewall) addr() string { return f.front.LocalAddr().String() }

// block drops from now on what comes from the clients that were seen so far, and what goes
// to them.
func (f *firewall) block() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for from := range f.ways {
		f.shut[from] = true
	}
}

func (f *firewall) blocked(a netip.AddrPort) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shut[a]
}

func (f *firewall) run(t *testing.T) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := f.front.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		f.mu.Lock()
		way := f.ways[from]
		if way == nil {
			if way, err = net.DialUDP("udp4", nil, f.to); err != nil {
				f.mu.Unlock()
				t.Error(err)
				return
			}
			f.ways[from] = way
			go f.back(way, from)
		}
		shut := f.shut[from]
		f.mu.Unlock()
		if !shut {
			f.through(b[:n], func(b []byte) { way.Write(b) })
		}
	}
}

func (f *firewall) back(way *net.UDPConn, to netip.AddrPort) {
	b := make([]byte, 1<<16)
	for {
		n, err := way.Read(b)
		if err != nil {
			return
		}
		if !f.blocked(to) {
			f.through(b[:n], func(b []byte) { f.front.WriteToUDPAddrPort(b, to) })
		}
	}
}

func (s *Stats) rebound() uint64 { return s.rebinds.Load() }

// call makes a unary call on the session, and checks its reply.
func (s *session) sayTo(ctx context.Context, text string) error {
	var reply raw
	err := s.Invoke(ctx, &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{Bytes: []byte(text)}, &reply)
	if err == nil && string(reply.Bytes) != text {
		return fmt.Errorf("the reply to %q is %q", text, reply.Bytes)
	}
	return err
}

// slowEcho answers "slow" when release is closed, tells begun of it, and counts how often each
// text was said.
func slowEcho(begun chan<- struct{}, release <-chan struct{}) (echo, func(string) int) {
	var mu sync.Mutex
	said := map[string]int{}
	e := echo{say: func(ctx context.Context, r *raw) (*raw, error) {
		mu.Lock()
		said[string(r.Bytes)]++
		mu.Unlock()
		if string(r.Bytes) == "slow" {
			begun <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return r, nil
	}}
	return e, func(text string) int {
		mu.Lock()
		defer mu.Unlock()
		return said[text]
	}
}

// TestMovesWhenItsAddressIsGone: a client at 127.0.0.2 gets no answer any more, and would
// reach the server from 127.0.0.1 now. A call under way and those that follow succeed, on
// the same session.
func TestMovesWhenItsAddressIsGone(t *testing.T) {
	begun, release := make(chan struct{}, 2), make(chan struct{})
	e, said := slowEcho(begun, release)
	stats := new(Stats)
	addr, _ := serveEcho(t, e, plain)
	f := newFirewall(t, addr, nil)
	s := dialSession(t, f.addr(), Config{Plain: true, Stats: stats, RebindGap: 50 * time.Millisecond})
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(s.sock.Remote()))
	if err != nil {
		t.Skipf("SKIP: no address 127.0.0.2 to send from: %v", err)
	}
	other, err := udp.Adopt(conn, s.sock.Remote(), s.cfg.udp())
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.rebind(clock(), other, false)
	s.settle()
	s.mu.Unlock()
	slow := make(chan error, 1)
	go func() { slow <- s.sayTo(soon(t), "slow") }()
	for i := range 20 {
		if err := s.sayTo(soon(t), fmt.Sprint("before ", i)); err != nil {
			t.Fatal(err)
		}
	}
	<-begun
	f.block()
	began := time.Now()
	if err := s.sayTo(soon(t), "after"); err != nil {
		t.Fatal(err)
	}
	t.Logf("a call succeeds %v after the address is gone", time.Since(began).Round(time.Millisecond))
	s.mu.Lock()
	if a := s.sock.Local().Addr(); a != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		t.Errorf("the session is at %v now", a)
	}
	s.mu.Unlock()
	close(release)
	if err := <-slow; err != nil {
		t.Errorf("the call that was under way: %v", err)
	}
	if n := said("slow"); n != 1 {
		t.Errorf("its handler ran %d times", n)
	}
	if n := stats.rebound(); n != 2 {
		t.Errorf("%d sockets were bound; want the test's and one more", n)
	}
}

// TestMovesWhenItsPortIsForgotten: nothing passes from the client's port any more, and its
// address is the only one. After SuspectAfter it tries another port.
func TestMovesWhenItsPortIsForgotten(t *testing.T) {
	for name, gap := range map[string]time.Duration{"default": 0, "off": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, release := make(chan struct{}, 2), make(chan struct{})
			e, said := slowEcho(begun, release)
			stats := new(Stats)
			addr, _ := serveEcho(t, e, plain)
			f := newFirewall(t, addr, nil)
			s := dialSession(t, f.addr(), Config{Plain: true, Stats: stats, RebindGap: gap, KeepAlive: 100 * time.Millisecond,
				SuspectAfter: 300 * time.Millisecond, LostAfter: 3 * time.Second})
			if err := s.sayTo(soon(t), "before"); err != nil {
				t.Fatal(err)
			}
			slow := make(chan error, 1)
			go func() { slow <- s.sayTo(soon(t), "slow") }()
			<-begun
			f.block()
			close(release)
			err := <-slow
			if gap < 0 {
				if err == nil || stats.rebound() != 0 {
					t.Errorf("%v, and %d sockets were bound; want a lost call", err, stats.rebound())
				}
				return
			}
			if err != nil {
				t.Errorf("the call that was under way: %v", err)
			}
			if stats.rebound() == 0 || said("slow") != 1 {
				t.Errorf("%d sockets were bound, and the handler ran %d times", stats.rebound(), said("slow"))
			}
		})
	}
}

// TestMovesUnderLoad has sends fail again and again, under calls of many callers and a
// stream: each time the client binds another socket, and no call fails or is run twice.
func TestMovesUnderLoad(t *testing.T) {
	st, ct := testTLS(t)
	for name, c := range map[string]struct{ server, client Config }{
		"plain": {plain, plain}, "TLS": {Config{TLS: st}, Config{TLS: ct}}, "without batches": {plain, Config{Plain: true, NoBatches: true}},
	} {
		t.Run(name, func(t *testing.T) { moveUnderLoad(t, c.server, c.client) })
	}
}

func moveUnderLoad(t *testing.T, server, client Config) {
	e, said := slowEcho(nil, nil)
	stats := new(Stats)
	client.Stats, client.RebindGap = stats, time.Millisecond
	addr, _ := serveEcho(t, e, server)
	s := dialSession(t, addr, client)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				text := fmt.Sprint(c, "-", i)
				if err := s.sayTo(soon(t), text); err != nil {
					t.Error(err)
					return
				}
				if n := said(text); n != 1 {
					t.Errorf("call %s ran %d times", text, n)
				}
			}
		})
	}
	large := bytes.Repeat([]byte("large"), 100_000)
	all.Go(func() {
		for range 10 {
			var reply raw
			err := s.Invoke(soon(t), &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{Bytes: large}, &reply)
			if err != nil || !bytes.Equal(reply.Bytes, large) {
				t.Errorf("a large message: %v", err)
			}
		}
	})
	for deadline := time.Now().Add(20 * time.Second); stats.rebound() < 30 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		s.hint(udp.ErrUnreachable)
		s.settle()
		s.mu.Unlock()
	}
	close(stop)
	all.Wait()
	if n := stats.rebound(); n < 30 {
		t.Errorf("%d sockets were bound", n)
	}
}
