package protobuf

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
)

// Foreign appends a message field whose type was not known to have Lupine's
// methods when the code was generated. It may have them all the same.
func (e *Encoder) Foreign(b []byte, tag uint64, m proto.Message) []byte {
	b = e.open(b, tag)
	return e.Close(e.foreign(b, m), len(b))
}

// ForeignGroup is Foreign for a group.
func (e *Encoder) ForeignGroup(b []byte, tag uint64, m proto.Message) []byte {
	return appendVarint(e.foreign(appendVarint(b, tag), m), tag+1)
}

func (e *Encoder) foreign(b []byte, m proto.Message) []byte {
	if l := asMessage(m); l != nil {
		return l.LupineAppend(e, b)
	}
	return e.fallback(b, m)
}

// AppendExtensions appends the fields of m, a copy of a message that holds
// its extension fields and nothing else.
func (e *Encoder) AppendExtensions(b []byte, m proto.Message) []byte {
	return e.fallback(b, m)
}

// fallback appends m by google.golang.org/protobuf.
func (e *Encoder) fallback(b []byte, m proto.Message) []byte {
	if e.err != nil {
		return b
	}
	e.check = true
	o := proto.MarshalOptions{AllowPartial: true, Deterministic: e.deterministic}
	out, err := o.MarshalAppend(b, m)
	if err != nil {
		e.err = foreignError(err)
		return b
	}
	return out
}

// foreignError gives the errors of google.golang.org/protobuf our names.
func foreignError(err error) error {
	var text interface{ InvalidUTF8() bool }
	switch {
	case errors.As(err, &text) && text.InvalidUTF8():
		return ErrUTF8
	case strings.Contains(err.Error(), "recursion depth"):
		return ErrDepth
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// foreign merges b into m, one level down, and returns len(b).
func (d *Decoder) foreign(m proto.Message, b []byte) int {
	if d.depth <= 0 {
		return badDepth
	}
	if l := asMessage(m); l != nil {
		d.depth--
		got := l.LupineDecode(d, b)
		d.depth++
		return got
	}
	return d.fallback(m, b, d.depth)
}

// fallback merges b into m by google.golang.org/protobuf and returns len(b).
func (d *Decoder) fallback(m proto.Message, b []byte, depth int) int {
	d.check = true
	o := proto.UnmarshalOptions{Merge: true, AllowPartial: true, RecursionLimit: depth}
	if err := o.Unmarshal(b, m); err != nil {
		d.err = foreignError(err)
		return badForeign
	}
	return len(b)
}

// Foreign reads a message field whose type was not known to have Lupine's
// methods when the code was generated.
func (d *Decoder) Foreign(m proto.Message, b []byte, i int) int {
	n, i := length(b, i)
	if i < 0 {
		return i
	}
	if got := d.foreign(m, b[i:i+n]); got != n {
		return inside(got)
	}
	return i + n
}

// ForeignGroup is Foreign for a group.
func (d *Decoder) ForeignGroup(m proto.Message, b []byte, i int, end uint64) int {
	if l := asMessage(m); l != nil {
		return d.Group(l, b, i, end)
	}
	if i < 0 {
		return i
	}
	after := skipGroup(b, i, end-1, d.depth)
	if after < 0 {
		return after
	}
	body := b[i:after]
	// The end tag may have been written with more bytes than it needs.
	for cut := 1; ; cut++ {
		if v, n := varint(body, len(body)-cut); n == len(body) && v == end {
			body = body[:len(body)-cut]
			break
		}
	}
	if got := d.foreign(m, body); got != len(body) {
		return inside(got)
	}
	return after
}

// Extensions decodes what Unknown collected in fields for a message that can
// be extended. i is the result of the message's own fields.
func (d *Decoder) Extensions(m proto.Message, fields []byte, i int) int {
	if i < 0 && i > endGroup {
		return i
	}
	// m is a level that has been entered already; the library counts it too.
	if got := d.fallback(m, fields, d.depth+1); got < 0 {
		return got
	}
	return i
}

// ReadForeigns reads an element of a repeated field of foreign messages and
// those that follow it directly.
func ReadForeigns[T any, P interface {
	*T
	proto.Message
}](d *Decoder, slot int, list *[]*T, b []byte, i int, tag uint64) int {
	n, size := run(b, i, tag, mostTogether[T]())
	values, s := takeList(d, slot, *list, n)
	for k := range values {
		s = append(s, &values[k])
		if i = d.Foreign(P(&values[k]), b, i); i < 0 {
			break
		}
		i += size
	}
	*list = s
	if i < 0 {
		return i
	}
	return i - size
}

// ReadForeignGroups reads an element of a repeated group of foreign messages.
func ReadForeignGroups[T any, P interface {
	*T
	proto.Message
}](d *Decoder, slot int, list *[]*T, b []byte, i int, end uint64) int {
	m := Alloc[T](d, slot)
	*list = append(*list, m)
	return d.ForeignGroup(P(m), b, i, end)
}
