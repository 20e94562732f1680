package main

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A file with an extension of FieldOptions, of a message type.
const base = `
name: "a.proto" dependency: "google/protobuf/descriptor.proto"
message_type { name: "O" field { name: "x" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL } }
extension { name: "o" number: 50000 extendee: ".google.protobuf.FieldOptions" type: TYPE_MESSAGE type_name: ".O" label: LABEL_OPTIONAL }
extension { name: "p" number: 50001 extendee: ".google.protobuf.FieldOptions" type: TYPE_INT32 label: LABEL_OPTIONAL }
message_type { name: "M" field { name: "x" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL options {} } }
`

// indexOf is a set of base with the raw options given for the field of M.
func indexOf(t *testing.T, options string, edit func(*descriptorpb.FileDescriptorProto)) *index {
	t.Helper()
	fd := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(base), fd); err != nil {
		t.Fatal(err)
	}
	fd.MessageType[1].Field[0].Options.ProtoReflect().SetUnknown([]byte(options))
	if edit != nil {
		edit(fd)
	}
	x, err := newIndex(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto), fd,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestDifference(t *testing.T) {
	// Fields 50000 {x: 1} and 50001: 2, in both orders, and another value.
	const o, p, other = "\x82\xb5\x18\x02\x08\x01", "\x88\xb5\x18\x02", "\x82\xb5\x18\x02\x08\x03"
	reference := indexOf(t, o+p, nil)
	for _, c := range []struct {
		name string
		ours *index
		want string // prefix; empty means equal
	}{
		{"same", indexOf(t, o+p, nil), ""},
		{"other order", indexOf(t, p+o, nil), ""},
		{"other value of an option", indexOf(t, other+p, nil), ".message_type[1].field[0].options.(o).x: 3; 1"},
		{"option missing", indexOf(t, p, nil), ".message_type[1].field[0].options.(o): not set; x:1"},
		{"message missing", indexOf(t, o+p, func(fd *descriptorpb.FileDescriptorProto) { fd.MessageType = fd.MessageType[:1] }), ".message_type: 1 elements; 2"},
		{"other number", indexOf(t, o+p, func(fd *descriptorpb.FileDescriptorProto) { fd.MessageType[1].Field[0].Number = proto.Int32(2) }), ".message_type[1].field[0].number: 2; 1"},
	} {
		got, err := difference("a.proto", c.ours, reference)
		got = strings.Join(strings.Fields(got), " ")
		if err != nil || (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestNamed(t *testing.T) {
	files := []string{"a.proto", "d/b.proto", "c.proto", "e.proto"}
	const said = "a.proto:1:2: error: no\n    d/b.proto:1:1: in a note\n/r/d/b.proto:3:4: error: no\nc.proto:5:1: warning: import\nz.proto:1:1: error: no\na.proto:9:9: error: again\n"
	if got := named("/r", files, said); !reflect.DeepEqual(got, []string{"a.proto", "d/b.proto"}) {
		t.Error(got)
	}
}

// A compiler of the test: it refuses files with "bad" in them, one at a time,
// and a file "odd" in company.
func TestAll(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "compiler")
	text := `#!/bin/sh
out=$1; shift
for f in "$@"; do
  case $f in *bad*) echo "$f:1:1: error: it is bad"; exit 1;; *odd*) [ $# = 1 ] || { echo "$f:1:1: error: company"; exit 1; };; esac
done
: >"$out"
`
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	c := compiler{path: script, name: "test", args: func(_ []string, out string, files []string) []string { return append([]string{out}, files...) }}
	p, err := c.all(context.Background(), []string{dir}, []string{"a.proto", "bad1.proto", "odd.proto", "bad2.proto"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.made) != 2 || p.made["a.proto"] == nil || p.made["odd.proto"] == nil || p.made["odd.proto"] == p.made["a.proto"] {
		t.Errorf("made %v", p.made)
	}
	if want := map[string]string{"bad1.proto": "bad1.proto:1:1: error: it is bad", "bad2.proto": "bad2.proto:1:1: error: it is bad"}; !reflect.DeepEqual(p.refused, want) {
		t.Errorf("refused %v", p.refused)
	}
}

func TestKnown(t *testing.T) {
	if _, err := parseKnown(knownText); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"a b: why", "a b c", "a b c d: why"} {
		if _, err := parseKnown(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	known, err := parseKnown("# note\ns protoc-3.* d/*.proto: so it is\n")
	if err != nil {
		t.Fatal(err)
	}
	if explain(known, "s", "protoc-36", "d/a.proto") != nil || explain(known, "s", "protoc-3.1", "d/e/a.proto") != nil || known[0].used {
		t.Error("a line explains what it does not match")
	}
	if k := explain(known, "s", "protoc-3.1", "d/a.proto"); k == nil || k.why != "so it is" || !k.used || k.line != 2 {
		t.Errorf("%+v", k)
	}
}
