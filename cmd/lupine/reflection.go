package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/lupine-rpc/lupine"
)

// Limits of what a server's reflection may make us do.
const (
	reflectionTimeout  = 15 * time.Second // all of finding one method
	maxReflectionFiles = 10_000           // files that one service may need
)

// reflectionPaths are the versions of the reflection service, newest first.
// Their messages are the same on the wire.
var reflectionPaths = []string{"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

// reflected is a schema that the server itself gives, by the gRPC server
// reflection protocol (grpc/reflection/v1/reflection.proto).
type reflected struct {
	conn   *lupine.Conn
	opts   []lupine.CallOption
	target string

	mu      sync.Mutex
	version int // index into reflectionPaths
	known   map[string]*descriptorpb.FileDescriptorProto
	linked  *protoregistry.Files
}

func newReflected(conn *lupine.Conn, target string, opts []lupine.CallOption) *reflected {
	return &reflected{conn: conn, target: target, opts: opts, known: map[string]*descriptorpb.FileDescriptorProto{}, linked: new(protoregistry.Files)}
}

func (r *reflected) origin() string { return r.target }

func (r *reflected) files() *protoregistry.Files { return r.linked }

func (r *reflected) services(ctx context.Context) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	err := r.session(ctx, func(ask asker) error {
		reply, err := ask(fieldListServices, "*")
		names = reply.services
		return err
	})
	sort.Strings(names)
	return names, err
}

func (r *reflected) service(ctx context.Context, name protoreflect.FullName) (protoreflect.ServiceDescriptor, error) {
	d, err := r.symbol(ctx, name)
	if err != nil {
		return nil, err
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, errNoService)
	}
	return sd, nil
}

func (r *reflected) message(ctx context.Context, name protoreflect.FullName) (protoreflect.MessageDescriptor, error) {
	d, err := r.symbol(ctx, name)
	if err != nil {
		return nil, err
	}
	md, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, protoregistry.NotFound
	}
	return md, nil
}

// symbol loads the file that declares name, and all that it imports.
func (r *reflected) symbol(ctx context.Context, name protoreflect.FullName) (protoreflect.Descriptor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, err := r.linked.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	err := r.session(ctx, func(ask asker) error {
		reply, err := ask(fieldFileContainingSymbol, string(name))
		if err != nil {
			return err
		}
		return r.load(ask, reply.files)
	})
	if lupine.CodeOf(err) == lupine.NotFound {
		return nil, fmt.Errorf("%s: %w", name, errNoService)
	}
	if err != nil {
		return nil, err
	}
	if err := r.link(); err != nil {
		return nil, fmt.Errorf("%s sent a schema that does not fit together: %w", r.target, err)
	}
	d, err := r.linked.FindDescriptorByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, errNoService)
	}
	return d, nil
}

// load takes in files and asks for what they import until nothing is missing.
func (r *reflected) load(ask asker, files [][]byte) error {
	var missing []string
	asked := map[string]bool{}
	add := func(files [][]byte) error {
		for _, raw := range files {
			fd := new(descriptorpb.FileDescriptorProto)
			if err := proto.Unmarshal(raw, fd); err != nil {
				return fmt.Errorf("%s sent a file descriptor that cannot be read: %w", r.target, err)
			}
			if r.known[fd.GetName()] == nil {
				r.known[fd.GetName()] = fd
				missing = append(missing, fd.GetDependency()...)
			}
		}
		if len(r.known) > maxReflectionFiles {
			return fmt.Errorf("%s sent a schema of more than %d files: use -proto FILE instead", r.target, maxReflectionFiles)
		}
		return nil
	}
	if err := add(files); err != nil {
		return err
	}
	for len(missing) > 0 {
		name := missing[0]
		missing = missing[1:]
		if r.known[name] != nil || asked[name] {
			continue
		}
		asked[name] = true
		reply, err := ask(fieldFileByFilename, name)
		if err != nil {
			var e *lupine.Error
			if !errors.As(err, &e) || e.Code != lupine.NotFound {
				return err
			}
			// Some servers leave out the files of google/protobuf. What is missing
			// in the end only matters if the method needs it.
			if fd, ferr := protoregistry.GlobalFiles.FindFileByPath(name); ferr == nil {
				raw, _ := proto.Marshal(protodesc.ToFileDescriptorProto(fd))
				reply.files = [][]byte{raw}
			}
		}
		if err := add(reply.files); err != nil {
			return err
		}
	}
	return nil
}

func (r *reflected) link() error {
	set := new(descriptorpb.FileDescriptorSet)
	for _, fd := range r.known {
		set.File = append(set.File, fd)
	}
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	if err == nil {
		r.linked = files
	}
	return err
}

// asker asks one question: the field of ServerReflectionRequest that says what,
// and its value.
type asker func(field protowire.Number, value string) (reflectionReply, error)

// session opens the reflection stream, the newest version that the server has,
// and runs ask on it.
func (r *reflected) session(ctx context.Context, run func(asker) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, reflectionTimeout, errReflectionTimeout)
	defer cancel()
	for {
		err := r.sessionOf(ctx, reflectionPaths[r.version], run)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errNoReflection) && r.version+1 < len(reflectionPaths):
			r.version++
		case errors.Is(err, errNoReflection):
			return fmt.Errorf("%s does not describe its services (no gRPC server reflection): pass the schema with -proto FILE, and -I DIR for its imports", r.target)
		case context.Cause(ctx) == errReflectionTimeout:
			return fmt.Errorf("%s did not describe its services within %v: pass the schema with -proto FILE", r.target, reflectionTimeout)
		default:
			return err
		}
	}
}

var (
	errNoReflection      = errors.New("no reflection")
	errReflectionTimeout = errors.New("reflection took too long")
)

func (r *reflected) sessionOf(ctx context.Context, service string, run func(asker) error) error {
	newRaw := func() any { return new(lupine.Raw) }
	method := &lupine.Method{
		Service: service, Name: "ServerReflectionInfo", Path: "/" + service + "/ServerReflectionInfo",
		Kind: lupine.Bidi, Codec: lupine.RawCodec{}, NewRequest: newRaw, NewReply: newRaw,
	}
	stream := lupine.CallBidi[lupine.Raw, lupine.Raw](ctx, r.conn, method, r.opts)
	defer stream.Close()
	return run(func(field protowire.Number, value string) (reflectionReply, error) {
		request := protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), value)
		if err := stream.Send(ctx, &lupine.Raw{Bytes: request}); err != nil && err != io.EOF {
			return reflectionReply{}, err
		}
		m, err := stream.Recv(ctx)
		switch {
		case err == io.EOF:
			return reflectionReply{}, fmt.Errorf("%s ended the reflection stream without an answer", r.target)
		case lupine.CodeOf(err) == lupine.Unimplemented:
			return reflectionReply{}, errNoReflection
		case err != nil:
			return reflectionReply{}, err
		}
		reply, err := parseReflection(m.Bytes)
		if err != nil {
			return reply, fmt.Errorf("%s sent a reflection answer that cannot be read: %w", r.target, err)
		}
		if reply.code != lupine.OK {
			return reply, lupine.Errorf(reply.code, "reflection of %s: %s", value, reply.message)
		}
		return reply, nil
	})
}

// The fields of ServerReflectionRequest that are used here.
const (
	fieldFileByFilename       = 3
	fieldFileContainingSymbol = 4
	fieldListServices         = 7
)

// reflectionReply is a ServerReflectionResponse.
type reflectionReply struct {
	files    [][]byte // file_descriptor_response = 4 { file_descriptor_proto = 1 }
	services []string // list_services_response = 6 { service = 1 { name = 1 } }
	code     lupine.Code
	message  string // error_response = 7 { error_code = 1, error_message = 2 }
}

func parseReflection(b []byte) (reflectionReply, error) {
	var r reflectionReply
	err := eachField(b, func(num protowire.Number, inner []byte, _ uint64) error {
		switch num {
		case 4:
			return eachField(inner, func(num protowire.Number, file []byte, _ uint64) error {
				if num == 1 {
					r.files = append(r.files, file)
				}
				return nil
			})
		case 6:
			return eachField(inner, func(num protowire.Number, service []byte, _ uint64) error {
				if num != 1 {
					return nil
				}
				return eachField(service, func(num protowire.Number, name []byte, _ uint64) error {
					if num == 1 {
						r.services = append(r.services, string(name))
					}
					return nil
				})
			})
		case 7:
			r.code = lupine.Unknown
			return eachField(inner, func(num protowire.Number, text []byte, n uint64) error {
				switch {
				case num == 1 && n != 0:
					r.code = lupine.Code(n)
				case num == 2:
					r.message = string(text)
				}
				return nil
			})
		}
		return nil
	})
	return r, err
}

// eachField walks the fields of a message: text of a length-delimited field, n
// of a varint. Others are skipped.
func eachField(b []byte, f func(num protowire.Number, text []byte, n uint64) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var text []byte
		var v uint64
		switch typ {
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if typ == protowire.BytesType || typ == protowire.VarintType {
			if err := f(num, text, v); err != nil {
				return err
			}
		}
	}
	return nil
}
