package compiler

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const head = "syntax = \"proto3\";\noption go_package = \"example.com/x\";\n"

// bad lists sources with a mistake, and the diagnostic that each must give.
var bad = []struct {
	name  string
	files Sources // a.proto is the input
	want  string
}{
	{"missing equals sign", Sources{"a.proto": head + "message A {\n\tint32 x  1;\n}\n"},
		"a.proto:4:11: error: unexpected integer literal in definition\n    \tint32 x  1;\n    \t         ^\n"},
	{"missing semicolon", Sources{"a.proto": head + "message A {\n  int32 x = 1\n}\n"},
		"a.proto:5:1: error: unexpected `}` after definition\n    }\n    ^\n"},
	{"unclosed brace", Sources{"a.proto": head + "message A {\n"},
		"a.proto:3:11: error: encountered unmatched `{` delimiter\n    message A {\n              ^\n"},
	{"missing import", Sources{"a.proto": head + "import \"no/such.proto\";\n"},
		"a.proto:3:1: error: imported file \"no/such.proto\" not found\n    import \"no/such.proto\";\n    ^~~~"},
	{"missing import of an import", Sources{"a.proto": head + "import \"b.proto\";\n", "b.proto": head + "import \"c.proto\";\n"},
		"b.proto:3:1: error: imported file \"c.proto\" not found\n"},
	{"import cycle", Sources{"a.proto": head + "import \"b.proto\";\n", "b.proto": head + "import \"a.proto\";\n"},
		"b.proto:3:1: error: detected cyclic import while importing \"a.proto\"\n    import \"a.proto\";\n    ^~~"},
	{"import of itself", Sources{"a.proto": head + "import \"a.proto\";\n"},
		"a.proto:3:1: error: detected cyclic import"},
	{"import above the folder", Sources{"a.proto": head + "import \"../b.proto\";\n"},
		"a.proto:3:8: error: import path must not refer to parent directory\n"},
	{"two declarations", Sources{"a.proto": head + "message A {}\nenum A { X = 0; }\n"},
		"a.proto:4:6: error: `A` declared multiple times\n    enum A { X = 0; }\n         ^\n    note: a.proto:3:9: first declared here"},
	{"two declarations in two files", Sources{"a.proto": head + "import \"b.proto\";\nmessage A {}\n", "b.proto": head + "message A {}\n"},
		"b.proto:3:9: error: `A` declared multiple times\n"},
	{"two in Go alone", Sources{"a.proto": head + "message A_B {}\nmessage A { message B {} }\n"},
		"a.proto:4:13: error: message A.B and message A_B are both A_B in Go\n"},
	{"reserved number", Sources{"a.proto": head + "message A {\n  reserved 1;\n  int32 x = 1;\n}\n"},
		"a.proto:5:13: error: use of reserved field number `1`\n"},
	{"reserved name", Sources{"a.proto": head + "message A {\n  reserved \"x\";\n  int32 x = 1;\n}\n"},
		"a.proto:5:9: error: use of reserved message field name\n      int32 x = 1;\n            ^\n"},
	{"reserved word", Sources{"a.proto": head + "message A {\n  required int32 x = 1;\n}\n"},
		"a.proto:4:3: error: unexpected `required`\n"},
	{"number of the implementation", Sources{"a.proto": head + "message A {\n  int32 x = 19000;\n}\n"},
		"a.proto:4:13: error: field number out of range\n"},
	{"unknown edition", Sources{"a.proto": "edition = \"2099\";\n"},
		"a.proto:1:11: error: unknown edition \"2099\"\n    edition = \"2099\";\n              ^~~~~~\n    note: known editions are \"2023\" and \"2024\""},
	{"edition too new", Sources{"a.proto": "edition = \"2026\";\n"},
		"a.proto:1:11: error: edition \"2026\" is not supported\n"},
	{"MessageSet", Sources{"a.proto": "package p;\nmessage A {\n  message B {\n    option message_set_wire_format = true;\n    extensions 4 to max;\n  }\n}\n"},
		"a.proto:3:3: error: message \"p.A.B\" is a MessageSet"},
	{"unknown syntax", Sources{"a.proto": "syntax = \"proto4\";\n"},
		"a.proto:1:10: error: unknown syntax \"proto4\"\n"},
	{"Latin-1", Sources{"a.proto": head + "// caf\xe9\n"},
		"a.proto:3:7: error: file is not UTF-8: invalid byte 0xe9\n    // caf\uFFFD\n          ^\n"},
	{"Latin-1 in an import", Sources{"a.proto": head + "import \"b.proto\";\n", "b.proto": "// \xe9"},
		"b.proto:1:4: error: file is not UTF-8: invalid byte 0xe9\n"},
	{"UTF-16", Sources{"a.proto": "\xff\xfes\x00"},
		"a.proto:1:1: error: file is UTF-16, not UTF-8\n"},
	{"binary", Sources{"a.proto": "syntax\x00\x01"},
		"a.proto:1:7: error: file holds a NUL byte: it is not text\n"},
	{"nested too deeply", Sources{"a.proto": head + "option x = " + strings.Repeat("[", 300) + ";"},
		"a.proto:3:268: error: brackets, or one word repeated, nest deeper than 256 levels\n"},
	{"one word, again and again", Sources{"a.proto": head + strings.Repeat("repeated ", 300)},
		"a.proto:3:2305: error: brackets, or one word repeated, nest deeper than 256 levels\n"},
	{"unknown type", Sources{"a.proto": head + "service S {\n  rpc M(No) returns (No);\n}\n"},
		"a.proto:4:9: error: cannot find `No` in this scope\n"},
	{"unknown option", Sources{"a.proto": head + "option no_such = 1;\n"},
		"a.proto:3:8: error: cannot find message field `no_such` in `google.protobuf.FileOptions`\n"},
	{"wide characters", Sources{"a.proto": head + "/* 日本 */ message A { int32 x  1; }\n"},
		"    /* 日本 */ message A { int32 x  1; }\n                                    ^\n"},
	{"long line", Sources{"a.proto": head + "/*" + strings.Repeat("-", 300) + "*/ int32;\n"},
		"    ...------------"},
	{"import of a package that is nowhere", Sources{"a.proto": head + "import \"b.proto\";\n", "b.proto": "syntax = \"proto3\";\noption go_package = \"x\";\n"},
		"b.proto:1:1: error: go_package \"x\" is not a full import path, and there is no folder to look for a go.mod from\n"},
	{"go_package with a bad name", Sources{"a.proto": "syntax = \"proto3\";\noption go_package = \"x.y/z;1\";\n"},
		"a.proto:2:1: error: go_package \"x.y/z;1\" is not an import path"},
	{"two names of a Go package", Sources{"a.proto": head + "import \"b.proto\";\n", "b.proto": "syntax = \"proto3\";\noption go_package = \"example.com/x;y\";\n"},
		"a.proto:2:1: error: Go package example.com/x is named x here but y in b.proto\n"},
	{"import that no file can be named like", Sources{"a.proto": head + "import \"b\\0.proto\";\n"},
		"a.proto:3:1: error: imported file \"b\\\\0.proto\" not found\n"},
	{"comma in a file's name", Sources{"a.proto": head + "import \"a,b.proto\";\n", "a,b.proto": head},
		"a.proto:1:1: error: file name \"a,b.proto\" holds a comma"},
}

var positioned = regexp.MustCompile(`^[^\n]+?:[1-9][0-9]*:[1-9][0-9]*: error: [^\n]+\n    [^\n]*\n    [ \t]*\^~*(\n|$)`)

func TestBadInput(t *testing.T) {
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			r, err := Compile(context.Background(), Config{Files: []string{"a.proto"}, Resolver: test.files})
			if err == nil {
				t.Fatalf("compiled: %d outputs", len(r.Outputs))
			}
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("error without a position: %v", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got:\n%s\nwant:\n%s", err, test.want)
			}
			for _, d := range errs {
				if !positioned.MatchString(d.String()) {
					t.Errorf("not FILE:LINE:COL: error: message, source, caret: %q", d.String())
				}
			}
		})
	}
}

// TestGoodInput holds the table of bad input against its opposite: the shared
// head by itself compiles.
func TestGoodInput(t *testing.T) {
	r, err := Compile(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": "\ufeff" + head + "message A { int32 x = 1; }\n"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Outputs) != 2 {
		t.Errorf("%d outputs, want a.pb.go and a_lupine.go", len(r.Outputs))
	}
}

func TestWarnings(t *testing.T) {
	r, err := Compile(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{
		"a.proto": head + "import \"google/protobuf/any.proto\";\nmessage lower_case { int32 CamelCase = 1; }\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0].String(), "a.proto:3:8: warning: unused import") {
		t.Errorf("warnings %v, want the unused import alone", r.Warnings)
	}
}

func TestManyErrors(t *testing.T) {
	text := head + "message A {\n" + strings.Repeat("  No x = 1;\n", 200) + "}\n"
	_, err := Compile(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": text}})
	if err == nil || !strings.Contains(err.Error(), " more errors") || strings.Count(err.Error(), ": error: ") != MaxErrors {
		t.Errorf("want %d errors and a count of the rest, got %d", MaxErrors, strings.Count(err.Error(), ": error: "))
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "in/a.proto", head)
	write(t, dir, "in/sub/a.proto", head)
	write(t, dir, "out/b.proto", head)
	write(t, dir, "big.proto", strings.Repeat("//\n", MaxSourceBytes/3+1))
	t.Chdir(dir)
	if err := os.WriteFile("unreadable.proto", nil, 0); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		files, paths []string
		want         string
	}{
		{[]string{"no.proto"}, nil, "no.proto:1:1: error: file does not exist\n"},
		{[]string{"no.proto"}, []string{"in"}, "no.proto:1:1: error: file does not exist, neither here nor below -I in\n"},
		{[]string{"in"}, nil, "in:1:1: error: this is a folder, not a .proto file\n"},
		{[]string{"out/b.proto"}, []string{"in"}, "out/b.proto:1:1: error: file lies outside every -I folder (in)\n"},
		{[]string{"in/sub/a.proto"}, []string{"in", "in/sub"}, ""},
		{[]string{"in/a.proto", "in/sub/a.proto"}, []string{"in/sub", "in"}, "in/a.proto:1:1: error: \"a.proto\" would be read from in/sub/a.proto"},
		{[]string{"big.proto"}, nil, "big.proto:1:1: error: file is larger than 16 MiB\n"},
		{nil, nil, "no .proto files given"},
	} {
		_, err := Compile(context.Background(), Config{Files: test.files, ImportPaths: test.paths})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%v -I %v: %v", test.files, test.paths, err)
		case test.want != "" && (err == nil || !strings.HasPrefix(err.Error()+"\n", test.want)):
			t.Errorf("%v -I %v: got %v, want %s", test.files, test.paths, err, test.want)
		}
	}
	if os.Getuid() != 0 { // root reads everything
		_, err := Compile(context.Background(), Config{Files: []string{"unreadable.proto"}})
		if err == nil || !strings.HasPrefix(err.Error(), "unreadable.proto:1:1: error: cannot read the file: permission denied") {
			t.Errorf("unreadable file: %v", err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Compile(ctx, Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": head}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	// One that takes the parser a second or more.
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = Link(ctx, Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": "package a" + strings.Repeat(".a", 15000) + ";"}})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("got %v after %v, want context.DeadlineExceeded", err, time.Since(began))
	}
}

// write makes a file below dir, and its folders.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
