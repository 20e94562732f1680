package codecgen_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/lupine-rpc/lupine/compiler"
)

//go:generate go test . -run TestGolden -count=1 -update

var update = flag.Bool("update", false, "write the generated packages instead of comparing them")

// root holds the .proto files and the packages generated from them, which the
// tests of codec/protobuf compile and use.
const root = "../../codec/protobuf/internal/testpb"

// TestGolden holds the committed test packages against what the generator
// writes today; go generate writes them.
func TestGolden(t *testing.T) {
	for name, withCodec := range map[string]bool{
		"foreign": false, "test2": true, "test3": true, "edition": true,
		"edition24": true, "opaque": true, "hybrid": true, "e": true, "bench": true,
	} {
		t.Run(name, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(root, name, "*.proto"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no .proto files: %v", err)
			}
			for path, want := range generate(t, files, withCodec) {
				if *update {
					if err := os.WriteFile(path, want, 0o644); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s is not what the generator writes (%v): run this test with -update", path, err)
				}
			}
		})
	}
}

func generate(t *testing.T, files []string, withCodec bool) map[string][]byte {
	t.Helper()
	result, err := compiler.Compile(context.Background(), compiler.Config{
		Files:       files,
		ImportPaths: []string{root},
		Generator:   compiler.Generator{NoStubs: true, NoCodec: !withCodec},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, o := range result.Outputs {
		out[o.Path] = o.Content
	}
	return out
}
