package engine

// Bits of a stream frame's type, 0b010AOLFR (2.3).
const (
	StreamReply  Type = 0x01 // R: the sender is the callee
	StreamFin    Type = 0x02 // F: the stream ends with this frame's last byte
	StreamLength Type = 0x04 // L: a length follows; else the frame goes to the tag
	StreamOffset Type = 0x08 // O: an offset follows; else it is 0
	StreamEager  Type = 0x10 // A: acknowledge soon; only with R

	typeStream Type = 0x40
	streamMask Type = 0xe0
)

// Stream says whether it is a stream frame: CALL, REPLY or DATA (2.3).
func (t Type) Stream() bool { return t&streamMask == typeStream }

// Lazy says whether a stream frame is a whole reply that asks for no early ack:
// REPLY with F, without A (2.3, 5.2).
func (t Type) Lazy() bool {
	return t&(StreamReply|StreamFin|StreamEager|StreamOffset) == StreamReply|StreamFin
}

// readStream reads a stream frame (2.3).
func (f *Frame) readStream(c *cursor) {
	if f.Type&(StreamEager|StreamReply) == StreamEager {
		c.bad("type", "%#x has A without R", byte(f.Type))
	}
	f.Call = c.call()
	if f.Type&StreamOffset != 0 {
		if f.Offset = c.varint("offset"); f.Offset == 0 {
			f.Type &^= StreamOffset // the same as one that is not said
		}
	}
	n := uint64(len(c.b))
	if f.Type&StreamLength != 0 {
		n = c.varint("length")
	}
	if f.Offset > MaxVarint-n {
		c.bad("length", "the stream goes past 2^62-1")
	}
	f.Data = c.take("bytes", n)
}

// AppendStream appends a stream frame (2.3) with the bytes at offset. bits are
// StreamReply, StreamFin and StreamEager as wanted, and StreamLength unless
// the frame is the packet's last.
func AppendStream(dst []byte, bits Type, n CallName, offset uint64, p []byte) []byte {
	return append(appendStreamHead(dst, bits, n, offset, len(p)), p...)
}

func appendStreamHead(dst []byte, bits Type, n CallName, offset uint64, length int) []byte {
	t := typeStream | bits
	if offset > 0 {
		t |= StreamOffset
	}
	dst = appendCall(append(dst, byte(t)), n)
	if offset > 0 {
		dst = AppendVarint(dst, offset)
	}
	if bits&StreamLength != 0 {
		dst = AppendVarint(dst, uint64(length))
	}
	return dst
}

// FitStream returns how many of length bytes at offset a stream frame with a
// length can carry in room bytes (2.3); negative if not even none.
func FitStream(room int, n CallName, offset uint64, length int) int {
	room -= 1 + SizeVarint(n.Slot) + SizeVarint(n.Seq)
	if offset > 0 {
		room -= SizeVarint(offset)
	}
	// The length's size depends on what fits: less is tried where it matters.
	for fit := min(length, room-1); ; {
		left := room - SizeVarint(uint64(max(fit, 0)))
		if fit <= left {
			return fit
		}
		fit = left
	}
}
