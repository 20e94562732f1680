package buffers

import (
	"runtime"
	"testing"
	"time"
)

// TestKept: a large buffer outlives collections, and is found by who needs no more.
func TestKept(t *testing.T) {
	var s shelf
	s.put(&Buffer{make([]byte, 0, 1<<20)})
	s.put(&Buffer{make([]byte, 0, 100<<10)})
	for range 3 {
		runtime.GC()
	}
	if b := s.take(2 << 20); b != nil {
		t.Errorf("got %d bytes for 2 MiB", cap(b.B))
	}
	if b := s.take(200 << 10); b == nil || cap(b.B) != 1<<20 {
		t.Error("the megabyte is gone")
	}
	if s.bytes != 100<<10 || len(s.free) != 1 {
		t.Errorf("%d bytes in %d buffers are left", s.bytes, len(s.free))
	}
}

// TestBounded: no more than MaxLarge bytes and maxFree buffers are kept.
func TestBounded(t *testing.T) {
	var s shelf
	for range 2 * maxFree {
		s.put(&Buffer{make([]byte, 0, MaxSmall+1)})
	}
	if len(s.free) != maxFree {
		t.Errorf("%d are kept", len(s.free))
	}
	s = shelf{}
	for range 5 {
		s.put(&Buffer{make([]byte, 0, MaxLarge/4)})
	}
	if s.bytes != MaxLarge {
		t.Errorf("%d bytes are kept", s.bytes)
	}
}

// TestLetsGo: a collection drops what nobody has needed for a while, and no more.
func TestLetsGo(t *testing.T) {
	s := new(shelf)
	for range 3 {
		s.put(&Buffer{make([]byte, 0, 1<<20)})
	}
	s.put(s.take(1)) // one is in use now and then
	s.mu.Lock()
	s.swept, s.unused = time.Now(), len(s.free)
	s.mu.Unlock()
	s.put(s.take(1))
	s.mu.Lock()
	s.swept = s.swept.Add(-keepFor)
	s.mu.Unlock()
	for end := time.Now().Add(3 * time.Second); ; {
		runtime.GC()
		s.mu.Lock()
		n, bytes := len(s.free), s.bytes
		s.mu.Unlock()
		if n == 1 && bytes == 1<<20 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d buffers of %d bytes are kept after collections", n, bytes)
		}
		runtime.Gosched()
	}
}

// TestFor: small buffers and large ones do not mix.
func TestFor(t *testing.T) {
	if b := For(MaxSmall); cap(b.B) < MaxSmall {
		t.Errorf("room for %d", cap(b.B))
	}
	b := For(1 << 20)
	b.B = append(b.B, 1)
	b.Free()
	if again := For(1 << 20); again != b || len(again.B) != 0 {
		t.Error("the same buffer was not used again, or not empty")
	}
	for range 100 {
		if b := Get(); cap(b.B) > MaxSmall {
			t.Fatal("a large buffer for a small message")
		}
	}
	(*Buffer)(nil).Free()
}

// TestSizeHint: it follows large messages, and leaves small ones alone.
func TestSizeHint(t *testing.T) {
	var h SizeHint
	for _, c := range []struct{ n, want int }{{100, 0}, {1 << 20, 1 << 20}, {100, 100}} {
		if h.Saw(c.n); h.Get() != c.want {
			t.Errorf("after %d it is %d", c.n, h.Get())
		}
	}
}
