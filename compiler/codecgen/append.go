package codecgen

import (
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// appendMethod writes LupineAppend.
func (m *message) appendMethod() error {
	recursive, missing := reaches(m.Message, m.Message), m.missing()
	m.P("// ", appendMethod, " is called by Lupine's codec.")
	m.P("func (x *", m.GoIdent, ") ", appendMethod, "(e *", m.rt("Encoder"), ", b []byte) []byte {")
	m.P("if x == nil {")
	if missing != "" {
		m.P("e.Check()")
	}
	m.P("return b")
	m.P("}")
	if missing != "" {
		m.P("if ", missing, " {")
		m.P("e.Check()")
		m.P("}")
	}
	if recursive {
		m.P("if !e.Enter() {")
		m.P("return b")
		m.P("}")
	}
	if m.Desc.ExtensionRanges().Len() > 0 {
		m.P("if len(x.extensionFields) > 0 {")
		m.P("b = e.AppendExtensions(b, &", m.GoIdent, "{extensionFields: x.extensionFields})")
		m.P("}")
	}
	for _, f := range m.marshalOrder() {
		if inOneof(f) {
			m.appendOneof(f.Oneof)
		} else {
			m.appendField(f)
		}
	}
	if recursive {
		m.P("e.Leave()")
	}
	m.P("return append(b, x.unknownFields...)")
	m.P("}")
	m.P()
	return nil
}

// appendField writes what appends a field that is in no oneof.
func (m *message) appendField(f *protogen.Field) {
	v := m.member(f.GoName)
	switch {
	case f.Desc.IsMap():
		key, val := f.Message.Fields[0], f.Message.Fields[1]
		m.P("b = ", m.rt("AppendMap"), "(e, b, ", hex(tagOf(f, 2)), ", ", v, ", ", m.kind(key, v), ", ", m.kind(val, v), ")")
	case f.Message != nil && f.Desc.IsList():
		if m.opaque {
			m.P("if ", v, " != nil {")
			defer m.P("}")
			v = "*" + v
		}
		m.P("for _, v := range ", v, " {")
		m.appendMessage(f, "v")
		m.P("}")
	case f.Message != nil:
		m.P("if ", v, " != nil {")
		m.appendMessage(f, v)
		m.P("}")
	case f.Desc.IsList():
		m.appendList(f, v)
	case m.usesBitmap(f):
		if f.Desc.Kind() == protoreflect.StringKind {
			v = "*" + v
		}
		m.P("if ", m.present(f), " {")
		m.appendScalar(f, "Append", v)
		m.P("}")
	case f.Desc.HasPresence():
		m.appendOptional(f, v)
	default:
		m.appendScalar(f, "Put", v)
	}
}

// appendScalar writes a call of an Append or Put function.
func (m *message) appendScalar(f *protogen.Field, prefix, v string) {
	s := m.scalarOf(f)
	tag := tagOf(f, wireType(f.Desc.Kind()))
	if prefix == "Put" && s.family == "Varint" && tag >= 0x80 {
		prefix = "PutFar"
	}
	m.P("b = ", m.writer(s, prefix+s.family), "(b, ", hex(tag), ", ", s.write(v), ")")
}

func (m *message) appendOptional(f *protogen.Field, v string) {
	s := m.scalarOf(f)
	name := s.read
	if name == "Float" || name == "Double" {
		name = s.family
	}
	tag := tagOf(f, wireType(f.Desc.Kind()))
	m.P("b = ", m.writer(s, "Opt"+name), "(b, ", hex(tag), ", ", v, ")")
}

func (m *message) appendList(f *protogen.Field, v string) {
	s := m.scalarOf(f)
	name, tag := "Append"+plural(s.listFamily()), tagOf(f, wireType(f.Desc.Kind()))
	if f.Desc.IsPacked() {
		name, tag = "AppendPacked"+s.listFamily(), tagOf(f, 2)
	}
	m.P("b = ", m.writer(s, name), "(b, ", hex(tag), ", ", v, ")")
}

// appendMessage writes what appends one message or group, v, which may be nil.
func (m *message) appendMessage(f *protogen.Field, v string) {
	group := f.Desc.Kind() == protoreflect.GroupKind
	tag := tagOf(f, wireType(f.Desc.Kind()))
	switch {
	case !m.isStatic(f.Message) && group:
		m.P("b = e.ForeignGroup(b, ", hex(tag), ", ", v, ")")
	case !m.isStatic(f.Message):
		m.P("b = e.Foreign(b, ", hex(tag), ", ", v, ")")
	case group:
		begin, end := tagBytes(tag), tagBytes(tag+1)
		m.P("b = append(", v, ".", appendMethod, "(e, append(b, ", begin, ")), ", end, ")")
	case reaches(f.Message, m.Message):
		m.P("b = e.Nested(b, ", hex(tag), ", ", v, ")")
	case payload(f.Message) != "":
		m.P("b = e.Large(b, ", hex(tag), ", ", v, ", len(", v, ".", payload(f.Message), "()))")
	case isLong(f.Message):
		m.P("b = ", m.rt("End2"), "(", v, ".", appendMethod, "(e, append(b, ", tagBytes(tag), ", 0, 0)), len(b)+", tagLen(tag)+2, ")")
	default:
		m.P("b = ", m.rt("End"), "(", v, ".", appendMethod, "(e, append(b, ", tagBytes(tag), ", 0)), len(b)+", tagLen(tag)+1, ")")
	}
}

// tagBytes is a tag's varint as a list of arguments.
func tagBytes(tag uint64) string {
	s := ""
	for ; tag >= 0x80; tag >>= 7 {
		s += fmt.Sprintf("%#02x, ", tag&0x7f|0x80)
	}
	return s + fmt.Sprintf("%#02x", tag)
}

func tagLen(tag uint64) int {
	n := 1
	for ; tag >= 0x80; tag >>= 7 {
		n++
	}
	return n
}

// payload returns the getter of the bytes field that a message is there to
// carry, or "": its only one, among few other fields.
func payload(m *protogen.Message) string {
	getter := ""
	for _, f := range m.Fields {
		if f.Desc.Kind() != protoreflect.BytesKind {
			continue
		}
		if getter != "" || f.Desc.IsList() || inOneof(f) || len(m.Fields) > 8 {
			return ""
		}
		getter, _ = f.MethodName("Get")
	}
	return getter
}

// isLong guesses whether a message is likely to need a length of two bytes.
// Being wrong costs moving the message by a byte, which is cheap only if it is
// short.
func isLong(m *protogen.Message) bool {
	size := 0
	for _, f := range m.Fields {
		switch {
		case f.Desc.IsMap() || f.Desc.IsList() && f.Message != nil:
			size += 64
		case f.Desc.IsList() || f.Message != nil:
			size += 32
		case f.Desc.Kind() == protoreflect.StringKind || f.Desc.Kind() == protoreflect.BytesKind:
			size += 16
		default:
			size += 3
		}
	}
	return size >= 128
}

// appendOneof writes the switch over a oneof's wrapper types.
func (m *message) appendOneof(o *protogen.Oneof) {
	m.P("switch w := ", m.member(o.GoName), ".(type) {")
	for _, f := range o.Fields {
		m.P("case *", m.wrapper(f), ":")
		m.P("if w != nil {")
		if f.Message != nil {
			m.appendMessage(f, "w."+f.GoName)
		} else {
			m.appendScalar(f, "Append", "w."+f.GoName)
		}
		m.P("}")
	}
	m.P("}")
}
