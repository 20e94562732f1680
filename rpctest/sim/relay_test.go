package sim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// echoUDP answers datagrams with themselves until the test ends.
func echoUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, MaxDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				conn.WriteToUDPAddrPort(buf[:n], from)
			}
		}
	}()
	return conn
}

// relayTo makes a relay to a server that echoes, and a client's socket that sends to it.
func relayTo(t *testing.T, cfg NetConfig) (*Live, *Relay, *net.UDPConn) {
	t.Helper()
	live := NewLive(NewRand(1, 1), cfg)
	t.Cleanup(live.Close)
	r, err := live.Relay("client", "server", "127.0.0.1:0", echoUDP(t).LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	to, err := net.ResolveUDPAddr("udp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return live, r, conn
}

// drain reads numbered datagrams until nothing has come for a while.
func drain(t *testing.T, conn *net.UDPConn, quiet time.Duration) (numbers []int) {
	t.Helper()
	buf := make([]byte, MaxDatagram)
	for {
		conn.SetReadDeadline(time.Now().Add(quiet))
		n, err := conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return numbers
		}
		if err != nil {
			t.Fatal(err)
		}
		if n != 100 {
			t.Fatalf("%d bytes came, want 100", n)
		}
		numbers = append(numbers, int(binary.BigEndian.Uint32(buf)))
	}
}

func numbered(t *testing.T, conn *net.UDPConn, count int) {
	t.Helper()
	b := make([]byte, 100)
	for i := range count {
		binary.BigEndian.PutUint32(b, uint32(i))
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// A relay without faults carries everything, whole.
func TestRelay(t *testing.T) {
	_, r, conn := relayTo(t, NetConfig{})
	want := bytes.Repeat([]byte("lupine"), 1000)
	for range 20 {
		if _, err := conn.Write(want); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, MaxDatagram)
		conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		n, err := conn.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[:n], want) {
			t.Fatalf("%d bytes came back, want the %d that were sent", n, len(want))
		}
	}
	if n := r.Refused(); n != 0 {
		t.Errorf("%d were refused", n)
	}
	r.Close()
	r.Close()
}

// What the links do is what the real datagrams meet, in both directions, and is counted.
func TestRelayFaults(t *testing.T) {
	live, _, conn := relayTo(t, NetConfig{Link: LinkConfig{Loss: 300, Duplicate: 200, Reorder: 200, Late: int64(5 * time.Millisecond)}})
	const count = 200
	numbered(t, conn, count)
	got := drain(t, conn, 300*time.Millisecond)
	seen := map[int]int{}
	disorder := 0
	for i, n := range got {
		seen[n]++
		if i > 0 && n < got[i-1] {
			disorder++
		}
	}
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	// 0.7 x 0.7 of 200 are 98.
	if len(seen) < 60 || len(seen) > 140 {
		t.Errorf("%d of %d came back at 30%% loss each way", len(seen), count)
	}
	if twice == 0 || disorder == 0 {
		t.Errorf("%d came twice and %d early: want some", twice, disorder)
	}
	var up, down Counts
	live.Do(func(n *Net) { up, down = n.Link("client", "server").Counts(), n.Link("server", "client").Counts() })
	if up.Sent != count || up.Lost == 0 || down.Sent != up.Arrived || down.Arrived != len(got) {
		t.Errorf("counts: %+v there, %+v back, %d came", up, down, len(got))
	}
}

// A partition holds, a rebinding changes what the server sees and goes on, and a target
// where nobody is only loses datagrams.
func TestRelayChanges(t *testing.T) {
	live, r, conn := relayTo(t, NetConfig{})
	block := func(on bool) {
		live.Do(func(n *Net) { n.Link("server", "client").Blocked = on })
	}
	block(true)
	numbered(t, conn, 5)
	if got := drain(t, conn, 100*time.Millisecond); len(got) != 0 {
		t.Errorf("%v came through a partition", got)
	}
	block(false)
	numbered(t, conn, 5)
	if got := drain(t, conn, 100*time.Millisecond); len(got) != 5 {
		t.Errorf("%v came after it, want 5", got)
	}
	r.Rebind()
	numbered(t, conn, 5)
	if got := drain(t, conn, 100*time.Millisecond); len(got) != 5 {
		t.Errorf("%v came after a rebinding, want 5", got)
	}
	r.mu.Lock()
	addresses := len(r.servers)
	r.mu.Unlock()
	if addresses != 2 {
		t.Errorf("the server saw %d addresses, want 2", addresses)
	}

	nobody := echoUDP(t)
	nobody.Close()
	dead, err := live.Relay("client", "server", "127.0.0.1:0", nobody.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	to, _ := net.ResolveUDPAddr("udp", dead.Addr())
	other, err := net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	numbered(t, other, 3)
	if got := drain(t, other, 100*time.Millisecond); len(got) != 0 {
		t.Errorf("%v came from nobody", got)
	}
}

func TestRelayErrors(t *testing.T) {
	live := NewLive(NewRand(1, 1), NetConfig{})
	defer live.Close()
	if _, err := live.Relay("a", "b", "127.0.0.1:0", "nonsense"); err == nil {
		t.Error("no error for a target that is no address")
	}
	if _, err := live.Relay("a", "b", "256.0.0.1:0", "127.0.0.1:1"); err == nil {
		t.Error("no error for an address that cannot be")
	}
	taken := echoUDP(t)
	if _, err := live.Relay("a", "b", taken.LocalAddr().String(), "127.0.0.1:1"); err == nil {
		t.Error("no error for a port in use")
	}
}
