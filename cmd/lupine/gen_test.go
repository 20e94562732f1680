package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const echoProto = `syntax = "proto3";

package echo.v1;

import "google/protobuf/timestamp.proto";

option go_package = "example.com/echo";

service Echo {
  // Say says it back.
  rpc Say(Text) returns (Text);
}

message Text {
  string text = 1;
  google.protobuf.Timestamp at = 2;
}
`

func TestGenBesideSource(t *testing.T) {
	dir := write(t, map[string]string{"echo.proto": echoProto})
	r := lupineIn(t, dir, "", "gen", "echo.proto").want(t, 0, "wrote echo.pb.go", "wrote echo_lupine.go")
	r.stdout(t, "")
	if got := read(t, dir, "echo_lupine.go"); !strings.Contains(got, "func NewEchoClient(") || !strings.Contains(got, "Say says it back.") {
		t.Errorf("echo_lupine.go has no client or no comment:\n%s", got)
	}
	if got := read(t, dir, "echo.pb.go"); !strings.Contains(got, "package echo") {
		t.Errorf("echo.pb.go is not package echo:\n%s", got)
	}
	// Again: nothing changes.
	before, err := os.Stat(filepath.Join(dir, "echo.pb.go"))
	if err != nil {
		t.Fatal(err)
	}
	lupineIn(t, dir, "", "gen", "echo.proto").want(t, 0, "up to date")
	after, err := os.Stat(filepath.Join(dir, "echo.pb.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("a file without changes was written again")
	}
	if r := lupineIn(t, dir, "", "gen", "-q", "echo.proto").want(t, 0); r.errOut != "" {
		t.Errorf("gen -q wrote %q", r.errOut)
	}
}

func TestGenOutputFolder(t *testing.T) {
	for _, args := range [][]string{
		{"gen", "-I", "protos", "-o", "out", "protos/shop/v1/echo.proto"},
		{"gen", "-Iprotos", "-oout", "protos/shop/v1/echo.proto"},
		{"gen", "--proto_path=protos", "--out=out", "protos/shop/v1/echo.proto"},
		{"gen", "-I", "elsewhere", "-I", "protos", "-o", "out", "protos/shop/v1/echo.proto"},
	} {
		dir := write(t, map[string]string{"protos/shop/v1/echo.proto": echoProto, "elsewhere/x.proto": ""})
		lupineIn(t, dir, "", args...).want(t, 0)
		for _, name := range []string{"echo.pb.go", "echo_lupine.go"} {
			if _, err := os.Stat(filepath.Join(dir, "out", "shop", "v1", name)); err != nil {
				t.Errorf("lupine %v: %v", args, err)
			}
		}
	}
}

func TestGenVariants(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want []string // all the files that are made
	}{
		{"no stubs", []string{"--no-stubs"}, []string{"echo.pb.go", "echo_lupine.go"}},
		{"no codec and no stubs", []string{"--no-stubs", "--no-codec"}, []string{"echo.pb.go"}},
		{"sub-package", []string{"--stub-suffix", "rpc"}, []string{"echo.pb.go", "echo_lupine.go", "echorpc/echo_lupine.go"}},
		{"stubs only", []string{"--stubs-only"}, []string{"echolupine/echo_lupine.go"}},
		{"stubs only, own suffix", []string{"--stubs-only", "--stub-suffix", "x"}, []string{"echox/echo_lupine.go"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, map[string]string{"echo.proto": echoProto})
			lupineIn(t, dir, "", append(append([]string{"gen"}, test.args...), "echo.proto")...).want(t, 0)
			var have []string
			filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if rel, _ := filepath.Rel(dir, path); strings.HasSuffix(rel, ".go") {
					have = append(have, filepath.ToSlash(rel))
				}
				return err
			})
			if got, want := strings.Join(have, " "), strings.Join(test.want, " "); got != want {
				t.Errorf("made %s, want %s", got, want)
			}
		})
	}
}

func TestGenErrors(t *testing.T) {
	dir := write(t, map[string]string{
		"syntax.proto": "syntax = \"proto3\";\npackage a;\nmessage A { int32 x 1; }\n",
		"import.proto": "syntax = \"proto3\";\nimport \"nowhere.proto\";\n",
		"good.proto":   echoProto,
	})
	for _, test := range []struct{ file, want string }{
		{"syntax.proto", `(?m)^syntax\.proto:3:\d+: error: `},
		{"import.proto", `(?m)^import\.proto:2:\d+: error: .*nowhere\.proto`},
		{"none.proto", `none\.proto:1:1: error: `},
	} {
		r := lupineIn(t, dir, "", "gen", "good.proto", test.file).want(t, exitTrouble)
		if !regexp.MustCompile(test.want).MatchString(r.errOut) {
			t.Errorf("gen %s: stderr is\n%s\nwant a match of %s", test.file, r.errOut, test.want)
		}
		if strings.Contains(r.errOut, "lupine: ") {
			t.Errorf("gen %s: a diagnostic does not start with its place:\n%s", test.file, r.errOut)
		}
		if _, err := os.Stat(filepath.Join(dir, "good.pb.go")); err == nil {
			t.Errorf("gen %s: wrote files although there was an error", test.file)
		}
	}
	if r := lupineIn(t, dir, "", "gen", "-o", "good.proto/x", "good.proto"); r.status != exitTrouble || !strings.Contains(r.errOut, "good.proto") {
		t.Errorf("gen into a folder that cannot be: status %d, stderr %q", r.status, r.errOut)
	}
}

func TestGenDescriptorSet(t *testing.T) {
	dir := write(t, map[string]string{"echo.proto": echoProto})
	names := func(path string) string {
		var set descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal([]byte(read(t, path)), &set); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range set.File {
			names = append(names, f.GetName())
		}
		return strings.Join(names, " ")
	}
	lupineIn(t, dir, "", "gen", "--descriptor_set_out=a.binpb", "echo.proto").want(t, 0, "wrote a.binpb")
	if got := names(filepath.Join(dir, "a.binpb")); got != "echo.proto" {
		t.Errorf("the set has %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "echo.pb.go")); err == nil {
		t.Error("--descriptor_set_out alone wrote Go")
	}
	lupineIn(t, dir, "", "gen", "-o", ".", "-descriptor_set_out", "b.binpb", "--include_imports", "echo.proto").want(t, 0)
	if got := names(filepath.Join(dir, "b.binpb")); got != "google/protobuf/timestamp.proto echo.proto" {
		t.Errorf("the set with imports has %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "echo.pb.go")); err != nil {
		t.Errorf("--descriptor_set_out with -o wrote no Go: %v", err)
	}
	if runtime.GOOS != "windows" {
		r := lupineIn(t, dir, "", "gen", "--descriptor_set_out=/dev/stdout", "echo.proto").want(t, 0)
		if r.out != read(t, dir, "a.binpb") {
			t.Errorf("the set on stdout has %d bytes and differs from the file", len(r.out))
		}
	}
}

// Under its other name the command is a plugin of protoc and buf.
func TestPlugin(t *testing.T) {
	dir := write(t, map[string]string{"echo.proto": echoProto})
	lupineIn(t, dir, "", "gen", "--descriptor_set_out=echo.binpb", "--include_imports", "--include_source_info", "echo.proto").want(t, 0)
	lupineIn(t, dir, "", "gen", "echo.proto").want(t, 0)
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal([]byte(read(t, dir, "echo.binpb")), &set); err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(t.TempDir(), "protoc-gen-lupine"+filepath.Ext(binary()))
	if err := os.Link(binary(), plugin); err != nil {
		t.Skipf("cannot give the binary another name: %v", err)
	}
	ask := func(parameter string) *pluginpb.CodeGeneratorResponse {
		request, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
			FileToGenerate: []string{"echo.proto"}, ProtoFile: set.File, Parameter: proto.String(parameter),
		})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(plugin)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(request), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		response := new(pluginpb.CodeGeneratorResponse)
		if err := proto.Unmarshal(out, response); err != nil {
			t.Fatal(err)
		}
		return response
	}
	response := ask("paths=source_relative")
	if response.Error != nil {
		t.Fatalf("the plugin answered %s", response.GetError())
	}
	have := map[string]string{}
	for _, f := range response.File {
		have[f.GetName()] = f.GetContent()
	}
	if have["echo_lupine.go"] != read(t, dir, "echo_lupine.go") {
		t.Errorf("the plugin's echo_lupine.go is not what lupine gen makes; it made %d files", len(have))
	}
	if response := ask("no_such_option=1"); response.Error == nil {
		t.Error("the plugin took an option that it does not know")
	}
	cmd := exec.Command(plugin)
	cmd.Stdin = strings.NewReader("not a request")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "protoc-gen-lupine: ") {
		t.Errorf("for a malformed request the plugin said %q and %v", out, err)
	}
}
