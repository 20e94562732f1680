package compiler

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// printProto writes a proto3 descriptor as source that compiles to an equal
// descriptor. It knows what the built-in googleapis files use: no groups, no
// extension ranges, no default values. Comments are not in a descriptor.
func printProto(fd *descriptorpb.FileDescriptorProto) string {
	p := &protoPrinter{}
	p.line("syntax = %q;", cmp.Or(fd.GetSyntax(), "proto2"))
	p.line("package %s;", fd.GetPackage())
	for _, dep := range fd.Dependency {
		p.line("import %q;", dep)
	}
	for _, o := range optionValues(fd.Options) {
		p.line("option %s;", o)
	}
	for _, m := range fd.MessageType {
		p.message(m)
	}
	for _, e := range fd.EnumType {
		p.enum(e)
	}
	for _, x := range fd.Extension {
		p.line("extend %s {", x.GetExtendee())
		p.field(x, nil)
		p.line("}")
	}
	return p.b.String()
}

type protoPrinter struct {
	b      strings.Builder
	indent int
}

func (p *protoPrinter) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.HasPrefix(text, "}") {
		p.indent--
	}
	p.b.WriteString(strings.Repeat("  ", p.indent) + text + "\n")
	if strings.HasSuffix(text, "{") {
		p.indent++
	}
}

func (p *protoPrinter) message(m *descriptorpb.DescriptorProto) {
	p.line("message %s {", m.GetName())
	for _, o := range optionValues(m.Options) {
		p.line("option %s;", o)
	}
	for _, r := range m.ReservedRange {
		p.line("reserved %d to %d;", r.GetStart(), r.GetEnd()-1)
	}
	for _, name := range m.ReservedName {
		p.line("reserved %q;", name)
	}
	entries := map[string]*descriptorpb.DescriptorProto{}
	for _, n := range m.NestedType {
		if n.GetOptions().GetMapEntry() {
			entries[n.GetName()] = n
			continue
		}
		p.message(n)
	}
	for _, e := range m.EnumType {
		p.enum(e)
	}
	open := int32(-1)
	for _, f := range m.Field {
		in := int32(-1)
		if f.OneofIndex != nil && !f.GetProto3Optional() {
			in = f.GetOneofIndex()
		}
		if in != open && open >= 0 {
			p.line("}")
		}
		if in != open && in >= 0 {
			p.line("oneof %s {", m.OneofDecl[in].GetName())
		}
		open = in
		p.field(f, entries)
	}
	if open >= 0 {
		p.line("}")
	}
	p.line("}")
}

func (p *protoPrinter) field(f *descriptorpb.FieldDescriptorProto, entries map[string]*descriptorpb.DescriptorProto) {
	label := ""
	typeName := fieldTypeName(f)
	short := typeName[strings.LastIndexByte(typeName, '.')+1:]
	switch entry := entries[short]; {
	case entry != nil && f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED:
		typeName = fmt.Sprintf("map<%s, %s>", fieldTypeName(entry.Field[0]), fieldTypeName(entry.Field[1]))
	case f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED:
		label = "repeated "
	case f.GetProto3Optional():
		label = "optional "
	}
	options := optionValues(f.Options)
	if f.GetJsonName() != "" && f.GetJsonName() != jsonName(f.GetName()) {
		options = append(options, fmt.Sprintf("json_name = %q", f.GetJsonName()))
	}
	tail := ""
	if len(options) > 0 {
		tail = " [" + strings.Join(options, ", ") + "]"
	}
	p.line("%s%s %s = %d%s;", label, typeName, f.GetName(), f.GetNumber(), tail)
}

func (p *protoPrinter) enum(e *descriptorpb.EnumDescriptorProto) {
	p.line("enum %s {", e.GetName())
	for _, o := range optionValues(e.Options) {
		p.line("option %s;", o)
	}
	for _, v := range e.Value {
		tail := ""
		if options := optionValues(v.Options); len(options) > 0 {
			tail = " [" + strings.Join(options, ", ") + "]"
		}
		p.line("%s = %d%s;", v.GetName(), v.GetNumber(), tail)
	}
	p.line("}")
}

// fieldTypeName is a field's type as source spells it.
func fieldTypeName(f *descriptorpb.FieldDescriptorProto) string {
	if f.GetTypeName() != "" {
		return f.GetTypeName()
	}
	return strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
}

// jsonName is the JSON name that a field gets by itself.
func jsonName(name string) string {
	var b strings.Builder
	up := false
	for _, c := range []byte(name) {
		switch {
		case c == '_':
			up = true
			continue
		case up && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		up = false
		b.WriteByte(c)
	}
	return b.String()
}

// optionValues prints every option that is set, "name = value", by number.
func optionValues(options proto.Message) []string {
	type numbered struct {
		number protoreflect.FieldNumber
		text   string
	}
	var out []numbered
	m := options.ProtoReflect()
	if !m.IsValid() {
		return nil
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		if f.IsExtension() {
			name = "(" + string(f.FullName()) + ")"
		}
		if f.IsList() {
			for i := range v.List().Len() {
				out = append(out, numbered{f.Number(), name + " = " + literal(f, v.List().Get(i))})
			}
			return true
		}
		out = append(out, numbered{f.Number(), name + " = " + literal(f, v)})
		return true
	})
	slices.SortStableFunc(out, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	var text []string
	for _, o := range out {
		text = append(text, o.text)
	}
	return text
}

// literal prints an option's value.
func literal(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.EnumKind:
		if ev := f.Enum().Values().ByNumber(v.Enum()); ev != nil {
			return string(ev.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.StringKind:
		return strconv.Quote(v.String())
	case protoreflect.BytesKind:
		return strconv.QuoteToASCII(string(v.Bytes()))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if math.IsInf(v.Float(), 0) || math.IsNaN(v.Float()) {
			return strings.ToLower(strings.Trim(fmt.Sprint(v.Float()), "+"))
		}
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "{ " + strings.ReplaceAll(strings.Join(optionValues(v.Message().Interface()), ", "), " = ", ": ") + " }"
	}
	return v.String()
}
