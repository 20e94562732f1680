package reflection_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/reflection"
	"github.com/lupine-rpc/lupine/wire/inproc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// ask sends one request, as JSON, to the given version and returns the reply.
func ask(t *testing.T, conn *lupine.Conn, srv *lupine.Server, version, request string) protoreflect.Message {
	t.Helper()
	name := "grpc.reflection." + version + ".ServerReflection"
	var sd protoreflect.ServiceDescriptor
	for _, s := range srv.Services() {
		if s.Name == name {
			sd = s.Schema().(protoreflect.ServiceDescriptor)
		}
	}
	md := sd.Methods().Get(0)
	req, res := dynamicpb.NewMessage(md.Input()), dynamicpb.NewMessage(md.Output())
	if err := protojson.Unmarshal([]byte(request), req); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	raw := func() any { return new(lupine.Raw) }
	m := &lupine.Method{Service: name, Name: "ServerReflectionInfo", Path: "/" + name + "/ServerReflectionInfo", Kind: lupine.Bidi, Codec: lupine.RawCodec{}, NewRequest: raw, NewReply: raw}
	s := lupine.CallBidi[lupine.Raw, lupine.Raw](t.Context(), conn, m, nil)
	defer s.Close()
	if err := s.Send(t.Context(), &lupine.Raw{Bytes: b}); err != nil {
		t.Fatal(err)
	}
	reply, err := s.Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(reply.Bytes, res); err != nil {
		t.Fatal(err)
	}
	return res
}

func TestReflection(t *testing.T) {
	srv := lupine.NewServer()
	testpb.RegisterEcho(srv, testpb.UnimplementedEchoServer{})
	reflection.Register(srv)
	net := inproc.New()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	if err := srv.Bind(ctx, net.Listen()); err != nil {
		t.Fatal(err)
	}
	go func() { served <- srv.Serve(ctx) }()
	conn, err := lupine.Dial(ctx, net.To())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		conn.Close()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()

	for _, version := range []string{"v1", "v1alpha"} {
		for _, tc := range []struct{ request, want string }{
			{`{"list_services":"*"}`, "lupine.test.v1.Echo"},
			{`{"list_services":"*"}`, "grpc.reflection.v1.ServerReflection"},
			{`{"file_containing_symbol":"nope.Nope"}`, "is not served here"},
			{`{"file_by_filename":"nope.proto"}`, "is not served here"},
			{`{"file_containing_extension":{"containing_type":"a.B","extension_number":7}}`, "is not served here"},
			{`{"all_extension_numbers_of_type":"lupine.test.v1.EchoRequest"}`, "lupine.test.v1.EchoRequest"},
			{`{}`, "asks for nothing"},
		} {
			got := protojson.Format(ask(t, conn, srv, version, tc.request).Interface())
			if !strings.Contains(got, tc.want) {
				t.Errorf("%s %s: answer %s lacks %q", version, tc.request, got, tc.want)
			}
		}
		for _, symbol := range []string{"lupine.test.v1.Echo", "lupine.test.v1.Echo.Say", "grpc.reflection." + version + ".ServerReflection", "google.protobuf.Empty"} {
			m := ask(t, conn, srv, version, `{"file_containing_symbol":"`+symbol+`"}`)
			files := m.Get(m.Descriptor().Fields().ByName("file_descriptor_response")).Message()
			list := files.Get(files.Descriptor().Fields().Get(0)).List()
			var fd descriptorpb.FileDescriptorProto
			if list.Len() != 1 || proto.Unmarshal(list.Get(0).Bytes(), &fd) != nil || !strings.HasPrefix(symbol, fd.GetPackage()+".") {
				t.Errorf("%s: %s: got file %q of package %q", version, symbol, fd.GetName(), fd.GetPackage())
			}
		}
	}
}
