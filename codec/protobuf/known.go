package protobuf

import (
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// asMessage returns m as something with Lupine's methods, or nil. Google's
// well-known types get theirs here, by way of types of the same structure.
func asMessage(m proto.Message) Message {
	switch m := m.(type) {
	case Message:
		return m
	case *timestamppb.Timestamp:
		return (*timestamp)(m)
	case *durationpb.Duration:
		return (*duration)(m)
	case *emptypb.Empty:
		return (*empty)(m)
	case *anypb.Any:
		return (*anyMessage)(m)
	case *fieldmaskpb.FieldMask:
		return (*fieldMask)(m)
	case *structpb.Struct:
		return (*structure)(m)
	case *structpb.Value:
		return (*value)(m)
	case *structpb.ListValue:
		return (*listValue)(m)
	}
	return asWrapper(m)
}

func asWrapper(m proto.Message) Message {
	switch m := m.(type) {
	case *wrapperspb.BoolValue:
		return (*boolValue)(m)
	case *wrapperspb.BytesValue:
		return (*bytesValue)(m)
	case *wrapperspb.DoubleValue:
		return (*doubleValue)(m)
	case *wrapperspb.FloatValue:
		return (*floatValue)(m)
	case *wrapperspb.Int32Value:
		return (*int32Value)(m)
	case *wrapperspb.Int64Value:
		return (*int64Value)(m)
	case *wrapperspb.StringValue:
		return (*stringValue)(m)
	case *wrapperspb.UInt32Value:
		return (*uint32Value)(m)
	case *wrapperspb.UInt64Value:
		return (*uint64Value)(m)
	}
	return nil
}

// appendUnknown ends a well-known message; their unknown fields are private.
func appendUnknown(b []byte, m proto.Message) []byte {
	return AppendUnknown(b, m.ProtoReflect().GetUnknown())
}

// keepUnknown gives a well-known message the unknown fields that were met.
func keepUnknown(m proto.Message, unknown []byte, i int) int {
	if unknown != nil {
		r := m.ProtoReflect()
		r.SetUnknown(append(r.GetUnknown(), unknown...))
	}
	return i
}

type (
	timestamp   timestamppb.Timestamp
	duration    durationpb.Duration
	empty       emptypb.Empty
	anyMessage  anypb.Any
	fieldMask   fieldmaskpb.FieldMask
	structure   structpb.Struct
	value       structpb.Value
	listValue   structpb.ListValue
	boolValue   wrapperspb.BoolValue
	bytesValue  wrapperspb.BytesValue
	doubleValue wrapperspb.DoubleValue
	floatValue  wrapperspb.FloatValue
	int32Value  wrapperspb.Int32Value
	int64Value  wrapperspb.Int64Value
	stringValue wrapperspb.StringValue
	uint32Value wrapperspb.UInt32Value
	uint64Value wrapperspb.UInt64Value
)

func appendTime(b []byte, seconds int64, nanos int32) []byte {
	return PutVarint(PutVarint(b, 0x08, uint64(seconds)), 0x10, uint64(nanos))
}

func (d *Decoder) readTime(m proto.Message, seconds *int64, nanos *int32, b []byte) (i int) {
	var unknown []byte
	for uint(i) < uint(len(b)) {
		var tag uint64
		switch tag, i = Tag(b, i); tag {
		case 0x08:
			i = ReadVarint(seconds, b, i)
		case 0x10:
			i = ReadVarint(nanos, b, i)
		default:
			i = d.Unknown(&unknown, b, i, tag)
		}
	}
	return keepUnknown(m, unknown, i)
}

func (x *timestamp) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(appendTime(b, x.Seconds, x.Nanos), (*timestamppb.Timestamp)(x))
}

func (x *timestamp) LupineDecode(d *Decoder, b []byte) int {
	return d.readTime((*timestamppb.Timestamp)(x), &x.Seconds, &x.Nanos, b)
}

func (x *duration) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(appendTime(b, x.Seconds, x.Nanos), (*durationpb.Duration)(x))
}

func (x *duration) LupineDecode(d *Decoder, b []byte) int {
	return d.readTime((*durationpb.Duration)(x), &x.Seconds, &x.Nanos, b)
}

func (x *empty) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(b, (*emptypb.Empty)(x))
}

func (x *empty) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*emptypb.Empty)(x), b, 0, nil)
}

func (x *anyMessage) LupineAppend(e *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.PutString(b, 0x0a, x.TypeUrl)
	b = PutBytes(b, 0x12, x.Value)
	return appendUnknown(b, (*anypb.Any)(x))
}

func (x *anyMessage) LupineDecode(d *Decoder, b []byte) (i int) {
	var unknown []byte
	for uint(i) < uint(len(b)) {
		var tag uint64
		switch tag, i = Tag(b, i); tag {
		case 0x0a:
			i = d.ReadString(&x.TypeUrl, b, i)
		case 0x12:
			i = d.ReadBytes(&x.Value, b, i)
		default:
			i = d.Unknown(&unknown, b, i, tag)
		}
	}
	return keepUnknown((*anypb.Any)(x), unknown, i)
}

// readOne decodes a message with at most one field.
func (d *Decoder) readOne(m proto.Message, b []byte, field uint64, read func(i int) int) (i int) {
	var unknown []byte
	for uint(i) < uint(len(b)) {
		var tag uint64
		tag, i = Tag(b, i)
		if tag == field && tag != 0 {
			i = read(i)
		} else {
			i = d.Unknown(&unknown, b, i, tag)
		}
	}
	return keepUnknown(m, unknown, i)
}

func (x *fieldMask) LupineAppend(e *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(e.AppendStrings(b, 0x0a, x.Paths), (*fieldmaskpb.FieldMask)(x))
}

func (x *fieldMask) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*fieldmaskpb.FieldMask)(x), b, 0x0a, func(i int) int {
		return d.ReadStrings(&x.Paths, b, i, 0x0a)
	})
}

func (x *structure) LupineAppend(e *Encoder, b []byte) []byte {
	if x == nil || !e.Enter() {
		return b
	}
	keys := SortedKeys(e, x.Fields)
	for k, v := range x.Fields {
		if keys != nil {
			k, keys = keys[0], keys[1:]
			v = x.Fields[k]
		}
		b = e.Open(b, 0x0a)
		b = e.Close(e.Foreign(e.AppendString(b, 0x0a, k), 0x12, v), len(b))
	}
	e.Leave()
	return appendUnknown(b, (*structpb.Struct)(x))
}

func (x *structure) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*structpb.Struct)(x), b, 0x0a, func(i int) int {
		k, v := Pair(&x.Fields, b, i, 0x0a)
		entry, next := d.Entry(b, i)
		i = 0
		for uint(i) < uint(len(entry)) {
			var tag uint64
			switch tag, i = Tag(entry, i); tag {
			case 0x0a:
				i = d.ReadString(&k, entry, i)
			case 0x12:
				i = d.Foreign(Make(d, slotValue, &v), entry, i)
			default:
				i = d.Other(entry, i, tag)
			}
		}
		if next = d.Leave(i, next); next >= 0 {
			x.Fields[k] = Make(d, slotValue, &v)
		}
		return next
	})
}

func (x *listValue) LupineAppend(e *Encoder, b []byte) []byte {
	if x == nil || !e.Enter() {
		return b
	}
	for _, v := range x.Values {
		b = e.Open(b, 0x0a)
		b = e.Close((*value)(v).LupineAppend(e, b), len(b))
	}
	e.Leave()
	return appendUnknown(b, (*structpb.ListValue)(x))
}

func (x *listValue) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*structpb.ListValue)(x), b, 0x0a, func(i int) int {
		return ReadForeigns(d, slotValue, &x.Values, b, i, 0x0a)
	})
}

func (x *value) LupineAppend(e *Encoder, b []byte) []byte {
	if x == nil || !e.Enter() {
		return b
	}
	switch w := x.Kind.(type) {
	case *structpb.Value_NullValue:
		if w != nil {
			b = AppendVarint(b, 0x08, uint64(w.NullValue))
		}
	case *structpb.Value_NumberValue:
		if w != nil {
			b = AppendFixed64(b, 0x11, math.Float64bits(w.NumberValue))
		}
	case *structpb.Value_StringValue:
		if w != nil {
			b = e.AppendString(b, 0x1a, w.StringValue)
		}
	case *structpb.Value_BoolValue:
		if w != nil {
			b = AppendVarint(b, 0x20, Bool(w.BoolValue))
		}
	case *structpb.Value_StructValue:
		if w != nil {
			b = e.Foreign(b, 0x2a, w.StructValue)
		}
	case *structpb.Value_ListValue:
		if w != nil {
			b = e.Foreign(b, 0x32, w.ListValue)
		}
	}
	e.Leave()
	return appendUnknown(b, (*structpb.Value)(x))
}

func (x *value) LupineDecode(d *Decoder, b []byte) (i int) {
	var unknown []byte
	for uint(i) < uint(len(b)) {
		var tag uint64
		switch tag, i = Tag(b, i); tag {
		case 0x08:
			w := new(structpb.Value_NullValue)
			x.Kind, i = w, ReadVarint(&w.NullValue, b, i)
		case 0x11:
			w := Alloc[structpb.Value_NumberValue](d, slotNumber)
			x.Kind, i = w, ReadDouble(&w.NumberValue, b, i)
		case 0x1a:
			w := Alloc[structpb.Value_StringValue](d, slotString)
			x.Kind, i = w, d.ReadString(&w.StringValue, b, i)
		case 0x20:
			w := new(structpb.Value_BoolValue)
			x.Kind, i = w, ReadBool(&w.BoolValue, b, i)
		case 0x2a:
			w, _ := x.Kind.(*structpb.Value_StructValue)
			if w == nil {
				w = new(structpb.Value_StructValue)
			}
			x.Kind, i = w, d.Foreign(New(&w.StructValue), b, i)
		case 0x32:
			w, _ := x.Kind.(*structpb.Value_ListValue)
			if w == nil {
				w = new(structpb.Value_ListValue)
			}
			x.Kind, i = w, d.Foreign(New(&w.ListValue), b, i)
		default:
			i = d.Unknown(&unknown, b, i, tag)
		}
	}
	return keepUnknown((*structpb.Value)(x), unknown, i)
}
