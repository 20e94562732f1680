package codecgen

import (
	"fmt"
	"strings"

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
	m.P("return ", m.rt("AppendUnknown"), "(b, x.unknownFields)")
	m.P("}")
	m.P()
	return nil
}

// appendField writes what appends a field that is in no oneof.
func (m *message) appendField(f *protogen.Field) {
	v := m.member(f.GoName)
	switch {
	case f.Desc.IsMap():
		m.appendMap(f, v)
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

// appendMap writes the loop over a map. Types are left to inference: a name
// such as e.Color could mean one of our variables.
func (m *message) appendMap(f *protogen.Field, v string) {
	key, val := f.Message.Fields[0], f.Message.Fields[1]
	m.P("if len(", v, ") > 0 {")
	m.P("keys := ", m.rt("SortedKeys"), "(e, ", v, ")")
	m.P("for k, v := range ", v, " {")
	m.P("if keys != nil {")
	m.P("k, keys = keys[0], keys[1:]")
	m.P("v = ", v, "[k]")
	m.P("}")
	m.open(tagOf(f, 2))
	m.P("p := len(b)")
	m.appendScalar(key, "Append", "k")
	if val.Message != nil {
		m.appendMessage(val, "v")
	} else {
		m.appendScalar(val, "Append", "v")
	}
	m.P("b = e.Close(b, p)")
	m.P("}")
	m.P("}")
}

// open writes the call that begins a field that Close will end.
func (m *message) open(tag uint64) {
	if tag < 0x80 {
		m.P("b = e.Open(b, ", hex(tag), ")")
		return
	}
	bytes := strings.Split(tagBytes(tag), ", ")
	last := len(bytes) - 1
	m.P("b = e.Open(append(b, ", strings.Join(bytes[:last], ", "), "), ", bytes[last], ")")
}

// appendScalar writes a call of an Append or Put function.
func (m *message) appendScalar(f *protogen.Field, prefix, v string) {
	s := m.scalarOf(f)
	tag := tagOf(f, wireType(f.Desc.Kind()))
	if prefix == "Put" && s.family == "Varint" {
		switch {
		case tag >= 0x80:
			prefix = "PutFar"
		case s.read == "Bool":
			m.P("b = ", m.rt("PutBool"), "(b, ", hex(tag), ", ", v, ")")
			return
		}
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
		m.open(tag)
		m.P("b = e.Close(", v, ".", appendMethod, "(e, b), len(b))")
	case payload(f.Message) != "":
		m.P("b = e.Large(b, ", hex(tag), ", ", v, ", len(", v, ".", payload(f.Message), "()))")
	default:
		m.appendSized(tag, v, likelySize(f.Message, map[*protogen.Message]bool{}))
	}
}

// appendSized writes what appends a message that is likely to take size bytes,
// with as many bytes for its length as that needs.
func (m *message) appendSized(tag uint64, v string, size int) {
	room, zeros := 1, ", 0"
	switch {
	case size >= 1<<13: // to move so much is dear: rather too much room than too little
		room, zeros = 3, ", 0, 0, 0"
	case size >= 1<<7:
		room, zeros = 2, ", 0, 0"
	}
	call := v + "." + appendMethod + "(e, append(b, " + tagBytes(tag) + zeros + "))"
	if room == 3 {
		m.P("b = ", m.rt("Move"), "(", call, ", len(b)+", tagLen(tag)+room, ", 3)")
		return
	}
	sized := []string{1: "Sized", 2: "Sized2"}[room]
	m.P("at := len(b) + ", tagLen(tag)+room)
	m.P("if b = ", call, "; !", m.rt(sized), "(b, at) {")
	m.P("b = ", m.rt("Move"), "(b, at, ", room, ")")
	m.P("}")
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

// likelySize guesses how many bytes a message takes, so as to leave room for
// its length. Being wrong costs moving the message by a byte, which is cheap
// only if it is short. Types in seen, which the message lies in, count as empty.
func likelySize(m *protogen.Message, seen map[*protogen.Message]bool) int {
	const (
		text    = 16
		number  = 3
		many    = 3 // elements in a list
		deepest = 6
	)
	if seen[m] || len(seen) >= deepest {
		return 0
	}
	seen[m] = true
	defer delete(seen, m)
	size, oneofs := 0, map[*protogen.Oneof]bool{}
	for _, f := range m.Fields {
		if inOneof(f) {
			if oneofs[f.Oneof] {
				continue // the first stands for all
			}
			oneofs[f.Oneof] = true
		}
		n := number
		switch {
		case f.Message != nil:
			n = 2 + likelySize(f.Message, seen)
		case f.Desc.Kind() == protoreflect.StringKind || f.Desc.Kind() == protoreflect.BytesKind:
			n = text
		}
		if f.Desc.IsList() || f.Desc.IsMap() {
			n *= many
		}
		if size += n; size >= 1<<13 {
			break // as large as matters
		}
	}
	return size
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
