package edition

import (
	protobuf "github.com/lupine-rpc/lupine/codec/protobuf"
	math "math"
)

// LupineAppend is called by Lupine's codec.
func (x *Features) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		e.Check()
		return b
	}
	if x.Required == nil {
		e.Check()
	}
	if !e.Enter() {
		return b
	}
	b = protobuf.OptVarint(b, 0x08, x.Explicit)
	b = protobuf.PutVarint(b, 0x10, uint64(x.Implicit))
	b = protobuf.OptVarint(b, 0x18, x.Required)
	b = e.OptString(b, 0x22, x.Text)
	b = protobuf.OptRawString(b, 0x2a, x.Raw)
	b = e.PutString(b, 0x32, x.ImplicitText)
	b = protobuf.AppendPackedVarint(b, 0x3a, x.Packed)
	b = protobuf.AppendVarints(b, 0x40, x.Expanded)
	if x.Child != nil {
		b = protobuf.End2(x.Child.LupineAppend(e, append(b, 0x4a, 0, 0)), len(b)+3)
	}
	if x.Delimited != nil {
		b = append(x.Delimited.LupineAppend(e, append(b, 0x53)), 0x54)
	}
	for _, v := range x.Delimiteds {
		b = append(v.LupineAppend(e, append(b, 0x5b)), 0x5c)
	}
	b = protobuf.OptVarint(b, 0x60, x.Open)
	b = protobuf.OptVarint(b, 0x68, x.Closed)
	b = protobuf.AppendPackedVarint(b, 0x72, x.Closeds)
	b = protobuf.AppendMap(e, b, 0x7a, x.ByName, protobuf.StringKind(), protobuf.VarintKind[Open]())
	b = protobuf.AppendMap(e, b, 0x82, x.ByNumber, protobuf.VarintKind[int32](), protobuf.MessageKind[Features]())
	b = protobuf.AppendByteses(b, 0xa2, x.Raws)
	b = protobuf.AppendMap(e, b, 0xaa, x.RawMap, protobuf.RawStringKind(), protobuf.RawStringKind())
	b = protobuf.PutFixed32(b, 0xb5, math.Float32bits(x.ImplicitFloat))
	b = protobuf.PutFixed64(b, 0xb9, math.Float64bits(x.ImplicitDouble))
	b = protobuf.PutBytes(b, 0xc2, x.ImplicitBytes)
	b = protobuf.OptBytes(b, 0xca, x.ExplicitBytes)
	switch w := x.One.(type) {
	case *Features_Grouped:
		if w != nil {
			b = append(w.Grouped.LupineAppend(e, append(b, 0x8b, 0x01)), 0x8c, 0x01)
		}
	case *Features_Other:
		if w != nil {
			b = e.AppendString(b, 0x92, w.Other)
		}
	case *Features_OtherRaw:
		if w != nil {
			b = protobuf.AppendBytes(b, 0x9a, w.OtherRaw)
		}
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Features) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadOptVarint(&x.Explicit, b, i)
		case 0x10:
			i = protobuf.ReadVarint(&x.Implicit, b, i)
		case 0x18:
			i = protobuf.ReadOptVarint(&x.Required, b, i)
		case 0x22:
			i = d.ReadOptString(&x.Text, b, i)
		case 0x2a:
			i = d.ReadOptRawString(&x.Raw, b, i)
		case 0x32:
			i = d.ReadString(&x.ImplicitText, b, i)
		case 0x38:
			i = protobuf.ReadVarints(&x.Packed, b, i)
		case 0x3a:
			i = protobuf.ReadPackedVarint(&x.Packed, b, i)
		case 0x40:
			i = protobuf.ReadVarints(&x.Expanded, b, i)
		case 0x42:
			i = protobuf.ReadPackedVarint(&x.Expanded, b, i)
		case 0x4a:
			i = d.Message(protobuf.Make(d, 0, &x.Child), b, i)
		case 0x53:
			i = d.Group(protobuf.Make(d, 0, &x.Delimited), b, i, 0x54)
		case 0x5b:
			i = protobuf.ReadGroups(d, 0, &x.Delimiteds, b, i, 0x5c)
		case 0x60:
			i = protobuf.ReadOptVarint(&x.Open, b, i)
		case 0x68:
			i = protobuf.ReadOptVarint(&x.Closed, b, i)
		case 0x70:
			i = protobuf.ReadVarints(&x.Closeds, b, i)
		case 0x72:
			i = protobuf.ReadPackedVarint(&x.Closeds, b, i)
		case 0x7a:
			i = protobuf.ReadMap(d, &x.ByName, b, i, 0x7a, protobuf.StringKind(), protobuf.VarintKind[Open]())
		case 0x82:
			i = protobuf.ReadMessageMap(d, &x.ByNumber, b, i, 0x82, protobuf.VarintKind[int32](), protobuf.MessageKind[Features]())
		case 0x8b:
			w, _ := x.One.(*Features_Grouped)
			x.One = protobuf.Make(d, 1, &w)
			i = d.Group(protobuf.Make(d, 0, &w.Grouped), b, i, 0x8c)
		case 0x92:
			w := protobuf.Alloc[Features_Other](d, 2)
			x.One, i = w, d.ReadString(&w.Other, b, i)
		case 0x9a:
			w := protobuf.Alloc[Features_OtherRaw](d, 3)
			x.One, i = w, d.ReadRawString(&w.OtherRaw, b, i)
		case 0xa2:
			i = d.ReadRawStrings(&x.Raws, b, i, 0xa2)
		case 0xaa:
			i = protobuf.ReadMap(d, &x.RawMap, b, i, 0xaa, protobuf.RawStringKind(), protobuf.RawStringKind())
		case 0xb5:
			i = protobuf.ReadFloat(&x.ImplicitFloat, b, i)
		case 0xb9:
			i = protobuf.ReadDouble(&x.ImplicitDouble, b, i)
		case 0xc2:
			i = d.ReadBytes(&x.ImplicitBytes, b, i)
		case 0xca:
			i = d.ReadBytes(&x.ExplicitBytes, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	if x.Required == nil {
		d.Check()
	}
	return i
}

// The runtime must be one that this code was written for.
const _ = protobuf.GeneratedVersion1
