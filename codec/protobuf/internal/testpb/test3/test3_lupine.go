package test3

import (
	protobuf "github.com/lupine-rpc/lupine/codec/protobuf"
	durationpb "google.golang.org/protobuf/types/known/durationpb"
	structpb "google.golang.org/protobuf/types/known/structpb"
	math "math"
)

// LupineAppend is called by Lupine's codec.
func (x *Scalars) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.PutVarint(b, 0x08, uint64(x.I32))
	b = protobuf.PutVarint(b, 0x10, uint64(x.I64))
	b = protobuf.PutVarint(b, 0x18, uint64(x.U32))
	b = protobuf.PutVarint(b, 0x20, uint64(x.U64))
	b = protobuf.PutVarint(b, 0x28, protobuf.Zigzag(int64(x.S32)))
	b = protobuf.PutVarint(b, 0x30, protobuf.Zigzag(int64(x.S64)))
	b = protobuf.PutFixed32(b, 0x3d, uint32(x.F32))
	b = protobuf.PutFixed64(b, 0x41, uint64(x.F64))
	b = protobuf.PutFixed32(b, 0x4d, uint32(x.Sf32))
	b = protobuf.PutFixed64(b, 0x51, uint64(x.Sf64))
	b = protobuf.PutFixed32(b, 0x5d, math.Float32bits(x.Float))
	b = protobuf.PutFixed64(b, 0x61, math.Float64bits(x.Double))
	b = protobuf.PutVarint(b, 0x68, protobuf.Bool(x.Bool))
	b = e.PutString(b, 0x72, x.String_)
	b = protobuf.PutBytes(b, 0x7a, x.Bytes)
	b = protobuf.PutFarVarint(b, 0x80, uint64(x.Mood))
	b = protobuf.OptVarint(b, 0xa8, x.Oi32)
	b = protobuf.OptSint(b, 0xb0, x.Os64)
	b = protobuf.OptFixed32(b, 0xbd, x.Of32)
	b = protobuf.OptFixed32(b, 0xc5, x.Ofloat)
	b = protobuf.OptFixed64(b, 0xc9, x.Odouble)
	b = protobuf.OptBool(b, 0xd0, x.Obool)
	b = e.OptString(b, 0xda, x.Ostring)
	b = protobuf.OptBytes(b, 0xe2, x.Obytes)
	b = protobuf.OptVarint(b, 0xe8, x.Omood)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Scalars) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadVarint(&x.I32, b, i)
		case 0x10:
			i = protobuf.ReadVarint(&x.I64, b, i)
		case 0x18:
			i = protobuf.ReadVarint(&x.U32, b, i)
		case 0x20:
			i = protobuf.ReadVarint(&x.U64, b, i)
		case 0x28:
			i = protobuf.ReadSint(&x.S32, b, i)
		case 0x30:
			i = protobuf.ReadSint(&x.S64, b, i)
		case 0x3d:
			i = protobuf.ReadFixed32(&x.F32, b, i)
		case 0x41:
			i = protobuf.ReadFixed64(&x.F64, b, i)
		case 0x4d:
			i = protobuf.ReadFixed32(&x.Sf32, b, i)
		case 0x51:
			i = protobuf.ReadFixed64(&x.Sf64, b, i)
		case 0x5d:
			i = protobuf.ReadFloat(&x.Float, b, i)
		case 0x61:
			i = protobuf.ReadDouble(&x.Double, b, i)
		case 0x68:
			i = protobuf.ReadBool(&x.Bool, b, i)
		case 0x72:
			i = d.ReadString(&x.String_, b, i)
		case 0x7a:
			i = d.ReadBytes(&x.Bytes, b, i)
		case 0x80:
			i = protobuf.ReadVarint(&x.Mood, b, i)
		case 0xa8:
			i = protobuf.ReadOptVarint(&x.Oi32, b, i)
		case 0xb0:
			i = protobuf.ReadOptSint(&x.Os64, b, i)
		case 0xbd:
			i = protobuf.ReadOptFixed32(&x.Of32, b, i)
		case 0xc5:
			i = protobuf.ReadOptFloat(&x.Ofloat, b, i)
		case 0xc9:
			i = protobuf.ReadOptDouble(&x.Odouble, b, i)
		case 0xd0:
			i = protobuf.ReadOptBool(&x.Obool, b, i)
		case 0xda:
			i = d.ReadOptString(&x.Ostring, b, i)
		case 0xe2:
			i = d.ReadBytes(&x.Obytes, b, i)
		case 0xe8:
			i = protobuf.ReadOptVarint(&x.Omood, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Lists) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.AppendPackedVarint(b, 0x0a, x.I32)
	b = protobuf.AppendPackedVarint(b, 0x12, x.I64)
	b = protobuf.AppendPackedVarint(b, 0x1a, x.U32)
	b = protobuf.AppendPackedVarint(b, 0x22, x.U64)
	b = protobuf.AppendPackedSint(b, 0x2a, x.S32)
	b = protobuf.AppendPackedSint(b, 0x32, x.S64)
	b = protobuf.AppendPackedFixed32(b, 0x3a, x.F32)
	b = protobuf.AppendPackedFixed64(b, 0x42, x.F64)
	b = protobuf.AppendPackedFixed32(b, 0x4a, x.Sf32)
	b = protobuf.AppendPackedFixed64(b, 0x52, x.Sf64)
	b = protobuf.AppendPackedFixed32(b, 0x5a, x.Float)
	b = protobuf.AppendPackedFixed64(b, 0x62, x.Double)
	b = protobuf.AppendPackedBool(b, 0x6a, x.Bool)
	b = e.AppendStrings(b, 0x72, x.String_)
	b = protobuf.AppendByteses(b, 0x7a, x.Bytes)
	b = protobuf.AppendPackedVarint(b, 0x82, x.Mood)
	for _, v := range x.Scalars {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x8a, 0x01, 0)), len(b)+3)
	}
	b = protobuf.AppendVarints(b, 0x90, x.Loose)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Lists) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadVarints(&x.I32, b, i)
		case 0x0a:
			i = protobuf.ReadPackedVarint(&x.I32, b, i)
		case 0x10:
			i = protobuf.ReadVarints(&x.I64, b, i)
		case 0x12:
			i = protobuf.ReadPackedVarint(&x.I64, b, i)
		case 0x18:
			i = protobuf.ReadVarints(&x.U32, b, i)
		case 0x1a:
			i = protobuf.ReadPackedVarint(&x.U32, b, i)
		case 0x20:
			i = protobuf.ReadVarints(&x.U64, b, i)
		case 0x22:
			i = protobuf.ReadPackedVarint(&x.U64, b, i)
		case 0x28:
			i = protobuf.ReadSints(&x.S32, b, i)
		case 0x2a:
			i = protobuf.ReadPackedSint(&x.S32, b, i)
		case 0x30:
			i = protobuf.ReadSints(&x.S64, b, i)
		case 0x32:
			i = protobuf.ReadPackedSint(&x.S64, b, i)
		case 0x3d:
			i = protobuf.ReadFixed32s(&x.F32, b, i)
		case 0x3a:
			i = protobuf.ReadPackedFixed32(&x.F32, b, i)
		case 0x41:
			i = protobuf.ReadFixed64s(&x.F64, b, i)
		case 0x42:
			i = protobuf.ReadPackedFixed64(&x.F64, b, i)
		case 0x4d:
			i = protobuf.ReadFixed32s(&x.Sf32, b, i)
		case 0x4a:
			i = protobuf.ReadPackedFixed32(&x.Sf32, b, i)
		case 0x51:
			i = protobuf.ReadFixed64s(&x.Sf64, b, i)
		case 0x52:
			i = protobuf.ReadPackedFixed64(&x.Sf64, b, i)
		case 0x5d:
			i = protobuf.ReadFixed32s(&x.Float, b, i)
		case 0x5a:
			i = protobuf.ReadPackedFixed32(&x.Float, b, i)
		case 0x61:
			i = protobuf.ReadFixed64s(&x.Double, b, i)
		case 0x62:
			i = protobuf.ReadPackedFixed64(&x.Double, b, i)
		case 0x68:
			i = protobuf.ReadBools(&x.Bool, b, i)
		case 0x6a:
			i = protobuf.ReadPackedBool(&x.Bool, b, i)
		case 0x72:
			i = d.ReadStrings(&x.String_, b, i, 0x72)
		case 0x7a:
			i = d.ReadByteses(&x.Bytes, b, i, 0x7a)
		case 0x80:
			i = protobuf.ReadVarints(&x.Mood, b, i)
		case 0x82:
			i = protobuf.ReadPackedVarint(&x.Mood, b, i)
		case 0x8a:
			i = protobuf.ReadMessages(d, 0, &x.Scalars, b, i, 0x8a)
		case 0x90:
			i = protobuf.ReadVarints(&x.Loose, b, i)
		case 0x92:
			i = protobuf.ReadPackedVarint(&x.Loose, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Maps) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	b = protobuf.AppendMap(e, b, 0x0a, x.String_, protobuf.StringKind(), protobuf.StringKind())
	b = protobuf.AppendMap(e, b, 0x12, x.Scalars, protobuf.StringKind(), protobuf.MessageKind[Scalars]())
	b = protobuf.AppendMap(e, b, 0x1a, x.Maps, protobuf.BoolKind(), protobuf.MessageKind[Maps]())
	b = protobuf.AppendMap(e, b, 0x22, x.Bytes, protobuf.VarintKind[int64](), protobuf.BytesKind())
	b = protobuf.AppendMap(e, b, 0x2a, x.Mood, protobuf.SintKind[int32](), protobuf.VarintKind[Mood]())
	b = protobuf.AppendMap(e, b, 0x32, x.Values, protobuf.StringKind(), protobuf.ForeignKind[structpb.Value]())
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Maps) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = protobuf.ReadMap(d, &x.String_, b, i, 0x0a, protobuf.StringKind(), protobuf.StringKind())
		case 0x12:
			i = protobuf.ReadMessageMap(d, &x.Scalars, b, i, 0x12, protobuf.StringKind(), protobuf.MessageKind[Scalars]())
		case 0x1a:
			i = protobuf.ReadMessageMap(d, &x.Maps, b, i, 0x1a, protobuf.BoolKind(), protobuf.MessageKind[Maps]())
		case 0x22:
			i = protobuf.ReadMap(d, &x.Bytes, b, i, 0x22, protobuf.VarintKind[int64](), protobuf.BytesKind())
		case 0x2a:
			i = protobuf.ReadMap(d, &x.Mood, b, i, 0x2a, protobuf.SintKind[int32](), protobuf.VarintKind[Mood]())
		case 0x32:
			i = protobuf.ReadMessageMap(d, &x.Values, b, i, 0x32, protobuf.StringKind(), protobuf.ForeignKind[structpb.Value]())
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Known) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if x.Timestamp != nil {
		b = e.Foreign(b, 0x0a, x.Timestamp)
	}
	if x.Duration != nil {
		b = e.Foreign(b, 0x12, x.Duration)
	}
	if x.Any != nil {
		b = e.Foreign(b, 0x1a, x.Any)
	}
	if x.Empty != nil {
		b = e.Foreign(b, 0x22, x.Empty)
	}
	if x.Mask != nil {
		b = e.Foreign(b, 0x2a, x.Mask)
	}
	if x.Struct != nil {
		b = e.Foreign(b, 0x32, x.Struct)
	}
	if x.Value != nil {
		b = e.Foreign(b, 0x3a, x.Value)
	}
	if x.List != nil {
		b = e.Foreign(b, 0x42, x.List)
	}
	if x.Bool != nil {
		b = e.Foreign(b, 0x4a, x.Bool)
	}
	if x.Bytes != nil {
		b = e.Foreign(b, 0x52, x.Bytes)
	}
	if x.Double != nil {
		b = e.Foreign(b, 0x5a, x.Double)
	}
	if x.Float != nil {
		b = e.Foreign(b, 0x62, x.Float)
	}
	if x.I32 != nil {
		b = e.Foreign(b, 0x6a, x.I32)
	}
	if x.I64 != nil {
		b = e.Foreign(b, 0x72, x.I64)
	}
	if x.String_ != nil {
		b = e.Foreign(b, 0x7a, x.String_)
	}
	if x.U32 != nil {
		b = e.Foreign(b, 0x82, x.U32)
	}
	if x.U64 != nil {
		b = e.Foreign(b, 0x8a, x.U64)
	}
	for _, v := range x.Times {
		b = e.Foreign(b, 0x92, v)
	}
	b = protobuf.AppendMap(e, b, 0x9a, x.Durations, protobuf.StringKind(), protobuf.ForeignKind[durationpb.Duration]())
	switch w := x.One.(type) {
	case *Known_Other:
		if w != nil {
			b = e.Foreign(b, 0xa2, w.Other)
		}
	case *Known_Nothing:
		if w != nil {
			b = e.Foreign(b, 0xaa, w.Nothing)
		}
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Known) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Foreign(protobuf.Make(d, 1, &x.Timestamp), b, i)
		case 0x12:
			i = d.Foreign(protobuf.Make(d, 2, &x.Duration), b, i)
		case 0x1a:
			i = d.Foreign(protobuf.Make(d, 3, &x.Any), b, i)
		case 0x22:
			i = d.Foreign(protobuf.Make(d, 4, &x.Empty), b, i)
		case 0x2a:
			i = d.Foreign(protobuf.Make(d, 5, &x.Mask), b, i)
		case 0x32:
			i = d.Foreign(protobuf.Make(d, 6, &x.Struct), b, i)
		case 0x3a:
			i = d.Foreign(protobuf.Make(d, 7, &x.Value), b, i)
		case 0x42:
			i = d.Foreign(protobuf.Make(d, 8, &x.List), b, i)
		case 0x4a:
			i = d.Foreign(protobuf.Make(d, 9, &x.Bool), b, i)
		case 0x52:
			i = d.Foreign(protobuf.Make(d, 10, &x.Bytes), b, i)
		case 0x5a:
			i = d.Foreign(protobuf.Make(d, 11, &x.Double), b, i)
		case 0x62:
			i = d.Foreign(protobuf.Make(d, 12, &x.Float), b, i)
		case 0x6a:
			i = d.Foreign(protobuf.Make(d, 13, &x.I32), b, i)
		case 0x72:
			i = d.Foreign(protobuf.Make(d, 14, &x.I64), b, i)
		case 0x7a:
			i = d.Foreign(protobuf.Make(d, 15, &x.String_), b, i)
		case 0x82:
			i = d.Foreign(protobuf.Make(d, 16, &x.U32), b, i)
		case 0x8a:
			i = d.Foreign(protobuf.Make(d, 17, &x.U64), b, i)
		case 0x92:
			i = protobuf.ReadForeigns(d, 1, &x.Times, b, i, 0x92)
		case 0x9a:
			i = protobuf.ReadMessageMap(d, &x.Durations, b, i, 0x9a, protobuf.StringKind(), protobuf.ForeignKind[durationpb.Duration]())
		case 0xa2:
			w, _ := x.One.(*Known_Other)
			x.One = protobuf.Make(d, 18, &w)
			i = d.Foreign(protobuf.Make(d, 6, &w.Other), b, i)
		case 0xaa:
			w, _ := x.One.(*Known_Nothing)
			x.One = protobuf.Make(d, 19, &w)
			i = d.Foreign(protobuf.Make(d, 4, &w.Nothing), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Oneofs) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	switch w := x.Kind.(type) {
	case *Oneofs_Text:
		if w != nil {
			b = e.AppendString(b, 0x0a, w.Text)
		}
	case *Oneofs_Data:
		if w != nil {
			b = protobuf.AppendBytes(b, 0x12, w.Data)
		}
	case *Oneofs_Scalars:
		if w != nil {
			b = protobuf.End(w.Scalars.LupineAppend(e, append(b, 0x1a, 0)), len(b)+2)
		}
	case *Oneofs_Mood:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x20, uint64(w.Mood))
		}
	case *Oneofs_Oneofs:
		if w != nil {
			b = protobuf.End2(w.Oneofs.LupineAppend(e, append(b, 0x2a, 0, 0)), len(b)+3)
		}
	case *Oneofs_Number:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x30, uint64(w.Number))
		}
	case *Oneofs_Nested_:
		if w != nil {
			b = protobuf.End(w.Nested.LupineAppend(e, append(b, 0x3a, 0)), len(b)+2)
		}
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Oneofs) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			w := protobuf.Alloc[Oneofs_Text](d, 20)
			x.Kind, i = w, d.ReadString(&w.Text, b, i)
		case 0x12:
			w := protobuf.Alloc[Oneofs_Data](d, 21)
			x.Kind, i = w, d.ReadBytes(&w.Data, b, i)
		case 0x1a:
			w, _ := x.Kind.(*Oneofs_Scalars)
			x.Kind = protobuf.Make(d, 22, &w)
			i = d.Message(protobuf.Make(d, 0, &w.Scalars), b, i)
		case 0x20:
			w := protobuf.Alloc[Oneofs_Mood](d, 23)
			x.Kind, i = w, protobuf.ReadVarint(&w.Mood, b, i)
		case 0x2a:
			w, _ := x.Kind.(*Oneofs_Oneofs)
			x.Kind = protobuf.Make(d, 24, &w)
			i = d.Message(protobuf.Make(d, 25, &w.Oneofs), b, i)
		case 0x30:
			w := protobuf.Alloc[Oneofs_Number](d, 26)
			x.Kind, i = w, protobuf.ReadVarint(&w.Number, b, i)
		case 0x3a:
			w, _ := x.Kind.(*Oneofs_Nested_)
			x.Kind = protobuf.Make(d, 27, &w)
			i = d.Message(protobuf.Make(d, 28, &w.Nested), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Oneofs_Nested) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	switch w := x.Kind.(type) {
	case *Oneofs_Nested_Text:
		if w != nil {
			b = e.AppendString(b, 0x0a, w.Text)
		}
	case *Oneofs_Nested_Flag:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x10, protobuf.Bool(w.Flag))
		}
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Oneofs_Nested) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			w := protobuf.Alloc[Oneofs_Nested_Text](d, 29)
			x.Kind, i = w, d.ReadString(&w.Text, b, i)
		case 0x10:
			w := protobuf.Alloc[Oneofs_Nested_Flag](d, 30)
			x.Kind, i = w, protobuf.ReadBool(&w.Flag, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Mixed) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	b = e.PutString(b, 0x0a, x.Name)
	for _, v := range x.Children {
		b = protobuf.End2(v.LupineAppend(e, append(b, 0x12, 0, 0)), len(b)+3)
	}
	if x.Oneofs != nil {
		b = protobuf.End2(x.Oneofs.LupineAppend(e, append(b, 0x1a, 0, 0)), len(b)+3)
	}
	if x.Maps != nil {
		b = protobuf.End2(x.Maps.LupineAppend(e, append(b, 0x22, 0, 0)), len(b)+3)
	}
	if x.Lists != nil {
		b = protobuf.End2(x.Lists.LupineAppend(e, append(b, 0x2a, 0, 0)), len(b)+3)
	}
	if x.Other != nil {
		b = e.Foreign(b, 0x32, x.Other)
	}
	for _, v := range x.Others {
		b = e.Foreign(b, 0x3a, v)
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Mixed) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadString(&x.Name, b, i)
		case 0x12:
			i = protobuf.ReadMessages(d, 31, &x.Children, b, i, 0x12)
		case 0x1a:
			i = d.Message(protobuf.Make(d, 25, &x.Oneofs), b, i)
		case 0x22:
			i = d.Message(protobuf.Make(d, 32, &x.Maps), b, i)
		case 0x2a:
			i = d.Message(protobuf.Make(d, 33, &x.Lists), b, i)
		case 0x32:
			i = d.Foreign(protobuf.Make(d, 34, &x.Other), b, i)
		case 0x3a:
			i = protobuf.ReadForeigns(d, 34, &x.Others, b, i, 0x3a)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// The runtime must be one that this code was written for.
const _ = protobuf.GeneratedVersion1
