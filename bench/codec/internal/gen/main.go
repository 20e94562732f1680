// Gen makes the message packages of the codec benchmark out of shapes.proto: one
// for Lupine and google.golang.org/protobuf, one for vtprotobuf, and one for
// vtprotobuf with pools, whose generated code differs. Run it in the folder of
// shapes.proto, by "go generate".
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/planetscale/vtprotobuf/generator"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	// Each registers a feature with the generator.
	_ "github.com/planetscale/vtprotobuf/features/marshal"
	_ "github.com/planetscale/vtprotobuf/features/pool"
	_ "github.com/planetscale/vtprotobuf/features/size"
	_ "github.com/planetscale/vtprotobuf/features/unmarshal"
)

// source is the package that shapes.proto names; the others are made of it by
// putting another name in its place, since a program may have each message once.
const source = "shape"

type variant struct {
	name     string
	features []string // of vtprotobuf; nil for ours
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	dir, err := os.MkdirTemp("", "lupine-shapes")
	if err != nil {
		log.Fatal(err)
	}
	err = run(dir)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

func run(dir string) error {
	text, err := os.ReadFile("shapes.proto")
	if err != nil {
		return err
	}
	for _, v := range []variant{
		{name: source},
		{name: "vt", features: []string{"marshal", "size", "unmarshal", "unmarshal_unsafe"}},
		{name: "vtpool", features: []string{"marshal", "size", "unmarshal", "pool"}},
	} {
		own := strings.NewReplacer("lupine.bench.shapes.", "lupine.bench.shapes."+v.name+".", "codec/"+source+"pb", "codec/"+v.name+"pb").Replace(string(text))
		if err := v.generate(dir, own); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

// generate writes the package of one variant below the working folder.
func (v variant) generate(dir, text string) error {
	name := v.name + "pb/shapes.proto"
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	set := filepath.Join(dir, v.name+".binpb")
	args := []string{"run", "github.com/lupine-rpc/lupine/cmd/lupine", "gen", "--quiet", "--no-stubs", "-I", dir, "-o", ".", "--descriptor_set_out", set, "--include_imports"}
	if v.features != nil {
		args = append(args, "--no-codec")
	}
	cmd := exec.Command("go", append(args, path)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil || v.features == nil {
		return err
	}
	return v.vtprotobuf(set, name)
}

// vtprotobuf adds its methods to the package.
func (v variant) vtprotobuf(set, name string) error {
	data, err := os.ReadFile(set)
	if err != nil {
		return err
	}
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &files); err != nil {
		return err
	}
	plugin, err := protogen.Options{}.New(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{name}, ProtoFile: files.File, Parameter: proto.String("paths=source_relative"),
	})
	if err != nil {
		return err
	}
	config := &generator.Config{Poolable: generator.NewObjectSet(), PoolableExclude: generator.NewObjectSet()}
	for _, f := range plugin.Files {
		if !slices.Contains(v.features, "pool") {
			break // else the other features would use pools that are not there
		}
		if err := poolAll(config.Poolable, f.Messages); err != nil {
			return err
		}
	}
	g, err := generator.NewGenerator(plugin, v.features, config)
	if err != nil {
		return err
	}
	g.Generate()
	response := plugin.Response()
	if response.Error != nil {
		return fmt.Errorf("vtprotobuf: %s", response.GetError())
	}
	for _, f := range response.File {
		if err := os.WriteFile(f.GetName(), []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// poolAll makes every message one that the pool feature, where it is used, pools.
func poolAll(set generator.ObjectSet, messages []*protogen.Message) error {
	for _, m := range messages {
		if m.Desc.IsMapEntry() {
			continue
		}
		if err := set.Set(string(m.GoIdent.GoImportPath) + "." + m.GoIdent.GoName); err != nil {
			return err
		}
		if err := poolAll(set, m.Messages); err != nil {
			return err
		}
	}
	return nil
}
