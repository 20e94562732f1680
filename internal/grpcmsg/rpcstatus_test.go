package grpcmsg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
)

// rpcStatusType is google.rpc.Status as its .proto says, built here so that the
// module needs no generated code for it.
func rpcStatusType(t testing.TB) protoreflect.MessageDescriptor {
	field := func(name string, number int32, typ descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(number), Type: typ.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	details := field("details", 3, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	details.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	details.TypeName = proto.String(".google.protobuf.Any")
	_ = anypb.File_google_protobuf_any_proto // registers Any
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("status.proto"), Package: proto.String("google.rpc"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/any.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Status"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("code", 1, descriptorpb.FieldDescriptorProto_TYPE_INT32),
				field("message", 2, descriptorpb.FieldDescriptorProto_TYPE_STRING),
				details,
			},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().ByName("Status")
}

// reference decodes src with google.golang.org/protobuf.
func reference(desc protoreflect.MessageDescriptor, src []byte) (RPCStatus, error) {
	m := dynamicpb.NewMessage(desc)
	if err := proto.Unmarshal(src, m); err != nil {
		return RPCStatus{}, err
	}
	fields := desc.Fields()
	st := RPCStatus{
		Code:    lupine.Code(m.Get(fields.ByNumber(1)).Int()),
		Message: m.Get(fields.ByNumber(2)).String(),
	}
	list := m.Get(fields.ByNumber(3)).List()
	for i := range list.Len() {
		one := list.Get(i).Message()
		any := one.Descriptor().Fields()
		st.Details = append(st.Details, lupine.Detail{
			Type:  strings.TrimPrefix(one.Get(any.ByNumber(1)).String(), typeURLPrefix),
			Value: one.Get(any.ByNumber(2)).Bytes(),
		})
	}
	return st, nil
}

func sameStatus(a, b RPCStatus) bool {
	return a.Code == b.Code && a.Message == b.Message && sameDetails(a.Details, b.Details)
}

var statusSeeds = []string{
	"",
	"\x08\x05\x12\x02no",
	"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // -1
	"\x08\x05\x1a\x0a\x0a\x03a.B\x12\x03xyz",       // one detail
	"\x0b\x13\x14\x0c\x08\x05",                     // a group in field 1, nested, then the code
	"\x22\x01x\x29abcdefgh\x35abcd\x38\x01",        // unknown fields of every wire type
	"\x12\x01\xff",                                 // not UTF-8
	"\x1a\x7f",                                     // length lie
	"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // length beyond an int
	"\x0c",     // end of no group
	"\x08",     // no value
	"\x00\x01", // field 0
	"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",                         // overlong tag
	strings.Repeat("\x23", 150) + strings.Repeat("\x24", 150) + "\x08\x05", // deep groups
}

func TestParseRPCStatus(t *testing.T) {
	desc := rpcStatusType(t)
	for _, s := range statusSeeds {
		got, err := ParseRPCStatus([]byte(s))
		want, wantErr := reference(desc, []byte(s))
		if strings.HasPrefix(s, "\x23") {
			if err == nil {
				t.Error("150 nested groups were accepted")
			}
			continue
		}
		if (err == nil) != (wantErr == nil) || !sameStatus(got, want) {
			t.Errorf("%q: %+v, %v; google.golang.org/protobuf says %+v, %v", s, got, err, want, wantErr)
		}
	}
	many := bytes.Repeat([]byte("\x1a\x00"), MaxDetails)
	if st, err := ParseRPCStatus(many); err != nil || len(st.Details) != MaxDetails {
		t.Errorf("%d details: %d, %v", MaxDetails, len(st.Details), err)
	}
	if _, err := ParseRPCStatus(append(many, "\x1a\x00"...)); err == nil {
		t.Errorf("%d details were accepted", MaxDetails+1)
	}
}

func TestParseRPCStatusCutShort(t *testing.T) {
	whole := AppendRPCStatus(nil, &lupine.Error{Code: 300, Message: "hello", Details: []lupine.Detail{{Type: "a.B", Value: bytes.Repeat([]byte("x"), 300)}}})
	desc := rpcStatusType(t)
	for n := range len(whole) {
		_, err := ParseRPCStatus(whole[:n])
		_, want := reference(desc, whole[:n])
		if (err == nil) != (want == nil) {
			t.Errorf("the first %d of %d bytes: %v; google.golang.org/protobuf says %v", n, len(whole), err, want)
		}
	}
}

func TestAppendRPCStatus(t *testing.T) {
	desc := rpcStatusType(t)
	for _, e := range []*lupine.Error{
		{},
		{Code: 5, Message: "no ☺"},
		{Code: 0xffffffff, Message: "bad \xff"},
		{Code: 8, Details: []lupine.Detail{{Type: "google.rpc.RetryInfo", Value: bytes.Repeat([]byte("v"), 200)}, {Type: "x.example/a.B"}, {}}},
	} {
		wire := AppendRPCStatus([]byte("before"), e)
		got, err := reference(desc, bytes.TrimPrefix(wire, []byte("before")))
		want := RPCStatus{Code: e.Code, Message: strings.ToValidUTF8(e.Message, "\uFFFD"), Details: e.Details}
		if err != nil || !sameStatus(got, want) {
			t.Errorf("%+v was read as %+v, %v", want, got, err)
		}
	}
}

// numberTooLarge reports whether a field has a number that protobuf does not allow,
// which the library does not look at within groups that it skips.
func numberTooLarge(b []byte) bool {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		if num > protowire.MaxValidNumber {
			return true
		}
		b = b[n:]
		if typ == protowire.StartGroupType || typ == protowire.EndGroupType {
			continue
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return false
		}
		b = b[n:]
	}
	return false
}

func FuzzRPCStatus(f *testing.F) {
	for _, s := range statusSeeds {
		f.Add([]byte(s))
	}
	desc := rpcStatusType(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := ParseRPCStatus(src)
		want, wantErr := reference(desc, src)
		if err != nil {
			// Ours is stricter in depth and number only.
			if wantErr == nil && len(src) < maxGroupDepth && !numberTooLarge(src) {
				t.Fatalf("%v; google.golang.org/protobuf reads %+v", err, want)
			}
			return
		}
		if wantErr != nil || !sameStatus(got, want) {
			t.Fatalf("%+v; google.golang.org/protobuf says %+v, %v", got, want, wantErr)
		}
		again, err := ParseRPCStatus(AppendRPCStatus(nil, &lupine.Error{Code: got.Code, Message: got.Message, Details: got.Details}))
		if err != nil || !sameStatus(again, got) {
			t.Fatalf("%+v came back as %+v, %v", got, again, err)
		}
	})
}
