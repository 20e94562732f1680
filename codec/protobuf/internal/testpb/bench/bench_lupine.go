package bench

import (
	protobuf "github.com/lupine-rpc/lupine/codec/protobuf"
	math "math"
)

// LupineAppend is called by Lupine's codec.
func (x *Small) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.PutString(b, 0x0a, x.Name)
	b = protobuf.PutVarint(b, 0x10, uint64(x.Id))
	b = protobuf.PutVarint(b, 0x18, protobuf.Bool(x.Active))
	b = protobuf.PutFixed64(b, 0x21, math.Float64bits(x.Score))
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Small) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadString(&x.Name, b, i)
		case 0x10:
			i = protobuf.ReadVarint(&x.Id, b, i)
		case 0x18:
			i = protobuf.ReadBool(&x.Active, b, i)
		case 0x21:
			i = protobuf.ReadDouble(&x.Score, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Wide) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.PutVarint(b, 0x08, uint64(x.A1))
	b = protobuf.PutVarint(b, 0x10, uint64(x.A2))
	b = protobuf.PutVarint(b, 0x18, uint64(x.A3))
	b = protobuf.PutVarint(b, 0x20, uint64(x.A4))
	b = protobuf.PutVarint(b, 0x28, uint64(x.A5))
	b = protobuf.PutVarint(b, 0x30, uint64(x.A6))
	b = protobuf.PutVarint(b, 0x38, protobuf.Zigzag(int64(x.A7)))
	b = protobuf.PutVarint(b, 0x40, protobuf.Zigzag(int64(x.A8)))
	b = protobuf.PutVarint(b, 0x48, protobuf.Bool(x.A9))
	b = protobuf.PutFixed64(b, 0x51, math.Float64bits(x.A10))
	b = protobuf.PutFixed32(b, 0x5d, math.Float32bits(x.A11))
	b = protobuf.PutFixed32(b, 0x65, uint32(x.A12))
	b = protobuf.PutFixed64(b, 0x69, uint64(x.A13))
	b = e.PutString(b, 0x72, x.A14)
	b = e.PutString(b, 0x7a, x.A15)
	b = protobuf.PutBytes(b, 0x82, x.A16)
	b = protobuf.OptVarint(b, 0x88, x.A17)
	b = protobuf.OptVarint(b, 0x90, x.A18)
	b = e.OptString(b, 0x9a, x.A19)
	b = protobuf.OptFixed64(b, 0xa1, x.A20)
	b = protobuf.OptBool(b, 0xa8, x.A21)
	b = e.PutString(b, 0xb2, x.A22)
	b = protobuf.PutFarVarint(b, 0xb8, uint64(x.A23))
	b = protobuf.PutFarVarint(b, 0xc0, uint64(x.A24))
	if x.A25 != nil {
		b = protobuf.End(x.A25.LupineAppend(e, append(b, 0xca, 0x01, 0)), len(b)+3)
	}
	b = protobuf.AppendPackedVarint(b, 0xd2, x.A26)
	b = e.AppendStrings(b, 0xda, x.A27)
	b = protobuf.AppendMap(e, b, 0xe2, x.A28, protobuf.StringKind(), protobuf.StringKind())
	switch w := x.One.(type) {
	case *Wide_A29:
		if w != nil {
			b = protobuf.AppendVarint(b, 0xe8, uint64(w.A29))
		}
	case *Wide_A30:
		if w != nil {
			b = e.AppendString(b, 0xf2, w.A30)
		}
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Wide) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadVarint(&x.A1, b, i)
		case 0x10:
			i = protobuf.ReadVarint(&x.A2, b, i)
		case 0x18:
			i = protobuf.ReadVarint(&x.A3, b, i)
		case 0x20:
			i = protobuf.ReadVarint(&x.A4, b, i)
		case 0x28:
			i = protobuf.ReadVarint(&x.A5, b, i)
		case 0x30:
			i = protobuf.ReadVarint(&x.A6, b, i)
		case 0x38:
			i = protobuf.ReadSint(&x.A7, b, i)
		case 0x40:
			i = protobuf.ReadSint(&x.A8, b, i)
		case 0x48:
			i = protobuf.ReadBool(&x.A9, b, i)
		case 0x51:
			i = protobuf.ReadDouble(&x.A10, b, i)
		case 0x5d:
			i = protobuf.ReadFloat(&x.A11, b, i)
		case 0x65:
			i = protobuf.ReadFixed32(&x.A12, b, i)
		case 0x69:
			i = protobuf.ReadFixed64(&x.A13, b, i)
		case 0x72:
			i = d.ReadString(&x.A14, b, i)
		case 0x7a:
			i = d.ReadString(&x.A15, b, i)
		case 0x82:
			i = d.ReadBytes(&x.A16, b, i)
		case 0x88:
			i = protobuf.ReadOptVarint(&x.A17, b, i)
		case 0x90:
			i = protobuf.ReadOptVarint(&x.A18, b, i)
		case 0x9a:
			i = d.ReadOptString(&x.A19, b, i)
		case 0xa1:
			i = protobuf.ReadOptDouble(&x.A20, b, i)
		case 0xa8:
			i = protobuf.ReadOptBool(&x.A21, b, i)
		case 0xb2:
			i = d.ReadString(&x.A22, b, i)
		case 0xb8:
			i = protobuf.ReadVarint(&x.A23, b, i)
		case 0xc0:
			i = protobuf.ReadVarint(&x.A24, b, i)
		case 0xca:
			i = d.Message(protobuf.Make(d, 0, &x.A25), b, i)
		case 0xd0:
			i = protobuf.ReadVarints(&x.A26, b, i)
		case 0xd2:
			i = protobuf.ReadPackedVarint(&x.A26, b, i)
		case 0xda:
			i = d.ReadStrings(&x.A27, b, i, 0xda)
		case 0xe2:
			i = protobuf.ReadMap(d, &x.A28, b, i, 0xe2, protobuf.StringKind(), protobuf.StringKind())
		case 0xe8:
			w := protobuf.Alloc[Wide_A29](d, 1)
			x.One, i = w, protobuf.ReadVarint(&w.A29, b, i)
		case 0xf2:
			w := protobuf.Alloc[Wide_A30](d, 2)
			x.One, i = w, d.ReadString(&w.A30, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Ints) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.AppendPackedVarint(b, 0x0a, x.Values)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Ints) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadVarints(&x.Values, b, i)
		case 0x0a:
			i = protobuf.ReadPackedVarint(&x.Values, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Strings) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.AppendStrings(b, 0x0a, x.Values)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Strings) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadStrings(&x.Values, b, i, 0x0a)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Payload) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.PutBytes(b, 0x0a, x.Body)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Payload) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadBytes(&x.Body, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Blob) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.PutVarint(b, 0x08, uint64(x.Status))
	if x.Payload != nil {
		b = protobuf.End(x.Payload.LupineAppend(e, append(b, 0x12, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Blob) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x08:
			i = protobuf.ReadVarint(&x.Status, b, i)
		case 0x12:
			i = d.Message(protobuf.Make(d, 3, &x.Payload), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Traces) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	for _, v := range x.ResourceSpans {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x0a, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Traces) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = protobuf.ReadMessages(d, 4, &x.ResourceSpans, b, i, 0x0a)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *ResourceSpans) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if x.Resource != nil {
		b = protobuf.End(x.Resource.LupineAppend(e, append(b, 0x0a, 0)), len(b)+2)
	}
	for _, v := range x.ScopeSpans {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x12, 0)), len(b)+2)
	}
	b = e.PutString(b, 0x1a, x.SchemaUrl)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *ResourceSpans) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Message(protobuf.Make(d, 5, &x.Resource), b, i)
		case 0x12:
			i = protobuf.ReadMessages(d, 6, &x.ScopeSpans, b, i, 0x12)
		case 0x1a:
			i = d.ReadString(&x.SchemaUrl, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Resource) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	for _, v := range x.Attributes {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x0a, 0)), len(b)+2)
	}
	b = protobuf.PutVarint(b, 0x10, uint64(x.DroppedAttributesCount))
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Resource) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = protobuf.ReadMessages(d, 7, &x.Attributes, b, i, 0x0a)
		case 0x10:
			i = protobuf.ReadVarint(&x.DroppedAttributesCount, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *ScopeSpans) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if x.Scope != nil {
		b = protobuf.End(x.Scope.LupineAppend(e, append(b, 0x0a, 0)), len(b)+2)
	}
	for _, v := range x.Spans {
		b = protobuf.End2(v.LupineAppend(e, append(b, 0x12, 0, 0)), len(b)+3)
	}
	b = e.PutString(b, 0x1a, x.SchemaUrl)
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *ScopeSpans) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.Message(protobuf.Make(d, 8, &x.Scope), b, i)
		case 0x12:
			i = protobuf.ReadMessages(d, 9, &x.Spans, b, i, 0x12)
		case 0x1a:
			i = d.ReadString(&x.SchemaUrl, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Scope) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.PutString(b, 0x0a, x.Name)
	b = e.PutString(b, 0x12, x.Version)
	for _, v := range x.Attributes {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x1a, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Scope) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadString(&x.Name, b, i)
		case 0x12:
			i = d.ReadString(&x.Version, b, i)
		case 0x1a:
			i = protobuf.ReadMessages(d, 7, &x.Attributes, b, i, 0x1a)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Span) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.PutBytes(b, 0x0a, x.TraceId)
	b = protobuf.PutBytes(b, 0x12, x.SpanId)
	b = e.PutString(b, 0x1a, x.TraceState)
	b = protobuf.PutBytes(b, 0x22, x.ParentSpanId)
	b = e.PutString(b, 0x2a, x.Name)
	b = protobuf.PutVarint(b, 0x30, uint64(x.Kind))
	b = protobuf.PutFixed64(b, 0x39, uint64(x.StartTimeUnixNano))
	b = protobuf.PutFixed64(b, 0x41, uint64(x.EndTimeUnixNano))
	for _, v := range x.Attributes {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x4a, 0)), len(b)+2)
	}
	b = protobuf.PutVarint(b, 0x50, uint64(x.DroppedAttributesCount))
	for _, v := range x.Events {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x5a, 0)), len(b)+2)
	}
	if x.Status != nil {
		b = protobuf.End(x.Status.LupineAppend(e, append(b, 0x7a, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Span) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadBytes(&x.TraceId, b, i)
		case 0x12:
			i = d.ReadBytes(&x.SpanId, b, i)
		case 0x1a:
			i = d.ReadString(&x.TraceState, b, i)
		case 0x22:
			i = d.ReadBytes(&x.ParentSpanId, b, i)
		case 0x2a:
			i = d.ReadString(&x.Name, b, i)
		case 0x30:
			i = protobuf.ReadVarint(&x.Kind, b, i)
		case 0x39:
			i = protobuf.ReadFixed64(&x.StartTimeUnixNano, b, i)
		case 0x41:
			i = protobuf.ReadFixed64(&x.EndTimeUnixNano, b, i)
		case 0x4a:
			i = protobuf.ReadMessages(d, 7, &x.Attributes, b, i, 0x4a)
		case 0x50:
			i = protobuf.ReadVarint(&x.DroppedAttributesCount, b, i)
		case 0x5a:
			i = protobuf.ReadMessages(d, 10, &x.Events, b, i, 0x5a)
		case 0x7a:
			i = d.Message(protobuf.Make(d, 11, &x.Status), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Event) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = protobuf.PutFixed64(b, 0x09, uint64(x.TimeUnixNano))
	b = e.PutString(b, 0x12, x.Name)
	for _, v := range x.Attributes {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x1a, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Event) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x09:
			i = protobuf.ReadFixed64(&x.TimeUnixNano, b, i)
		case 0x12:
			i = d.ReadString(&x.Name, b, i)
		case 0x1a:
			i = protobuf.ReadMessages(d, 7, &x.Attributes, b, i, 0x1a)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *Status) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.PutString(b, 0x12, x.Message)
	b = protobuf.PutVarint(b, 0x18, uint64(x.Code))
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Status) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x12:
			i = d.ReadString(&x.Message, b, i)
		case 0x18:
			i = protobuf.ReadVarint(&x.Code, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *KeyValue) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.PutString(b, 0x0a, x.Key)
	if x.Value != nil {
		b = protobuf.End(x.Value.LupineAppend(e, append(b, 0x12, 0)), len(b)+2)
	}
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *KeyValue) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadString(&x.Key, b, i)
		case 0x12:
			i = d.Message(protobuf.Make(d, 12, &x.Value), b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *AnyValue) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	switch w := x.Value.(type) {
	case *AnyValue_StringValue:
		if w != nil {
			b = e.AppendString(b, 0x0a, w.StringValue)
		}
	case *AnyValue_BoolValue:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x10, protobuf.Bool(w.BoolValue))
		}
	case *AnyValue_IntValue:
		if w != nil {
			b = protobuf.AppendVarint(b, 0x18, uint64(w.IntValue))
		}
	case *AnyValue_DoubleValue:
		if w != nil {
			b = protobuf.AppendFixed64(b, 0x21, math.Float64bits(w.DoubleValue))
		}
	case *AnyValue_ArrayValue:
		if w != nil {
			b = protobuf.End(w.ArrayValue.LupineAppend(e, append(b, 0x2a, 0)), len(b)+2)
		}
	case *AnyValue_BytesValue:
		if w != nil {
			b = protobuf.AppendBytes(b, 0x3a, w.BytesValue)
		}
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *AnyValue) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			w := protobuf.Alloc[AnyValue_StringValue](d, 13)
			x.Value, i = w, d.ReadString(&w.StringValue, b, i)
		case 0x10:
			w := protobuf.Alloc[AnyValue_BoolValue](d, 14)
			x.Value, i = w, protobuf.ReadBool(&w.BoolValue, b, i)
		case 0x18:
			w := protobuf.Alloc[AnyValue_IntValue](d, 15)
			x.Value, i = w, protobuf.ReadVarint(&w.IntValue, b, i)
		case 0x21:
			w := protobuf.Alloc[AnyValue_DoubleValue](d, 16)
			x.Value, i = w, protobuf.ReadDouble(&w.DoubleValue, b, i)
		case 0x2a:
			w, _ := x.Value.(*AnyValue_ArrayValue)
			x.Value = protobuf.Make(d, 17, &w)
			i = d.Message(protobuf.Make(d, 18, &w.ArrayValue), b, i)
		case 0x3a:
			w := protobuf.Alloc[AnyValue_BytesValue](d, 19)
			x.Value, i = w, d.ReadBytes(&w.BytesValue, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// LupineAppend is called by Lupine's codec.
func (x *ArrayValue) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	if !e.Enter() {
		return b
	}
	for _, v := range x.Values {
		b = protobuf.End(v.LupineAppend(e, append(b, 0x0a, 0)), len(b)+2)
	}
	e.Leave()
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *ArrayValue) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = protobuf.ReadMessages(d, 12, &x.Values, b, i, 0x0a)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// The runtime must be one that this code was written for.
const _ = protobuf.GeneratedVersion1
