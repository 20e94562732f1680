package sim

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// echo is a plain program over datagrams.
func echo(conn net.PacketConn) {
	b := make([]byte, 2000)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		if _, err := conn.WriteTo(b[:n], from); err != nil {
			return
		}
	}
}

// ask sends a question until it is answered.
func ask(conn net.PacketConn, to net.Addr, question string) (tries int, err error) {
	b := make([]byte, 2000)
	for tries = 1; tries <= 100; tries++ {
		if _, err := conn.WriteTo([]byte(question), to); err != nil {
			return tries, err
		}
		conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, from, err := conn.ReadFrom(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return tries, err
			}
			if string(b[:n]) == question && from.String() == to.String() {
				return tries, nil
			}
		}
	}
	return tries, errors.New("no answer")
}

// TestLive runs an echo program over a bad network, in virtual time: the same
// seed takes the same tries and the same time.
func TestLive(t *testing.T) {
	run := func(seed uint64) (result string) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			live := NewLive(NewRand(seed, 0), NetConfig{Link: LinkConfig{Delay: 20e6, Jitter: 10e6, Loss: 300, Duplicate: 200, Reorder: 100, Late: 50e6}})
			defer live.Close()
			server, err := live.ListenPacket("server", 7)
			if err != nil {
				t.Fatal(err)
			}
			go echo(server)
			client, err := live.ListenPacket("client", 0)
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for i := range 200 {
				tries, err := ask(client, server.LocalAddr(), fmt.Sprint("question ", i))
				if err != nil {
					t.Fatal(err)
				}
				total += tries
			}
			took := time.Since(began)
			if total < 300 || total > 550 { // an attempt succeeds 49 times of 100
				t.Errorf("200 questions took %d tries", total)
			}
			var tally Tally
			live.Do(func(n *Net) { tally = n.Tally() })
			if tally["fault: loss"] < 100 || tally["fault: duplicate"] == 0 || tally["fault: reordering"] == 0 {
				t.Errorf("faults: %v", tally)
			}
			result = fmt.Sprint(total, took, tally["datagrams sent"])
		})
		return result
	}
	first := run(1)
	if again := run(1); again != first {
		t.Errorf("one seed gave %s and %s", first, again)
	}
	if run(2) == first {
		t.Errorf("two seeds gave %s", first)
	}
}

// TestLiveMany: many clients at once, and a server that crashes and comes back.
func TestLiveMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := NewLive(NewRand(1, 0), NetConfig{Link: LinkConfig{Delay: 5e6, Loss: 50}})
		defer live.Close()
		server, _ := live.ListenPacket("server", 7)
		to := server.LocalAddr()
		gone := make(chan struct{})
		go func() { echo(server); close(gone) }()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				client, err := live.ListenPacket(fmt.Sprint("client", i), 0)
				if err != nil {
					t.Error(err)
					return
				}
				for k := range 50 {
					if _, err := ask(client, to, fmt.Sprint(i, " ", k)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		live.Do(func(n *Net) {
			n.Host("server").Boot = func() {
				go func() { // the Net is busy until Boot returns
					again, err := live.ListenPacket("server", 7)
					if err != nil {
						t.Error(err)
					}
					echo(again)
				}()
			}
			n.Play(Fault{Op: OpCrash, From: "server", At: 300e6, For: 1e9})
		})
		<-gone // the reader has an error
		if _, err := server.WriteTo(nil, to); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after a crash: %v", err)
		}
		if _, err := live.ListenPacket("server", 7); err == nil || !strings.Contains(err.Error(), "is down") {
			t.Errorf("listen on a host that is down: %v", err)
		}
		wg.Wait()
		live.Do(func(n *Net) {
			if tally := n.Tally(); tally["fault: restart"] != 1 || tally["fault: lost in a crash"] == 0 {
				t.Errorf("faults: %v", tally)
			}
		})
	})
}

func TestLiveErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := NewLive(NewRand(1, 0), NetConfig{ReceiveBuffer: 100})
		a, _ := live.ListenPacket("a", 1)
		b, _ := live.ListenPacket("b", 2)
		if _, err := a.WriteTo(nil, &net.TCPAddr{}); err == nil || !strings.Contains(err.Error(), "*net.UDPAddr") {
			t.Errorf("an address of TCP: %v", err)
		}
		if _, err := a.WriteTo(make([]byte, 70_000), b.LocalAddr()); err == nil || !strings.Contains(err.Error(), "65507") {
			t.Errorf("too long: %v", err)
		}
		for range 5 { // two of them fit
			a.WriteTo(make([]byte, 40), b.LocalAddr())
		}
		synctest.Wait()
		b.SetDeadline(time.Now().Add(time.Second)) // b reads, and has room again
		got, began := 0, time.Now()
		for {
			n, from, err := b.ReadFrom(make([]byte, 10))
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				break
			}
			if got++; n != 10 || from.String() != a.LocalAddr().String() {
				t.Errorf("%d bytes from %v", n, from)
			}
		}
		live.Do(func(n *Net) {
			if c := n.Link("a", "b").Counts(); got != 2 || c.Arrived != 2 || c.Unread != 3 {
				t.Errorf("%d read; %+v", got, c)
			}
		})
		b.SetReadDeadline(time.Time{})

		// What was sent later and comes sooner is not late.
		live.Do(func(n *Net) { n.Link("a", "b").Config.Delay, n.Link("b", "a").Config.Delay = 1e9, 1e6 })
		began = time.Now()
		a.WriteTo(make([]byte, 90), b.LocalAddr())
		b.WriteTo(make([]byte, 1), a.LocalAddr())
		for i, conn := range []*PacketConn{a, b} {
			_, _, err := conn.ReadFrom(make([]byte, 10))
			if want := []time.Duration{time.Millisecond, time.Second}[i]; err != nil || time.Since(began) != want {
				t.Errorf("read after %v, want %v; %v", time.Since(began), want, err)
			}
		}

		failed := make(chan error)
		go func() { _, _, err := b.ReadFrom(nil); failed <- err }()
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if b.Close() == nil || b.SetDeadline(time.Now()) == nil {
			t.Error("a closed socket was closed again, or took a deadline")
		}
		go func() { _, _, err := a.ReadFrom(nil); failed <- err }()
		synctest.Wait()
		live.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
	})
}
