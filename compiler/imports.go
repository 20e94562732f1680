package compiler

import (
	"go/format"
	"path"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// response is what the generators wrote, with our own files' imports tidied.
// protoc-gen-go's files stay as it makes them.
func response(plugin *protogen.Plugin) *pluginpb.CodeGeneratorResponse {
	r := plugin.Response()
	for _, f := range r.File {
		if strings.HasSuffix(f.GetName(), "_lupine.go") {
			f.Content = proto.String(settled(tidyImports(f.GetContent())))
		}
	}
	return r
}

var importLine = regexp.MustCompile(`^\t(\S+) "(\S+)"$`)

// tidyImports drops names from imports that have them anyway, which protogen
// always writes, and puts the standard library first.
func tidyImports(src string) string {
	const open = "\nimport (\n"
	start := strings.Index(src, open)
	if start < 0 {
		return src
	}
	start += len(open)
	end := strings.Index(src[start:], ")\n")
	if end < 0 {
		return src
	}
	var std, other []string
	for line := range strings.Lines(src[start : start+end]) {
		m := importLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			return src // not as protogen writes it; leave it alone
		}
		if path.Base(m[2]) == m[1] {
			line = "\t\"" + m[2] + "\"\n"
		}
		if first, _, _ := strings.Cut(m[2], "/"); strings.Contains(first, ".") {
			other = append(other, line)
		} else {
			std = append(std, line)
		}
	}
	byPath := func(a, b string) int {
		return strings.Compare(a[strings.IndexByte(a, '"'):], b[strings.IndexByte(b, '"'):])
	}
	slices.SortFunc(std, byPath)
	slices.SortFunc(other, byPath)
	text := strings.Join(std, "")
	if len(std) > 0 && len(other) > 0 {
		text += "\n"
	}
	return src[:start] + text + strings.Join(other, "") + src[start+end:]
}

// settled formats generated code until formatting changes nothing. Comments come
// from users, and gofmt takes two passes over some lists in them.
func settled(src string) string {
	for range 3 {
		again, err := format.Source([]byte(src))
		if err != nil || string(again) == src {
			break
		}
		src = string(again)
	}
	return src
}
