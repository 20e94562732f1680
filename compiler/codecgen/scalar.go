package codecgen

import (
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scalar says which functions of the runtime serve a field's kind.
type scalar struct {
	// family is the function's name without its prefix, as in AppendVarint,
	// PutVarint, AppendPackedVarint.
	family string
	// write takes an expression of the field's Go type to what the Append and
	// Put functions take.
	write func(v string) string
	// read is the name for the Opt and Read functions, where it is not that of
	// family.
	read string
	// method says that the functions are methods of Encoder and Decoder.
	appendIsMethod, readIsMethod bool
}

// scalarOf returns the functions for a field that is no message.
func (g *file) scalarOf(f *protogen.Field) scalar {
	same := func(v string) string { return v }
	call := func(name string) func(string) string {
		return func(v string) string { return name + "(" + v + ")" }
	}
	mathCall := func(name string) func(string) string {
		return func(v string) string { return g.QualifiedGoIdent(mathPackage.Ident(name)) + "(" + v + ")" }
	}
	switch f.Desc.Kind() {
	case protoreflect.BoolKind:
		return scalar{family: "Varint", write: call(g.rt("Bool")), read: "Bool"}
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		zigzag := g.rt("Zigzag")
		return scalar{family: "Varint", write: func(v string) string { return zigzag + "(int64(" + v + "))" }, read: "Sint"}
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return scalar{family: "Fixed32", write: call("uint32"), read: "Fixed32"}
	case protoreflect.FloatKind:
		return scalar{family: "Fixed32", write: mathCall("Float32bits"), read: "Float"}
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return scalar{family: "Fixed64", write: call("uint64"), read: "Fixed64"}
	case protoreflect.DoubleKind:
		return scalar{family: "Fixed64", write: mathCall("Float64bits"), read: "Double"}
	case protoreflect.StringKind:
		if checksUTF8(f) {
			return scalar{family: "String", write: same, read: "String", appendIsMethod: true, readIsMethod: true}
		}
		return scalar{family: "Bytes", write: same, read: "RawString", readIsMethod: true}
	case protoreflect.BytesKind:
		return scalar{family: "Bytes", write: same, read: "Bytes", readIsMethod: true}
	}
	return scalar{family: "Varint", write: call("uint64"), read: "Varint"}
}

// listFamily is the name of the Append functions for lists, which take the
// list as it is.
func (s scalar) listFamily() string {
	switch s.read {
	case "RawString":
		return "Bytes"
	case "Float":
		return "Fixed32"
	case "Double":
		return "Fixed64"
	}
	return s.read
}

// readListFamily is the name of the Read functions for lists.
func (s scalar) readListFamily() string {
	if s.read == "RawString" {
		return s.read
	}
	return s.listFamily()
}

func plural(s string) string {
	if s == "Bytes" {
		return "Byteses"
	}
	return s + "s"
}

// writer and reader are the runtime's function of that name, or the method.
func (g *file) writer(s scalar, name string) string {
	if s.appendIsMethod {
		return "e." + name
	}
	return g.rt(name)
}

func (g *file) reader(s scalar, name string) string {
	if s.readIsMethod {
		return "d." + name
	}
	return g.rt(name)
}
