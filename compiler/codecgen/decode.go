package codecgen

import (
	"strconv"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// resetMethod writes LupineReset.
func (m *message) resetMethod() {
	m.P("// ", resetMethod, " is called by Lupine's codec.")
	m.P("func (x *", m.GoIdent, ") ", resetMethod, "() { *x = ", m.GoIdent, "{} }")
	m.P()
}

// decodeMethod writes LupineDecode.
func (m *message) decodeMethod() error {
	extensible, missing := m.Desc.ExtensionRanges().Len() > 0, m.missing()
	unknown := "&x.unknownFields"
	m.P("// ", decodeMethod, " is called by Lupine's codec.")
	m.P("func (x *", m.GoIdent, ") ", decodeMethod, "(d *", m.rt("Decoder"), ", b []byte) (i int) {")
	if extensible {
		m.P("var others []byte")
		unknown = "&others"
	}
	m.P("for uint(i) < uint(len(b)) {")
	m.P("tag := uint64(b[i])")
	m.P("if i++; tag >= 0x80 {")
	m.P("tag, i = ", m.rt("LongTag"), "(b, i)")
	m.P("}")
	m.P("switch tag {")
	for _, f := range m.Fields {
		m.decodeField(f)
	}
	m.P("default:")
	m.P("i = d.Unknown(", unknown, ", b, i, tag)")
	m.P("}")
	m.P("}")
	if extensible {
		m.P("if others != nil {")
		m.P("i = d.Extensions(x, others, i)")
		m.P("}")
	}
	if missing != "" {
		m.P("if ", missing, " {")
		m.P("d.Check()")
		m.P("}")
	}
	m.P("return i")
	m.P("}")
	m.P()
	return nil
}

// decodeField writes the cases for one field.
func (m *message) decodeField(f *protogen.Field) {
	v := "&" + m.member(f.GoName)
	tag := hex(tagOf(f, wireType(f.Desc.Kind())))
	switch {
	case f.Desc.IsMap():
		m.decodeMap(f, v)
	case f.Message != nil && f.Desc.IsList():
		if m.opaque {
			v = m.rt("New") + "(" + v + ")"
		}
		m.P("case ", tag, ":")
		m.P("i = ", m.rt(m.messageReader(f)), "(d, ", m.slot(f.Message.GoIdent), ", ", v, ", b, i, ", m.readerTag(f), ")")
	case f.Desc.IsList():
		m.decodeList(f, v)
	case inOneof(f):
		m.decodeOneofField(f)
	case f.Message != nil:
		m.P("case ", tag, ":")
		m.P("i = ", m.readMessage(f, v, "b"))
	default:
		s := m.scalarOf(f)
		name := "Read" + s.read
		optional := f.Desc.HasPresence() && f.Desc.Kind() != protoreflect.BytesKind
		if optional && (!m.opaque || f.Desc.Kind() == protoreflect.StringKind) {
			name = "ReadOpt" + s.read
		}
		m.P("case ", tag, ":")
		short := map[string]string{"ReadVarint": "ReadShort", "ReadBool": "ReadShortBool"}[name]
		if short != "" {
			m.P("if ", m.rt("Short"), "(b, i) {")
			m.P("i = ", m.rt(short), "(", v, ", b, i)")
			m.P("} else {")
		}
		m.P("i = ", m.reader(s, name), "(", v, ", b, i)")
		if short != "" {
			m.P("}")
		}
		if m.usesBitmap(f) {
			n := bitmapIndex(f)
			m.P(protoimpl.Ident("X"), ".SetPresentNonAtomic(&(x.XXX_presence[", n/32, "]), ", n, ", ", bitmapSize(m.Message), ")")
		}
	}
}

// decodeMap writes the case for a map. Types are left to inference: a name such
// as e.Color could mean one of our variables.
func (m *message) decodeMap(f *protogen.Field, v string) {
	key, val, tag := f.Message.Fields[0], f.Message.Fields[1], hex(tagOf(f, 2))
	m.P("case ", tag, ":")
	m.P("k, v := ", m.rt("Pair"), "(", v, ", b, i, ", tag, ")")
	m.P("entry, next := d.Entry(b, i)")
	m.P("i = 0")
	m.P("for uint(i) < uint(len(entry)) {")
	m.P("switch tag, i = ", m.rt("Tag"), "(entry, i); tag {")
	m.P("case ", hex(tagOf(key, wireType(key.Desc.Kind()))), ":")
	m.P("i = ", m.readEntry(key, "&k"))
	m.P("case ", hex(tagOf(val, wireType(val.Desc.Kind()))), ":")
	m.P("i = ", m.readEntry(val, "&v"))
	m.P("default:")
	m.P("i = d.Other(entry, i, tag)")
	m.P("}")
	m.P("}")
	// What an entry without a value holds.
	switch {
	case val.Message != nil:
		m.P("if v == nil {")
		m.P("d.Check()")
		m.P("}")
		m.P("if i = d.Leave(i, next); i >= 0 {")
		m.P(v[1:], "[k] = ", m.rt("Make"), "(d, ", m.slot(val.Message.GoIdent), ", &v)")
	case val.Desc.Kind() == protoreflect.BytesKind:
		m.P("if v == nil {")
		m.P("v = []byte{}")
		m.P("}")
		fallthrough
	default:
		m.P("if i = d.Leave(i, next); i >= 0 {")
		m.P(v[1:], "[k] = v")
	}
	m.P("}")
}

// readEntry is the call that reads the key or the value of a map entry.
func (m *message) readEntry(f *protogen.Field, v string) string {
	if f.Message != nil {
		return m.readMessage(f, v, "entry")
	}
	s := m.scalarOf(f)
	return m.reader(s, "Read"+s.read) + "(" + v + ", entry, i)"
}

// decodeList writes the cases for a list of scalars: both forms are taken,
// whichever one the field is written in.
func (m *message) decodeList(f *protogen.Field, v string) {
	s := m.scalarOf(f)
	wire := wireType(f.Desc.Kind())
	tag := hex(tagOf(f, wire))
	m.P("case ", tag, ":")
	m.P("i = ", m.reader(s, "Read"+plural(s.readListFamily())), "(", v, ", b, i, ", tag, ")")
	if wire == 2 {
		return
	}
	m.P("case ", hex(tagOf(f, 2)), ":")
	m.P("i = ", m.reader(s, "ReadPacked"+s.readListFamily()), "(", v, ", b, i)")
}

func (m *message) decodeOneofField(f *protogen.Field) {
	one := m.member(f.Oneof.GoName)
	m.P("case ", hex(tagOf(f, wireType(f.Desc.Kind()))), ":")
	if f.Message == nil {
		s := m.scalarOf(f)
		m.P("w := ", m.rt("Alloc"), "[", m.wrapper(f), "](d, ", m.wrapperSlot(f), ")")
		m.P(one, ", i = w, ", m.reader(s, "Read"+s.read), "(&w.", f.GoName, ", b, i)")
		return
	}
	// A message is merged into the one that is there.
	m.P("w, _ := ", one, ".(*", m.wrapper(f), ")")
	m.P(one, " = ", m.rt("Make"), "(d, ", m.wrapperSlot(f), ", &w)")
	m.P("i = ", m.readMessage(f, "&w."+f.GoName, "b"))
}

// readMessage is the call that reads a message or group from b into the field
// that v points to.
func (m *message) readMessage(f *protogen.Field, v, b string) string {
	name := "Message"
	if !m.isStatic(f.Message) {
		name = "Foreign"
	}
	end := ""
	if f.Desc.Kind() == protoreflect.GroupKind {
		end = ", " + hex(tagOf(f, 4))
		name += "Group"
		if name == "MessageGroup" {
			name = "Group"
		}
	}
	return "d." + name + "(" + m.rt("Make") + "(d, " + m.slot(f.Message.GoIdent) + ", " + v + "), " + b + ", i" + end + ")"
}

// slot numbers the types that the file's messages are made of, so that the
// runtime can allocate values of one type together.
func (g *file) slot(id protogen.GoIdent) string {
	n, ok := g.slots[id]
	if !ok {
		n = len(g.slots)
		g.slots[id] = n
	}
	return strconv.Itoa(n)
}

func (m *message) wrapperSlot(f *protogen.Field) string {
	return m.slot(protogen.GoIdent{GoName: m.wrapper(f)})
}

// messageReader names the function that reads an element of a list of messages.
func (m *message) messageReader(f *protogen.Field) string {
	group := f.Desc.Kind() == protoreflect.GroupKind
	switch {
	case group && m.isStatic(f.Message):
		return "ReadGroups"
	case group:
		return "ReadForeignGroups"
	case m.isStatic(f.Message):
		return "ReadMessages"
	}
	return "ReadForeigns"
}

// readerTag is the tag that messageReader's function wants: the field's own,
// or the one that ends a group.
func (m *message) readerTag(f *protogen.Field) string {
	if f.Desc.Kind() == protoreflect.GroupKind {
		return hex(tagOf(f, 4))
	}
	return hex(tagOf(f, 2))
}

// wrapper is the type that wraps a oneof's field, named as protoc-gen-go does.
func (m *message) wrapper(f *protogen.Field) string {
	if !m.opaque {
		return m.QualifiedGoIdent(f.GoIdent)
	}
	name := f.Parent.GoIdent.GoName + "_" + f.GoName
	for m.isNested(name) {
		name += "_"
	}
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[n:]
}

// isNested reports whether the message declares a type of that name.
func (m *message) isNested(name string) bool {
	for _, n := range m.Messages {
		if n.GoIdent.GoName == name {
			return true
		}
	}
	for _, e := range m.Enums {
		if e.GoIdent.GoName == name {
			return true
		}
	}
	return false
}
