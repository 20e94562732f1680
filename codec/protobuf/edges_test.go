package protobuf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/codec/protobuf"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/bench"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/edition"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/foreign"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/hybrid"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/opaque"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/test2"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/test3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	_ lupine.Codec     = protobuf.Codec{}
	_ protobuf.Message = (*test2.Scalars)(nil)
	_ protobuf.Message = (*test3.Scalars)(nil)
	_ protobuf.Message = (*edition.Features)(nil)
	_ protobuf.Message = (*opaque.Scalars)(nil)
	_ protobuf.Message = (*hybrid.Scalars)(nil)
)

// join makes bytes of numbers, strings and byte slices.
func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func TestWireEdges(t *testing.T) {
	ones := bytes.Repeat([]byte{0xff}, 9)
	zeros := bytes.Repeat([]byte{0x80}, 8)
	for _, c := range []struct {
		name string
		msg  proto.Message
		src  []byte
		want error
	}{
		{"empty", &test3.Scalars{}, nil, nil},
		{"field number 0", &test3.Scalars{}, join(0x00, 0x01), protobuf.ErrMalformed},
		{"field number 0, two bytes", &test3.Scalars{}, join(0x80, 0x00, 0x01), protobuf.ErrMalformed},
		{"field number 0, other wire type", &test3.Scalars{}, join(0x02, 0x00), protobuf.ErrMalformed},
		{"largest field number", &test3.Scalars{}, join(0xf8, 0xff, 0xff, 0xff, 0x0f, 0x01), nil},
		{"field number too large", &test3.Scalars{}, join(0x80, 0x80, 0x80, 0x80, 0x10, 0x01), protobuf.ErrMalformed},
		{"known largest field number", &test2.Scalars{}, join(0xf8, 0xff, 0xff, 0xff, 0x0f, 0x01), nil},
		{"tag longer than need be", &test3.Scalars{}, join(0x88, 0x80, 0x00, 0x07), nil},
		{"tag of ten bytes", &test3.Scalars{}, join(0x88, zeros, 0x00, 0x07), nil},
		{"tag of eleven bytes", &test3.Scalars{}, join(0x88, zeros, 0x80, 0x00, 0x07), protobuf.ErrMalformed},
		{"tag cut short", &test3.Scalars{}, join(0x88), protobuf.ErrTruncated},
		{"value missing", &test3.Scalars{}, join(0x08), protobuf.ErrTruncated},
		{"varint cut short", &test3.Scalars{}, join(0x08, 0x80), protobuf.ErrTruncated},
		{"varint longer than need be", &test3.Scalars{}, join(0x08, 0x81, zeros, 0x00), nil},
		{"negative int32 of ten bytes", &test3.Scalars{}, join(0x08, ones, 0x01), nil},
		{"negative int32 of five bytes", &test3.Scalars{}, join(0x08, 0xff, 0xff, 0xff, 0xff, 0x0f), nil},
		{"int32 cut to its width", &test3.Scalars{}, join(0x08, 0x80, 0x80, 0x80, 0x80, 0x20), nil},
		{"varint of 65 bits", &test3.Scalars{}, join(0x08, ones, 0x02), protobuf.ErrMalformed},
		{"varint of eleven bytes", &test3.Scalars{}, join(0x08, ones, 0x80, 0x01), protobuf.ErrMalformed},
		{"bool of two", &test3.Scalars{}, join(0x68, 0x02), nil},
		{"bool of 64 bits", &test3.Scalars{}, join(0x68, 0x80, zeros, 0x01), nil},
		{"sint32 of 64 bits", &test3.Scalars{}, join(0x28, ones, 0x01), nil},
		{"enum of 64 bits", &test3.Scalars{}, join(0x80, 0x01, ones, 0x01), nil},
		{"fixed32 cut short", &test3.Scalars{}, join(0x3d, 1, 2, 3), protobuf.ErrTruncated},
		{"fixed64 cut short", &test3.Scalars{}, join(0x41, 1, 2, 3, 4, 5, 6, 7), protobuf.ErrTruncated},
		{"string cut short", &test3.Scalars{}, join(0x72, 3, "ab"), protobuf.ErrTruncated},
		{"string announces all there is not", &test3.Scalars{}, join(0x72, ones, 0x01), protobuf.ErrTruncated},
		{"length of 65 bits", &test3.Scalars{}, join(0x72, ones, 0x02), protobuf.ErrMalformed},
		{"empty string", &test3.Scalars{}, join(0x72, 0), nil},
		{"empty bytes, with presence", &test3.Scalars{}, join(0xe2, 0x01, 0), nil},
		{"last one wins", &test3.Scalars{}, join(0x08, 1, 0x08, 2, 0x72, 1, "a", 0x72, 1, "b"), nil},
		{"last one wins, zero", &test3.Scalars{}, join(0x08, 1, 0x08, 0, 0x72, 1, "a", 0x72, 0), nil},
		{"negative zero", &test3.Scalars{}, join(0x5d, 0, 0, 0, 0x80, 0x61, 0, 0, 0, 0, 0, 0, 0, 0x80), nil},
		{"NaN with a payload", &test3.Scalars{}, join(0x5d, 1, 0, 0xc0, 0x7f, 0x61, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f), nil},
		{"wire type 6", &test3.Scalars{}, join(0x0e), protobuf.ErrMalformed},
		{"wire type 7", &test3.Scalars{}, join(0x0f, 0x01), protobuf.ErrMalformed},
		{"known field of other wire types", &test3.Scalars{}, join(0x0a, 1, "x", 0x0d, 1, 2, 3, 4, 0x70, 1, 0x0b, 0x0c), nil},
		{"message of another wire type", &bench.Blob{}, join(0x10, 5), nil},
		{"end of a group that is not open", &test3.Scalars{}, join(0x0c), protobuf.ErrMalformed},
		{"end of a group in a message", &bench.Blob{}, join(0x12, 1, 0x0c), protobuf.ErrMalformed},
		{"end of the outer group in a message", &test2.Groups{}, join(0x0b, 0x12, 1, 0x0c, 0x0c), protobuf.ErrMalformed},
		{"unknown group", &test3.Scalars{}, join(0xfb, 0x07, 0x08, 1, 0x0b, 0x0c, 0xfc, 0x07), nil},
		{"unknown group not closed", &test3.Scalars{}, join(0xfb, 0x07, 0x08, 1), protobuf.ErrTruncated},
		{"unknown group closed by another", &test3.Scalars{}, join(0xfb, 0x07, 0x08, 1, 0x0c), protobuf.ErrMalformed},
		{"field number 0 in an unknown group", &test3.Scalars{}, join(0xfb, 0x07, 0x00, 1, 0xfc, 0x07), protobuf.ErrMalformed},
		{"huge field number in an unknown group", &test3.Scalars{}, join(0xfb, 0x07, 0xf8, 0xff, 0xff, 0xff, 0x3f, 1, 0xfc, 0x07), nil},
		{"group not closed", &test2.Groups{}, join(0x0b, 0x08, 1), protobuf.ErrTruncated},
		{"group closed by another", &test2.Groups{}, join(0x0b, 0x08, 1, 0x14), protobuf.ErrMalformed},
		{"groups within groups", &test2.Groups{}, join(0x0b, 0x1b, 0x0a, 1, "x", 0x1c, 0x0c), nil},
		{"groups are merged", &test2.Groups{}, join(0x0b, 0x08, 1, 0x0c, 0x0b, 0x1b, 0x0a, 1, "x", 0x1c, 0x0c), nil},
		{"group closed by a longer tag", &test2.Groups{}, join(0x0b, 0x08, 1, 0x8c, 0x80, 0x00), nil},
		{"group as message", &test2.Groups{}, join(0x0a, 2, 0x08, 1), nil},
		{"messages are merged", &bench.Blob{}, join(0x12, 3, 0x0a, 1, "x", 0x12, 2, 0x10, 1), nil},
		{"packed list of a loose field", &test2.Lists{}, join(0x0a, 3, 1, 2, 3, 0x08, 4), nil},
		{"loose list of a packed field", &test3.Lists{}, join(0x08, 1, 0x0a, 2, 2, 3, 0x08, 4), nil},
		{"empty packed list", &test3.Lists{}, join(0x0a, 0), nil},
		{"packed list ends in a varint", &test3.Lists{}, join(0x0a, 2, 1, 0x80, 0x08, 1), protobuf.ErrTruncated},
		{"packed list with a varint of 65 bits", &test3.Lists{}, join(0x0a, 11, 1, ones, 0x02), protobuf.ErrMalformed},
		{"packed list with eleven bytes", &test3.Lists{}, join(0x12, 12, 1, ones, 0x80, 0x01), protobuf.ErrMalformed},
		{"packed fixed32 of odd length", &test3.Lists{}, join(0x3a, 5, 1, 2, 3, 4, 5), protobuf.ErrTruncated},
		{"packed fixed64 of odd length", &test3.Lists{}, join(0x42, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9), protobuf.ErrTruncated},
		{"packed bools", &test3.Lists{}, join(0x6a, 4, 0, 1, 0x80, 0x01), nil},
		{"packed list too long", &test3.Lists{}, join(0x0a, 9, 1), protobuf.ErrTruncated},
		{"empty map entry", &test3.Maps{}, join(0x0a, 0), nil},
		{"empty map entry of messages", &test3.Maps{}, join(0x12, 0), nil},
		{"map entry without value", &test3.Maps{}, join(0x22, 2, 0x08, 5), nil},
		{"map entry without key", &test3.Maps{}, join(0x0a, 3, 0x12, 1, "v"), nil},
		{"map entry backwards", &test3.Maps{}, join(0x0a, 6, 0x12, 1, "v", 0x0a, 1, "k"), nil},
		{"map entry, last one wins", &test3.Maps{}, join(0x0a, 6, 0x12, 1, "v", 0x12, 1, "w", 0x0a, 6, 0x12, 1, "v", 0x12, 1, "u"), nil},
		{"map entry with two messages", &test3.Maps{}, join(0x12, 8, 0x12, 2, 0x08, 1, 0x12, 2, 0x10, 1), nil},
		{"map entry with unknown fields", &test3.Maps{}, join(0x0a, 7, 0x1a, 1, "x", 0x0b, 0x0c, 0x20, 1), nil},
		{"map entry with other wire types", &test3.Maps{}, join(0x0a, 4, 0x08, 1, 0x10, 1), nil},
		{"map entry with field number 0", &test3.Maps{}, join(0x0a, 2, 0x00, 1), protobuf.ErrMalformed},
		{"map entry with end of a group", &test3.Maps{}, join(0x0a, 1, 0x0c), protobuf.ErrMalformed},
		{"map entry cut short", &test3.Maps{}, join(0x0a, 3, 0x0a, 5, "k"), protobuf.ErrTruncated},
		{"map of another wire type", &test3.Maps{}, join(0x08, 1), nil},
		{"oneof, last one wins", &test3.Oneofs{}, join(0x0a, 1, "a", 0x30, 7), nil},
		{"oneof of messages is merged", &test3.Oneofs{}, join(0x1a, 2, 0x08, 1, 0x1a, 2, 0x10, 2), nil},
		{"oneof of messages is not merged over another", &test3.Oneofs{}, join(0x1a, 2, 0x08, 1, 0x30, 7, 0x1a, 2, 0x10, 2), nil},
		{"oneof of zero", &test3.Oneofs{}, join(0x30, 0), nil},
		{"oneof of an empty string", &test3.Oneofs{}, join(0x0a, 0), nil},
		{"oneof of other wire types", &test3.Oneofs{}, join(0x08, 1), nil},
		{"unknown fields are kept in order", &test3.Scalars{}, join(0xc8, 0x3e, 1, 0x08, 1, 0xc8, 0xbe, 0x00, 2, 0xca, 0x3e, 1, "x"), nil},
		{"empty with unknown fields", &emptypb.Empty{}, join(0x08, 1, 0x12, 1, "x"), nil},
		{"timestamp with unknown fields", &timestamppb.Timestamp{}, join(0x08, 1, 0x18, 1, 0x10, 5), nil},
		{"enum not of the closed ones", &test2.Scalars{}, join(0x80, 0x01, 99), nil},
		{"extension and unknown", &test2.Extended{}, join(0xa0, 0x06, 1, 0xc0, 0x0c, 1, 0xaa, 0x06, 1, "x", 0x08, 5), nil},
		{"extension of another wire type", &test2.Extended{}, join(0xa2, 0x06, 1, "x"), nil},
		{"extension cut short", &test2.Extended{}, join(0xa2, 0x06, 5, "x"), protobuf.ErrTruncated},
		{"extension, message cut short", &test2.Extended{}, join(0xc2, 0x3e, 2, 0x12, 5), protobuf.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := sameDecode(t, c.msg.ProtoReflect().Type(), c.src, 0)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), string(c.msg.ProtoReflect().Descriptor().FullName())) {
				t.Errorf("error does not name the message: %v", err)
			}
			if err == nil {
				proto.Unmarshal(c.src, c.msg)
				sameEncode(t, c.msg)
			}
		})
	}
}

// Every beginning of a valid encoding gets the library's verdict.
// Long lists of numbers that all take as many bytes.
func TestPackedWidths(t *testing.T) {
	for bits := range 64 {
		m := &bench.Ints{Values: slices.Repeat([]int64{1 << bits}, 1000+bits)}
		if err := sameDecode(t, m.ProtoReflect().Type(), sameEncode(t, m), 0); err != nil {
			t.Error(err)
		}
	}
}

// A varint of any length, the right one or not, at any distance from both ends of
// the input.
func TestVarintEnds(t *testing.T) {
	mt := (&test3.Scalars{}).ProtoReflect().Type()
	for before := range 12 {
		for _, v := range []uint64{0, 1, 1 << 6, 1 << 7, 1 << 14, 1 << 20, 1 << 34, 1 << 41, 1 << 48, 1 << 55, 1 << 56, 1 << 62, 1<<64 - 1} {
			src := append(bytes.Repeat([]byte{0x18, 0}, before/2), make([]byte, 0, 30)...)
			if before%2 == 1 {
				src = append(src, 0x18, 0x80, 0)
			}
			src = append(src, 0x20)
			src = append(src, binary.AppendUvarint(nil, v)...)
			sameDecode(t, mt, src, 0)
			for cut := range 4 { // too short, and then with other bytes that go on
				sameDecode(t, mt, src[:len(src)-min(cut, len(src))], 0)
				src = append(src[:len(src)-1], src[len(src)-1]|0x80)
				sameDecode(t, mt, src, 0)
				src = append(src, byte(cut))
				sameDecode(t, mt, src, 0)
			}
		}
	}
}

func TestTruncation(t *testing.T) {
	for _, mt := range messageTypes() {
		r := &filler{Rand: rand.New(rand.NewPCG(7, 7))}
		var src []byte
		for len(src) < 100 && r.IntN(50) > 0 {
			m := mt.New()
			r.message(m, 2)
			src, _ = proto.Marshal(m.Interface())
		}
		for n := range min(len(src), 400) {
			sameDecode(t, mt, src[:n], 0)
		}
	}
}

func TestUTF8(t *testing.T) {
	const bad = "a\xffb"
	long := strings.Repeat("x", 40) + "\xc3"
	for _, m := range []proto.Message{
		&test3.Scalars{String_: bad},
		&test3.Scalars{String_: long},
		&test3.Scalars{String_: strings.Repeat("x", 9) + "\xc3"},
		&test3.Scalars{Ostring: proto.String(bad)},
		&test3.Lists{String_: []string{"fine", bad}},
		&test3.Maps{String_: map[string]string{bad: "v"}},
		&test3.Maps{String_: map[string]string{"k": bad}},
		&test3.Maps{Scalars: map[string]*test3.Scalars{"k": {String_: bad}}},
		&test3.Oneofs{Kind: &test3.Oneofs_Text{Text: bad}},
		&test3.Known{Value: structpb.NewStringValue(bad)},
		&edition.Features{Required: proto.Int32(1), Text: proto.String(bad)},
		&edition.Features{Required: proto.Int32(1), ImplicitText: bad},
		&edition.Features{Required: proto.Int32(1), One: &edition.Features_Other{Other: bad}},
	} {
		if _, err := (protobuf.Codec{}).Append(nil, m); !errors.Is(err, protobuf.ErrUTF8) {
			t.Errorf("%v: encode: %v", m, err)
		}
		// The library appends before it checks.
		src, _ := proto.MarshalOptions{}.MarshalAppend(nil, m)
		if len(src) == 0 {
			continue
		}
		if err := sameDecode(t, m.ProtoReflect().Type(), src, 0); err == nil {
			t.Errorf("%v: decoded", m)
		}
	}
	for src, m := range map[string]proto.Message{
		string(join(0x72, 2, "\xff\xff")):        &test3.Scalars{},
		string(join(0xda, 0x01, 1, "\xff")):      &test3.Scalars{},
		string(join(0x72, 1, "a", 0x72, 3, bad)): &test3.Lists{},
		string(join(0x0a, 3, 0x0a, 1, "\xff")):   &test3.Maps{},
		string(join(0x0a, 3, 0x12, 1, "\xff")):   &test3.Maps{},
		string(join(0x0a, 1, "\xff")):            &test3.Oneofs{},
		string(join(0x92, 0x01, 1, "\xff")):      &edition.Features{},
	} {
		if err := sameDecode(t, m.ProtoReflect().Type(), []byte(src), 0); !errors.Is(err, protobuf.ErrUTF8) {
			t.Errorf("%T: %x: %v", m, src, err)
		}
	}
	for _, m := range []proto.Message{
		&test2.Scalars{String_: proto.String(bad)},
		&test2.Lists{String_: []string{bad}},
		&test2.Oneofs{First: &test2.Oneofs_Text{Text: bad}},
		&edition.Features{Required: proto.Int32(1), Raw: proto.String(bad), Raws: []string{bad}, RawMap: map[string]string{bad: bad}},
		&edition.Features{Required: proto.Int32(1), One: &edition.Features_OtherRaw{OtherRaw: bad}},
	} {
		src := sameEncode(t, m)
		if err := sameDecode(t, m.ProtoReflect().Type(), src, 0); err != nil || src == nil {
			t.Errorf("%v: %v", m, err)
		}
	}
}

func TestRequired(t *testing.T) {
	whole := &test2.Strict{Number: proto.Int32(1), Text: proto.String(""), Data: []byte{}, Color: test2.Color_RED.Enum()}
	part := &test2.Strict{Number: proto.Int32(1)}
	for i, m := range []proto.Message{
		&test2.Strict{},
		part,
		&test2.Holder{Strict: part},
		&test2.Holder{Stricts: []*test2.Strict{whole, part}},
		&test2.Holder{Stricts: []*test2.Strict{whole, nil}},
		&test2.Holder{ByNumber: map[int32]*test2.Strict{1: part}},
		&test2.Holder{ByNumber: map[int32]*test2.Strict{1: nil}},
		&test2.Holder{One: &test2.Holder_Either{Either: part}},
		&test2.Holder{One: &test2.Holder_Either{}},
		&test2.Holder{Foreign: &foreign.Strict{}},
		&test2.Holder{Foreigns: []*foreign.Strict{{}}},
		&test2.Holder{Part: []*test2.Holder_Part{{}}},
		opaque.Mixed_builder{Scalars: &opaque.Scalars{}}.Build(),
		&foreign.Strict{},
	} {
		if _, err := (protobuf.Codec{}).Append(nil, m); !errors.Is(err, protobuf.ErrRequired) {
			t.Errorf("%d: encode %v: %v", i, m, err)
		}
		sameEncode(t, m)
		src, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameDecode(t, m.ProtoReflect().Type(), src, 0); !errors.Is(err, protobuf.ErrRequired) {
			t.Errorf("%d: decode %v: %v", i, m, err)
		}
	}
	// What one part lacks another may bring.
	halves := join(0x0a, 2, 0x08, 1, 0x0a, 6, 0x12, 0, 0x1a, 0, 0x20, 0)
	if err := sameDecode(t, (&test2.Holder{}).ProtoReflect().Type(), halves, 0); err != nil {
		t.Error(err)
	}
	ext := &test2.Extended{}
	proto.SetExtension(ext, test2.E_ExtStrict, part)
	if _, err := (protobuf.Codec{}).Append(nil, ext); !errors.Is(err, protobuf.ErrRequired) {
		t.Errorf("extension: %v", err)
	}
	proto.SetExtension(ext, test2.E_ExtStrict, whole)
	sameEncode(t, &test2.Extends{One: ext})
}

func TestDepth(t *testing.T) {
	nest := func(n int, wrap func(inner []byte) []byte, b ...byte) []byte {
		for range n - 1 {
			b = wrap(b)
		}
		return b
	}
	bytesField := func(tag byte) func([]byte) []byte {
		return func(inner []byte) []byte {
			b := append([]byte{tag}, varint(len(inner))...)
			return append(b, inner...)
		}
	}
	tree := &test2.Tree{}
	for _, c := range []struct {
		name  string
		msg   proto.Message
		src   func(depth int) []byte
		exact bool // the library counts alike
	}{
		{"message", tree, func(n int) []byte { return nest(n, bytesField(0x0a)) }, true},
		{"list", tree, func(n int) []byte { return nest(n, bytesField(0x1a)) }, true},
		{"foreign", &foreign.Plain{}, func(n int) []byte { return nest(n, bytesField(0x1a)) }, true},
		{"oneof", &test3.Oneofs{}, func(n int) []byte { return nest(n, bytesField(0x2a)) }, true},
		{"group", tree, func(n int) []byte {
			b := []byte{}
			if n%2 == 0 {
				b = join(0x33, 0x34)
			}
			return nest((n+1)/2, func(in []byte) []byte { return join(0x33, bytesField(0x0a)(in), 0x34) }, b...)
		}, true},
		{"unknown group", tree, func(n int) []byte {
			return nest(n, func(in []byte) []byte { return join(0x3b, in, 0x3c) })
		}, false},
	} {
		for _, limit := range []int{1, 2, 10, 0} {
			most := limit
			if most == 0 {
				most = protobuf.DefaultMaxDepth
			}
			mt := c.msg.ProtoReflect().Type()
			if err := (protobuf.Codec{MaxDepth: limit}).Decode(c.src(most), mt.New().Interface()); err != nil {
				t.Errorf("%s: depth %d of %d: %v", c.name, most, most, err)
			}
			if err := (protobuf.Codec{MaxDepth: limit}).Decode(c.src(most+1), mt.New().Interface()); !errors.Is(err, protobuf.ErrDepth) {
				t.Errorf("%s: depth %d of %d: %v", c.name, most+1, most, err)
			}
			if c.exact {
				sameDecode(t, mt, c.src(most), most)
				sameDecode(t, mt, c.src(most+1), most)
			}
		}
	}
	// A map entry is a level as well.
	entry := join(0x22, 2, 0x12, 0)
	for depth, want := range map[int]error{2: protobuf.ErrDepth, 3: nil} {
		if err := sameDecode(t, tree.ProtoReflect().Type(), entry, depth); !errors.Is(err, want) {
			t.Errorf("map at depth %d: %v", depth, err)
		}
	}
}

func varint(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// A message that contains itself is an error, and soon.
func TestCycle(t *testing.T) {
	tree := &test2.Tree{}
	tree.Left, tree.Right = tree, tree
	tree.More = []*test2.Tree{tree, tree}
	tree.Named = map[string]*test2.Tree{"x": tree}
	if b, err := (protobuf.Codec{}).Append([]byte("kept"), tree); !errors.Is(err, protobuf.ErrDepth) || string(b) != "kept" {
		t.Errorf("%v", err)
	}
	list := &structpb.ListValue{}
	list.Values = []*structpb.Value{structpb.NewListValue(list), structpb.NewListValue(list)}
	if _, err := (protobuf.Codec{}).Append(nil, list); !errors.Is(err, protobuf.ErrDepth) {
		t.Errorf("%v", err)
	}
	// Deep is fine as long as it ends.
	deep := &test2.Tree{}
	for range 2000 {
		deep = &test2.Tree{Left: deep}
	}
	if _, err := (protobuf.Codec{}).Append(nil, deep); err != nil {
		t.Error(err)
	}
}

// Large and deep: lengths may take five bytes there, so that nothing is moved
// at every level.
func TestDeepAndLarge(t *testing.T) {
	payload := strings.Repeat("x", 1<<20)
	for _, depth := range []int{5, 9, 60} {
		tree := &test2.Tree{Named: map[string]*test2.Tree{payload: {}}}
		for i := range depth {
			switch i % 4 {
			case 0:
				tree = &test2.Tree{Left: tree, Value: proto.Int64(5)}
			case 1:
				tree = &test2.Tree{More: []*test2.Tree{tree, {Value: proto.Int64(1)}}}
			case 2:
				tree = &test2.Tree{Named: map[string]*test2.Tree{"name": tree}}
			case 3:
				tree = &test2.Tree{Sub: &test2.Tree_Sub{Tree: tree}}
			}
		}
		if depth < 15 {
			sameEncode(t, tree)
			continue
		}
		got, err := protobuf.Codec{}.Append(nil, tree)
		if err != nil {
			t.Fatal(err)
		}
		back := &test2.Tree{}
		if err := proto.Unmarshal(got, back); err != nil || !proto.Equal(back, tree) {
			t.Errorf("depth %d: %v", depth, err)
		}
		if want := proto.Size(tree); len(got) > want+8*depth {
			t.Errorf("depth %d: %d bytes, want about %d", depth, len(got), want)
		}
	}
	// Small is as short as can be, at any depth.
	tree := &test2.Tree{}
	for range 60 {
		tree = &test2.Tree{Left: tree, Value: proto.Int64(7)}
	}
	sameEncode(t, tree)
}

func TestNil(t *testing.T) {
	c := protobuf.Codec{}
	for _, m := range []any{nil, (*test3.Scalars)(nil), (*foreign.Plain)(nil), (*timestamppb.Timestamp)(nil)} {
		if b, err := c.Append([]byte("x"), m); err != nil || string(b) != "x" {
			t.Errorf("%T: %q, %v", m, b, err)
		}
		if err := c.Decode([]byte{0x08, 1}, m); !errors.Is(err, protobuf.ErrType) {
			t.Errorf("%T: decode: %v", m, err)
		}
	}
	for _, m := range []any{7, "text", struct{}{}, &struct{}{}, test3.Mood_GLAD} {
		if _, err := c.Append(nil, m); !errors.Is(err, protobuf.ErrType) || !strings.Contains(err.Error(), fmt.Sprintf("%T", m)) {
			t.Errorf("%T: encode: %v", m, err)
		}
		if err := c.Decode(nil, m); !errors.Is(err, protobuf.ErrType) {
			t.Errorf("%T: decode: %v", m, err)
		}
	}
	for _, m := range []proto.Message{
		&test3.Lists{Scalars: []*test3.Scalars{nil, {I32: 1}, nil}},
		&test3.Maps{Scalars: map[string]*test3.Scalars{"k": nil}},
		&test3.Oneofs{Kind: &test3.Oneofs_Scalars{}},
		&test3.Oneofs{Kind: &test3.Oneofs_Data{}},
		&test3.Oneofs{Kind: (*test3.Oneofs_Text)(nil)},
		&test3.Oneofs{Kind: (*test3.Oneofs_Scalars)(nil)},
		&test2.Oneofs{Second: &test2.Oneofs_Plain{}},
		&test2.Groups{Many: []*test2.Groups_Many{nil}},
		&test2.Foreigners{Plains: []*foreign.Plain{nil}, Times: []*timestamppb.Timestamp{nil}},
		&test2.Maps{Times: map[string]*timestamppb.Timestamp{"": nil}, String_: map[string]*foreign.Plain{"": nil}},
		&structpb.ListValue{Values: []*structpb.Value{nil, {}, {Kind: (*structpb.Value_ListValue)(nil)}}},
		&test2.Scalars{Bytes: []byte{}},
		&test3.Scalars{Bytes: []byte{}, Float: float32(math.Copysign(0, -1)), Double: math.Copysign(0, -1)},
	} {
		sameEncode(t, m)
	}
}

// Decode replaces what the message held.
func TestDecodeResets(t *testing.T) {
	m := &test3.Scalars{I32: 1, String_: "x"}
	if err := (protobuf.Codec{}).Decode([]byte{0x10, 1}, m); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(m, &test3.Scalars{I64: 1}) {
		t.Errorf("got %v", m)
	}
	ts := timestamppb.New(timestamppb.Now().AsTime())
	if err := (protobuf.Codec{}).Decode(nil, ts); err != nil || ts.Seconds != 0 {
		t.Errorf("got %v, %v", ts, err)
	}
}

// Messages without our methods go through the library.
func TestForeign(t *testing.T) {
	for _, m := range []proto.Message{&foreign.Plain{}, &test2.Clash{}, &opaque.Lazy{}, &durationpb.Duration{}, dynamicpb.NewMessage((&test3.Scalars{}).ProtoReflect().Descriptor())} {
		if _, ok := m.(protobuf.Message); ok {
			t.Errorf("%T has methods", m)
		}
	}
	dyn := dynamicpb.NewMessage((&test3.Scalars{}).ProtoReflect().Descriptor())
	src := sameEncode(t, &test3.Scalars{I32: 5, String_: "dynamic"})
	if err := (protobuf.Codec{}).Decode(src, dyn); err != nil {
		t.Fatal(err)
	}
	if got := sameEncode(t, dyn); !bytes.Equal(got, src) {
		t.Errorf("got %x, want %x", got, src)
	}
	bad := &foreign.Plain{}
	if err := (protobuf.Codec{}).Decode([]byte{0x08}, bad); !errors.Is(err, protobuf.ErrMalformed) {
		t.Errorf("%v", err)
	}
	if err := (protobuf.Codec{}).Decode([]byte{0x0a, 1, 0x08}, &test2.Foreigners{}); !errors.Is(err, protobuf.ErrMalformed) {
		t.Errorf("%v", err)
	}
}
