// Package codecgen writes Lupine's protobuf methods, LupineAppend, LupineDecode
// and LupineReset, for the messages of a file, into the Go package of the
// messages. The methods call the runtime in codec/protobuf and use no
// reflection.
//
// A message gets no methods, and so is left to the runtime's fallback, if it
// has lazy fields under the opaque API, uses the MessageSet wire format, or has
// a field whose Go name is that of one of the methods.
package codecgen

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
)

const (
	runtimePackage = protogen.GoImportPath("github.com/lupine-rpc/lupine/codec/protobuf")
	protoimpl      = protogen.GoImportPath("google.golang.org/protobuf/runtime/protoimpl")
	mathPackage    = protogen.GoImportPath("math")

	appendMethod = "LupineAppend"
	decodeMethod = "LupineDecode"
	resetMethod  = "LupineReset"
)

// Options configure File. The zero value is ready for use.
type Options struct {
	// Generated reports whether a message outside the file at hand is also
	// having its methods generated, by the same version of this package.
	// Fields of such a type are called directly. Nil means none are; the
	// methods are then looked for when the program runs, which is a little
	// slower and gives the same result.
	Generated func(*protogen.Message) bool
}

// File writes the methods of all messages of f to g, which must belong to the
// messages' own package. It writes nothing if f has no messages. It is safe for
// concurrent use with different g.
func File(g *protogen.GeneratedFile, f *protogen.File, opts Options) error {
	fg := &file{GeneratedFile: g, path: f.Desc.Path(), opts: opts, slots: map[protogen.GoIdent]int{}}
	for _, m := range f.Messages {
		if err := fg.messages(m); err != nil {
			return fmt.Errorf("%s: %w", f.Desc.Path(), err)
		}
	}
	if fg.count > 0 {
		g.P("// The runtime must be one that this code was written for.")
		g.P("const _ = ", runtimePackage.Ident("GeneratedVersion3"))
		g.P()
	}
	return nil
}

// HasMethods reports whether File writes methods for m.
func HasMethods(m *protogen.Message) bool {
	if m.Desc.IsMapEntry() {
		return false
	}
	if o, _ := m.Desc.Options().(*descriptorpb.MessageOptions); o.GetMessageSetWireFormat() {
		return false
	}
	for _, f := range m.Fields {
		if isOpaque(m) && isLazy(f) || isMethodName(f.GoName) {
			return false
		}
	}
	return !slices.ContainsFunc(m.Oneofs, func(o *protogen.Oneof) bool { return isMethodName(o.GoName) })
}

func isMethodName(s string) bool {
	return s == appendMethod || s == decodeMethod || s == resetMethod
}

func isOpaque(m *protogen.Message) bool {
	return m.APILevel == gofeaturespb.GoFeatures_API_OPAQUE
}

func isLazy(f *protogen.Field) bool {
	l, ok := f.Desc.(interface{ IsLazy() bool })
	return f.Message != nil && ok && l.IsLazy()
}

// file is one output file.
type file struct {
	*protogen.GeneratedFile
	path  string
	opts  Options
	count int // messages written
	slots map[protogen.GoIdent]int
}

// rt names something of the runtime.
func (g *file) rt(name string) string {
	return g.QualifiedGoIdent(runtimePackage.Ident(name))
}

// isStatic reports whether m's methods can be called directly.
func (g *file) isStatic(m *protogen.Message) bool {
	if !HasMethods(m) {
		return false
	}
	if m.Desc.ParentFile().Path() == g.path {
		return true
	}
	return g.opts.Generated != nil && g.opts.Generated(m)
}

func (g *file) messages(m *protogen.Message) error {
	if HasMethods(m) {
		g.count++
		mg := &message{file: g, Message: m, opaque: isOpaque(m)}
		if err := mg.appendMethod(); err != nil {
			return err
		}
		mg.resetMethod()
		if err := mg.decodeMethod(); err != nil {
			return err
		}
	}
	for _, n := range m.Messages {
		if err := g.messages(n); err != nil {
			return err
		}
	}
	return nil
}

// message is one message type being written.
type message struct {
	*file
	*protogen.Message
	opaque bool
}

// member is the Go expression for a field, or for the oneof that it is in.
func (m *message) member(goName string) string {
	if m.opaque {
		return "x.xxx_hidden_" + goName
	}
	return "x." + goName
}

func inOneof(f *protogen.Field) bool {
	return f.Oneof != nil && !f.Oneof.Desc.IsSynthetic()
}

// usesBitmap reports whether the opaque API keeps the field's presence in the
// message's bitmap, as protobuf's internal/filedesc.UsePresenceForField does
// for messages without lazy fields.
func (m *message) usesBitmap(f *protogen.Field) bool {
	return m.opaque && !inOneof(f) && f.Message == nil && f.Desc.HasPresence()
}

// present is the condition under which a field with a bit in the bitmap is set.
func (m *message) present(f *protogen.Field) string {
	n := bitmapIndex(f)
	return fmt.Sprintf("%s.Present(&(x.XXX_presence[%d]), %d)",
		m.QualifiedGoIdent(protoimpl.Ident("X")), n/32, n)
}

// bitmapIndex numbers a message's fields as protoc-gen-go does: each oneof
// takes one number.
func bitmapIndex(f *protogen.Field) int {
	n := 0
	for _, other := range f.Parent.Fields {
		if other == f {
			break
		}
		if o := other.Oneof; o == nil || o.Fields[len(o.Fields)-1] == other {
			n++
		}
	}
	return n
}

func bitmapSize(m *protogen.Message) int {
	return bitmapIndex(m.Fields[len(m.Fields)-1]) + 1
}

// marshalOrder returns the fields in the order in which
// google.golang.org/protobuf writes them: by number, then the oneofs in the
// order of their declaration, each represented by its first field.
func (m *message) marshalOrder() []*protogen.Field {
	var plain, oneofs []*protogen.Field
	for _, f := range m.Fields {
		if !inOneof(f) {
			plain = append(plain, f)
		}
	}
	slices.SortFunc(plain, func(a, b *protogen.Field) int {
		return int(a.Desc.Number()) - int(b.Desc.Number())
	})
	for _, o := range m.Oneofs {
		if !o.Desc.IsSynthetic() {
			oneofs = append(oneofs, o.Fields[0])
		}
	}
	return append(plain, oneofs...)
}

// missing is the condition under which a required field is not set, or "".
func (m *message) missing() string {
	cond := ""
	for _, f := range m.Fields {
		if f.Desc.Cardinality() != protoreflect.Required {
			continue
		}
		if cond != "" {
			cond += " || "
		}
		if m.usesBitmap(f) {
			cond += "!" + m.present(f)
		} else {
			cond += m.member(f.GoName) + " == nil"
		}
	}
	return cond
}

// reaches reports whether a message of type to can lie within one of type from.
func reaches(from, to *protogen.Message) bool {
	seen := map[*protogen.Message]bool{}
	var search func(m *protogen.Message) bool
	search = func(m *protogen.Message) bool {
		for _, f := range m.Fields {
			if f.Message == nil || seen[f.Message] {
				continue
			}
			seen[f.Message] = true
			if f.Message == to || search(f.Message) {
				return true
			}
		}
		return false
	}
	return search(from)
}

func wireType(k protoreflect.Kind) uint64 {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return 5
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return 1
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return 2
	case protoreflect.GroupKind:
		return 3
	}
	return 0
}

func tagOf(f *protogen.Field, wire uint64) uint64 {
	return uint64(f.Desc.Number())<<3 | wire
}

func hex(tag uint64) string { return fmt.Sprintf("%#02x", tag) }

// checksUTF8 reports whether a string field must hold UTF-8.
func checksUTF8(f *protogen.Field) bool {
	if f.Desc.Syntax() == protoreflect.Editions {
		if e, ok := f.Desc.(interface{ EnforceUTF8() bool }); ok {
			return e.EnforceUTF8()
		}
	}
	return f.Desc.Syntax() == protoreflect.Proto3
}
