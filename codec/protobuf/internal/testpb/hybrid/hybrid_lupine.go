package hybrid

import (
	protobuf "github.com/lupine-rpc/lupine/codec/protobuf"
)

// LupineAppend is called by Lupine's codec.
func (x *Scalars) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		e.Check()
		return b
	}
	if x.Required == nil {
		e.Check()
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
	b = e.OptString(b, 0x72, x.String_)
	b = protobuf.OptBytes(b, 0x7a, x.Bytes)
	b = protobuf.OptVarint(b, 0x80, x.Color)
	b = e.OptString(b, 0x8a, x.Text)
	b = protobuf.PutFarVarint(b, 0x90, uint64(x.Implicit))
	b = e.PutString(b, 0x9a, x.ImplicitText)
	b = protobuf.PutBytes(b, 0xa2, x.ImplicitBytes)
	b = protobuf.OptVarint(b, 0xa8, x.Required)
	b = protobuf.OptBool(b, 0x148, x.A1)
	b = protobuf.OptBool(b, 0x150, x.A2)
	b = protobuf.OptBool(b, 0x158, x.A3)
	b = protobuf.OptBool(b, 0x160, x.A4)
	b = protobuf.OptBool(b, 0x168, x.A5)
	b = protobuf.OptBool(b, 0x170, x.A6)
	b = protobuf.OptBool(b, 0x178, x.A7)
	b = protobuf.OptBool(b, 0x180, x.A8)
	b = protobuf.OptBool(b, 0x188, x.A9)
	b = protobuf.OptBool(b, 0x190, x.A10)
	b = protobuf.OptBool(b, 0x198, x.A11)
	b = protobuf.OptBool(b, 0x1a0, x.A12)
	b = protobuf.OptBool(b, 0x1a8, x.A13)
	switch w := x.One.(type) {
	case *Scalars_A:
		if w != nil {
			b = e.AppendString(b, 0xfa, w.A)
		}
	case *Scalars_B:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x100, uint64(w.B))
		}
	}
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
			i = d.ReadOptString(&x.String_, b, i)
		case 0x7a:
			i = d.ReadBytes(&x.Bytes, b, i)
		case 0x80:
			i = protobuf.ReadOptVarint(&x.Color, b, i)
		case 0x8a:
			i = d.ReadOptString(&x.Text, b, i)
		case 0x90:
			i = protobuf.ReadVarint(&x.Implicit, b, i)
		case 0x9a:
			i = d.ReadString(&x.ImplicitText, b, i)
		case 0xa2:
			i = d.ReadBytes(&x.ImplicitBytes, b, i)
		case 0xa8:
			i = protobuf.ReadOptVarint(&x.Required, b, i)
		case 0xfa:
			w := protobuf.Alloc[Scalars_A](d, 0)
			x.One, i = w, d.ReadString(&w.A, b, i)
		case 0x100:
			w := protobuf.Alloc[Scalars_B](d, 1)
			x.One, i = w, protobuf.ReadVarint(&w.B, b, i)
		case 0x148:
			i = protobuf.ReadOptBool(&x.A1, b, i)
		case 0x150:
			i = protobuf.ReadOptBool(&x.A2, b, i)
		case 0x158:
			i = protobuf.ReadOptBool(&x.A3, b, i)
		case 0x160:
			i = protobuf.ReadOptBool(&x.A4, b, i)
		case 0x168:
			i = protobuf.ReadOptBool(&x.A5, b, i)
		case 0x170:
			i = protobuf.ReadOptBool(&x.A6, b, i)
		case 0x178:
			i = protobuf.ReadOptBool(&x.A7, b, i)
		case 0x180:
			i = protobuf.ReadOptBool(&x.A8, b, i)
		case 0x188:
			i = protobuf.ReadOptBool(&x.A9, b, i)
		case 0x190:
			i = protobuf.ReadOptBool(&x.A10, b, i)
		case 0x198:
			i = protobuf.ReadOptBool(&x.A11, b, i)
		case 0x1a0:
			i = protobuf.ReadOptBool(&x.A12, b, i)
		case 0x1a8:
			i = protobuf.ReadOptBool(&x.A13, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	if x.Required == nil {
		d.Check()
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
	if len(x.extensionFields) > 0 {
		b = e.AppendExtensions(b, &Mixed{extensionFields: x.extensionFields})
	}
	if x.Scalars != nil {
		b = protobuf.End2(x.Scalars.LupineAppend(e, append(b, 0x0a, 0, 0)), len(b)+3)
	}
	for _, v := range x.Many {
		b = protobuf.End2(v.LupineAppend(e, append(b, 0x12, 0, 0)), len(b)+3)
	}
	b = protobuf.AppendMap(e, b, 0x1a, x.Named, protobuf.StringKind(), protobuf.MessageKind[Scalars]())
	b = protobuf.AppendMap(e, b, 0x22, x.Texts, protobuf.VarintKind[int32](), protobuf.StringKind())
	b = protobuf.AppendPackedVarint(b, 0x2a, x.Numbers)
	b = e.AppendStrings(b, 0x32, x.Strings)
	b = protobuf.AppendByteses(b, 0x3a, x.Datas)
	b = protobuf.AppendPackedVarint(b, 0x42, x.Colors)
	if x.Delimited != nil {
		b = append(x.Delimited.LupineAppend(e, append(b, 0x4b)), 0x4c)
	}
	for _, v := range x.Delimiteds {
		b = append(v.LupineAppend(e, append(b, 0x53)), 0x54)
	}
	switch w := x.Kind.(type) {
	case *Mixed_Text_:
		if w != nil {
			b = e.AppendString(b, 0x5a, w.Text)
		}
	case *Mixed_Data:
		if w != nil {
			b = protobuf.AppendBytes(b, 0x62, w.Data)
		}
	case *Mixed_One:
		if w != nil {
			b = protobuf.End2(w.One.LupineAppend(e, append(b, 0x6a, 0, 0)), len(b)+3)
		}
	case *Mixed_Mixed:
		if w != nil {
			b = protobuf.End2(w.Mixed.LupineAppend(e, append(b, 0x72, 0, 0)), len(b)+3)
		}
	case *Mixed_Inner_:
		if w != nil {
			b = protobuf.End(w.Inner_.LupineAppend(e, append(b, 0x7a, 0)), len(b)+2)
		}
	case *Mixed_Number:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x80, uint64(w.Number))
		}
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Mixed) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	var others []byte
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Message(protobuf.Make(d, 2, &x.Scalars), b, i)
		case 0x12:
			i = protobuf.ReadMessages(d, 2, &x.Many, b, i, 0x12)
		case 0x1a:
			i = protobuf.ReadMessageMap(d, &x.Named, b, i, 0x1a, protobuf.StringKind(), protobuf.MessageKind[Scalars]())
		case 0x22:
			i = protobuf.ReadMap(d, &x.Texts, b, i, 0x22, protobuf.VarintKind[int32](), protobuf.StringKind())
		case 0x28:
			i = protobuf.ReadVarints(&x.Numbers, b, i)
		case 0x2a:
			i = protobuf.ReadPackedVarint(&x.Numbers, b, i)
		case 0x32:
			i = d.ReadStrings(&x.Strings, b, i, 0x32)
		case 0x3a:
			i = d.ReadByteses(&x.Datas, b, i, 0x3a)
		case 0x40:
			i = protobuf.ReadVarints(&x.Colors, b, i)
		case 0x42:
			i = protobuf.ReadPackedVarint(&x.Colors, b, i)
		case 0x4b:
			i = d.Group(protobuf.Make(d, 3, &x.Delimited), b, i, 0x4c)
		case 0x53:
			i = protobuf.ReadGroups(d, 3, &x.Delimiteds, b, i, 0x54)
		case 0x5a:
			w := protobuf.Alloc[Mixed_Text_](d, 4)
			x.Kind, i = w, d.ReadString(&w.Text, b, i)
		case 0x62:
			w := protobuf.Alloc[Mixed_Data](d, 5)
			x.Kind, i = w, d.ReadBytes(&w.Data, b, i)
		case 0x6a:
			w, _ := x.Kind.(*Mixed_One)
			x.Kind = protobuf.Make(d, 6, &w)
			i = d.Message(protobuf.Make(d, 2, &w.One), b, i)
		case 0x72:
			w, _ := x.Kind.(*Mixed_Mixed)
			x.Kind = protobuf.Make(d, 7, &w)
			i = d.Message(protobuf.Make(d, 3, &w.Mixed), b, i)
		case 0x7a:
			w, _ := x.Kind.(*Mixed_Inner_)
			x.Kind = protobuf.Make(d, 8, &w)
			i = d.Message(protobuf.Make(d, 9, &w.Inner_), b, i)
		case 0x80:
			w := protobuf.Alloc[Mixed_Number](d, 10)
			x.Kind, i = w, protobuf.ReadVarint(&w.Number, b, i)
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
func (x *Mixed_Inner) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.OptString(b, 0x0a, x.Text)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Mixed_Inner) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadOptString(&x.Text, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Mixed_Text) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.OptString(b, 0x0a, x.Text)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Mixed_Text) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadOptString(&x.Text, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// The runtime must be one that this code was written for.
const _ = protobuf.GeneratedVersion1
