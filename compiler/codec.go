package compiler

import (
	"slices"

	"google.golang.org/protobuf/compiler/protogen"

	"github.com/lupine-rpc/lupine/compiler/codecgen"
)

// codec writes the codec methods of f's messages. Messages of other files that
// are generated in the same run are known to have such methods too.
func codec(g *protogen.GeneratedFile, plugin *protogen.Plugin, f *protogen.File) error {
	return codecgen.File(g, f, codecgen.Options{Generated: func(m *protogen.Message) bool {
		other := plugin.FilesByPath[m.Desc.ParentFile().Path()]
		return other != nil && other.Generate && codecgen.HasMethods(m)
	}})
}

// hasCodec reports whether any message of f gets codec methods.
func hasCodec(f *protogen.File) bool {
	var any func([]*protogen.Message) bool
	any = func(list []*protogen.Message) bool {
		return slices.ContainsFunc(list, func(m *protogen.Message) bool { return codecgen.HasMethods(m) || any(m.Messages) })
	}
	return any(f.Messages)
}
