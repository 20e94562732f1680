package codecgen_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/lupine-rpc/lupine/compiler"
	"github.com/lupine-rpc/lupine/compiler/codecgen"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

var update = flag.Bool("update", false, "write the generated packages instead of comparing them")

// root holds the .proto files and the packages generated from them, which the
// tests of codec/protobuf compile and use.
const root = "../../codec/protobuf/internal/testpb"

// TestGolden regenerates the test packages:
//
//	go test ./codecgen -run TestGolden -update
func TestGolden(t *testing.T) {
	for name, withCodec := range map[string]bool{
		"foreign": false, "test2": true, "test3": true, "edition": true,
		"opaque": true, "hybrid": true, "bench": true,
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
		Generator:   compiler.Generator{NoStubs: true, NoCodec: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, o := range result.Outputs {
		out[o.Path] = o.Content
	}
	if !withCodec {
		return out
	}
	plugin, err := protogen.Options{}.New(request(t, result))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range plugin.Files {
		if f.Generate {
			g := plugin.NewGeneratedFile(f.Desc.Path()+"_lupine.go", f.GoImportPath)
			g.P("package ", f.GoPackageName)
			if err := codecgen.File(g, f, codecgen.Options{}); err != nil {
				t.Fatal(err)
			}
			content, err := g.Content()
			if err != nil {
				t.Fatal(err)
			}
			base := f.Desc.Path()[:len(f.Desc.Path())-len(".proto")]
			out[filepath.Join(root, base+"_lupine.go")] = content
		}
	}
	return out
}

func request(t *testing.T, result *compiler.Result) *pluginpb.CodeGeneratorRequest {
	t.Helper()
	raw, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: result.Inputs,
		ProtoFile:      result.DescriptorSet(true, true).File,
	})
	if err != nil {
		t.Fatal(err)
	}
	req := new(pluginpb.CodeGeneratorRequest)
	if err := proto.Unmarshal(raw, req); err != nil {
		t.Fatal(err)
	}
	return req
}
