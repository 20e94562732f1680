package test3

import (
	protobuf "github.com/lupine-rpc/lupine/codec/protobuf"
)

// LupineAppend is called by Lupine's codec.
func (x *Other) LupineAppend(e *protobuf.Encoder, b []byte) []byte {
	if x == nil {
		return b
	}
	b = e.PutString(b, 0x0a, x.Text)
	b = protobuf.PutVarint(b, 0x10, uint64(x.Number))
	return append(b, x.unknownFields...)
}

// LupineDecode is called by Lupine's codec.
func (x *Other) LupineDecode(d *protobuf.Decoder, b []byte) (i int) {
	for uint(i) < uint(len(b)) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = protobuf.LongTag(b, i)
		}
		switch tag {
		case 0x0a:
			i = d.ReadString(&x.Text, b, i)
		case 0x10:
			i = protobuf.ReadVarint(&x.Number, b, i)
		default:
			i = d.Unknown(&x.unknownFields, b, i, tag)
		}
	}
	return i
}

// The runtime must be one that this code was written for.
const _ = protobuf.GeneratedVersion1
