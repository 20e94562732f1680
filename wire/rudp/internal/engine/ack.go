package engine

// AckRange is a run of packet numbers, both ends included (2.3).
type AckRange struct{ Low, High uint64 }

// Ack is what ACK and ACK_ECN say (2.3; RFC 9000, 19.3).
type Ack struct {
	Largest uint64 // the highest number that is acked
	Delay   uint64 // microseconds
	// Count is how many ranges are left to be read, at most AckRanges.
	Count int
	// ECT0, ECT1 and CE count the packets of the level that came with these
	// marks; ACK_ECN only.
	ECT0, ECT1, CE uint64

	high, first uint64 // the range that Next returned, or returns first
	b           []byte // the ranges after it
	begun       bool
}

// Next takes the next range, the highest first; there are Count of them. They
// do not touch.
func (a *Ack) Next() AckRange {
	if a.begun {
		gap, n := readVarint(a.b)
		length, m := readVarint(a.b[n:])
		a.b = a.b[n+m:]
		a.high -= a.first + gap + 2
		a.first = length
	}
	a.begun = true
	a.Count--
	return AckRange{a.high - a.first, a.high}
}

// read reads and checks all ranges, so that Next cannot go wrong.
func (a *Ack) read(c *cursor, ecn bool) {
	a.Largest = c.varint("largest")
	a.Delay = c.varint("delay")
	more := c.varint("count")
	if more >= AckRanges {
		c.bad("count", "%d ranges, more than %d (limit AckRanges)", more+1, AckRanges)
	}
	a.first = c.varint("first range")
	if a.first > a.Largest {
		c.bad("first range", "%d goes below 0 from %d", a.first, a.Largest)
	}
	a.high = a.Largest
	low := a.Largest - a.first
	a.b = c.b
	for i := uint64(0); i < more && c.ok(); i++ {
		gap := c.varint("gap")
		if c.ok() && gap+2 > low {
			c.bad("gap", "%d goes below 0 from %d", gap, low)
		}
		low -= gap + 2
		length := c.varint("length")
		if c.ok() && length > low {
			c.bad("length", "%d goes below 0 from %d", length, low)
		}
		low -= length
	}
	a.b = a.b[:len(a.b)-len(c.b)]
	a.Count = int(more) + 1
	if ecn {
		a.ECT0, a.ECT1, a.CE = c.varint("ECT(0)"), c.varint("ECT(1)"), c.varint("CE")
	}
}

// AppendAck appends ACK (2.3). delay is in microseconds. ranges, the highest
// first, do not touch; of more than AckRanges the lowest are left out.
func AppendAck(dst []byte, delay uint64, ranges []AckRange) []byte {
	return appendAck(dst, TypeAck, delay, ranges)
}

// AppendAckECN appends ACK_ECN (2.3): ACK and counts of marks.
func AppendAckECN(dst []byte, delay uint64, ranges []AckRange, ect0, ect1, ce uint64) []byte {
	dst = appendAck(dst, TypeAckECN, delay, ranges)
	return AppendVarint(AppendVarint(AppendVarint(dst, ect0), ect1), ce)
}

func appendAck(dst []byte, t Type, delay uint64, ranges []AckRange) []byte {
	ranges = ranges[:min(len(ranges), AckRanges)]
	dst = AppendVarint(append(dst, byte(t)), ranges[0].High)
	dst = AppendVarint(dst, delay)
	dst = AppendVarint(dst, uint64(len(ranges)-1))
	dst = AppendVarint(dst, ranges[0].High-ranges[0].Low)
	for i := 1; i < len(ranges); i++ {
		dst = AppendVarint(dst, ranges[i-1].Low-ranges[i].High-2)
		dst = AppendVarint(dst, ranges[i].High-ranges[i].Low)
	}
	return dst
}
