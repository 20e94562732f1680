package engine

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// MaxVarint is the largest number that a varint holds (2; RFC 9000, 16).
const MaxVarint = 1<<62 - 1

// AppendVarint appends v in its shortest form (2; RFC 9000, 16). v must not be
// above MaxVarint: whoever lets a user's number in checks it before.
func AppendVarint(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(dst, byte(v))
	case v < 1<<14:
		return append(dst, byte(v>>8)|0x40, byte(v))
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(dst, uint32(v)|0x80<<24)
	case v <= MaxVarint:
		return binary.BigEndian.AppendUint64(dst, v|0xc0<<56)
	}
	panic(fmt.Sprintf("engine: %d does not fit a varint", v))
}

// SizeVarint returns how many bytes AppendVarint appends (2).
func SizeVarint(v uint64) int {
	switch n := bits.Len64(v); {
	case n <= 6:
		return 1
	case n <= 14:
		return 2
	case n <= 30:
		return 4
	}
	return 8
}

// readVarint reads the varint that b begins with; n is 0 if b is too short.
func readVarint(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, 0
	}
	v = uint64(b[0] & 0x3f)
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}

// cursor reads fields one after the other. The first failure sticks: what is
// read after it is zero, and err says which field of what it was.
type cursor struct {
	b     []byte // what is left
	what  string // the frame, record or list being read
	err   *Error
	short bool // b ended within a field; err is nil then
	field string
	over  *TooLarge // a limit that ends a call and not the session
}

func (c *cursor) ok() bool { return c.err == nil && !c.short && c.over == nil }

// cut notes that the bytes end within a field.
func (c *cursor) cut(field string) {
	if c.ok() {
		c.short, c.field = true, field
	}
	c.b = nil
}

// bad notes that a field's value is wrong.
func (c *cursor) bad(field, format string, args ...any) {
	if c.ok() {
		c.err = protocol("%s: %s: %s", c.what, field, fmt.Sprintf(format, args...))
	}
	c.b = nil
}

// large notes that what is being read is over a limit.
func (c *cursor) large(what, limit string, value int) {
	if c.ok() {
		c.over = &TooLarge{what, fmt.Sprintf("%s: %d", limit, value)}
	}
	c.b = nil
}

func (c *cursor) varint(field string) uint64 {
	v, n := readVarint(c.b)
	if n == 0 {
		c.cut(field)
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) byte(field string) byte {
	if len(c.b) == 0 {
		c.cut(field)
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) take(field string, n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.cut(field)
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

// bytes reads a length, at most most, and so many bytes.
func (c *cursor) bytes(field string, most int, limit string) []byte {
	n := c.varint(field)
	if most = max(most, 0); n > uint64(most) {
		c.bad(field, "%d bytes, more than %d (limit %s)", n, most, limit)
		return nil
	}
	return c.take(field, n)
}

// done returns what went wrong, where running out of bytes is wrong too.
func (c *cursor) done() *Error {
	if c.short {
		return protocol("%s: %s: cut off", c.what, c.field)
	}
	return c.err
}

// partial is done for a stream: running out of bytes is ErrShort.
func (c *cursor) partial() error {
	switch {
	case c.short:
		return ErrShort
	case c.over != nil:
		return c.over
	case c.err != nil:
		return c.err
	}
	return nil
}
