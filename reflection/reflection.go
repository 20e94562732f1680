// Package reflection tells callers what a server serves, by the gRPC server
// reflection protocol, so that tools such as grpcurl and "lupine call" need no
// .proto files:
//
//	reflection.Register(srv)
//
// It answers versions 1 and 1alpha. Its messages are written by hand and its
// descriptors stay out of protobuf's global registry, so that a program may link
// grpc-go's reflection too.
package reflection

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lupine-rpc/lupine"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

//go:generate go run ../cmd/lupine gen -I . --descriptor_set_out reflection.binpb reflection.proto

//go:embed reflection.binpb
var descriptor []byte

// Register adds the reflection services to srv. What they tell is what is
// registered when the first question comes, with what its files import.
func Register(srv *lupine.Server) {
	index := sync.OnceValue(func() *index { return newIndex(srv.Services()) })
	for _, version := range []string{"v1", "v1alpha"} {
		svc := service("grpc.reflection." + version)
		srv.Register(svc, lupine.HandleBidi(&svc.Methods[0], func(ctx context.Context, in *lupine.Receiver[lupine.Raw], out *lupine.Sender[lupine.Raw]) error {
			for m, err := range in.All(ctx) {
				if err != nil {
					return err
				}
				reply, err := index().answer(m.Bytes)
				if err != nil {
					return lupine.Errorf(lupine.InvalidArgument, "malformed ServerReflectionRequest: %w", err)
				}
				if err := out.Send(ctx, &lupine.Raw{Bytes: reply}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func service(pkg string) *lupine.Service {
	name := pkg + ".ServerReflection"
	raw := func() any { return new(lupine.Raw) }
	return &lupine.Service{
		Name: name,
		Methods: []lupine.Method{{
			Service: name, Name: "ServerReflectionInfo", Path: "/" + name + "/ServerReflectionInfo",
			Kind: lupine.Bidi, Codec: lupine.RawCodec{}, NewRequest: raw, NewReply: raw,
		}},
		Schema: sync.OnceValue(func() any { return schema(pkg) }),
	}
}

// schema returns the service's descriptor with its package renamed to pkg.
func schema(pkg string) any {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(descriptor, &set); err != nil {
		return nil
	}
	file := set.File[0]
	old := file.GetPackage()
	file.Package = proto.String(pkg)
	file.Name = proto.String(strings.ReplaceAll(pkg, ".", "/") + "/reflection.proto")
	rename := func(s *string) {
		if s != nil && strings.HasPrefix(*s, "."+old+".") {
			*s = "." + pkg + strings.TrimPrefix(*s, "."+old)
		}
	}
	for _, m := range file.MessageType {
		for _, f := range m.Field {
			rename(f.TypeName)
		}
	}
	for _, s := range file.Service {
		for _, m := range s.Method {
			rename(m.InputType)
			rename(m.OutputType)
		}
	}
	fd, err := protodesc.NewFile(file, nil)
	if err != nil {
		return nil
	}
	return fd.Services().Get(0)
}

// index is what there is to tell.
type index struct {
	services []string
	files    *protoregistry.Files // the files of the services and what they import
}

func newIndex(services []*lupine.Service) *index {
	x := &index{files: new(protoregistry.Files)}
	for _, s := range services {
		x.services = append(x.services, s.Name)
		if s.Schema == nil {
			continue
		}
		if sd, ok := s.Schema().(protoreflect.ServiceDescriptor); ok {
			x.add(sd.ParentFile())
		}
	}
	slices.Sort(x.services)
	return x
}

func (x *index) add(fd protoreflect.FileDescriptor) {
	if _, err := x.files.FindFileByPath(fd.Path()); err == nil || fd.IsPlaceholder() {
		return
	}
	// A clash leaves the file out; the one that came first is told.
	if x.files.RegisterFile(fd) != nil {
		return
	}
	for i := range fd.Imports().Len() {
		x.add(fd.Imports().Get(i).FileDescriptor)
	}
}

// Field numbers of ServerReflectionRequest and ServerReflectionResponse.
const (
	reqByFilename, reqBySymbol, reqByExtension, reqExtensions, reqServices = 3, 4, 5, 6, 7
	resHost, resRequest, resFiles, resExtensions, resServices, resError    = 1, 2, 4, 5, 6, 7
)

// answer answers one request, both encoded.
func (x *index) answer(req []byte) ([]byte, error) {
	var kind protowire.Number
	var arg, host []byte
	err := fields(req, func(n protowire.Number, b []byte, _ uint64) {
		switch {
		case n == 1:
			host = b
		case n >= reqByFilename && n <= reqServices:
			kind, arg = n, b
		}
	})
	if err != nil {
		return nil, err
	}
	num, body, fail := x.find(kind, arg)
	if fail != nil {
		num = resError
		body = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(lupine.CodeOf(fail)))
		body = appendBytes(body, 2, []byte(lupine.AsError(fail).Message))
	}
	var res []byte
	if len(host) > 0 {
		res = appendBytes(res, resHost, host)
	}
	res = appendBytes(res, resRequest, req)
	return appendBytes(res, num, body), nil
}

// find returns the field number and the encoding of what answers a request.
func (x *index) find(kind protowire.Number, arg []byte) (protowire.Number, []byte, error) {
	switch kind {
	case reqByFilename:
		fd, err := x.files.FindFileByPath(string(arg))
		if err != nil {
			fd, err = protoregistry.GlobalFiles.FindFileByPath(string(arg))
		}
		return encodeFile(fd, err, "file", string(arg))
	case reqBySymbol:
		d, err := x.symbol(protoreflect.FullName(arg))
		if err != nil {
			return 0, nil, notFound("symbol", string(arg))
		}
		return encodeFile(d.ParentFile(), nil, "", "")
	case reqByExtension:
		var message []byte
		var number uint64
		if err := fields(arg, func(n protowire.Number, b []byte, v uint64) {
			switch n {
			case 1:
				message = b
			case 2:
				number = v
			}
		}); err != nil {
			return 0, nil, lupine.Errorf(lupine.InvalidArgument, "malformed ExtensionRequest")
		}
		what := fmt.Sprintf("%s, field %d", message, number)
		if number > uint64(protowire.MaxValidNumber) {
			return 0, nil, notFound("extension", what)
		}
		xt, err := protoregistry.GlobalTypes.FindExtensionByNumber(protoreflect.FullName(message), protowire.Number(number))
		if err != nil {
			return 0, nil, notFound("extension", what)
		}
		return encodeFile(xt.TypeDescriptor().ParentFile(), nil, "", "")
	case reqExtensions:
		if _, err := x.symbol(protoreflect.FullName(arg)); err != nil {
			return 0, nil, notFound("type", string(arg))
		}
		body := appendBytes(nil, 1, arg)
		var numbers []uint64
		protoregistry.GlobalTypes.RangeExtensionsByMessage(protoreflect.FullName(arg), func(xt protoreflect.ExtensionType) bool {
			numbers = append(numbers, uint64(xt.TypeDescriptor().Number()))
			return true
		})
		slices.Sort(numbers)
		var packed []byte
		for _, n := range numbers {
			packed = protowire.AppendVarint(packed, n)
		}
		if len(packed) > 0 {
			body = appendBytes(body, 2, packed)
		}
		return resExtensions, body, nil
	case reqServices:
		var body []byte
		for _, name := range x.services {
			body = appendBytes(body, 1, appendBytes(nil, 1, []byte(name)))
		}
		return resServices, body, nil
	}
	return 0, nil, lupine.Errorf(lupine.InvalidArgument, "the request asks for nothing that this server knows")
}

func (x *index) symbol(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := x.files.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}

// encodeFile encodes one file. Its imports are asked for by name, as the
// protocol allows.
func encodeFile(fd protoreflect.FileDescriptor, err error, what, name string) (protowire.Number, []byte, error) {
	if err != nil {
		return 0, nil, notFound(what, name)
	}
	b, err := proto.Marshal(protodesc.ToFileDescriptorProto(fd))
	if err != nil {
		return 0, nil, lupine.Errorf(lupine.Internal, "encoding the descriptor of %s: %w", fd.Path(), err)
	}
	return resFiles, appendBytes(nil, 1, b), nil
}

func notFound(what, name string) error {
	return lupine.Errorf(lupine.NotFound, "%s %q is not served here", what, name)
}

func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

// fields calls f for each field of an encoded message: with its bytes, or with
// its value if it is a varint.
func fields(b []byte, f func(n protowire.Number, bytes []byte, varint uint64)) error {
	for len(b) > 0 {
		n, t, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errors.New("bad field tag")
		}
		b = b[size:]
		switch t {
		case protowire.BytesType:
			v, size := protowire.ConsumeBytes(b)
			if size < 0 {
				return fmt.Errorf("field %d is cut short", n)
			}
			f(n, v, 0)
			b = b[size:]
		case protowire.VarintType:
			v, size := protowire.ConsumeVarint(b)
			if size < 0 {
				return fmt.Errorf("field %d is cut short", n)
			}
			f(n, nil, v)
			b = b[size:]
		default:
			size := protowire.ConsumeFieldValue(n, t, b)
			if size < 0 {
				return fmt.Errorf("field %d is cut short", n)
			}
			b = b[size:]
		}
	}
	return nil
}
