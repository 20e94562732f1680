package compiler

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// ask runs the plugin on the golden file at name.
func ask(t *testing.T, name, parameter string) *pluginpb.CodeGeneratorResponse {
	t.Helper()
	l, err := Link(context.Background(), Config{Files: []string{filepath.Join(goldenDir, name)}, ImportPaths: []string{goldenDir}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{name}, Parameter: &parameter, ProtoFile: l.Set.File,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := RunPlugin(bytes.NewReader(raw), &out); err != nil {
		t.Fatal(err)
	}
	var res pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	return &res
}

// TestPlugin checks that the plugin writes what lupine gen does.
func TestPlugin(t *testing.T) {
	for _, test := range []struct{ name, parameter, want, err string }{
		{"kinds/kinds.proto", "paths=source_relative", "kinds/kinds_lupine.go kinds/kinds.pb.go", ""},
		{"kinds/kinds.proto", "paths=source_relative,messages=false", "kinds/kinds_lupine.go", ""},
		{"kinds/kinds.proto", "paths=source_relative,stubs=false,codec=false", "kinds/kinds.pb.go", ""},
		{"subpackage/subpackage.proto", "paths=source_relative,stub_suffix=lupine",
			"subpackage/subpackage_lupine.go subpackage/subpackage.pb.go subpackage/subpackagelupine/subpackage_lupine.go", ""},
		{"hybrid/hybrid.proto", "paths=source_relative",
			"hybrid/hybrid_lupine.go hybrid/hybrid.pb.go hybrid/hybrid_protoopaque.pb.go hybrid/hybrid_protoopaque_lupine.go", ""},
		{"kinds/kinds.proto", "module=github.com/lupine-rpc/lupine/compiler/internal/golden,messages=0", "kinds/kinds_lupine.go", ""},
		{"plain/plain.proto", "", "", "unable to determine Go import path"},
		{"kinds/kinds.proto", "mesages=false", "", `unknown parameter "mesages"`},
		{"kinds/kinds.proto", "messages=maybe", "", "want true or false"},
		{"kinds/kinds.proto", "stub_suffix=../x", "", "want letters, digits and underscores"},
	} {
		res := ask(t, test.name, test.parameter)
		if test.err != "" {
			if !strings.Contains(res.GetError(), test.err) {
				t.Errorf("%s %s: error %q, want %q", test.name, test.parameter, res.GetError(), test.err)
			}
			continue
		}
		if res.Error != nil {
			t.Errorf("%s %s: %s", test.name, test.parameter, res.GetError())
			continue
		}
		var names []string
		for _, f := range res.File {
			names = append(names, f.GetName())
			want, err := os.ReadFile(filepath.Join(goldenDir, f.GetName()))
			if err != nil || test.parameter != "paths=source_relative" {
				continue
			}
			if string(want) != f.GetContent() {
				t.Errorf("%s: %s differs from what lupine gen writes", test.name, f.GetName())
			}
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s %s: wrote %s, want %s", test.name, test.parameter, got, test.want)
		}
	}
}

func TestPluginBadRequest(t *testing.T) {
	var out bytes.Buffer
	if err := RunPlugin(strings.NewReader("\xff\xff"), &out); err == nil {
		t.Error("took nonsense for a request")
	}
	res := ask(t, "edition2024/edition2024.proto", "paths=source_relative")
	if res.Error != nil || res.GetMaximumEdition() != int32(descriptorpb.Edition_EDITION_2024) {
		t.Errorf("edition 2024: error %q, maximum %d", res.GetError(), res.GetMaximumEdition())
	}
}

// TestLikeProtoc compiles golden files that protoc understands with protoc, and
// compares descriptors. With positions they differ in details that nobody reads.
func TestLikeProtoc(t *testing.T) {
	protoc := []string{"protoc"}
	if _, err := exec.LookPath("protoc"); err != nil {
		protoc = []string{"python3", "-m", "grpc_tools.protoc"}
		if exec.Command("python3", "-c", "import grpc_tools").Run() != nil {
			if os.Getenv("LUPINE_CI") != "" {
				t.Fatal("neither protoc nor grpc_tools is installed")
			}
			t.Skip("needs protoc, or python3-grpc-tools")
		}
	}
	dir := t.TempDir()
	known := []string{"any", "descriptor", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"}
	for i, name := range known {
		known[i] = "google/protobuf/" + name + ".proto"
	}
	for _, name := range append(Builtins(), known...) {
		text, _ := builtin(name)
		write(t, dir, name, text)
	}
	for _, name := range []string{
		"proto2/proto2.proto", "proto3/proto3.proto", "kinds/kinds.proto", "clash/clash.proto", "clash/more.proto",
		"imports/imports.proto", "no-package/bare.proto", "plain/plain.proto",
	} {
		set := filepath.Join(dir, "set")
		cmd := exec.Command(protoc[0], append(protoc[1:], "-I"+goldenDir, "-I"+dir, "--include_imports", "--descriptor_set_out="+set, name)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("protoc %s: %v\n%s", name, err, out)
			continue
		}
		raw, err := os.ReadFile(set)
		if err != nil {
			t.Fatal(err)
		}
		var want descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		l, err := Link(context.Background(), Config{Files: []string{filepath.Join(goldenDir, name)}, ImportPaths: []string{goldenDir}})
		if err != nil {
			t.Fatal(err)
		}
		var got descriptorpb.FileDescriptorSet
		raw, err = proto.Marshal(l.DescriptorSet(SetOptions{Imports: true}))
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		compareSets(t, name, &got, &want)
	}
}

// compareSets compares files by name. Files of google/protobuf are left out:
// each compiler has its own version of them built in.
func compareSets(t *testing.T, name string, got, want *descriptorpb.FileDescriptorSet) {
	t.Helper()
	files := map[string]*descriptorpb.FileDescriptorProto{}
	for _, fd := range got.File {
		files[fd.GetName()] = fd
	}
	for _, fd := range want.File {
		if strings.HasPrefix(fd.GetName(), "google/protobuf/") {
			continue
		}
		have := files[fd.GetName()]
		if have == nil {
			t.Errorf("%s: %s is missing", name, fd.GetName())
			continue
		}
		if !proto.Equal(have, fd) {
			t.Errorf("%s: %s differs from protoc's:\n%s\nwant\n%s", name, fd.GetName(), prototext.Format(have), prototext.Format(fd))
		}
	}
	if len(got.File) != len(want.File) {
		t.Errorf("%s: %d files, protoc has %d", name, len(got.File), len(want.File))
	}
}
