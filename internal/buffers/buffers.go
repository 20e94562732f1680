// Package buffers keeps the memory of messages for further messages.
package buffers

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Buffer is the bytes of a message, on its way out or in.
type Buffer struct{ B []byte }

// Buffers are kept in two sizes, so that small messages do not sit in large buffers.
const (
	// MaxSmall is the most bytes that a small one holds. Those are in a sync.Pool.
	MaxSmall = 64 << 10
	// MaxLarge is the most bytes that all large ones together hold while they are free.
	MaxLarge = 64 << 20
	// maxFree bounds how many there are: they are searched.
	maxFree = 64
	// keepFor is how long a large one is kept at least that nobody needs.
	keepFor = time.Second
)

var (
	small = sync.Pool{New: func() any { return new(Buffer) }}
	large shelf
)

// Get returns a Buffer for a message that is likely to be small. Its B is empty.
func Get() *Buffer { return small.Get().(*Buffer) }

// For returns a Buffer for a message that is likely to take n bytes. Its B is empty.
func For(n int) *Buffer {
	if n <= MaxSmall/2 {
		return Get()
	}
	if b := large.take(n); b != nil {
		return b
	}
	return &Buffer{make([]byte, 0, n+n/8)} // the next one may be a little longer
}

// Kept returns a large Buffer that is kept and has room for n bytes, or nil if there is
// none.
func Kept(n int) *Buffer { return large.take(n) }

// Free gives b, which may be nil, back. Nobody may use it or its bytes any more.
func (b *Buffer) Free() {
	if b == nil {
		return
	}
	b.B = b.B[:0]
	if cap(b.B) > MaxSmall {
		large.put(b)
		return
	}
	small.Put(b)
}

// shelf holds large Buffers. A sync.Pool would lose them at every other collection, and
// who reads messages of a megabyte collects after every few of them: then each costs the
// page faults of a megabyte more.
type shelf struct {
	mu     sync.Mutex
	free   []*Buffer // the last one used is last
	bytes  int       // capacity of free
	unused int       // the least that len(free) was since swept: so many nobody needed
	swept  time.Time
	armed  bool // the next collection sweeps
}

// take returns a Buffer with room for n bytes, or nil.
func (s *shelf) take(n int) *Buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.free) - 1; i >= 0; i-- {
		if b := s.free[i]; cap(b.B) >= n {
			s.drop(i, i+1)
			s.unused = min(s.unused, len(s.free))
			return b
		}
	}
	return nil
}

// drop takes free[i:j] out. The lock is held.
func (s *shelf) drop(i, j int) {
	for _, b := range s.free[i:j] {
		s.bytes -= cap(b.B)
	}
	n := copy(s.free[i:], s.free[j:])
	clear(s.free[i+n:])
	s.free = s.free[:i+n]
}

// put keeps b if there is room.
func (s *shelf) put(b *Buffer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+cap(b.B) > MaxLarge || len(s.free) == maxFree {
		return
	}
	s.free = append(s.free, b)
	s.bytes += cap(b.B)
	if !s.armed {
		s.swept, s.unused = time.Now(), len(s.free)
		s.arm()
	}
}

// arm has the next collection sweep: one comes every two minutes at the latest. The lock
// is held.
func (s *shelf) arm() {
	s.armed = true
	runtime.AddCleanup(new(mark), (*shelf).sweep, s)
}

// mark is what a collection finds nobody has. It is no tiny object: those share memory.
type mark struct{ _ [4]*byte }

// sweep lets go of what nobody has needed for keepFor. Collections call it.
func (s *shelf) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.swept) >= keepFor {
		s.drop(0, s.unused)
		s.swept, s.unused = time.Now(), len(s.free)
	}
	if s.armed = len(s.free) > 0; s.armed {
		s.arm()
	}
}

// SizeHint remembers how large messages of one kind have been of late, in bytes. It may be
// used by many goroutines; a lost update does no harm.
type SizeHint struct{ n atomic.Int64 }

// Get returns the size to ask For, 0 if messages are small.
func (h *SizeHint) Get() int { return int(h.n.Load()) }

// Saw notes a message of n bytes. Small ones are all the same.
func (h *SizeHint) Saw(n int) {
	if n > MaxSmall/2 || h.n.Load() != 0 {
		h.n.Store(int64(n))
	}
}
