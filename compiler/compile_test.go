package compiler

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestPlaces checks names and places of outputs.
func TestPlaces(t *testing.T) {
	const plain = "syntax = \"proto3\";\nmessage M {}\n"
	for _, test := range []struct {
		name    string
		layout  map[string]string
		cfg     Config
		want    []string // outputs, by path
		imports string   // text that the first output must hold
	}{
		{"beside the source", map[string]string{"go.mod": "module example.com/m", "p/a.proto": plain},
			Config{Files: []string{"p/a.proto"}},
			[]string{"p/a.pb.go", "p/a_lupine.go"}, "// source: p/a.proto\n\npackage p\n"},
		{"below -o, path below -I kept", map[string]string{"go.mod": "module example.com/m", "protos/x/y/a.proto": plain},
			Config{Files: []string{"protos/x/y/a.proto"}, ImportPaths: []string{"protos"}, OutDir: "gen"},
			[]string{"gen/x/y/a.pb.go", "gen/x/y/a_lupine.go"}, "// source: x/y/a.proto\n\npackage y\n"},
		{"the first -I that holds it", map[string]string{"go.mod": "module example.com/m", "protos/x/a.proto": plain},
			Config{Files: []string{"protos/x/a.proto"}, ImportPaths: []string{"other", "protos", "protos/x"}, OutDir: "gen"},
			[]string{"gen/x/a.pb.go", "gen/x/a_lupine.go"}, "// source: x/a.proto\n"},
		{"named below -I", map[string]string{"go.mod": "module example.com/m", "protos/x/a.proto": plain},
			Config{Files: []string{"x/a.proto"}, ImportPaths: []string{"protos"}},
			[]string{"protos/x/a.pb.go", "protos/x/a_lupine.go"}, "// source: x/a.proto\n"},
		{"outside the working folder", map[string]string{"elsewhere/go.mod": "module example.com/m", "elsewhere/a.proto": plain, "here/x": ""},
			Config{Files: []string{"../elsewhere/a.proto"}},
			[]string{"../elsewhere/a.pb.go", "../elsewhere/a_lupine.go"}, "// source: a.proto\n\npackage m\n"},
		{"folder that is no identifier", map[string]string{"go.mod": "module example.com/m", "my-api/a.proto": plain},
			Config{Files: []string{"my-api/a.proto"}},
			[]string{"my-api/a.pb.go", "my-api/a_lupine.go"}, "package my_api\n"},
		{"folder that is a Go word", map[string]string{"go.mod": "module example.com/m", "type/a.proto": plain},
			Config{Files: []string{"type/a.proto"}},
			[]string{"type/a.pb.go", "type/a_lupine.go"}, "package _type\n"},
		{"module with a major version", map[string]string{"go.mod": "module example.com/m/v2", "a.proto": plain},
			Config{Files: []string{"a.proto"}},
			[]string{"a.pb.go", "a_lupine.go"}, "package m\n"},
		{"package that is there", map[string]string{"go.mod": "module example.com/go-m", "a.proto": plain, "x.go": "package mine\n", "b.pb.go": "package stale\n", "x_test.go": "package x_test\n"},
			Config{Files: []string{"a.proto"}},
			[]string{"a.pb.go", "a_lupine.go"}, "package mine\n"},
		{"module of the source", map[string]string{"m/go.mod": "module example.com/m", "m/p/a.proto": plain},
			Config{Files: []string{"m/p/a.proto"}, ImportPaths: []string{"m"}, OutDir: "gen", Generator: Generator{StubSuffix: "x"}},
			[]string{"gen/p/a.pb.go", "gen/p/a_lupine.go"}, "package p\n"},
		{"go_package that is a name", map[string]string{"go.mod": "module example.com/m", "a.proto": plain + "option go_package = \"./pb\";\n"},
			Config{Files: []string{"a.proto"}},
			[]string{"a.pb.go", "a_lupine.go"}, "package pb\n"},
		{"import in the same module", map[string]string{"go.mod": "module example.com/m", "p/a.proto": "syntax = \"proto3\";\nimport \"q/b.proto\";\nmessage M { N n = 1; }\n", "q/b.proto": "syntax = \"proto3\";\nmessage N {}\n"},
			Config{Files: []string{"p/a.proto"}},
			[]string{"p/a.pb.go", "p/a_lupine.go"}, "q \"example.com/m/q\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.layout {
				write(t, dir, name, text)
			}
			t.Chdir(dir)
			if _, ok := test.layout["here/x"]; ok {
				t.Chdir(filepath.Join(dir, "here"))
			}
			r, err := Compile(context.Background(), test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			all := ""
			for _, o := range r.Outputs {
				got = append(got, filepath.ToSlash(o.Path))
				all += string(o.Content)
			}
			if slices.Sort(got); !slices.Equal(got, test.want) {
				t.Errorf("outputs %v, want %v", got, test.want)
			}
			if !strings.Contains(all, test.imports) {
				t.Errorf("no %q in output:\n%.600s", test.imports, all)
			}
		})
	}
}

// TestNoModule compiles where no go.mod is: that works as long as no other
// package has to import the result.
func TestNoModule(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "p-q/a.proto", "syntax = \"proto3\";\nimport \"p-q/b.proto\";\nmessage A { B b = 1; }\nservice S { rpc C(A) returns (B); }\n")
	write(t, dir, "p-q/b.proto", "syntax = \"proto3\";\nmessage B {}\n")
	write(t, dir, "r/c.proto", "syntax = \"proto3\";\nimport \"p-q/b.proto\";\nmessage C { B b = 1; }\n")
	compile := func(suffix string, names ...string) (*Result, error) {
		cfg := Config{ImportPaths: []string{dir}, Generator: Generator{StubSuffix: suffix}}
		for _, name := range names {
			cfg.Files = append(cfg.Files, filepath.Join(dir, name))
		}
		return Compile(context.Background(), cfg)
	}
	r, err := compile("", "p-q/a.proto", "p-q/b.proto")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Outputs {
		if !strings.Contains(string(o.Content), "\npackage p_q\n") || strings.Contains(string(o.Content), "nowhere") {
			t.Errorf("%s:\n%.500s", o.Name, o.Content)
		}
	}
	if _, err := compile("", "r/c.proto"); err == nil || !strings.Contains(err.Error(), "b.proto:1:1: error: file has no go_package option, and there is no go.mod in ") {
		t.Errorf("import from another package: %v", err)
	}
	if _, err := compile("lupine", "p-q/a.proto"); err == nil || !strings.Contains(err.Error(), "a.proto:1:1: error: file has no go_package option, and there is no go.mod in ") {
		t.Errorf("stubs elsewhere: %v", err)
	}
}

// TestWrite checks that files are written whole, only when they change, and not
// at all when there is an error.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.proto", head+"message A {}\n")
	write(t, dir, "bad.proto", head+"message A {\n")
	cfg := Config{Files: []string{filepath.Join(dir, "a.proto")}, ImportPaths: []string{dir}}
	compile := func() []string {
		r, err := Compile(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		written, err := r.Write()
		if err != nil {
			t.Fatal(err)
		}
		return written
	}
	if got := compile(); len(got) != 2 {
		t.Errorf("first run wrote %v", got)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	pb := filepath.Join(dir, "a.pb.go")
	if err := os.Chtimes(pb, old, old); err != nil {
		t.Fatal(err)
	}
	if got := compile(); len(got) != 0 {
		t.Errorf("second run wrote %v", got)
	}
	if st, err := os.Stat(pb); err != nil || !st.ModTime().Equal(old) {
		t.Errorf("unchanged file was touched: %v, %v", st.ModTime(), err)
	}
	write(t, dir, "a.proto", head+"message A { int32 x = 1; }\n")
	if got := compile(); len(got) != 2 {
		t.Errorf("run after a change wrote %v", got)
	}
	cfg.Files = append(cfg.Files, filepath.Join(dir, "bad.proto"))
	if _, err := Compile(context.Background(), cfg); err == nil {
		t.Error("bad.proto compiled")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 {
		t.Errorf("folder holds %v, want the two sources and two outputs", entries)
	}
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "file", "")
	if err := os.Mkdir(filepath.Join(dir, "a.pb.go"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "a.pb.go"), filepath.Join(dir, "file", "a.pb.go")} {
		if _, err := WriteFile(path, []byte("x")); err == nil {
			t.Errorf("wrote %s", path)
		}
	}
}

func TestBesideGRPC(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.proto", head+"message M {}\nservice S { rpc C(M) returns (M); }\n")
	write(t, dir, "a_grpc.pb.go", "package x\n")
	for suffix, want := range map[string]int{"": 1, "lupine": 0} {
		r, err := Compile(context.Background(), Config{Files: []string{filepath.Join(dir, "a.proto")}, Generator: Generator{StubSuffix: suffix}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Warnings) != want {
			t.Errorf("suffix %q: warnings %v, want %d", suffix, r.Warnings, want)
		}
	}
}

func TestMixedFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.proto", head)
	write(t, dir, "b.proto", "syntax = \"proto3\";\noption go_package = \"example.com/y\";\n")
	r, err := Compile(context.Background(), Config{Files: []string{filepath.Join(dir, "a.proto"), filepath.Join(dir, "b.proto")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].String(), "b.proto:2:1: warning: Go package example.com/y goes to the folder of example.com/x (") {
		t.Errorf("warnings %v", r.Warnings)
	}
}

// TestBuiltins holds the text of built-in files against the descriptors that
// their Go packages carry.
func TestBuiltins(t *testing.T) {
	names := Builtins()
	if len(names) < 10 {
		t.Fatalf("only %v are built in", names)
	}
	l, err := Link(context.Background(), Config{Files: names, Resolver: builtinResolver{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range l.DescriptorSet(SetOptions{}).File {
		want := protodesc.ToFileDescriptorProto(googleapis()[fd.GetName()])
		got := protodesc.ToFileDescriptorProto(mustFind(t, l, fd.GetName()))
		got.SourceCodeInfo = nil
		a, err1 := proto.MarshalOptions{Deterministic: true}.Marshal(want)
		b, err2 := proto.MarshalOptions{Deterministic: true}.Marshal(got)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if string(a) != string(b) {
			t.Errorf("%s: printed and compiled it is another file", fd.GetName())
		}
	}
}

type builtinResolver struct{}

func (builtinResolver) Find(name string) (Source, error) {
	text, ok := builtin(name)
	if !ok {
		return Source{}, fs.ErrNotExist
	}
	return Source{Path: name, Text: text}, nil
}

func mustFind(t *testing.T, l *Linked, name string) protoreflect.FileDescriptor {
	t.Helper()
	fd, err := l.Files.FindFileByPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestDescriptorSet(t *testing.T) {
	l, err := Link(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{
		"a.proto": "syntax = \"proto3\";\nimport \"google/api/annotations.proto\";\n// S serves.\nservice S { rpc M(R) returns (R) { option (google.api.http) = {get: \"/x\"}; } }\nmessage R {}\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	alone, all := l.DescriptorSet(SetOptions{}), l.DescriptorSet(SetOptions{Imports: true, SourceInfo: true})
	if len(alone.File) != 1 || alone.File[0].SourceCodeInfo != nil {
		t.Errorf("alone: %d files, info %v", len(alone.File), alone.File[0].SourceCodeInfo)
	}
	if n := len(all.File); n != 4 || all.File[n-1].GetName() != "a.proto" || all.File[n-1].SourceCodeInfo == nil {
		t.Errorf("all: %d files", n)
	}
	method := mustFind(t, l, "a.proto").Services().Get(0).Methods().Get(0)
	found := false
	method.Options().ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		found = found || f.FullName() == "google.api.http"
		return true
	})
	if !found || len(method.Options().ProtoReflect().GetUnknown()) > 0 {
		t.Errorf("google.api.http is not resolved: %v", method.Options())
	}
}

// A descriptor.proto from before editions may lie below -I, as Debian's
// libprotobuf-dev has it: files with editions compile all the same.
func TestOldDescriptorProto(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "google", "protobuf", "descriptor.proto")
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		old:                           "syntax = \"proto2\";\npackage google.protobuf;\nmessage FileOptions {}\n",
		filepath.Join(dir, "a.proto"): "edition = \"2023\";\noption features.field_presence = IMPLICIT;\nmessage M { int32 x = 1; }\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Link(context.Background(), Config{Files: []string{"a.proto"}, ImportPaths: []string{dir}}); err != nil {
		t.Error(err)
	}
	// Given itself, it is read: this one is no use.
	if _, err := Link(context.Background(), Config{Files: []string{old}, ImportPaths: []string{dir}}); err == nil {
		t.Error("the built-in file was compiled instead of the one that was given")
	}
}
