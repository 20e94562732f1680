package protobuf

import (
	"slices"
	"sync"
	"unsafe"
)

const (
	// slabSlots is how many types can share allocations within one Decode.
	slabSlots = 64

	// firstShared is from which allocation on types share: small messages do
	// without the bookkeeping.
	firstShared = 8
)

// Where lists of text, and the types of which a Struct may hold many, share
// allocations; generated code numbers its types from 0.
const (
	slotStrings = slabSlots - 1 - iota
	slotBytes
	slotValue
	slotNumber
	slotString
)

// slab holds memory for values of one type that a Decode is likely to need
// more of. Each new chunk is at most twice as large as the one before, so that at
// most as much again is allocated as is used.
type slab[T any] struct {
	// The chunk, and how much of it has been given out. It is counted rather than
	// cut off: to store a pointer costs more than a number, much more while the
	// collector runs.
	values       []T
	used         int
	pointers     []*T // the same for lists of pointers
	usedPointers int
	made         int      // the size of the chunk before, or what it should have been
	given        int      // values given out before this chunk
	kept         *kept[T] // in an Arena, else nil
}

// kept is what an Arena needs to use the memory of a slab again: what was given
// out in chunks before the present ones.
type kept[T any] struct {
	values   int
	pointers int
}

// slots has the slabs of a Decode or an Arena.
type slots struct {
	slabs [slabSlots]any // a *slab[T] for each of the types that generated code numbers
	used  []anySlab      // those that have memory
}

// anySlab is a slab of any type.
type anySlab interface {
	release(poison bool) // for an Arena: makes the memory new
	forget()             // for others: leaves the memory to those who have it
	idle() bool          // has no memory
}

// idleSlots are those of no Decode. Their slabs have no memory: no message shares
// any with another.
var idleSlots = sync.Pool{New: func() any { return new(slots) }}

// put gives s back to idleSlots.
func (s *slots) put() {
	for _, u := range s.used {
		u.forget()
	}
	s.used = s.used[:0]
	idleSlots.Put(s)
}

func (s *slab[T]) forget()    { *s = slab[T]{} }
func (s *slab[T]) idle() bool { return s.values == nil && s.pointers == nil }

// slabOf returns the slab of T, or nil if T is not to have one (yet).
func slabOf[T any](d *Decoder, slot int) *slab[T] {
	if d.allocs < firstShared {
		d.allocs++
		return nil
	}
	if d.slots != nil {
		if s, ok := d.slots.slabs[uint(slot)%slabSlots].(*slab[T]); ok {
			return s
		}
	}
	return newSlab[T](d, slot)
}

// newSlab makes the slab of T unless another type uses the slot.
func newSlab[T any](d *Decoder, slot int) *slab[T] {
	if d.slots == nil {
		d.slots = idleSlots.Get().(*slots)
	}
	at := &d.slots.slabs[uint(slot)%slabSlots]
	switch s := (*at).(type) {
	case *slab[T]:
		return s
	case anySlab:
		if !s.idle() {
			return nil
		}
	}
	s := new(slab[T])
	if d.arena != nil {
		s.kept = new(kept[T])
	}
	*at = s
	return s
}

// sizeOf returns the size of a T in bytes, at least 1.
func sizeOf[T any]() int {
	var zero T
	return max(1, int(unsafe.Sizeof(zero)))
}

// mostTogether returns how many elements of a list to allocate at once.
func mostTogether[T any]() int { return max(1, maxList/sizeOf[T]()) }

// mostValues returns how many values a chunk holds, at most.
func (s *slab[T]) mostValues() int {
	if s.kept != nil {
		return max(1, MaxKept/sizeOf[T]())
	}
	return max(1, maxSlab/sizeOf[T]())
}

// grow returns how many values to allocate where one is needed.
func (s *slab[T]) grow(d *Decoder) int {
	s.made = min(max(4, 2*s.made), s.mostValues())
	if s.kept == nil && d.pos > 0 {
		// If the rest of the input is like what has been read, there will be
		// so many.
		likely := (s.given + s.used) * (len(d.src) - d.pos) / d.pos
		return min(s.made, max(4, likely+likely/16+1))
	}
	return s.made
}

// more replaces the chunk by a new one of n values.
func (s *slab[T]) more(d *Decoder, n int) {
	if s.kept != nil {
		s.kept.values += len(s.values)
	}
	if s.idle() {
		d.slots.used = append(d.slots.used, s)
	}
	s.given += s.used
	s.values, s.used = make([]T, n), 0
}

// take returns n new values.
func (s *slab[T]) take(d *Decoder, n int) []T {
	if len(s.values)-s.used < n {
		made := s.grow(d)
		switch {
		case s.kept != nil && n <= s.mostValues():
			made = max(made, n)
		case n > made/2:
			s.given += n
			return make([]T, n)
		}
		s.more(d, made)
	}
	at := s.used
	s.used += n
	return s.values[at : at+n : at+n]
}

// Alloc returns a new T.
func Alloc[T any](d *Decoder, slot int) *T {
	if d.slots != nil {
		if s, ok := d.slots.slabs[uint(slot)%slabSlots].(*slab[T]); ok && s.used < len(s.values) {
			p := &s.values[s.used]
			s.used++
			return p
		}
	}
	return alloc[T](d, slot)
}

// alloc is Alloc where there is no chunk, or no more of it.
func alloc[T any](d *Decoder, slot int) *T {
	s := slabOf[T](d, slot)
	if s == nil {
		return new(T)
	}
	if s.used >= len(s.values) {
		s.more(d, s.grow(d))
	}
	p := &s.values[s.used]
	s.used++
	return p
}

// Make returns *p, allocated if need be. slot is a number that generated code
// gives to each type.
func Make[T any](d *Decoder, slot int, p **T) *T {
	if *p == nil {
		*p = Alloc[T](d, slot)
	}
	return *p
}

// takeList returns n new values, and list with capacity for pointers to them.
func takeList[T any](d *Decoder, slot int, list []*T, n int) ([]T, []*T) {
	s := slabOf[T](d, slot)
	switch {
	case s == nil && list == nil:
		return make([]T, n), make([]*T, 0, n)
	case s == nil:
		return make([]T, n), slices.Grow(list, n)
	case list != nil:
		return s.take(d, n), slices.Grow(list, n)
	}
	return s.take(d, n), s.takePointers(d, n)
}

// takePointers returns a list with capacity for n.
func (s *slab[T]) takePointers(d *Decoder, n int) []*T {
	if n > maxSlab/16 && s.kept == nil || n > MaxKept/16 {
		return make([]*T, 0, n)
	}
	if len(s.pointers)-s.usedPointers < n {
		s.morePointers(d, n)
	}
	at := s.usedPointers
	s.usedPointers += n
	return s.pointers[at:at:s.usedPointers]
}

// morePointers replaces the chunk of pointers by one for n at least.
func (s *slab[T]) morePointers(d *Decoder, n int) {
	more := min(max(8, s.made), maxSlab/8)
	if s.kept != nil {
		more = min(max(8, 2*len(s.pointers)), MaxKept/8)
		s.kept.pointers += len(s.pointers)
	}
	if s.idle() {
		d.slots.used = append(d.slots.used, s)
	}
	s.pointers, s.usedPointers = make([]*T, max(2*n, more)), 0
}
