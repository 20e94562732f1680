package protobuf

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// MaxKept is the most bytes that an Arena keeps for each message type, and for
// text, while it is not in use. What a larger message took beyond that is left to
// the garbage collector.
const MaxKept = 1 << 20

// Arena is memory that decoded messages are made of, to be used again and
// again: for whoever reads many messages, one at a time, and keeps none.
//
//	var arena protobuf.Arena
//	var batch tracepb.Batch
//	for src := range inputs {
//		if err := arena.Decode(codec, src, &batch); err != nil { ... }
//		use(&batch)
//		arena.Release()
//	}
//
// What [Arena.Decode] filled in is valid until [Arena.Release]: the messages
// inside the one that was given, lists of messages, strings and bytes, and all
// strings and byte fields. Keep none of it, nor a slice or substring of it;
// strings.Clone and proto.Clone make what may be kept. The outermost message
// itself is the caller's; numbers in it stay, and it may be decoded into again.
// Maps, lists of numbers, optional numbers and unknown fields are ordinary memory,
// though keys and values of maps may be strings and messages of the arena.
// What is in an Arena may be changed; a slice of it that grows moves out of it.
//
// The zero value is ready for use. Only one goroutine at a time may decode
// with an Arena or release it; many may read what it decoded.
type Arena struct {
	// Alias lets strings and byte fields point into src itself, which then must
	// not change until Release. Otherwise there is one copy of src.
	Alias bool

	// Poison is for tests: Release spoils the memory and does not use it
	// again, so that what should not have been kept is seen to be wrong.
	// Scalar fields become unlikely values, strings and bytes [Poisoned], and
	// lists of messages hold nil. Alias then has no effect.
	Poison bool

	slots slots
	text  []byte   // the copies of what was decoded since Release
	past  [][]byte // with Poison, texts before that one
}

// Poisoned is the byte that fills text after release, with Poison.
const Poisoned = 0xdb

// Decode is [Codec.Decode] with memory of a. Until Release it may be called
// again, for other messages.
func (a *Arena) Decode(c Codec, src []byte, msg any) error {
	d := Decoder{src: src, next: minRegion, arena: a, slots: &a.slots, allocs: firstShared}
	if a.Alias && !a.Poison {
		d.region = src
	} else {
		d.region = a.copy(src)
	}
	return c.decode(noEscape(&d), msg)
}

// copy returns a copy of src that lasts until Release.
func (a *Arena) copy(src []byte) []byte {
	at := len(a.text)
	if cap(a.text)-at < len(src) {
		if a.Poison && at > 0 {
			a.past = append(a.past, a.text)
		}
		a.text = make([]byte, 0, max(len(src), min(2*cap(a.text), MaxKept)))
		at = 0
	}
	a.text = append(a.text, src...)
	return a.text[at:]
}

// Release ends the life of everything that Decode has filled in, so that its
// memory can be used again.
func (a *Arena) Release() {
	for _, s := range a.slots.used {
		s.release(a.Poison)
	}
	if a.Poison {
		for _, text := range append(a.past, a.text) {
			for i := range text {
				text[i] = Poisoned
			}
		}
		a.past, a.text = nil, nil
		a.slots.used = a.slots.used[:0]
	}
	if cap(a.text) > MaxKept {
		a.text = nil
	}
	a.text = a.text[:0]
}

// release makes the slab's memory new. The next chunk holds as much as was used
// this time, so that there is soon only one.
func (s *slab[T]) release(poison bool) {
	before := *s.kept
	*s.kept = kept[T]{}
	if poison {
		spoil(s.values[:s.used])
		clear(s.pointers[:s.usedPointers])
		*s = slab[T]{kept: s.kept}
		return
	}
	if all := before.values + s.used; before.values > 0 && all <= MaxKept/sizeOf[T]() {
		s.values = make([]T, all)
	} else {
		clear(s.values[:s.used])
	}
	if all := before.pointers + s.usedPointers; before.pointers > 0 && all <= MaxKept/8 {
		s.pointers = make([]*T, all)
	} else {
		clear(s.pointers[:s.usedPointers])
	}
	s.used, s.usedPointers, s.made, s.given = 0, 0, len(s.values), 0
}

// spoil fills messages and strings with nonsense.
func spoil[T any](values []T) {
	for i := range values {
		switch v := any(&values[i]).(type) {
		case *string:
			*v = "used after Release"
		case *[]byte:
			*v = []byte("used after Release")
		case proto.Message:
			m := v.ProtoReflect()
			fields := m.Descriptor().Fields()
			for i := range fields.Len() {
				f := fields.Get(i)
				if f.IsList() || f.IsMap() || f.Message() != nil || f.ContainingOneof() != nil {
					continue
				}
				m.Set(f, nonsense(f))
			}
		}
	}
}

// nonsense returns an unlikely value of a field.
func nonsense(f protoreflect.FieldDescriptor) protoreflect.Value {
	const n = -0x24242425 // bytes of Poisoned
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(n)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(n)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(1<<32 + n)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(n)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(1<<64 + n)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(n)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(n)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("used after Release")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("used after Release"))
	}
	panic(fmt.Sprintf("protobuf: field of kind %v", f.Kind()))
}
