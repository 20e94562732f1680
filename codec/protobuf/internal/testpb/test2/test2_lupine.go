package test2

import (
	protobuf "github.com/lupine-rpc/lupine/codec/protobuf"
	foreign "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/foreign"
	timestamppb "google.golang.org/protobuf/types/known/timestamppb"
	math "math"
)

// LupineAppend is called by Lupine's codec.
func (x *Scalars) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.OptVarint(b, 0x08, x.I32)
	b = protobuf.OptVarint(b, 0x10, x.I64)
	b = protobuf.OptVarint(b, 0x18, x.U32)
	b = protobuf.OptVarint(b, 0x20, x.U64)
	b = protobuf.OptSint(b, 0x28, x.S32)
	b = protobuf.OptSint(b, 0x30, x.S64)
	b = protobuf.OptFixed32(b, 0x3d, x.F32)
	b = protobuf.OptFixed64(b, 0x41, x.F64)
	b = protobuf.OptFixed32(b, 0x4d, x.Sf32)
	b = protobuf.OptFixed64(b, 0x51, x.Sf64)
	b = protobuf.OptFixed32(b, 0x5d, x.Float)
	b = protobuf.OptFixed64(b, 0x61, x.Double)
	b = protobuf.OptBool(b, 0x68, x.Bool)
	b = protobuf.OptRawString(b, 0x72, x.String_)
	b = protobuf.OptBytes(b, 0x7a, x.Bytes)
	b = protobuf.OptVarint(b, 0x80, x.Color)
	b = protobuf.OptRawString(b, 0x8a, x.Text)
	b = protobuf.OptBytes(b, 0x92, x.Data)
	b = protobuf.OptVarint(b, 0xfffffff8, x.Far)
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
			i = protobuf.ReadOptVarint(&x.I32, b, i)
		case 0x10:
			i = protobuf.ReadOptVarint(&x.I64, b, i)
		case 0x18:
			i = protobuf.ReadOptVarint(&x.U32, b, i)
		case 0x20:
			i = protobuf.ReadOptVarint(&x.U64, b, i)
		case 0x28:
			i = protobuf.ReadOptSint(&x.S32, b, i)
		case 0x30:
			i = protobuf.ReadOptSint(&x.S64, b, i)
		case 0x3d:
			i = protobuf.ReadOptFixed32(&x.F32, b, i)
		case 0x41:
			i = protobuf.ReadOptFixed64(&x.F64, b, i)
		case 0x4d:
			i = protobuf.ReadOptFixed32(&x.Sf32, b, i)
		case 0x51:
			i = protobuf.ReadOptFixed64(&x.Sf64, b, i)
		case 0x5d:
			i = protobuf.ReadOptFloat(&x.Float, b, i)
		case 0x61:
			i = protobuf.ReadOptDouble(&x.Double, b, i)
		case 0x68:
			i = protobuf.ReadOptBool(&x.Bool, b, i)
		case 0x72:
			i = d.ReadOptRawString(&x.String_, b, i)
		case 0x7a:
			i = d.ReadBytes(&x.Bytes, b, i)
		case 0x80:
			i = protobuf.ReadOptVarint(&x.Color, b, i)
		case 0x8a:
			i = d.ReadOptRawString(&x.Text, b, i)
		case 0x92:
			i = d.ReadBytes(&x.Data, b, i)
		case 0xfffffff8:
			i = protobuf.ReadOptVarint(&x.Far, b, i)
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
	b = protobuf.AppendVarints(b, 0x08, x.I32)
	b = protobuf.AppendVarints(b, 0x10, x.I64)
	b = protobuf.AppendVarints(b, 0x18, x.U32)
	b = protobuf.AppendVarints(b, 0x20, x.U64)
	b = protobuf.AppendSints(b, 0x28, x.S32)
	b = protobuf.AppendSints(b, 0x30, x.S64)
	b = protobuf.AppendFixed32s(b, 0x3d, x.F32)
	b = protobuf.AppendFixed64s(b, 0x41, x.F64)
	b = protobuf.AppendFixed32s(b, 0x4d, x.Sf32)
	b = protobuf.AppendFixed64s(b, 0x51, x.Sf64)
	b = protobuf.AppendFixed32s(b, 0x5d, x.Float)
	b = protobuf.AppendFixed64s(b, 0x61, x.Double)
	b = protobuf.AppendBools(b, 0x68, x.Bool)
	b = protobuf.AppendByteses(b, 0x72, x.String_)
	b = protobuf.AppendByteses(b, 0x7a, x.Bytes)
	b = protobuf.AppendVarints(b, 0x80, x.Color)
	b = protobuf.AppendPackedVarint(b, 0xaa, x.Pi32)
	b = protobuf.AppendPackedVarint(b, 0xb2, x.Pi64)
	b = protobuf.AppendPackedVarint(b, 0xba, x.Pu32)
	b = protobuf.AppendPackedVarint(b, 0xc2, x.Pu64)
	b = protobuf.AppendPackedSint(b, 0xca, x.Ps32)
	b = protobuf.AppendPackedSint(b, 0xd2, x.Ps64)
	b = protobuf.AppendPackedFixed32(b, 0xda, x.Pf32)
	b = protobuf.AppendPackedFixed64(b, 0xe2, x.Pf64)
	b = protobuf.AppendPackedFixed32(b, 0xea, x.Psf32)
	b = protobuf.AppendPackedFixed64(b, 0xf2, x.Psf64)
	b = protobuf.AppendPackedFixed32(b, 0xfa, x.Pfloat)
	b = protobuf.AppendPackedFixed64(b, 0x102, x.Pdouble)
	b = protobuf.AppendPackedBool(b, 0x10a, x.Pbool)
	b = protobuf.AppendPackedVarint(b, 0x112, x.Pcolor)
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
			i = d.ReadRawStrings(&x.String_, b, i, 0x72)
		case 0x7a:
			i = d.ReadByteses(&x.Bytes, b, i, 0x7a)
		case 0x80:
			i = protobuf.ReadVarints(&x.Color, b, i)
		case 0x82:
			i = protobuf.ReadPackedVarint(&x.Color, b, i)
		case 0xa8:
			i = protobuf.ReadVarints(&x.Pi32, b, i)
		case 0xaa:
			i = protobuf.ReadPackedVarint(&x.Pi32, b, i)
		case 0xb0:
			i = protobuf.ReadVarints(&x.Pi64, b, i)
		case 0xb2:
			i = protobuf.ReadPackedVarint(&x.Pi64, b, i)
		case 0xb8:
			i = protobuf.ReadVarints(&x.Pu32, b, i)
		case 0xba:
			i = protobuf.ReadPackedVarint(&x.Pu32, b, i)
		case 0xc0:
			i = protobuf.ReadVarints(&x.Pu64, b, i)
		case 0xc2:
			i = protobuf.ReadPackedVarint(&x.Pu64, b, i)
		case 0xc8:
			i = protobuf.ReadSints(&x.Ps32, b, i)
		case 0xca:
			i = protobuf.ReadPackedSint(&x.Ps32, b, i)
		case 0xd0:
			i = protobuf.ReadSints(&x.Ps64, b, i)
		case 0xd2:
			i = protobuf.ReadPackedSint(&x.Ps64, b, i)
		case 0xdd:
			i = protobuf.ReadFixed32s(&x.Pf32, b, i)
		case 0xda:
			i = protobuf.ReadPackedFixed32(&x.Pf32, b, i)
		case 0xe1:
			i = protobuf.ReadFixed64s(&x.Pf64, b, i)
		case 0xe2:
			i = protobuf.ReadPackedFixed64(&x.Pf64, b, i)
		case 0xed:
			i = protobuf.ReadFixed32s(&x.Psf32, b, i)
		case 0xea:
			i = protobuf.ReadPackedFixed32(&x.Psf32, b, i)
		case 0xf1:
			i = protobuf.ReadFixed64s(&x.Psf64, b, i)
		case 0xf2:
			i = protobuf.ReadPackedFixed64(&x.Psf64, b, i)
		case 0xfd:
			i = protobuf.ReadFixed32s(&x.Pfloat, b, i)
		case 0xfa:
			i = protobuf.ReadPackedFixed32(&x.Pfloat, b, i)
		case 0x101:
			i = protobuf.ReadFixed64s(&x.Pdouble, b, i)
		case 0x102:
			i = protobuf.ReadPackedFixed64(&x.Pdouble, b, i)
		case 0x108:
			i = protobuf.ReadBools(&x.Pbool, b, i)
		case 0x10a:
			i = protobuf.ReadPackedBool(&x.Pbool, b, i)
		case 0x110:
			i = protobuf.ReadVarints(&x.Pcolor, b, i)
		case 0x112:
			i = protobuf.ReadPackedVarint(&x.Pcolor, b, i)
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
	b = protobuf.AppendMap(e, b, 0x0a, x.I32, protobuf.VarintKind[int32](), protobuf.VarintKind[Color]())
	b = protobuf.AppendMap(e, b, 0x12, x.I64, protobuf.VarintKind[int64](), protobuf.DoubleKind())
	b = protobuf.AppendMap(e, b, 0x1a, x.U32, protobuf.VarintKind[uint32](), protobuf.FloatKind())
	b = protobuf.AppendMap(e, b, 0x22, x.U64, protobuf.VarintKind[uint64](), protobuf.BytesKind())
	b = protobuf.AppendMap(e, b, 0x2a, x.S32, protobuf.SintKind[int32](), protobuf.MessageKind[Scalars]())
	b = protobuf.AppendMap(e, b, 0x32, x.S64, protobuf.SintKind[int64](), protobuf.MessageKind[Strict]())
	b = protobuf.AppendMap(e, b, 0x3a, x.F32, protobuf.Fixed32Kind[uint32](), protobuf.RawStringKind())
	b = protobuf.AppendMap(e, b, 0x42, x.F64, protobuf.Fixed64Kind[uint64](), protobuf.Fixed64Kind[uint64]())
	b = protobuf.AppendMap(e, b, 0x4a, x.Sf32, protobuf.Fixed32Kind[int32](), protobuf.SintKind[int64]())
	b = protobuf.AppendMap(e, b, 0x52, x.Sf64, protobuf.Fixed64Kind[int64](), protobuf.Fixed32Kind[int32]())
	b = protobuf.AppendMap(e, b, 0x5a, x.Bool, protobuf.BoolKind(), protobuf.BoolKind())
	b = protobuf.AppendMap(e, b, 0x62, x.String_, protobuf.RawStringKind(), protobuf.ForeignKind[foreign.Plain]())
	b = protobuf.AppendMap(e, b, 0x6a, x.Times, protobuf.RawStringKind(), protobuf.ForeignKind[timestamppb.Timestamp]())
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
			i = protobuf.ReadMap(d, &x.I32, b, i, 0x0a, protobuf.VarintKind[int32](), protobuf.VarintKind[Color]())
		case 0x12:
			i = protobuf.ReadMap(d, &x.I64, b, i, 0x12, protobuf.VarintKind[int64](), protobuf.DoubleKind())
		case 0x1a:
			i = protobuf.ReadMap(d, &x.U32, b, i, 0x1a, protobuf.VarintKind[uint32](), protobuf.FloatKind())
		case 0x22:
			i = protobuf.ReadMap(d, &x.U64, b, i, 0x22, protobuf.VarintKind[uint64](), protobuf.BytesKind())
		case 0x2a:
			i = protobuf.ReadMessageMap(d, &x.S32, b, i, 0x2a, protobuf.SintKind[int32](), protobuf.MessageKind[Scalars]())
		case 0x32:
			i = protobuf.ReadMessageMap(d, &x.S64, b, i, 0x32, protobuf.SintKind[int64](), protobuf.MessageKind[Strict]())
		case 0x3a:
			i = protobuf.ReadMap(d, &x.F32, b, i, 0x3a, protobuf.Fixed32Kind[uint32](), protobuf.RawStringKind())
		case 0x42:
			i = protobuf.ReadMap(d, &x.F64, b, i, 0x42, protobuf.Fixed64Kind[uint64](), protobuf.Fixed64Kind[uint64]())
		case 0x4a:
			i = protobuf.ReadMap(d, &x.Sf32, b, i, 0x4a, protobuf.Fixed32Kind[int32](), protobuf.SintKind[int64]())
		case 0x52:
			i = protobuf.ReadMap(d, &x.Sf64, b, i, 0x52, protobuf.Fixed64Kind[int64](), protobuf.Fixed32Kind[int32]())
		case 0x5a:
			i = protobuf.ReadMap(d, &x.Bool, b, i, 0x5a, protobuf.BoolKind(), protobuf.BoolKind())
		case 0x62:
			i = protobuf.ReadMessageMap(d, &x.String_, b, i, 0x62, protobuf.RawStringKind(), protobuf.ForeignKind[foreign.Plain]())
		case 0x6a:
			i = protobuf.ReadMessageMap(d, &x.Times, b, i, 0x6a, protobuf.RawStringKind(), protobuf.ForeignKind[timestamppb.Timestamp]())
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Strict) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		e.Check()
		return b
	}
	if x.Number == nil || x.Text == nil || x.Data == nil || x.Color == nil {
		e.Check()
	}
	if !e.Enter() {
		return b
	}
	b = protobuf.OptVarint(b, 0x08, x.Number)
	b = protobuf.OptRawString(b, 0x12, x.Text)
	b = protobuf.OptBytes(b, 0x1a, x.Data)
	b = protobuf.OptVarint(b, 0x20, x.Color)
	if x.Child != nil {
		b = protobuf.End2(x.Child.LupineAppend(e, append(b, 0x2a, 0, 0)), len(b)+3)
	}
	for _, v := range x.Children {
		b = protobuf.End2(v.LupineAppend(e, append(b, 0x32, 0, 0)), len(b)+3)
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Strict) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadOptVarint(&x.Number, b, i)
		case 0x12:
			i = d.ReadOptRawString(&x.Text, b, i)
		case 0x1a:
			i = d.ReadBytes(&x.Data, b, i)
		case 0x20:
			i = protobuf.ReadOptVarint(&x.Color, b, i)
		case 0x2a:
			i = d.Message(protobuf.Make(d, 0, &x.Child), b, i)
		case 0x32:
			i = protobuf.ReadMessages(d, 0, &x.Children, b, i, 0x32)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	if x.Number == nil || x.Text == nil || x.Data == nil || x.Color == nil {
		d.Check()
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Holder) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if x.Strict != nil {
		b = protobuf.End2(x.Strict.LupineAppend(e, append(b, 0x0a, 0, 0)), len(b)+3)
	}
	for _, v := range x.Stricts {
		b = protobuf.End2(v.LupineAppend(e, append(b, 0x12, 0, 0)), len(b)+3)
	}
	b = protobuf.AppendMap(e, b, 0x1a, x.ByNumber, protobuf.VarintKind[int32](), protobuf.MessageKind[Strict]())
	if x.Foreign != nil {
		b = e.Foreign(b, 0x3a, x.Foreign)
	}
	for _, v := range x.Foreigns {
		b = e.Foreign(b, 0x42, v)
	}
	for _, v := range x.Part {
		b = append(v.LupineAppend(e, append(b, 0x4b)), 0x4c)
	}
	switch w := x.One.(type) {
	case *Holder_Either:
		if w != nil {
			b = protobuf.End2(w.Either.LupineAppend(e, append(b, 0x22, 0, 0)), len(b)+3)
		}
	case *Holder_Or:
		if w != nil {
			b = e.Foreign(b, 0x2a, w.Or)
		}
	case *Holder_Number:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x30, uint64(w.Number))
		}
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Holder) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Message(protobuf.Make(d, 0, &x.Strict), b, i)
		case 0x12:
			i = protobuf.ReadMessages(d, 0, &x.Stricts, b, i, 0x12)
		case 0x1a:
			i = protobuf.ReadMessageMap(d, &x.ByNumber, b, i, 0x1a, protobuf.VarintKind[int32](), protobuf.MessageKind[Strict]())
		case 0x22:
			w, _ := x.One.(*Holder_Either)
			x.One = protobuf.Make(d, 1, &w)
			i = d.Message(protobuf.Make(d, 0, &w.Either), b, i)
		case 0x2a:
			w, _ := x.One.(*Holder_Or)
			x.One = protobuf.Make(d, 2, &w)
			i = d.Foreign(protobuf.Make(d, 3, &w.Or), b, i)
		case 0x30:
			w := protobuf.Alloc[Holder_Number](d, 4)
			x.One, i = w, protobuf.ReadVarint(&w.Number, b, i)
		case 0x3a:
			i = d.Foreign(protobuf.Make(d, 3, &x.Foreign), b, i)
		case 0x42:
			i = protobuf.ReadForeigns(d, 3, &x.Foreigns, b, i, 0x42)
		case 0x4b:
			i = protobuf.ReadGroups(d, 5, &x.Part, b, i, 0x4c)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Holder_Part) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		e.Check()
		return b
	}
	if x.Number == nil {
		e.Check()
	}
	b = protobuf.OptVarint(b, 0x08, x.Number)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Holder_Part) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadOptVarint(&x.Number, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	if x.Number == nil {
		d.Check()
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Groups) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	if x.One != nil {
		b = append(x.One.LupineAppend(e, append(b, 0x0b)), 0x0c)
	}
	for _, v := range x.Many {
		b = append(v.LupineAppend(e, append(b, 0xa3, 0x01)), 0xa4, 0x01)
	}
	switch w := x.Which.(type) {
	case *Groups_Left_:
		if w != nil {
			b = append(w.Left.LupineAppend(e, append(b, 0xf3, 0x01)), 0xf4, 0x01)
		}
	case *Groups_Right:
		if w != nil {
			b = protobuf.AppendBytes(b, 0xfa, w.Right)
		}
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Groups) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0b:
			i = d.Group(protobuf.Make(d, 6, &x.One), b, i, 0x0c)
		case 0xa3:
			i = protobuf.ReadGroups(d, 7, &x.Many, b, i, 0xa4)
		case 0xf3:
			w, _ := x.Which.(*Groups_Left_)
			x.Which = protobuf.Make(d, 8, &w)
			i = d.Group(protobuf.Make(d, 9, &w.Left), b, i, 0xf4)
		case 0xfa:
			w := protobuf.Alloc[Groups_Right](d, 10)
			x.Which, i = w, d.ReadRawString(&w.Right, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Groups_One) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	b = protobuf.OptVarint(b, 0x08, x.Number)
	if x.Groups != nil {
		b = protobuf.End2(x.Groups.LupineAppend(e, append(b, 0x12, 0, 0)), len(b)+3)
	}
	if x.Inner != nil {
		b = append(x.Inner.LupineAppend(e, append(b, 0x1b)), 0x1c)
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Groups_One) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadOptVarint(&x.Number, b, i)
		case 0x12:
			i = d.Message(protobuf.Make(d, 11, &x.Groups), b, i)
		case 0x1b:
			i = d.Group(protobuf.Make(d, 12, &x.Inner), b, i, 0x1c)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Groups_One_Inner) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.AppendByteses(b, 0x0a, x.Text)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Groups_One_Inner) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadRawStrings(&x.Text, b, i, 0x0a)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Groups_Many) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.OptVarint(b, 0x08, x.Number)
	if x.Scalars != nil {
		b = protobuf.End(x.Scalars.LupineAppend(e, append(b, 0x12, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Groups_Many) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadOptVarint(&x.Number, b, i)
		case 0x12:
			i = d.Message(protobuf.Make(d, 13, &x.Scalars), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Groups_Left) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.OptVarint(b, 0x08, x.Number)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Groups_Left) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadOptVarint(&x.Number, b, i)
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
	b = protobuf.OptVarint(b, 0x28, x.Between)
	switch w := x.First.(type) {
	case *Oneofs_I32:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x48, uint64(w.I32))
		}
	case *Oneofs_Text:
		if w != nil {
			b = protobuf.AppendBytes(b, 0x12, w.Text)
		}
	case *Oneofs_Scalars:
		if w != nil {
			b = protobuf.End(w.Scalars.LupineAppend(e, append(b, 0x1a, 0)), len(b)+2)
		}
	case *Oneofs_Data:
		if w != nil {
			b = protobuf.AppendBytes(b, 0x22, w.Data)
		}
	}
	switch w := x.Second.(type) {
	case *Oneofs_Color:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x08, uint64(w.Color))
		}
	case *Oneofs_S64:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x30, protobuf.Zigzag(int64(w.S64)))
		}
	case *Oneofs_Bool:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x38, protobuf.Bool(w.Bool))
		}
	case *Oneofs_Float:
		if w != nil {
			b = protobuf.AppendFixed32(b, 0x45, math.Float32bits(w.Float))
		}
	case *Oneofs_Double:
		if w != nil {
			b = protobuf.AppendFixed64(b, 0x51, math.Float64bits(w.Double))
		}
	case *Oneofs_F64:
		if w != nil {
			b = protobuf.AppendFixed64(b, 0x59, uint64(w.F64))
		}
	case *Oneofs_Sf32:
		if w != nil {
			b = protobuf.AppendFixed32(b, 0x65, uint32(w.Sf32))
		}
	case *Oneofs_Plain:
		if w != nil {
			b = e.Foreign(b, 0x6a, w.Plain)
		}
	case *Oneofs_Time:
		if w != nil {
			b = e.Foreign(b, 0x72, w.Time)
		}
	case *Oneofs_Oneofs:
		if w != nil {
			b = protobuf.End2(w.Oneofs.LupineAppend(e, append(b, 0x7a, 0, 0)), len(b)+3)
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
		case 0x48:
			w := protobuf.Alloc[Oneofs_I32](d, 14)
			x.First, i = w, protobuf.ReadVarint(&w.I32, b, i)
		case 0x12:
			w := protobuf.Alloc[Oneofs_Text](d, 15)
			x.First, i = w, d.ReadRawString(&w.Text, b, i)
		case 0x1a:
			w, _ := x.First.(*Oneofs_Scalars)
			x.First = protobuf.Make(d, 16, &w)
			i = d.Message(protobuf.Make(d, 13, &w.Scalars), b, i)
		case 0x22:
			w := protobuf.Alloc[Oneofs_Data](d, 17)
			x.First, i = w, d.ReadBytes(&w.Data, b, i)
		case 0x28:
			i = protobuf.ReadOptVarint(&x.Between, b, i)
		case 0x08:
			w := protobuf.Alloc[Oneofs_Color](d, 18)
			x.Second, i = w, protobuf.ReadVarint(&w.Color, b, i)
		case 0x30:
			w := protobuf.Alloc[Oneofs_S64](d, 19)
			x.Second, i = w, protobuf.ReadSint(&w.S64, b, i)
		case 0x38:
			w := protobuf.Alloc[Oneofs_Bool](d, 20)
			x.Second, i = w, protobuf.ReadBool(&w.Bool, b, i)
		case 0x45:
			w := protobuf.Alloc[Oneofs_Float](d, 21)
			x.Second, i = w, protobuf.ReadFloat(&w.Float, b, i)
		case 0x51:
			w := protobuf.Alloc[Oneofs_Double](d, 22)
			x.Second, i = w, protobuf.ReadDouble(&w.Double, b, i)
		case 0x59:
			w := protobuf.Alloc[Oneofs_F64](d, 23)
			x.Second, i = w, protobuf.ReadFixed64(&w.F64, b, i)
		case 0x65:
			w := protobuf.Alloc[Oneofs_Sf32](d, 24)
			x.Second, i = w, protobuf.ReadFixed32(&w.Sf32, b, i)
		case 0x6a:
			w, _ := x.Second.(*Oneofs_Plain)
			x.Second = protobuf.Make(d, 25, &w)
			i = d.Foreign(protobuf.Make(d, 26, &w.Plain), b, i)
		case 0x72:
			w, _ := x.Second.(*Oneofs_Time)
			x.Second = protobuf.Make(d, 27, &w)
			i = d.Foreign(protobuf.Make(d, 28, &w.Time), b, i)
		case 0x7a:
			w, _ := x.Second.(*Oneofs_Oneofs)
			x.Second = protobuf.Make(d, 29, &w)
			i = d.Message(protobuf.Make(d, 30, &w.Oneofs), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Extended) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if len(x.extensionFields) > 0 {
		b = e.AppendExtensions(b, &Extended{extensionFields: x.extensionFields})
	}
	b = protobuf.OptVarint(b, 0x08, x.Number)
	b = protobuf.AppendByteses(b, 0x642, x.Text)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Extended) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	var others []byte
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadOptVarint(&x.Number, b, i)
		case 0x642:
			i = d.ReadRawStrings(&x.Text, b, i, 0x642)
		default:
			i = d.Unknown(&others, b, i, tag)
		}
	}
	if others != nil {
		i = d.Extensions(x, others, i)
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Extends) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if x.One != nil {
		b = protobuf.End(x.One.LupineAppend(e, append(b, 0x0a, 0)), len(b)+2)
	}
	for _, v := range x.Many {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x12, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Extends) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Message(protobuf.Make(d, 31, &x.One), b, i)
		case 0x12:
			i = protobuf.ReadMessages(d, 31, &x.Many, b, i, 0x12)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Foreigners) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if x.Plain != nil {
		b = e.Foreign(b, 0x0a, x.Plain)
	}
	for _, v := range x.Plains {
		b = e.Foreign(b, 0x12, v)
	}
	if x.Any != nil {
		b = e.Foreign(b, 0x22, x.Any)
	}
	for _, v := range x.Times {
		b = e.Foreign(b, 0x2a, v)
	}
	if x.Clash != nil {
		b = e.Foreign(b, 0x32, x.Clash)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Foreigners) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Foreign(protobuf.Make(d, 26, &x.Plain), b, i)
		case 0x12:
			i = protobuf.ReadForeigns(d, 26, &x.Plains, b, i, 0x12)
		case 0x22:
			i = d.Foreign(protobuf.Make(d, 32, &x.Any), b, i)
		case 0x2a:
			i = protobuf.ReadForeigns(d, 28, &x.Times, b, i, 0x2a)
		case 0x32:
			i = d.Foreign(protobuf.Make(d, 33, &x.Clash), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Empty) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Empty) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Tree) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	if x.Left != nil {
		b = protobuf.End2(x.Left.LupineAppend(e, append(b, 0x0a, 0, 0)), len(b)+3)
	}
	if x.Right != nil {
		b = protobuf.End2(x.Right.LupineAppend(e, append(b, 0x12, 0, 0)), len(b)+3)
	}
	for _, v := range x.More {
		b = protobuf.End2(v.LupineAppend(e, append(b, 0x1a, 0, 0)), len(b)+3)
	}
	b = protobuf.AppendMap(e, b, 0x22, x.Named, protobuf.RawStringKind(), protobuf.MessageKind[Tree]())
	b = protobuf.OptVarint(b, 0x28, x.Value)
	if x.Sub != nil {
		b = append(x.Sub.LupineAppend(e, append(b, 0x33)), 0x34)
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Tree) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Message(protobuf.Make(d, 34, &x.Left), b, i)
		case 0x12:
			i = d.Message(protobuf.Make(d, 34, &x.Right), b, i)
		case 0x1a:
			i = protobuf.ReadMessages(d, 34, &x.More, b, i, 0x1a)
		case 0x22:
			i = protobuf.ReadMessageMap(d, &x.Named, b, i, 0x22, protobuf.RawStringKind(), protobuf.MessageKind[Tree]())
		case 0x28:
			i = protobuf.ReadOptVarint(&x.Value, b, i)
		case 0x33:
			i = d.Group(protobuf.Make(d, 35, &x.Sub), b, i, 0x34)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Tree_Sub) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	if x.Tree != nil {
		b = protobuf.End2(x.Tree.LupineAppend(e, append(b, 0x0a, 0, 0)), len(b)+3)
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Tree_Sub) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Message(protobuf.Make(d, 34, &x.Tree), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// The runtime must be one that this code was written for.
const _ = protobuf.GeneratedVersion1
