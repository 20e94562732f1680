package protobuf

import "unsafe"

const (
	// slabSlots is how many types can share allocations within one Decode.
	slabSlots = 64

	// firstShared is from which allocation on types share: small messages do
	// without the bookkeeping.
	firstShared = 8
)

// slab holds memory for values of one type that a Decode is likely to need
// more of. Each new one is twice as large as the one before, so that at most
// as much again is allocated as is used.
type slab[T any] struct {
	values   []T
	pointers []*T
	made     int
}

// slots has a *slab[T] for each of the types that generated code numbers.
type slots [slabSlots]any

// slabOf returns the slab of T, or nil if T is not to have one (yet).
func slabOf[T any](d *Decoder, slot int) *slab[T] {
	if d.allocs < firstShared {
		d.allocs++
		return nil
	}
	if d.slots == nil {
		d.slots = new(slots)
	}
	at := &d.slots[slot%slabSlots]
	s, ok := (*at).(*slab[T])
	if !ok && *at == nil {
		s = new(slab[T])
		*at = s
	}
	return s // nil if another type has the slot
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
	s.made = min(max(4, 2*s.made), max(1, maxSlab/sizeOf[T]()))
	return s.made
}

// take returns n new values.
func take[T any](d *Decoder, slot, n int) []T {
	s := slabOf[T](d, slot)
	if s == nil {
		return make([]T, n)
	}
	if len(s.values) < n {
		if made := s.grow(); n > made/2 {
			return make([]T, n)
		}
		s.values = make([]T, s.made)
	}
	v := s.values[:n:n]
	s.values = s.values[n:]
	return v
}

// Alloc returns a new T.
func Alloc[T any](d *Decoder, slot int) *T {
	s := slabOf[T](d, slot)
	if s == nil {
		return new(T)
	}
	if len(s.values) == 0 {
		s.values = make([]T, s.grow())
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
	if s == nil || n > maxSlab/16 {
		return make([]*T, 0, n)
	}
	if len(s.pointers) < n {
		s.pointers = make([]*T, max(2*n, min(max(8, s.made), maxSlab/8)))
	}
	v := s.pointers[:0:n]
	s.pointers = s.pointers[n:]
	return v
}
