package main

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/examples/routeguide"
)

// answers is a server's reflection: what it sends for a file or a symbol.
type answers map[string]*descriptorpb.FileDescriptorProto

func (a answers) ask(_ protowire.Number, value string) (reflectionReply, error) {
	fd := a[value]
	if fd == nil {
		return reflectionReply{}, lupine.Errorf(lupine.NotFound, "no %s", value)
	}
	raw, err := proto.Marshal(fd)
	return reflectionReply{files: [][]byte{raw}}, err
}

func file(name string, imports ...string) *descriptorpb.FileDescriptorProto {
	return &descriptorpb.FileDescriptorProto{Name: proto.String(name), Syntax: proto.String("proto3"), Dependency: imports}
}

func TestReflectionLoad(t *testing.T) {
	for _, test := range []struct {
		name  string
		files answers
		want  string // part of the error; empty for none
	}{
		{"imports", answers{"a": file("a", "b", "c"), "b": file("b", "c"), "c": file("c")}, ""},
		{"google files left out", answers{"a": file("a", "google/protobuf/timestamp.proto")}, ""},
		{"an import left out", answers{"a": file("a", "gone")}, ""},
		{"a cycle", answers{"a": file("a", "b"), "b": file("b", "a")}, "import cycle"},
		{"a file under two names", answers{"a": file("b")}, ""},
		{"no name", answers{"a": file("")}, "path must be populated"},
	} {
		r := newReflected(nil, "grpc://server", nil)
		first, err := test.files.ask(0, "a")
		if err == nil {
			err = r.load(test.files.ask, first.files)
		}
		if err == nil {
			err = r.link()
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

// A server whose files import new files for ever is stopped.
func TestReflectionEndless(t *testing.T) {
	r := newReflected(nil, "grpc://server", nil)
	n := 0
	ask := func(_ protowire.Number, value string) (reflectionReply, error) {
		n++
		return answers{value: file(value, fmt.Sprint("next", n))}.ask(0, value)
	}
	first, err := ask(0, "first")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.load(ask, first.files); err == nil || !strings.Contains(err.Error(), "use -proto FILE") {
		t.Errorf("got error %v after %d files", err, n)
	}
	if n > maxReflectionFiles+10 {
		t.Errorf("asked for %d files", n)
	}
}

func TestParseReflectionTruncated(t *testing.T) {
	inner := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("file"))
	whole := protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), inner)
	if r, err := parseReflection(whole); err != nil || len(r.files) != 1 || string(r.files[0]) != "file" {
		t.Fatalf("got %+v, %v", r, err)
	}
	for n := 1; n < len(whole); n++ {
		if _, err := parseReflection(whole[:n]); err == nil {
			t.Errorf("the first %d bytes of %d were taken for a whole", n, len(whole))
		}
	}
}

// FuzzReflection feeds a server's answer to everything that reads it.
func FuzzReflection(f *testing.F) {
	fd, err := proto.Marshal(protodesc.ToFileDescriptorProto(routeguide.File_examples_routeguide_routeguide_proto))
	if err != nil {
		f.Fatal(err)
	}
	wrap := func(num protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
	}
	f.Add(wrap(4, wrap(1, fd)))
	f.Add(wrap(6, wrap(1, wrap(1, []byte("a.B")))))
	f.Add(wrap(7, append(wrap(2, []byte("no")), 8, 5)))
	f.Add([]byte{0x22, 0x80})
	f.Fuzz(func(t *testing.T, answer []byte) {
		reply, err := parseReflection(answer)
		if err != nil {
			return
		}
		r := newReflected(nil, "grpc://server", nil)
		if r.load(answers{}.ask, reply.files) != nil || r.link() != nil {
			return
		}
		r.files().RangeFiles(func(fd protoreflect.FileDescriptor) bool {
			for i := range fd.Services().Len() {
				methods := fd.Services().Get(i).Methods()
				for j := range methods.Len() {
					signature(methods.Get(j))
					lupineMethod(methods.Get(j))
				}
			}
			return true
		})
	})
}
