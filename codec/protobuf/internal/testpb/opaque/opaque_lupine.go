package opaque

import (
	protobuf "github.com/lupine-rpc/lupine/codec/protobuf"
	protoimpl "google.golang.org/protobuf/runtime/protoimpl"
	math "math"
)

// LupineAppend is called by Lupine's codec.
func (x *Scalars) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		e.Check()
		return b
	}
	if !protoimpl.X.Present(&(x.XXX_presence[0]), 20) {
		e.Check()
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 0) {
		b = protobuf.AppendVarint(b, 0x08, uint64(x.xxx_hidden_I32))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 1) {
		b = protobuf.AppendVarint(b, 0x10, uint64(x.xxx_hidden_I64))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 2) {
		b = protobuf.AppendVarint(b, 0x18, uint64(x.xxx_hidden_U32))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 3) {
		b = protobuf.AppendVarint(b, 0x20, uint64(x.xxx_hidden_U64))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 4) {
		b = protobuf.AppendVarint(b, 0x28, protobuf.Zigzag(int64(x.xxx_hidden_S32)))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 5) {
		b = protobuf.AppendVarint(b, 0x30, protobuf.Zigzag(int64(x.xxx_hidden_S64)))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 6) {
		b = protobuf.AppendFixed32(b, 0x3d, uint32(x.xxx_hidden_F32))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 7) {
		b = protobuf.AppendFixed64(b, 0x41, uint64(x.xxx_hidden_F64))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 8) {
		b = protobuf.AppendFixed32(b, 0x4d, uint32(x.xxx_hidden_Sf32))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 9) {
		b = protobuf.AppendFixed64(b, 0x51, uint64(x.xxx_hidden_Sf64))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 10) {
		b = protobuf.AppendFixed32(b, 0x5d, math.Float32bits(x.xxx_hidden_Float))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 11) {
		b = protobuf.AppendFixed64(b, 0x61, math.Float64bits(x.xxx_hidden_Double))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 12) {
		b = protobuf.AppendVarint(b, 0x68, protobuf.Bool(x.xxx_hidden_Bool))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 13) {
		b = e.AppendString(b, 0x72, *x.xxx_hidden_String_)
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 14) {
		b = protobuf.AppendBytes(b, 0x7a, x.xxx_hidden_Bytes)
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 15) {
		b = protobuf.AppendVarint(b, 0x80, uint64(x.xxx_hidden_Color))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 16) {
		b = e.AppendString(b, 0x8a, *x.xxx_hidden_Text)
	}
	b = protobuf.PutFarVarint(b, 0x90, uint64(x.xxx_hidden_Implicit))
	b = e.PutString(b, 0x9a, x.xxx_hidden_ImplicitText)
	b = protobuf.PutBytes(b, 0xa2, x.xxx_hidden_ImplicitBytes)
	if protoimpl.X.Present(&(x.XXX_presence[0]), 20) {
		b = protobuf.AppendVarint(b, 0xa8, uint64(x.xxx_hidden_Required))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 22) {
		b = protobuf.AppendVarint(b, 0x148, protobuf.Bool(x.xxx_hidden_A1))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 23) {
		b = protobuf.AppendVarint(b, 0x150, protobuf.Bool(x.xxx_hidden_A2))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 24) {
		b = protobuf.AppendVarint(b, 0x158, protobuf.Bool(x.xxx_hidden_A3))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 25) {
		b = protobuf.AppendVarint(b, 0x160, protobuf.Bool(x.xxx_hidden_A4))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 26) {
		b = protobuf.AppendVarint(b, 0x168, protobuf.Bool(x.xxx_hidden_A5))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 27) {
		b = protobuf.AppendVarint(b, 0x170, protobuf.Bool(x.xxx_hidden_A6))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 28) {
		b = protobuf.AppendVarint(b, 0x178, protobuf.Bool(x.xxx_hidden_A7))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 29) {
		b = protobuf.AppendVarint(b, 0x180, protobuf.Bool(x.xxx_hidden_A8))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 30) {
		b = protobuf.AppendVarint(b, 0x188, protobuf.Bool(x.xxx_hidden_A9))
	}
	if protoimpl.X.Present(&(x.XXX_presence[0]), 31) {
		b = protobuf.AppendVarint(b, 0x190, protobuf.Bool(x.xxx_hidden_A10))
	}
	if protoimpl.X.Present(&(x.XXX_presence[1]), 32) {
		b = protobuf.AppendVarint(b, 0x198, protobuf.Bool(x.xxx_hidden_A11))
	}
	if protoimpl.X.Present(&(x.XXX_presence[1]), 33) {
		b = protobuf.AppendVarint(b, 0x1a0, protobuf.Bool(x.xxx_hidden_A12))
	}
	if protoimpl.X.Present(&(x.XXX_presence[1]), 34) {
		b = protobuf.AppendVarint(b, 0x1a8, protobuf.Bool(x.xxx_hidden_A13))
	}
	switch w := x.xxx_hidden_One.(type) {
	case *scalars_A:
		if w != nil {
			b = e.AppendString(b, 0xfa, w.A)
		}
	case *scalars_B:
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
			i = protobuf.ReadVarint(&x.xxx_hidden_I32, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 0, 35)
		case 0x10:
			i = protobuf.ReadVarint(&x.xxx_hidden_I64, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 1, 35)
		case 0x18:
			i = protobuf.ReadVarint(&x.xxx_hidden_U32, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 2, 35)
		case 0x20:
			i = protobuf.ReadVarint(&x.xxx_hidden_U64, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 3, 35)
		case 0x28:
			i = protobuf.ReadSint(&x.xxx_hidden_S32, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 4, 35)
		case 0x30:
			i = protobuf.ReadSint(&x.xxx_hidden_S64, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 5, 35)
		case 0x3d:
			i = protobuf.ReadFixed32(&x.xxx_hidden_F32, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 6, 35)
		case 0x41:
			i = protobuf.ReadFixed64(&x.xxx_hidden_F64, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 7, 35)
		case 0x4d:
			i = protobuf.ReadFixed32(&x.xxx_hidden_Sf32, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 8, 35)
		case 0x51:
			i = protobuf.ReadFixed64(&x.xxx_hidden_Sf64, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 9, 35)
		case 0x5d:
			i = protobuf.ReadFloat(&x.xxx_hidden_Float, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 10, 35)
		case 0x61:
			i = protobuf.ReadDouble(&x.xxx_hidden_Double, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 11, 35)
		case 0x68:
			i = protobuf.ReadBool(&x.xxx_hidden_Bool, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 12, 35)
		case 0x72:
			i = d.ReadOptString(&x.xxx_hidden_String_, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 13, 35)
		case 0x7a:
			i = d.ReadBytes(&x.xxx_hidden_Bytes, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 14, 35)
		case 0x80:
			i = protobuf.ReadVarint(&x.xxx_hidden_Color, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 15, 35)
		case 0x8a:
			i = d.ReadOptString(&x.xxx_hidden_Text, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 16, 35)
		case 0x90:
			i = protobuf.ReadVarint(&x.xxx_hidden_Implicit, b, i)
		case 0x9a:
			i = d.ReadString(&x.xxx_hidden_ImplicitText, b, i)
		case 0xa2:
			i = d.ReadBytes(&x.xxx_hidden_ImplicitBytes, b, i)
		case 0xa8:
			i = protobuf.ReadVarint(&x.xxx_hidden_Required, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 20, 35)
		case 0xfa:
			w := protobuf.Alloc[scalars_A](d, 0)
			x.xxx_hidden_One, i = w, d.ReadString(&w.A, b, i)
		case 0x100:
			w := protobuf.Alloc[scalars_B](d, 1)
			x.xxx_hidden_One, i = w, protobuf.ReadVarint(&w.B, b, i)
		case 0x148:
			i = protobuf.ReadBool(&x.xxx_hidden_A1, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 22, 35)
		case 0x150:
			i = protobuf.ReadBool(&x.xxx_hidden_A2, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 23, 35)
		case 0x158:
			i = protobuf.ReadBool(&x.xxx_hidden_A3, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 24, 35)
		case 0x160:
			i = protobuf.ReadBool(&x.xxx_hidden_A4, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 25, 35)
		case 0x168:
			i = protobuf.ReadBool(&x.xxx_hidden_A5, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 26, 35)
		case 0x170:
			i = protobuf.ReadBool(&x.xxx_hidden_A6, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 27, 35)
		case 0x178:
			i = protobuf.ReadBool(&x.xxx_hidden_A7, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 28, 35)
		case 0x180:
			i = protobuf.ReadBool(&x.xxx_hidden_A8, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 29, 35)
		case 0x188:
			i = protobuf.ReadBool(&x.xxx_hidden_A9, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 30, 35)
		case 0x190:
			i = protobuf.ReadBool(&x.xxx_hidden_A10, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 31, 35)
		case 0x198:
			i = protobuf.ReadBool(&x.xxx_hidden_A11, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[1]), 32, 35)
		case 0x1a0:
			i = protobuf.ReadBool(&x.xxx_hidden_A12, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[1]), 33, 35)
		case 0x1a8:
			i = protobuf.ReadBool(&x.xxx_hidden_A13, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[1]), 34, 35)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	if !protoimpl.X.Present(&(x.XXX_presence[0]), 20) {
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
	if x.xxx_hidden_Scalars != nil {
		b = protobuf.End2(x.xxx_hidden_Scalars.LupineAppend(e, append(b, 0x0a, 0, 0)), len(b)+3)
	}
	if x.xxx_hidden_Many != nil {
		for _, v := range *x.xxx_hidden_Many {
			b = protobuf.End2(v.LupineAppend(e, append(b, 0x12, 0, 0)), len(b)+3)
		}
	}
	b = protobuf.AppendMap(e, b, 0x1a, x.xxx_hidden_Named, protobuf.StringKind(), protobuf.MessageKind[Scalars]())
	b = protobuf.AppendMap(e, b, 0x22, x.xxx_hidden_Texts, protobuf.VarintKind[int32](), protobuf.StringKind())
	b = protobuf.AppendPackedVarint(b, 0x2a, x.xxx_hidden_Numbers)
	b = e.AppendStrings(b, 0x32, x.xxx_hidden_Strings)
	b = protobuf.AppendByteses(b, 0x3a, x.xxx_hidden_Datas)
	b = protobuf.AppendPackedVarint(b, 0x42, x.xxx_hidden_Colors)
	if x.xxx_hidden_Delimited != nil {
		b = append(x.xxx_hidden_Delimited.LupineAppend(e, append(b, 0x4b)), 0x4c)
	}
	if x.xxx_hidden_Delimiteds != nil {
		for _, v := range *x.xxx_hidden_Delimiteds {
			b = append(v.LupineAppend(e, append(b, 0x53)), 0x54)
		}
	}
	switch w := x.xxx_hidden_Kind.(type) {
	case *mixed_Text_:
		if w != nil {
			b = e.AppendString(b, 0x5a, w.Text)
		}
	case *mixed_Data:
		if w != nil {
			b = protobuf.AppendBytes(b, 0x62, w.Data)
		}
	case *mixed_One:
		if w != nil {
			b = protobuf.End2(w.One.LupineAppend(e, append(b, 0x6a, 0, 0)), len(b)+3)
		}
	case *mixed_Mixed:
		if w != nil {
			b = protobuf.End2(w.Mixed.LupineAppend(e, append(b, 0x72, 0, 0)), len(b)+3)
		}
	case *mixed_Inner_:
		if w != nil {
			b = protobuf.End(w.Inner_.LupineAppend(e, append(b, 0x7a, 0)), len(b)+2)
		}
	case *mixed_Number:
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
			i = d.Message(protobuf.Make(d, 2, &x.xxx_hidden_Scalars), b, i)
		case 0x12:
			i = protobuf.ReadMessages(d, 2, protobuf.New(&x.xxx_hidden_Many), b, i, 0x12)
		case 0x1a:
			i = protobuf.ReadMessageMap(d, &x.xxx_hidden_Named, b, i, 0x1a, protobuf.StringKind(), protobuf.MessageKind[Scalars]())
		case 0x22:
			i = protobuf.ReadMap(d, &x.xxx_hidden_Texts, b, i, 0x22, protobuf.VarintKind[int32](), protobuf.StringKind())
		case 0x28:
			i = protobuf.ReadVarints(&x.xxx_hidden_Numbers, b, i)
		case 0x2a:
			i = protobuf.ReadPackedVarint(&x.xxx_hidden_Numbers, b, i)
		case 0x32:
			i = d.ReadStrings(&x.xxx_hidden_Strings, b, i, 0x32)
		case 0x3a:
			i = d.ReadByteses(&x.xxx_hidden_Datas, b, i, 0x3a)
		case 0x40:
			i = protobuf.ReadVarints(&x.xxx_hidden_Colors, b, i)
		case 0x42:
			i = protobuf.ReadPackedVarint(&x.xxx_hidden_Colors, b, i)
		case 0x4b:
			i = d.Group(protobuf.Make(d, 3, &x.xxx_hidden_Delimited), b, i, 0x4c)
		case 0x53:
			i = protobuf.ReadGroups(d, 3, protobuf.New(&x.xxx_hidden_Delimiteds), b, i, 0x54)
		case 0x5a:
			w := protobuf.Alloc[mixed_Text_](d, 4)
			x.xxx_hidden_Kind, i = w, d.ReadString(&w.Text, b, i)
		case 0x62:
			w := protobuf.Alloc[mixed_Data](d, 5)
			x.xxx_hidden_Kind, i = w, d.ReadBytes(&w.Data, b, i)
		case 0x6a:
			w, _ := x.xxx_hidden_Kind.(*mixed_One)
			x.xxx_hidden_Kind = protobuf.Make(d, 6, &w)
			i = d.Message(protobuf.Make(d, 2, &w.One), b, i)
		case 0x72:
			w, _ := x.xxx_hidden_Kind.(*mixed_Mixed)
			x.xxx_hidden_Kind = protobuf.Make(d, 7, &w)
			i = d.Message(protobuf.Make(d, 3, &w.Mixed), b, i)
		case 0x7a:
			w, _ := x.xxx_hidden_Kind.(*mixed_Inner_)
			x.xxx_hidden_Kind = protobuf.Make(d, 8, &w)
			i = d.Message(protobuf.Make(d, 9, &w.Inner_), b, i)
		case 0x80:
			w := protobuf.Alloc[mixed_Number](d, 10)
			x.xxx_hidden_Kind, i = w, protobuf.ReadVarint(&w.Number, b, i)
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
	if protoimpl.X.Present(&(x.XXX_presence[0]), 0) {
		b = e.AppendString(b, 0x0a, *x.xxx_hidden_Text)
	}
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
			i = d.ReadOptString(&x.xxx_hidden_Text, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 0, 1)
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
	if protoimpl.X.Present(&(x.XXX_presence[0]), 0) {
		b = e.AppendString(b, 0x0a, *x.xxx_hidden_Text)
	}
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
			i = d.ReadOptString(&x.xxx_hidden_Text, b, i)
			protoimpl.X.SetPresentNonAtomic(&(x.XXX_presence[0]), 0, 1)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *HasLazy) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if x.xxx_hidden_Lazy != nil {
		b = e.Foreign(b, 0x0a, x.xxx_hidden_Lazy)
	}
	if x.xxx_hidden_Lazies != nil {
		for _, v := range *x.xxx_hidden_Lazies {
			b = e.Foreign(b, 0x12, v)
		}
	}
	if x.xxx_hidden_Grouped != nil {
		b = e.ForeignGroup(b, 0x1b, x.xxx_hidden_Grouped)
	}
	if x.xxx_hidden_Groups != nil {
		for _, v := range *x.xxx_hidden_Groups {
			b = e.ForeignGroup(b, 0x23, v)
		}
	}
	b = protobuf.AppendMap(e, b, 0x2a, x.xxx_hidden_ByNumber, protobuf.VarintKind[int32](), protobuf.ForeignKind[Lazy]())
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *HasLazy) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Foreign(protobuf.Make(d, 11, &x.xxx_hidden_Lazy), b, i)
		case 0x12:
			i = protobuf.ReadForeigns(d, 11, protobuf.New(&x.xxx_hidden_Lazies), b, i, 0x12)
		case 0x1b:
			i = d.ForeignGroup(protobuf.Make(d, 11, &x.xxx_hidden_Grouped), b, i, 0x1c)
		case 0x23:
			i = protobuf.ReadForeignGroups(d, 11, protobuf.New(&x.xxx_hidden_Groups), b, i, 0x24)
		case 0x2a:
			i = protobuf.ReadMessageMap(d, &x.xxx_hidden_ByNumber, b, i, 0x2a, protobuf.VarintKind[int32](), protobuf.ForeignKind[Lazy]())
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// The runtime must be one that this code was written for.
const _ = protobuf.GeneratedVersion1
