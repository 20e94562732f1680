package compiler

import "google.golang.org/protobuf/compiler/protogen"

// codec writes the codec methods of f's messages. It is a line's hook until
// package codecgen is there.
func codec(g *protogen.GeneratedFile, f *protogen.File) error { return nil }

// haveCodec says whether the codec generator is there.
const haveCodec = false
