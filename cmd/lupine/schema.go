package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	// Their types are linked in so that the details of errors can be read.
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/compiler"
)

// schema knows the services that can be called and the types of their messages.
type schema interface {
	// services returns the full names of all services, sorted.
	services(ctx context.Context) ([]string, error)
	// service finds one by its full name.
	service(ctx context.Context, name protoreflect.FullName) (protoreflect.ServiceDescriptor, error)
	// message finds a message type by its full name.
	message(ctx context.Context, name protoreflect.FullName) (protoreflect.MessageDescriptor, error)
	// files holds what has been loaded so far.
	files() *protoregistry.Files
	// origin says where the schema comes from, for errors.
	origin() string
}

// compiledSchema is a schema of .proto files.
type compiledSchema struct {
	linked *compiler.Linked
}

func compileSchema(ctx context.Context, files, imports []string) (schema, error) {
	linked, err := compiler.Link(ctx, compiler.Config{Files: files, ImportPaths: imports})
	if err != nil {
		return nil, err
	}
	return compiledSchema{linked}, nil
}

func (s compiledSchema) files() *protoregistry.Files { return s.linked.Files }

func (s compiledSchema) origin() string { return strings.Join(s.linked.Inputs, ", ") }

func (s compiledSchema) services(context.Context) ([]string, error) {
	var names []string
	s.linked.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			names = append(names, string(f.Services().Get(i).FullName()))
		}
		return true
	})
	sort.Strings(names)
	return names, nil
}

func (s compiledSchema) service(_ context.Context, name protoreflect.FullName) (protoreflect.ServiceDescriptor, error) {
	d, err := s.linked.Files.FindDescriptorByName(name)
	if sd, ok := d.(protoreflect.ServiceDescriptor); ok && err == nil {
		return sd, nil
	}
	return nil, fmt.Errorf("%s: %w", name, errNoService)
}

func (s compiledSchema) message(_ context.Context, name protoreflect.FullName) (protoreflect.MessageDescriptor, error) {
	d, err := s.linked.Files.FindDescriptorByName(name)
	if md, ok := d.(protoreflect.MessageDescriptor); ok && err == nil {
		return md, nil
	}
	return nil, protoregistry.NotFound
}

var errNoService = errors.New("no such service")

// findService finds a service by its full name. Its errors name what there is
// instead.
func findService(ctx context.Context, s schema, name string) (protoreflect.ServiceDescriptor, error) {
	sd, err := s.service(ctx, protoreflect.FullName(name))
	if !errors.Is(err, errNoService) {
		return sd, err
	}
	have, lerr := s.services(ctx)
	if lerr != nil {
		have = nil
	}
	return nil, fmt.Errorf("%s has no service %s%s", s.origin(), name, choices("it has", have))
}

// findMethod finds PACKAGE.SERVICE/METHOD in a schema.
func findMethod(ctx context.Context, s schema, service, method string) (protoreflect.MethodDescriptor, error) {
	sd, err := findService(ctx, s, service)
	if err != nil {
		return nil, err
	}
	md := sd.Methods().ByName(protoreflect.Name(method))
	if md == nil {
		var have []string
		for i := range sd.Methods().Len() {
			have = append(have, string(sd.Methods().Get(i).Name()))
		}
		return nil, fmt.Errorf("service %s has no method %s%s", service, method, choices("it has", have))
	}
	return md, nil
}

// maxChoices is how many names an error lists.
const maxChoices = 20

func choices(lead string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > maxChoices {
		more = fmt.Sprintf(" and %d more", len(names)-maxChoices)
		names = names[:maxChoices]
	}
	return "; " + lead + " " + strings.Join(names, ", ") + more
}

// splitMethod reads PACKAGE.SERVICE/METHOD, with or without a leading slash, or
// PACKAGE.SERVICE.METHOD.
func splitMethod(s string) (service, method string, err error) {
	name := strings.TrimPrefix(s, "/")
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		i = strings.LastIndexByte(name, '.')
	}
	if i > 0 && i < len(name)-1 {
		service, method = name[:i], name[i+1:]
		if protoreflect.FullName(service).IsValid() && protoreflect.Name(method).IsValid() {
			return service, method, nil
		}
	}
	return "", "", fmt.Errorf("method %q: want PACKAGE.SERVICE/METHOD, such as routeguide.v1.RouteGuide/GetFeature", s)
}

// lupineMethod describes a method whose messages are bytes to the runtime; the
// command turns them into JSON itself.
func lupineMethod(md protoreflect.MethodDescriptor) *lupine.Method {
	newRaw := func() any { return new(lupine.Raw) }
	kind := lupine.Unary
	switch {
	case md.IsStreamingClient() && md.IsStreamingServer():
		kind = lupine.Bidi
	case md.IsStreamingClient():
		kind = lupine.ClientStreaming
	case md.IsStreamingServer():
		kind = lupine.ServerStreaming
	}
	service, name := string(md.Parent().FullName()), string(md.Name())
	return &lupine.Method{
		Service: service, Name: name, Path: "/" + service + "/" + name, Kind: kind,
		Codec: lupine.RawCodec{}, NewRequest: newRaw, NewReply: newRaw,
	}
}

// resolver finds the types of Any messages and of extensions: in the schema,
// then among those linked in, then by asking the schema's source again.
type resolver struct {
	ctx context.Context
	s   schema
}

func (r resolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if mt, err := dynamicpb.NewTypes(r.s.files()).FindMessageByName(name); err == nil {
		return mt, nil
	}
	if mt, err := protoregistry.GlobalTypes.FindMessageByName(name); err == nil {
		return mt, nil
	}
	md, err := r.s.message(r.ctx, name)
	if err != nil {
		return nil, protoregistry.NotFound
	}
	return dynamicpb.NewMessageType(md), nil
}

func (r resolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	name := protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:])
	if !name.IsValid() {
		return nil, protoregistry.NotFound
	}
	return r.FindMessageByName(name)
}

func (r resolver) FindExtensionByName(field protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if xt, err := dynamicpb.NewTypes(r.s.files()).FindExtensionByName(field); err == nil {
		return xt, nil
	}
	return protoregistry.GlobalTypes.FindExtensionByName(field)
}

func (r resolver) FindExtensionByNumber(message protoreflect.FullName, field protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if xt, err := dynamicpb.NewTypes(r.s.files()).FindExtensionByNumber(message, field); err == nil {
		return xt, nil
	}
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, field)
}
