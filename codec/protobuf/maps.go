package protobuf

import (
	"maps"
	"slices"
)

// maxMapHint is the most entries that a map is made for in advance.
const maxMapHint = 1024

// Key is a type that map keys can have.
type Key interface {
	int32 | int64 | uint32 | uint64 | bool | string
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

// Pair returns what the key and the value of a map entry are before it is read.
// It makes the map if there is none, for the entries from b[i:] on.
func Pair[K Key, V any](m *map[K]V, b []byte, i int, tag uint64) (k K, v V) {
	if *m == nil {
		makeMap(m, b, i, tag)
	}
	return
}

func makeMap[K Key, V any](m *map[K]V, b []byte, i int, tag uint64) {
	n, _ := run(b, i, tag, maxMapHint)
	*m = make(map[K]V, n)
}

// Entry enters a map entry at b[i:], which is a message with two fields. It
// returns the entry and the index after it; Leave must be called in any case.
func (d *Decoder) Entry(b []byte, i int) (entry []byte, next int) {
	d.depth--
	n, i := length(b, i)
	if i < 0 {
		return nil, i
	}
	if d.depth < 0 {
		return nil, badDepth
	}
	return b[i : i+n], i + n
}

// Other skips a field of a map entry other than key and value.
func (d *Decoder) Other(entry []byte, i int, tag uint64) int {
	if i < 0 {
		return i
	}
	if tag < 8 {
		return badTag
	}
	return skip(entry, i, tag, d.depth)
}

// Leave leaves a map entry in which reading ended at i. It returns next, or what
// went wrong.
func (d *Decoder) Leave(i, next int) int {
	d.depth++
	if i < 0 && next >= 0 {
		return inside(i)
	}
	return next
}
