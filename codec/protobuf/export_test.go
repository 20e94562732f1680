package protobuf

// IdleSlotsAreEmpty reports whether bookkeeping that waits for the next Decode
// holds no memory.
func IdleSlotsAreEmpty() bool {
	s := idleSlots.Get().(*slots)
	defer idleSlots.Put(s)
	for _, x := range s.slabs {
		if x, ok := x.(anySlab); ok && !x.idle() {
			return false
		}
	}
	return len(s.used) == 0
}
