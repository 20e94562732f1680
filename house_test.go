package lupine_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lupine-rpc/lupine"

// imports is the house plan: what the packages of a folder, tests left out, may
// import beyond the standard library. Names without a dot are packages of this
// module ("." is its root, "..." ends a prefix). An arrow that is not here needs
// a reason, and a line in docs/ARCHITECTURE.md.
var imports = map[string][]string{
	".":                      {},
	"naming":                 {"."},
	"balance":                {"."},
	"codec/protobuf":         {".", "google.golang.org/protobuf/..."},
	"internal/grpcmsg":       {".", "github.com/klauspost/compress/..."},
	"internal/buffers":       {},
	"internal/race":          {},
	"internal/routes":        {".", "internal/buffers"},
	"internal/workers":       {},
	"wire/inproc":            {".", "internal/workers"},
	"wire/h2":                {".", "naming", "internal/buffers", "internal/grpcmsg", "internal/routes", "internal/workers", "wire/h2/internal/...", "golang.org/x/sys/...", "golang.org/x/net/http/httpproxy"},
	"wire/h2/internal/...":   {"wire/h2/internal/...", "golang.org/x/net/http2/hpack"},
	"wire/rudp":              {".", "naming", "internal/buffers", "internal/grpcmsg", "internal/routes", "internal/workers", "wire/rudp/internal/..."},
	"wire/rudp/internal/...": {".", "wire/rudp/internal/..."},
	"wire/rudp/internal/udp": {"golang.org/x/sys/..."},
	"wires":                  {".", "naming", "wire/..."},
	"reflection":             {".", "google.golang.org/protobuf/..."},
	"health":                 {".", "google.golang.org/protobuf/..."},
	"rpctest":                {".", "internal/race", "internal/testpb", "codec/protobuf", "google.golang.org/protobuf/...", "go.uber.org/goleak"},
	"rpctest/sim":            {},
	// Generated code: messages and stubs.
	"internal/testpb":             {".", "codec/protobuf", "google.golang.org/protobuf/..."},
	"codec/protobuf/internal/...": {".", "codec/protobuf", "codec/protobuf/internal/...", "google.golang.org/protobuf/..."},
	"examples/...":                {".", "codec/protobuf", "naming", "balance", "wire/...", "examples/...", "google.golang.org/protobuf/..."},
}

func allowed(dir, path string) bool {
	rule, ok := imports[dir]
	for d := dir; !ok; {
		up := filepath.ToSlash(filepath.Dir(d))
		if up == "." {
			return false
		}
		rule, ok = imports[up+"/..."]
		d = up
	}
	if path == module {
		path = "."
	} else {
		path = strings.TrimPrefix(path, module+"/")
	}
	return slices.ContainsFunc(rule, func(r string) bool {
		prefix, open := strings.CutSuffix(r, "...")
		return r == path || open && strings.HasPrefix(path+"/", prefix)
	})
}

func TestImports(t *testing.T) {
	for _, f := range sources(t, ".") {
		if f.test {
			continue
		}
		for _, spec := range f.ast.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
				continue // standard library
			}
			if !allowed(f.dir, path) {
				t.Errorf("%s imports %s, which the table in house_test.go does not allow for %s", f.path, path, f.dir)
			}
		}
	}
}

// The shape of files and functions is a ratchet: see docs/STYLE.md.
func TestShape(t *testing.T) {
	const maxLines, maxFunc, maxLongPercent = 800, 70, 2
	funcs, long := 0, []string(nil)
	for _, f := range sources(t, ".", "compiler", "cmd/lupine", "grpccompat", "interop") {
		if f.generated {
			continue
		}
		if f.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: split it by concern", f.path, f.lines, maxLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || f.test {
				continue
			}
			funcs++
			n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line
			if n > maxFunc {
				long = append(long, fmt.Sprintf("%s: %s has %d lines", f.path, fn.Name.Name, n))
			}
		}
	}
	if len(long)*100 > funcs*maxLongPercent {
		t.Errorf("%d of %d functions are over %d lines:\n%s", len(long), funcs, maxFunc, strings.Join(long, "\n"))
	}
}

// Every exported name says what it is.
func TestDocumented(t *testing.T) {
	for _, f := range sources(t, ".", "compiler", "grpccompat") {
		if f.generated || f.test || strings.Contains(f.path, "internal/testpb") {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				// What these say is fixed by the standard library.
				standard := slices.Contains([]string{"Error", "String", "Unwrap"}, d.Name.Name)
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !standard {
					t.Errorf("%s: %s has no doc comment", f.set.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
						t.Errorf("%s: %s has no doc comment", f.set.Position(s.Pos()), s.Name.Name)
					}
				}
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if x, ok := t.(*ast.IndexExpr); ok {
		t = x.X
	}
	if x, ok := t.(*ast.IndexListExpr); ok {
		t = x.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}

type source struct {
	path, dir       string
	test, generated bool
	lines           int
	set             *token.FileSet
	ast             *ast.File
}

// sources parses the Go files of the modules at the given folders.
func sources(t *testing.T, modules ...string) []source {
	t.Helper()
	var all []source
	for _, root := range modules {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() {
				_, nested := os.Stat(filepath.Join(path, "go.mod"))
				if path != root && (nested == nil || strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "node_modules") {
					return filepath.SkipDir
				}
				return nil
			}
			if strings.HasSuffix(path, ".go") {
				all = append(all, parse(t, path))
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return all
}

func parse(t *testing.T, path string) source {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	s := source{path: path, dir: filepath.ToSlash(filepath.Dir(path)), set: set, ast: file, test: strings.HasSuffix(path, "_test.go"), generated: ast.IsGenerated(file)}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for sc := bufio.NewScanner(in); sc.Scan(); {
		s.lines++
	}
	return s
}
