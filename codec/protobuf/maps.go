package protobuf

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
)

// maxMapHint is the most entries that a map is made for in advance.
const maxMapHint = 1024

// Key is a type that map keys can have.
type Key interface {
	int32 | int64 | uint32 | uint64 | bool | string
}

// Kind is how map keys and values of one field type are read. Generated code
// gets it from the functions below.
type Kind[T any] struct {
	wire uint64
	// get returns what it read; v is what the entry has held so far. Values
	// travel both ways rather than by pointer, so that they stay off the heap.
	get func(d *Decoder, v T, b []byte, i int) (T, int)
}

// EnumKind is for the enum that m's values are. Here and below the map is only
// there to say which type that is.
func EnumKind[K Key, V ~int32](_ map[K]V) Kind[V] { return VarintKind[V]() }

// VarintKind is for int32, int64, uint32 and uint64.
func VarintKind[T Integer]() Kind[T] {
	return Kind[T]{0, func(_ *Decoder, v T, b []byte, i int) (T, int) {
		i = ReadVarint(&v, b, i)
		return v, i
	}}
}

// SintKind is for sint32 and sint64.
func SintKind[T int32 | int64]() Kind[T] {
	return Kind[T]{0, func(_ *Decoder, v T, b []byte, i int) (T, int) {
		i = ReadSint(&v, b, i)
		return v, i
	}}
}

// BoolKind is for bool.
func BoolKind() Kind[bool] {
	return Kind[bool]{0, func(_ *Decoder, v bool, b []byte, i int) (bool, int) {
		i = ReadBool(&v, b, i)
		return v, i
	}}
}

// Fixed32Kind is for fixed32 and sfixed32.
func Fixed32Kind[T int32 | uint32]() Kind[T] {
	return Kind[T]{5, func(_ *Decoder, v T, b []byte, i int) (T, int) {
		i = ReadFixed32(&v, b, i)
		return v, i
	}}
}

// Fixed64Kind is for fixed64 and sfixed64.
func Fixed64Kind[T int64 | uint64]() Kind[T] {
	return Kind[T]{1, func(_ *Decoder, v T, b []byte, i int) (T, int) {
		i = ReadFixed64(&v, b, i)
		return v, i
	}}
}

// FloatKind is for float.
func FloatKind() Kind[float32] {
	return Kind[float32]{5, func(_ *Decoder, v float32, b []byte, i int) (float32, int) {
		i = ReadFloat(&v, b, i)
		return v, i
	}}
}

// DoubleKind is for double.
func DoubleKind() Kind[float64] {
	return Kind[float64]{1, func(_ *Decoder, v float64, b []byte, i int) (float64, int) {
		i = ReadDouble(&v, b, i)
		return v, i
	}}
}

// StringKind is for strings that are checked to be UTF-8.
func StringKind() Kind[string] {
	return Kind[string]{2, func(d *Decoder, v string, b []byte, i int) (string, int) {
		i = d.ReadString(&v, b, i)
		return v, i
	}}
}

// RawStringKind is for strings that are not checked.
func RawStringKind() Kind[string] {
	return Kind[string]{2, func(d *Decoder, v string, b []byte, i int) (string, int) {
		i = d.ReadRawString(&v, b, i)
		return v, i
	}}
}

// BytesKind is for bytes.
func BytesKind() Kind[[]byte] {
	return Kind[[]byte]{2, func(d *Decoder, v []byte, b []byte, i int) ([]byte, int) {
		i = d.ReadBytes(&v, b, i)
		return v, i
	}}
}

// MessageKind is for messages known to have Lupine's methods.
func MessageKind[K Key, T any, P interface {
	*T
	Message
}](_ map[K]*T) Kind[*T] {
	return Kind[*T]{2, func(d *Decoder, v *T, b []byte, i int) (*T, int) {
		if v == nil {
			v = new(T)
		}
		return v, d.Message(P(v), b, i)
	}}
}

// ForeignKind is for all other messages.
func ForeignKind[K Key, T any, P interface {
	*T
	proto.Message
}](_ map[K]*T) Kind[*T] {
	return Kind[*T]{2, func(d *Decoder, v *T, b []byte, i int) (*T, int) {
		if v == nil {
			v = new(T)
		}
		return v, d.Foreign(P(v), b, i)
	}}
}

// SortedKeys returns the keys of a map field in the order in which to write
// them, or nil where any order will do. In Go's own order there is no need to
// look values up.
func SortedKeys[K Key, V any](e *Encoder, m map[K]V) []K {
	if !e.deterministic {
		return nil
	}
	return sortedKeys(m)
}

func sortedKeys[K Key, V any](m map[K]V) []K {
	keys := slices.AppendSeq(make([]K, 0, len(m)), maps.Keys(m))
	switch keys := any(keys).(type) {
	case []int32:
		slices.Sort(keys)
	case []int64:
		slices.Sort(keys)
	case []uint32:
		slices.Sort(keys)
	case []uint64:
		slices.Sort(keys)
	case []string:
		slices.Sort(keys)
	case []bool:
		slices.SortFunc(keys, func(x, y bool) int { return int(Bool(x)) - int(Bool(y)) })
	}
	return keys
}

// ReadMap reads one entry of a map field whose values are no messages.
func ReadMap[K Key, V any](d *Decoder, m *map[K]V, b []byte, i int, tag uint64, key Kind[K], val Kind[V]) int {
	var v V
	if p, ok := any(&v).(*[]byte); ok {
		*p = []byte{} // what an entry without a value holds
	}
	k, v, next := readPair(d, b, i, v, key, val)
	if next >= 0 {
		if *m == nil {
			n, _ := run(b, i, tag, maxMapHint)
			*m = make(map[K]V, n)
		}
		(*m)[k] = v
	}
	return next
}

// ReadMessageMap is ReadMap for messages: an entry without a value holds an
// empty one.
func ReadMessageMap[K Key, T any](d *Decoder, m *map[K]*T, b []byte, i int, tag uint64, key Kind[K], val Kind[*T]) int {
	k, v, next := readPair(d, b, i, nil, key, val)
	if next >= 0 {
		if *m == nil {
			n, _ := run(b, i, tag, maxMapHint)
			*m = make(map[K]*T, n)
		}
		if v == nil {
			v = new(T)
			d.check = true // it may lack a required field
		}
		(*m)[k] = v
	}
	return next
}

// readPair reads a map entry. Fields other than key and value are dropped.
func readPair[K, V any](d *Decoder, b []byte, i int, empty V, key Kind[K], val Kind[V]) (k K, v V, next int) {
	v = empty
	n, at := length(b, i)
	if at < 0 {
		return k, v, at
	}
	if d.depth <= 0 {
		return k, v, badDepth
	}
	d.depth--
	b = b[at : at+n]
	for i = 0; uint(i) < uint(len(b)); {
		var tag uint64
		tag, i = Tag(b, i)
		switch {
		case i < 0:
		case tag == 1<<3|key.wire:
			k, i = key.get(d, k, b, i)
		case tag == 2<<3|val.wire:
			v, i = val.get(d, v, b, i)
		case tag < 8:
			i = badTag
		default:
			i = skip(b, i, tag, d.depth)
		}
	}
	d.depth++
	if i < 0 {
		return k, v, inside(i)
	}
	return k, v, at + n
}
