package grpcmsg

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/lupine-rpc/lupine"
)

// MaxDetails is how many details one status may carry.
const MaxDetails = 128

// typeURLPrefix stands before the message name in a google.protobuf.Any.
const typeURLPrefix = "type.googleapis.com/"

// The fields of google.rpc.Status and google.protobuf.Any, and the wire types
// of the protobuf encoding that they use.
const (
	statusCode    = 1
	statusMessage = 2
	statusDetails = 3
	anyTypeURL    = 1
	anyValue      = 2

	typeVarint = 0
	typeI64    = 1
	typeBytes  = 2
	typeStart  = 3
	typeEnd    = 4
	typeI32    = 5
)

var errStatus = errors.New("malformed google.rpc.Status")

// RPCStatus is a decoded google.rpc.Status.
type RPCStatus struct {
	Code    lupine.Code
	Message string
	Details []lupine.Detail
}

// AppendRPCStatus appends the google.rpc.Status of an error: code, message and
// details, encoded as protobuf (google/rpc/status.proto). It needs no generated
// code, so that the root module stays small.
func AppendRPCStatus(dst []byte, e *lupine.Error) []byte {
	if e.Code != lupine.OK {
		dst = append(dst, statusCode<<3|typeVarint)
		// The field is an int32: a number above its range is sign-extended.
		dst = binary.AppendUvarint(dst, uint64(int64(int32(e.Code))))
	}
	if e.Message != "" {
		dst = appendString(dst, statusMessage, strings.ToValidUTF8(e.Message, "\uFFFD"))
	}
	for i := range e.Details {
		d := &e.Details[i]
		url := len(d.Type)
		if !strings.Contains(d.Type, "/") {
			url += len(typeURLPrefix)
		}
		size := 1 + uvarintLen(url) + url
		if len(d.Value) > 0 {
			size += 1 + uvarintLen(len(d.Value)) + len(d.Value)
		}
		dst = append(dst, statusDetails<<3|typeBytes)
		dst = binary.AppendUvarint(dst, uint64(size))
		dst = append(dst, anyTypeURL<<3|typeBytes)
		dst = binary.AppendUvarint(dst, uint64(url))
		if url > len(d.Type) {
			dst = append(dst, typeURLPrefix...)
		}
		dst = append(dst, d.Type...)
		if len(d.Value) > 0 {
			dst = append(dst, anyValue<<3|typeBytes)
			dst = binary.AppendUvarint(dst, uint64(len(d.Value)))
			dst = append(dst, d.Value...)
		}
	}
	return dst
}

func appendString(dst []byte, field byte, s string) []byte {
	dst = append(dst, field<<3|typeBytes)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func uvarintLen(n int) int {
	size := 1
	for u := uint64(n); u >= 0x80; u >>= 7 {
		size++
	}
	return size
}

// ParseRPCStatus decodes a google.rpc.Status. Fields it does not know are
// skipped. The values of the details are parts of src, which must not change
// afterwards. It fails on anything that is not protobuf, on text that is not
// UTF-8 and past MaxDetails.
func ParseRPCStatus(src []byte) (RPCStatus, error) {
	var st RPCStatus
	for len(src) > 0 {
		f, rest, err := nextField(src)
		if err != nil {
			return RPCStatus{}, err
		}
		src = rest
		switch {
		case f.number == statusCode && f.typ == typeVarint:
			st.Code = lupine.Code(int32(f.varint))
		case f.number == statusMessage && f.typ == typeBytes:
			if !utf8.Valid(f.bytes) {
				return RPCStatus{}, errStatus
			}
			st.Message = string(f.bytes)
		case f.number == statusDetails && f.typ == typeBytes:
			if len(st.Details) == MaxDetails {
				return RPCStatus{}, errors.New("google.rpc.Status has more than 128 details (limit MaxDetails)")
			}
			d, err := parseAny(f.bytes)
			if err != nil {
				return RPCStatus{}, err
			}
			st.Details = append(st.Details, d)
		}
	}
	return st, nil
}

func parseAny(src []byte) (lupine.Detail, error) {
	var d lupine.Detail
	for len(src) > 0 {
		f, rest, err := nextField(src)
		if err != nil {
			return d, err
		}
		src = rest
		switch {
		case f.number == anyTypeURL && f.typ == typeBytes:
			if !utf8.Valid(f.bytes) {
				return d, errStatus
			}
			// A URL of another registry is kept whole, so that it survives a proxy.
			d.Type = strings.TrimPrefix(string(f.bytes), typeURLPrefix)
		case f.number == anyValue && f.typ == typeBytes:
			d.Value = f.bytes
		}
	}
	return d, nil
}

// field is one field of the protobuf encoding.
type field struct {
	number uint64
	typ    byte
	varint uint64
	bytes  []byte
}

// maxGroupDepth is how deep groups in fields that are skipped may nest.
const maxGroupDepth = 100

// nextField reads the field that src, which is not empty, begins with. A group,
// which no field here is, comes back skipped, with typ typeStart.
func nextField(src []byte) (f field, rest []byte, err error) {
	f, rest, err = oneField(src)
	if err != nil || f.typ != typeStart {
		if f.typ == typeEnd {
			err = errStatus
		}
		return f, rest, err
	}
	open := [maxGroupDepth]uint64{f.number}
	for depth := 1; depth > 0; {
		if len(rest) == 0 {
			return f, nil, errStatus
		}
		var g field
		if g, rest, err = oneField(rest); err != nil {
			return f, nil, err
		}
		switch {
		case g.typ == typeStart && depth == maxGroupDepth:
			return f, nil, errStatus
		case g.typ == typeStart:
			open[depth] = g.number
			depth++
		case g.typ == typeEnd && open[depth-1] != g.number:
			return f, nil, errStatus
		case g.typ == typeEnd:
			depth--
		}
	}
	return f, rest, nil
}

// oneField reads one tag and, unless it begins or ends a group, its value.
func oneField(src []byte) (f field, rest []byte, err error) {
	tag, n := binary.Uvarint(src)
	if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f, nil, errStatus
	}
	src = src[n:]
	f.number, f.typ = tag>>3, byte(tag&7)
	switch f.typ {
	case typeVarint:
		if f.varint, n = binary.Uvarint(src); n <= 0 {
			return f, nil, errStatus
		}
		return f, src[n:], nil
	case typeBytes:
		size, n := binary.Uvarint(src)
		if n <= 0 || size > uint64(len(src)-n) {
			return f, nil, errStatus
		}
		end := n + int(size)
		f.bytes = src[n:end:end]
		return f, src[end:], nil
	case typeI64, typeI32:
		size := 8
		if f.typ == typeI32 {
			size = 4
		}
		if len(src) < size {
			return f, nil, errStatus
		}
		return f, src[size:], nil
	case typeStart, typeEnd:
		return f, src, nil
	}
	return f, nil, errStatus
}
