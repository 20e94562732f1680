// Package conformance is what our server and our client share when the Connect
// conformance suite tests them: the framing of its requests on stdin and stdout,
// and its names for metadata and errors.
//
// The suite (connectrpc.com/conformance) runs the program under test, tells it
// what to do by messages of its own, and judges what comes back:
//
//	make conformance
package conformance

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lupine-rpc/lupine"
	pb "github.com/lupine-rpc/lupine/interop/conformance/connectrpc/conformance/v1"
)

//go:generate ./generate.sh

// MaxFrame is the most bytes of one framed message. The suite sends messages of
// some hundred kilobytes.
const MaxFrame = 64 << 20

// ReadFrame reads a message behind its length, four bytes, big-endian. It
// returns io.EOF between two messages only.
func ReadFrame(r io.Reader, m proto.Message) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > MaxFrame {
		return fmt.Errorf("message of %d bytes on stdin, more than %d", n, MaxFrame)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	return proto.Unmarshal(b, m)
}

// WriteFrame writes a message as [ReadFrame] reads it, in one Write.
func WriteFrame(w io.Writer, m proto.Message) error {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 4), m)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	_, err = w.Write(b)
	return err
}

// FromHeaders returns the suite's headers as metadata. It writes the bytes of
// "-bin" keys as base64, as they stand on the wire.
func FromHeaders(headers []*pb.Header) (lupine.Metadata, error) {
	var md lupine.Metadata
	for _, h := range headers {
		for _, v := range h.GetValue() {
			if strings.HasSuffix(strings.ToLower(h.GetName()), "-bin") {
				raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
				if err != nil {
					return nil, fmt.Errorf("header %s: %w", h.GetName(), err)
				}
				v = string(raw)
			}
			md.Add(h.GetName(), v)
		}
	}
	return md, nil
}

// ToHeaders returns metadata as the suite's headers.
func ToHeaders(md lupine.Metadata) []*pb.Header {
	var headers []*pb.Header
	byName := make(map[string]*pb.Header)
	for _, p := range md {
		h := byName[p.Key]
		if h == nil {
			h = &pb.Header{Name: p.Key}
			byName[p.Key] = h
			headers = append(headers, h)
		}
		v := p.Value
		if strings.HasSuffix(p.Key, "-bin") {
			v = base64.RawStdEncoding.EncodeToString([]byte(v))
		}
		h.Value = append(h.Value, v)
	}
	return headers
}

const typePrefix = "type.googleapis.com/"

// FromError returns the error that the suite asks a handler to return.
func FromError(e *pb.Error) *lupine.Error {
	err := &lupine.Error{Code: lupine.Code(e.GetCode()), Message: e.GetMessage()}
	for _, d := range e.GetDetails() {
		err.Details = append(err.Details, lupine.Detail{Type: string(d.MessageName()), Value: d.GetValue()})
	}
	return err
}

// ToError returns how a call failed in the suite's words; nil for nil.
func ToError(err error) *pb.Error {
	if err == nil {
		return nil
	}
	var e *lupine.Error
	if !errors.As(err, &e) {
		// A call fails with an *Error and with nothing else.
		return &pb.Error{Code: pb.Code_CODE_UNSPECIFIED, Message: proto.String("not a lupine.Error: " + err.Error())}
	}
	out := &pb.Error{Code: pb.Code(e.Code), Message: proto.String(e.Message)}
	for _, d := range e.Details {
		out.Details = append(out.Details, &anypb.Any{TypeUrl: typePrefix + d.Type, Value: d.Value})
	}
	return out
}
