package compiler

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	gengo "google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
	"google.golang.org/protobuf/types/pluginpb"
)

// generate makes the Go files of every input.
func generate(l *Linked, cfg Config) ([]Output, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	files := l.needed()
	packages, errs := l.goPackages(files, cfg)
	if len(errs) > 0 {
		return nil, errs.sorted()
	}
	plugin, err := l.plugin(files, packages, cfg)
	if err != nil {
		return nil, err
	}
	if errs := l.goClashes(plugin); len(errs) > 0 {
		return nil, errs.sorted()
	}
	if err := cfg.Generator.run(plugin); err != nil {
		return nil, Errors{l.atFirst("cannot generate Go: " + err.Error())}
	}
	l.warnOfGRPC(plugin, cfg)
	l.warnOfMixture(plugin, cfg)
	return l.outputs(plugin, cfg)
}

// warnOfGRPC warns of protoc-gen-go-grpc's stubs in the folder that ours go to:
// their names are the same.
func (l *Linked) warnOfGRPC(plugin *protogen.Plugin, cfg Config) {
	if cfg.NoStubs || cfg.StubSuffix != "" {
		return
	}
	for _, f := range plugin.Files {
		dir, ok := l.outputDir(f.Desc.Path(), cfg.OutDir)
		if !f.Generate || len(f.Services) == 0 || !ok {
			continue
		}
		theirs := filepath.Join(dir, path.Base(f.GeneratedFilenamePrefix)+"_grpc.pb.go")
		if _, err := os.Stat(theirs); err == nil {
			d := l.atPath(f.Proto, f.Services[0].Location.Path, theirs+" declares the same names in the same package",
				"put Lupine's stubs into a package of their own (--stub-suffix lupine), or delete that file")
			d.Warning = true
			l.Warnings = append(l.Warnings, d)
		}
	}
}

// warnOfMixture warns of files that go to one folder but are of two packages:
// Go does not build those. It is no error, since they may be meant to be moved.
func (l *Linked) warnOfMixture(plugin *protogen.Plugin, cfg Config) {
	first := map[string]*protogen.File{}
	for _, f := range plugin.Files {
		dir, ok := l.outputDir(f.Desc.Path(), cfg.OutDir)
		if !f.Generate || !ok {
			continue
		}
		other := first[dir]
		if other == nil {
			first[dir] = f
		} else if other.GoImportPath != f.GoImportPath {
			d := l.atGoPackage(f.Proto, fmt.Sprintf("Go package %s goes to the folder of %s (%s)",
				string(f.GoImportPath), string(other.GoImportPath), l.sources.path(other.Desc.Path())), "move one of the files to a folder of its own")
			d.Warning = true
			l.Warnings = append(l.Warnings, d)
		}
	}
}

// plugin builds protogen's model of the files.
func (l *Linked) plugin(files []*descriptorpb.FileDescriptorProto, packages map[string]goPackage, cfg Config) (*protogen.Plugin, error) {
	params, err := mappings(packages)
	if err != nil {
		return nil, Errors{l.atFirst(err.Error(), "rename the file")}
	}
	params = append(params, "paths=source_relative")
	if cfg.APILevel != "" {
		params = append(params, "default_api_level=API_"+strings.ToUpper(cfg.APILevel))
	}
	// As a plugin gets them: options for readers of the source would change code.
	files = slices.Clone(files)
	for i, fd := range files {
		files[i] = withoutSourceOptions(fd)
	}
	// Through bytes once more: the generators want the options that they know
	// as their own Go types, and the rest as unknown fields.
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: l.Inputs,
		Parameter:      proto.String(strings.Join(params, ",")),
		ProtoFile:      files,
	})
	if err != nil {
		return nil, Errors{l.atFirst("cannot marshal descriptors: " + err.Error())}
	}
	var req pluginpb.CodeGeneratorRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		return nil, Errors{l.atFirst("cannot read descriptors back: " + err.Error())}
	}
	plugin, err := protogen.Options{}.New(&req)
	if err != nil {
		return nil, Errors{l.atFirst("cannot generate Go: " + strings.Join(strings.Fields(err.Error()), " "))}
	}
	return plugin, nil
}

// run generates every file that was asked for. A panic of the linked-in
// generator is an error.
func (g Generator) run(plugin *protogen.Plugin) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("generator panicked: %v", p)
		}
	}()
	names := stubNames(plugin, g)
	for _, f := range plugin.Files {
		if !f.Generate {
			continue
		}
		if err := g.file(plugin, f, names[f]); err != nil {
			return fmt.Errorf("%s: %w", f.Desc.Path(), err)
		}
	}
	return nil
}

// file generates one file's Go files. The order matters with the hybrid API:
// protoc-gen-go's generator writes the open variant, then turns the model into
// the opaque one and writes that under the build tag protoopaque. Our code that
// knows the structs' fields has to do the same, before and after.
func (g Generator) file(plugin *protogen.Plugin, f *protogen.File, names []serviceNames) error {
	hybrid := f.APILevel == gofeaturespb.GoFeatures_API_HYBRID && !g.NoCodec
	tag := ""
	if hybrid {
		tag = "!protoopaque"
	}
	if err := g.lupineFile(plugin, f, names, "", tag); err != nil {
		return err
	}
	switch {
	case !g.NoMessages:
		gengo.GenerateFile(plugin, f)
	case hybrid:
		setOpaque(f)
	}
	if hybrid {
		if err := g.lupineFile(plugin, f, names, "_protoopaque", "protoopaque"); err != nil {
			return err
		}
	}
	if g.StubSuffix != "" && !g.NoStubs && len(f.Services) > 0 {
		sub := stubPackage(f, g)
		out := plugin.NewGeneratedFile(stubFile(f, sub), f.GoImportPath+"/"+protogen.GoImportPath(sub))
		header(out, f, protogen.GoPackageName(sub), "")
		stubs(out, f, names)
	}
	return nil
}

// lupineFile writes x_lupine.go, if there is anything to put into it.
func (g Generator) lupineFile(plugin *protogen.Plugin, f *protogen.File, names []serviceNames, variant, tag string) error {
	withStubs := !g.NoStubs && g.StubSuffix == "" && len(f.Services) > 0
	withCodec := !g.NoCodec && hasCodec(f)
	if !withStubs && !withCodec {
		return nil
	}
	out := plugin.NewGeneratedFile(f.GeneratedFilenamePrefix+variant+"_lupine.go", f.GoImportPath)
	header(out, f, f.GoPackageName, tag)
	if withStubs {
		stubs(out, f, names)
	}
	if withCodec {
		return codec(out, plugin, f)
	}
	return nil
}

// setOpaque turns the model of a hybrid file into that of its opaque variant.
func setOpaque(f *protogen.File) {
	f.APILevel = gofeaturespb.GoFeatures_API_OPAQUE
	var set func([]*protogen.Message)
	set = func(messages []*protogen.Message) {
		for _, m := range messages {
			m.APILevel = gofeaturespb.GoFeatures_API_OPAQUE
			set(m.Messages)
		}
	}
	set(f.Messages)
}

// outputs collects what the generators wrote.
func (l *Linked) outputs(plugin *protogen.Plugin, cfg Config) ([]Output, error) {
	made := response(plugin)
	if made.Error != nil {
		return nil, Errors{l.atFirst("cannot generate Go: " + made.GetError())}
	}
	origins := map[string]string{}
	for _, f := range plugin.Files {
		if f.Generate {
			base := f.GeneratedFilenamePrefix
			sub := stubPackage(f, cfg.Generator)
			for _, name := range []string{
				base + ".pb.go", base + "_lupine.go", stubFile(f, sub),
				base + "_protoopaque.pb.go", base + "_protoopaque_lupine.go",
			} {
				origins[name] = f.Desc.Path()
			}
		}
	}
	var out []Output
	for _, f := range made.File {
		o := Output{Name: f.GetName(), Source: origins[f.GetName()], Content: []byte(f.GetContent())}
		dir, ok := l.outputDir(o.Source, cfg.OutDir)
		if !ok {
			dir = filepath.FromSlash(path.Dir(o.Source))
		}
		rel, err := filepath.Rel(path.Dir(o.Source), o.Name)
		if err != nil {
			return nil, fmt.Errorf("output %s of %s: %w", o.Name, o.Source, err)
		}
		o.Path = filepath.Join(dir, rel)
		out = append(out, o)
	}
	return out, nil
}

// stubPackage is the name of the stubs' own package, or empty.
func stubPackage(f *protogen.File, g Generator) string {
	if g.StubSuffix == "" {
		return ""
	}
	return string(f.GoPackageName) + g.StubSuffix
}

// stubFile is the name of the file with the stubs.
func stubFile(f *protogen.File, sub string) string {
	dir, base := path.Split(f.GeneratedFilenamePrefix)
	return path.Join(dir, sub, base+"_lupine.go")
}
