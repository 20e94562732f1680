package engine

import (
	"testing"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// What simulation has found in the engine and its driver, each as a seed that
// failed and, since a seed means another schedule when plan changes, as a test of
// its own.

// TestSimSeeds runs the seeds that have found something.
func TestSimSeeds(t *testing.T) {
	for _, c := range []struct {
		seed  uint64
		found string
	}{
		{152, "a message within its grant never became whole: padding had taken a part of its window"},
		{40, "an empty DATA frame was refused on a stream whose window SETTINGS had made negative"},
		{169746, "an attacker took the answers to its own flood of SETTINGS for those to its engine's, and was blamed"},
		{61, "calls waited for ever on a connection whose stream ids were used up"},
	} {
		if _, _, err := plan(c.seed).run(nil, sim.Tally{}, nil); err != nil {
			t.Errorf("seed %d, which found that %s: %v", c.seed, c.found, err)
		}
	}
}

// serverWith is a server's engine that has read a request whose body follows.
func serverWith(t *testing.T, change func(*Config)) (*Conn, *Stream) {
	cfg := testConfig(true)
	if change != nil {
		change(&cfg)
	}
	c := New(cfg, 1)
	feedAll(t, c, rawClient().request(1, false).buf.Bytes(), 1<<20, nil)
	s := c.streams.get(1)
	if s == nil {
		t.Fatal("no stream")
	}
	return c, s
}

// TestPaddingWithinGrant: the window that padding takes is given back at once
// while a message is put together that has just the window it needs, also if it
// was taken while the message waited for its grant.
func TestPaddingWithinGrant(t *testing.T) {
	padded := func(id uint32) []byte { // one byte of data
		return newRaw().frame(frameData, flagPadded, id, append([]byte{200}, make([]byte, 201)...)...).buf.Bytes()
	}
	c, s := serverWith(t, func(cfg *Config) { cfg.Assembly = 1 })
	left := 200_000
	c.Want(s, left)
	for range 200 {
		feedAll(t, c, padded(1), 1<<20, nil)
		if left--; s.recvWindow < int64(left) {
			t.Fatalf("%d bytes are missing, and the client may send %d", left, s.recvWindow)
		}
	}

	feedAll(t, c, newRaw().request(3, false).buf.Bytes(), 1<<20, nil)
	other, left := c.streams.get(3), 150_000
	c.Want(other, left)
	if other.grant != 0 {
		t.Fatal("a second message has its grant beside the first")
	}
	for range 50 { // the client takes window that it has
		feedAll(t, c, padded(3), 1<<20, nil)
		left--
	}
	c.Assembled(s)
	if other.recvWindow < int64(left) {
		t.Fatalf("%d bytes are missing, and the client may send %d", left, other.recvWindow)
	}
}

// TestEmptyDataWithoutWindow: a frame without a byte needs no window (RFC 9113,
// 6.9.1), not even where SETTINGS have made it negative.
func TestEmptyDataWithoutWindow(t *testing.T) {
	c, s := serverWith(t, nil)
	s.recvWindow = -5
	got := feedAll(t, c, newRaw().data(1, true, 0).buf.Bytes(), 1<<20, nil)
	if got.err != nil || len(got.resets) > 0 || !s.RecvEnd {
		t.Fatalf("error %v, resets %v, ended %v", got.err, got.resets, s.RecvEnd)
	}
}
