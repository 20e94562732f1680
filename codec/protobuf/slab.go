package protobuf

import "unsafe"

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
// more of. Each new chunk is twice as large as the one before, so that at most
// as much again is allocated as is used.
type slab[T any] struct {
	values   []T  // what is left of the chunk
	pointers []*T // the same for lists of pointers
	made     int
	kept     *kept[T] // in an Arena, else nil
}

// kept is what an Arena needs to use the memory of a slab again.
type kept[T any] struct {
	values       []T // the whole chunk
	pointers     []*T
	usedValues   int // in chunks before this one
	usedPointers int
}

// slots has a *slab[T] for each of the types that generated code numbers.
type slots [slabSlots]any

// slabOf returns the slab of T, or nil if T is not to have one (yet).
func slabOf[T any](d *Decoder, slot int) *slab[T] {
	if d.allocs < firstShared {
		d.allocs++
		return nil
	}
	if d.slots != nil {
		if s, ok := d.slots[uint(slot)%slabSlots].(*slab[T]); ok {
			return s
		}
	}
	return newSlab[T](d, slot)
}

// newSlab makes the slab of T unless another type has the slot.
func newSlab[T any](d *Decoder, slot int) *slab[T] {
	if d.slots == nil {
		d.slots = new(slots)
	}
	at := &d.slots[uint(slot)%slabSlots]
	if *at != nil {
		return nil
	}
	s := new(slab[T])
	if d.arena != nil {
		s.kept = new(kept[T])
		d.arena.used = append(d.arena.used, s)
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

// grow returns how many values to allocate where one is needed.
func (s *slab[T]) grow() int {
	most := maxSlab
	if s.kept != nil {
		most = MaxKept
	}
	s.made = min(max(4, 2*s.made), max(1, most/sizeOf[T]()))
	return s.made
}

// more replaces the chunk by a new one of n values.
func (s *slab[T]) more(n int) {
	s.values = make([]T, n)
	if k := s.kept; k != nil {
		k.usedValues += len(k.values)
		k.values = s.values
	}
}

// take returns n new values.
func (s *slab[T]) take(n int) []T {
	if len(s.values) < n {
		made := s.grow()
		switch {
		case s.kept != nil && n <= max(1, MaxKept/sizeOf[T]()):
			made = max(made, n)
		case n > made/2:
			return make([]T, n)
		}
		s.more(made)
	}
	v := s.values[:n:n]
	s.values = s.values[n:]
	return v
}

// take returns n new values.
func take[T any](d *Decoder, slot, n int) []T {
	s := slabOf[T](d, slot)
	if s == nil {
		return make([]T, n)
	}
	return s.take(n)
}

// Alloc returns a new T.
func Alloc[T any](d *Decoder, slot int) *T {
	s := slabOf[T](d, slot)
	if s == nil {
		return new(T)
	}
	if len(s.values) == 0 {
		s.more(s.grow())
	}
	p := &s.values[0]
	s.values = s.values[1:]
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

// room returns list with capacity for n more.
func room[T any](d *Decoder, slot int, list []*T, n int) []*T {
	if list != nil {
		return append(list, make([]*T, n)...)[:len(list)]
	}
	s := slabOf[T](d, slot)
	if s == nil || n > maxSlab/16 && s.kept == nil || n > MaxKept/16 {
		return make([]*T, 0, n)
	}
	if len(s.pointers) < n {
		s.morePointers(n)
	}
	v := s.pointers[:0:n]
	s.pointers = s.pointers[n:]
	return v
}

// morePointers replaces the chunk of pointers by one for n at least.
func (s *slab[T]) morePointers(n int) {
	k := s.kept
	if k == nil {
		s.pointers = make([]*T, max(2*n, min(max(8, s.made), maxSlab/8)))
		return
	}
	s.pointers = make([]*T, max(2*n, min(max(8, 2*len(k.pointers)), MaxKept/8)))
	k.usedPointers += len(k.pointers)
	k.pointers = s.pointers
}
