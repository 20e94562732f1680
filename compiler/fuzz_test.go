package compiler

import (
	"bytes"
	"context"
	"errors"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// FuzzCompile feeds any text to the compiler: it must not panic, what it
// refuses must have a position inside the text, and what it makes must be Go.
func FuzzCompile(f *testing.F) {
	sources, err := filepath.Glob(goldenDir + "/*/*.proto")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, test := range bad {
		if text := test.files["a.proto"]; len(text) < 4096 {
			f.Add(text)
		}
	}
	f.Add(numbersHead + numbersBody)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 16<<10 {
			t.Skip("the front end takes quadratic time for some nonsense")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r, err := Compile(ctx, Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": text}})
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("took longer than 10 s")
		}
		if err == nil {
			for _, o := range r.Outputs {
				if formatted, err := format.Source(o.Content); err != nil {
					t.Errorf("%s is not Go: %v", o.Name, err)
				} else if strings.HasSuffix(o.Name, "_lupine.go") && string(formatted) != string(o.Content) {
					t.Errorf("%s is not formatted", o.Name)
				}
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("error without a position: %v", err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, d := range errs {
			if d.File == "" || d.Line < 1 || d.Column < 1 || d.File == "a.proto" && d.Line > lines {
				t.Errorf("no such position: %q", d)
			}
			if !positioned.MatchString(d.String()) {
				t.Errorf("not FILE:LINE:COL: error: message, source, caret: %q", d.String())
			}
			if strings.Contains(d.Message, "panicked") || strings.Contains(d.Message, "front end failed") {
				t.Logf("the front end panicked and was caught: %s", d.Message)
			}
		}
	})
}

// FuzzPlugin feeds any request to the plugin: it must answer, or say what is
// wrong with the request, and not panic.
func FuzzPlugin(f *testing.F) {
	for _, name := range []string{"kinds/kinds.proto", "proto2/proto2.proto"} {
		l, err := Link(context.Background(), Config{Files: []string{goldenDir + "/" + name}, ImportPaths: []string{goldenDir}})
		if err != nil {
			f.Fatal(err)
		}
		raw, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
			FileToGenerate: []string{name}, Parameter: proto.String("paths=source_relative"), ProtoFile: l.DescriptorSet(SetOptions{Imports: true}).File,
		})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var out bytes.Buffer
		if err := RunPlugin(bytes.NewReader(raw), &out); err != nil {
			if out.Len() > 0 {
				t.Errorf("an error and an answer: %v", err)
			}
			return
		}
		if err := proto.Unmarshal(out.Bytes(), new(pluginpb.CodeGeneratorResponse)); err != nil {
			t.Errorf("the answer is no response: %v", err)
		}
	})
}
