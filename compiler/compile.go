package compiler

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/types/descriptorpb"
)

// Config says what to compile and what to make of it. The zero value of every
// field is a useful default.
type Config struct {
	// Files are .proto files, by path on disk, or by import name where Resolver
	// or an import folder has them.
	Files []string
	// ImportPaths are the -I folders, searched in order. A file's import name is
	// its path below the first one that holds it. Empty means the working folder.
	ImportPaths []string
	// Resolver, if not nil, is asked before the import folders.
	Resolver Resolver
	// OutDir receives the output, each file at its import name's path. Empty
	// means beside each source.
	OutDir string

	Generator
}

// Generator says which Go files to make.
type Generator struct {
	// NoMessages leaves out x.pb.go, for messages that protoc-gen-go writes.
	NoMessages bool
	// NoCodec leaves out the codec methods: messages then go through
	// google.golang.org/protobuf's own.
	NoCodec bool
	// NoStubs leaves out clients and servers.
	NoStubs bool
	// StubSuffix, if not empty, puts the stubs into a package of their own below
	// the messages' one, named like it with this suffix: messages in package
	// echo, stubs in package echolupine with suffix "lupine". That keeps them
	// apart from protoc-gen-go-grpc's, which have the same names.
	StubSuffix string
	// APILevel is "open", "hybrid" or "opaque", for files that do not say which
	// themselves. Empty means what the file's edition says.
	APILevel string
}

// StubsOnly returns a Generator for messages generated elsewhere: no x.pb.go,
// no codec, stubs in a sub-package with the given suffix.
func StubsOnly(suffix string) Generator {
	return Generator{NoMessages: true, NoCodec: true, StubSuffix: suffix}
}

// An Output is one generated file.
type Output struct {
	// Name is the slash-separated path below the output folder.
	Name string
	// Path is where Write puts it on disk.
	Path string
	// Source is the import name of the .proto file that it was made from.
	Source  string
	Content []byte
}

// Result is what Compile made.
type Result struct {
	*Linked
	Outputs []Output
}

// Compile links cfg.Files and generates Go for them, in memory. Errors in the
// sources come back as Errors. Call Write on the result to put it on disk.
func Compile(ctx context.Context, cfg Config) (*Result, error) {
	linked, err := Link(ctx, cfg)
	if err != nil {
		return nil, err
	}
	outputs, err := generate(linked, cfg)
	if err != nil {
		return nil, err
	}
	return &Result{Linked: linked, Outputs: outputs}, nil
}

// SetOptions say what a descriptor set holds beside the inputs.
type SetOptions struct {
	// Imports adds all that the inputs import, imports first.
	Imports bool
	// SourceInfo keeps positions and comments.
	SourceInfo bool
	// SourceOptions keeps options that are for readers of the source alone:
	// those declared with retention = RETENTION_SOURCE.
	SourceOptions bool
}

// DescriptorSet returns the descriptors of the inputs, as protoc's
// --descriptor_set_out writes them.
func (l *Linked) DescriptorSet(opts SetOptions) *descriptorpb.FileDescriptorSet {
	out := new(descriptorpb.FileDescriptorSet)
	for _, fd := range l.Set.File {
		if !opts.Imports && !slices.Contains(l.Inputs, fd.GetName()) {
			continue
		}
		if !opts.SourceInfo {
			fd = withoutSourceInfo(fd)
		}
		if !opts.SourceOptions {
			fd = withoutSourceOptions(fd)
		}
		out.File = append(out.File, fd)
	}
	return out
}

func withoutSourceInfo(fd *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	out := new(descriptorpb.FileDescriptorProto)
	from, to := fd.ProtoReflect(), out.ProtoReflect()
	fields := from.Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); f.Name() != "source_code_info" && from.Has(f) {
			to.Set(f, from.Get(f))
		}
	}
	return out
}

func (g Generator) validate() error {
	switch g.APILevel {
	case "", "open", "hybrid", "opaque":
	default:
		return fmt.Errorf("unknown API level %q: want open, hybrid or opaque", g.APILevel)
	}
	if g.StubSuffix != "" && !isIdentifierTail(g.StubSuffix) {
		return fmt.Errorf("stub suffix %q: want letters, digits and underscores", g.StubSuffix)
	}
	return nil
}

func isIdentifierTail(s string) bool {
	for _, r := range s {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return true
}
