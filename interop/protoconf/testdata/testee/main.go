// Testee answers the protobuf conformance runner with Lupine's codec, or, under
// the name "reference", with google.golang.org/protobuf alone. JSON and text are
// that library's in both.
//
// It lies in testdata because it builds only after ../../run.sh has generated
// its messages: wildcards such as ./... leave it out.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/lupine-rpc/lupine/codec/protobuf"
	"github.com/lupine-rpc/lupine/interop/protoconf/testdata/pb/conformance"
	_ "github.com/lupine-rpc/lupine/interop/protoconf/testdata/pb/edition2023/google/protobuf"
	_ "github.com/lupine-rpc/lupine/interop/protoconf/testdata/pb/proto2/google/protobuf"
	_ "github.com/lupine-rpc/lupine/interop/protoconf/testdata/pb/proto2_editions/google/protobuf"
	_ "github.com/lupine-rpc/lupine/interop/protoconf/testdata/pb/proto3/google/protobuf"
	_ "github.com/lupine-rpc/lupine/interop/protoconf/testdata/pb/proto3_editions/google/protobuf"
)

// maxRequest bounds what the runner may announce, in bytes.
const maxRequest = 1 << 30

// A codec is what is tested: the binary format.
type codec struct {
	decode func([]byte, proto.Message) error
	encode func(proto.Message) ([]byte, error)
}

func main() {
	c := codec{decode: decode, encode: encode}
	// The runner passes no arguments, so the name says which one is asked for.
	if filepath.Base(os.Args[0]) == "reference" {
		c = codec{decode: proto.Unmarshal, encode: proto.Marshal}
	}
	if err := c.serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testee:", err)
		os.Exit(1)
	}
}

// serve answers requests until in ends. Each message on either stream follows
// its length, 32 bits, least significant byte first.
func (c codec) serve(in io.Reader, out io.Writer) error {
	for {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n > maxRequest {
			return fmt.Errorf("request of %d bytes, the limit is %d", n, maxRequest)
		}
		raw := make([]byte, n)
		if _, err := io.ReadFull(in, raw); err != nil {
			return err
		}
		var req conformance.ConformanceRequest
		if err := proto.Unmarshal(raw, &req); err != nil {
			return err
		}
		answer, err := proto.Marshal(c.answer(&req))
		if err != nil {
			return err
		}
		if _, err := out.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(answer))), answer...)); err != nil {
			return err
		}
	}
}

func (c codec) answer(req *conformance.ConformanceRequest) *conformance.ConformanceResponse {
	switch {
	case req.MessageType == "conformance.FailureSet": // the runner takes its lists from files
		return &conformance.ConformanceResponse{Result: &conformance.ConformanceResponse_ProtobufPayload{}}
	case req.TestCategory == conformance.TestCategory_JSPB_TEST, req.RequestedOutputFormat == conformance.WireFormat_JSPB:
		return &conformance.ConformanceResponse{Result: &conformance.ConformanceResponse_Skipped{Skipped: "no JSPB"}}
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(req.MessageType))
	if err != nil {
		return broken(err)
	}
	m := t.New().Interface()
	switch p := req.Payload.(type) {
	case *conformance.ConformanceRequest_ProtobufPayload:
		err = c.decode(p.ProtobufPayload, m)
	case *conformance.ConformanceRequest_JsonPayload:
		lax := req.TestCategory == conformance.TestCategory_JSON_IGNORE_UNKNOWN_PARSING_TEST
		err = protojson.UnmarshalOptions{DiscardUnknown: lax}.Unmarshal([]byte(p.JsonPayload), m)
	case *conformance.ConformanceRequest_TextPayload:
		err = prototext.Unmarshal([]byte(p.TextPayload), m)
	default:
		return broken(fmt.Errorf("a payload of type %T", p))
	}
	if errors.Is(err, errDiffers) {
		return broken(err)
	}
	if err != nil {
		return &conformance.ConformanceResponse{Result: &conformance.ConformanceResponse_ParseError{ParseError: err.Error()}}
	}
	return c.print(m, req)
}

// print writes m in the format that was asked for.
func (c codec) print(m proto.Message, req *conformance.ConformanceRequest) *conformance.ConformanceResponse {
	var res conformance.ConformanceResponse
	var err error
	var b []byte
	switch f := req.RequestedOutputFormat; f {
	case conformance.WireFormat_PROTOBUF:
		b, err = c.encode(m)
		res.Result = &conformance.ConformanceResponse_ProtobufPayload{ProtobufPayload: b}
	case conformance.WireFormat_JSON:
		b, err = protojson.Marshal(m)
		res.Result = &conformance.ConformanceResponse_JsonPayload{JsonPayload: string(b)}
	case conformance.WireFormat_TEXT_FORMAT:
		b, err = prototext.MarshalOptions{EmitUnknown: req.PrintUnknownFields}.Marshal(m)
		res.Result = &conformance.ConformanceResponse_TextPayload{TextPayload: string(b)}
	default:
		return broken(fmt.Errorf("unknown output format %v", f))
	}
	if errors.Is(err, errDiffers) {
		return broken(err)
	}
	if err != nil {
		res.Result = &conformance.ConformanceResponse_SerializeError{SerializeError: err.Error()}
	}
	return &res
}

// broken is an answer that fails the test whatever the test expects.
func broken(err error) *conformance.ConformanceResponse {
	return &conformance.ConformanceResponse{Result: &conformance.ConformanceResponse_RuntimeError{RuntimeError: err.Error()}}
}

var (
	lupine     = protobuf.Codec{Deterministic: true}
	errDiffers = errors.New("Lupine and google.golang.org/protobuf differ")
)

// decode is Lupine's. The suite's tests say only what must be accepted or
// refused, so each is also held against google.golang.org/protobuf.
func decode(b []byte, m proto.Message) error {
	theirs := m.ProtoReflect().New().Interface()
	err, theirErr := lupine.Decode(b, m), proto.Unmarshal(b, theirs)
	switch {
	case (err == nil) != (theirErr == nil):
		return fmt.Errorf("%w: decode: %v; %v", errDiffers, err, theirErr)
	case err == nil && !proto.Equal(m, theirs):
		return fmt.Errorf("%w: decoded %v; %v", errDiffers, m, theirs)
	}
	return err
}

func encode(m proto.Message) ([]byte, error) {
	b, err := lupine.Append(nil, m)
	theirs, theirErr := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	switch {
	case (err == nil) != (theirErr == nil):
		return nil, fmt.Errorf("%w: encode: %v; %v", errDiffers, err, theirErr)
	case err == nil && !bytes.Equal(b, theirs):
		return nil, fmt.Errorf("%w: encoded %x; %x", errDiffers, b, theirs)
	}
	return b, err
}
