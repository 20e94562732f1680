package compiler

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// maxLinesPerMethod is a ratchet: generated stubs are to stay small.
const maxLinesPerMethod = 20

// TestLines counts generated lines of a service with a method of each kind,
// beside what protoc-gen-go-grpc and protoc-gen-go-drpc make of it, if they are
// on the PATH. docs/COMPILER.md has the figures.
func TestLines(t *testing.T) {
	l, err := Link(context.Background(), Config{Files: []string{"testdata/lines/four.proto"}, ImportPaths: []string{"testdata/lines"}})
	if err != nil {
		t.Fatal(err)
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"four.proto"}, Parameter: proto.String("paths=source_relative"), ProtoFile: l.Set.File,
	}
	count := func(name string, run func(raw []byte) ([]byte, error)) (code int) {
		raw, err := proto.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := run(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var res pluginpb.CodeGeneratorResponse
		if err := proto.Unmarshal(answer, &res); err != nil || res.Error != nil || len(res.File) != 1 {
			t.Fatalf("%s: %v %s", name, err, res.GetError())
		}
		text := []byte(res.File[0].GetContent())
		all := bytes.Count(text, []byte("\n"))
		code = all - len(regexp.MustCompile(`(?m)^[ \t]*(//.*)?$`).FindAll(bytes.TrimSuffix(text, []byte("\n")), -1))
		t.Logf("%-20s %4d lines, %4d without comments and blank lines; %3d and %3d a method", name, all, code, all/4, code/4)
		return code
	}
	for _, name := range []string{"protoc-gen-go-grpc", "protoc-gen-go-drpc"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		count(name, func(raw []byte) ([]byte, error) {
			cmd := exec.Command(path)
			cmd.Stdin, cmd.Stderr = bytes.NewReader(raw), os.Stderr
			return cmd.Output()
		})
	}
	request.Parameter = proto.String("paths=source_relative,messages=false,codec=false")
	code := count("protoc-gen-lupine", func(raw []byte) ([]byte, error) {
		var out bytes.Buffer
		err := RunPlugin(bytes.NewReader(raw), &out)
		return out.Bytes(), err
	})
	if code/4 > maxLinesPerMethod {
		t.Errorf("%d lines of code a method, at most %d are meant", code/4, maxLinesPerMethod)
	}
}

// TestOpaqueVariant calls the golden stubs with the hybrid API's other half.
func TestOpaqueVariant(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a package")
	}
	out, err := exec.Command("go", "test", "-tags", "protoopaque", "./"+goldenDir).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
