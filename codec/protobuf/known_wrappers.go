package protobuf

import (
	"math"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

func (x *boolValue) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutVarint(b, 0x08, Bool(x.Value)), (*wrapperspb.BoolValue)(x))
}

func (x *boolValue) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.BoolValue)(x), b, 0x08, func(i int) int { return ReadBool(&x.Value, b, i) })
}

func (x *bytesValue) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutBytes(b, 0x0a, x.Value), (*wrapperspb.BytesValue)(x))
}

func (x *bytesValue) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.BytesValue)(x), b, 0x0a, func(i int) int { return d.ReadBytes(&x.Value, b, i) })
}

func (x *doubleValue) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutFixed64(b, 0x09, math.Float64bits(x.Value)), (*wrapperspb.DoubleValue)(x))
}

func (x *doubleValue) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.DoubleValue)(x), b, 0x09, func(i int) int { return ReadDouble(&x.Value, b, i) })
}

func (x *floatValue) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutFixed32(b, 0x0d, math.Float32bits(x.Value)), (*wrapperspb.FloatValue)(x))
}

func (x *floatValue) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.FloatValue)(x), b, 0x0d, func(i int) int { return ReadFloat(&x.Value, b, i) })
}

func (x *int32Value) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutVarint(b, 0x08, uint64(x.Value)), (*wrapperspb.Int32Value)(x))
}

func (x *int32Value) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.Int32Value)(x), b, 0x08, func(i int) int { return ReadVarint(&x.Value, b, i) })
}

func (x *int64Value) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutVarint(b, 0x08, uint64(x.Value)), (*wrapperspb.Int64Value)(x))
}

func (x *int64Value) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.Int64Value)(x), b, 0x08, func(i int) int { return ReadVarint(&x.Value, b, i) })
}

func (x *stringValue) LupineAppend(e *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(e.PutString(b, 0x0a, x.Value), (*wrapperspb.StringValue)(x))
}

func (x *stringValue) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.StringValue)(x), b, 0x0a, func(i int) int { return d.ReadString(&x.Value, b, i) })
}

func (x *uint32Value) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutVarint(b, 0x08, uint64(x.Value)), (*wrapperspb.UInt32Value)(x))
}

func (x *uint32Value) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.UInt32Value)(x), b, 0x08, func(i int) int { return ReadVarint(&x.Value, b, i) })
}

func (x *uint64Value) LupineAppend(_ *Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return appendUnknown(PutVarint(b, 0x08, uint64(x.Value)), (*wrapperspb.UInt64Value)(x))
}

func (x *uint64Value) LupineDecode(d *Decoder, b []byte) int {
	return d.readOne((*wrapperspb.UInt64Value)(x), b, 0x08, func(i int) int { return ReadVarint(&x.Value, b, i) })
}
