package compiler

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

//go:generate go test -run ^TestGolden$ . -update

var update = flag.Bool("update", false, "write golden packages instead of comparing")

const goldenDir = "internal/golden"

// golden lists the packages below internal/golden and how each is made, and the
// generated packages of the root module.
var golden = []struct {
	root  string // empty means goldenDir
	files []string
	Generator
}{
	{root: "..", files: []string{"examples/routeguide/routeguide.proto"}},
	{root: "..", files: []string{"internal/testpb/test.proto"}},
	{files: []string{"proto2/proto2.proto"}},
	{files: []string{"proto3/proto3.proto"}},
	{files: []string{"edition2023/edition2023.proto"}},
	{files: []string{"edition2024/edition2024.proto"}},
	{files: []string{"hybrid/hybrid.proto"}},
	{files: []string{"clash/more.proto", "clash/clash.proto"}},
	{files: []string{"kinds/kinds.proto"}},
	{files: []string{"shared/ctx/ctx.proto"}},
	{files: []string{"shared/lupine/lupine.proto"}},
	{files: []string{"imports/imports.proto"}},
	{files: []string{"subpackage/subpackage.proto"}, Generator: Generator{StubSuffix: "lupine"}},
	{files: []string{"no-package/bare.proto"}},
	{files: []string{"plain/plain.proto"}, Generator: Generator{NoCodec: true, StubSuffix: "stub", APILevel: "opaque"}},
}

func TestGolden(t *testing.T) {
	made := map[string]bool{}
	for _, g := range golden {
		root := cmp.Or(g.root, goldenDir)
		var files []string
		for _, f := range g.files {
			files = append(files, filepath.Join(root, f))
		}
		r, err := Compile(context.Background(), Config{Files: files, ImportPaths: []string{root}, Generator: g.Generator})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range r.Warnings {
			t.Error(w)
		}
		for _, o := range r.Outputs {
			made[o.Path] = true
		}
		if *update {
			if _, err := r.Write(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, o := range r.Outputs {
			want, err := os.ReadFile(o.Path)
			if err != nil {
				t.Error(err)
			} else if !bytes.Equal(want, o.Content) {
				t.Errorf("%s: differs from what the compiler makes: line %d; run go test . -update if that is meant", o.Path, differsAt(want, o.Content))
			}
		}
	}
	err := filepath.WalkDir(goldenDir, func(path string, d fs.DirEntry, err error) error {
		generated := strings.HasSuffix(path, ".pb.go") || strings.HasSuffix(path, "_lupine.go")
		if err != nil || !generated || made[path] {
			return err
		}
		if *update {
			return os.Remove(path)
		}
		t.Errorf("%s: nothing makes this file", path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func differsAt(a, b []byte) int {
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range as {
		if i >= len(bs) || !bytes.Equal(as[i], bs[i]) {
			return i + 1
		}
	}
	return len(as) + 1
}

// TestOneByOne compiles files of one Go package apart and together: names must
// not depend on what else is compiled, as long as the files import each other.
func TestOneByOne(t *testing.T) {
	stubs := func(files ...string) []byte {
		cfg := Config{ImportPaths: []string{goldenDir}, Generator: Generator{NoCodec: true, NoMessages: true}}
		for _, f := range files {
			cfg.Files = append(cfg.Files, filepath.Join(goldenDir, "clash", f))
		}
		r, err := Compile(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(r.Outputs, func(o Output) bool { return strings.HasSuffix(o.Path, "more_lupine.go") })
		return r.Outputs[i].Content
	}
	together := stubs("clash.proto", "more.proto")
	if !bytes.Equal(stubs("more.proto"), together) || !bytes.Equal(stubs("more.proto", "clash.proto"), together) {
		t.Error("more_lupine.go depends on what else is compiled")
	}
}
