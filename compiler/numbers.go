package compiler

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/experimental/ast"
	"github.com/bufbuild/protocompile/experimental/ir"
	"github.com/bufbuild/protocompile/experimental/seq"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The front end misreads some floating-point literals: 1e23 is 655360000000 to
// it, others are wrong in their last digits, and it refuses 0.01e5. This file
// reads them again: respelled gives the front end a spelling that it takes,
// and settleNumbers puts the values in the descriptors right.

// respelled rewrites literals such as 0.01e5, which the front end refuses, in
// the same length: 1e3 and spaces. Every position stays what it was.
func respelled(text string) string {
	var out []byte
	eachNumber(text, func(start, end int) {
		m := smallMantissa.FindStringSubmatch(text[start:end])
		if m == nil {
			return
		}
		exponent, err := strconv.Atoi(m[2])
		digits := strings.TrimLeft(m[1], "0")
		again := digits + "e" + strconv.Itoa(exponent-len(m[1]))
		if err != nil || digits == "" || len(again) > end-start {
			return
		}
		if out == nil {
			out = []byte(text)
		}
		copy(out[start:end], again+strings.Repeat(" ", end-start-len(again)))
	})
	if out == nil {
		return text
	}
	return string(out)
}

var smallMantissa = regexp.MustCompile(`^0?\.(0[0-9]+)[eE]([+-]?[0-9]{1,6})$`)

// eachNumber calls do for every numeric literal in a .proto file.
func eachNumber(text string, do func(start, end int)) {
	for i := 0; i < len(text); {
		c := text[i]
		switch end := opaqueEnd(text, i); {
		case end > i:
			i = end
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
			end := numberEnd(text, i)
			do(i, end)
			i = end
		default:
			word := len(wordAt(text[i:]))
			i += max(1, word)
			if word > 0 && strings.HasPrefix(text[i:], ".") {
				i++ // of a path, not of a number
			}
		}
	}
}

// numberEnd returns where the number that begins at i ends.
func numberEnd(text string, i int) int {
	for i++; i < len(text); i++ {
		sign := strings.IndexByte("+-", text[i]) >= 0 && strings.IndexByte("eE", text[i-1]) >= 0
		if !sign && text[i] != '.' && wordAt(text[i:i+1]) == "" {
			break
		}
	}
	return i
}

// floatLiteral is the value of a literal that the front end may have misread. Other
// literals, and what is none, give false.
func floatLiteral(text string) (float64, bool) {
	text, negative := strings.CutPrefix(text, "-")
	text = strings.TrimSpace(text)
	if !doubtful.MatchString(text) {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	if negative {
		v = -v
	}
	return v, true
}

// doubtful has an exponent, or more digits than a 64-bit integer.
var doubtful = regexp.MustCompile(`^(?:[0-9]*\.?[0-9]*[eE][+-]?[0-9]+|[1-9][0-9]{19,}|[0-9.]{20,})$`)

// settleNumbers reads the doubtful numbers of all files again.
func (l *Linked) settleNumbers(files []*ir.File) (errs Errors) {
	defer func() {
		if p := recover(); p != nil { // of the front end, which is asked where things are
			errs = Errors{l.atFirst(fmt.Sprintf("front end panicked: %v", p))}
		}
	}()
	byName := map[string]*descriptorpb.FileDescriptorProto{}
	for _, fd := range l.Set.File {
		byName[fd.GetName()] = fd
	}
	for f := range ir.TopoSort(files) {
		src, _ := l.sources.text(f.Path())
		found := false
		eachNumber(src.Text, func(start, end int) { found = found || doubtful.MatchString(src.Text[start:end]) })
		if fd := byName[f.Path()]; found && fd != nil {
			n := numbers{src: src, elements: map[string]protoreflect.Message{}}
			n.collect(fd.ProtoReflect(), fd.GetPackage())
			n.file(f, fd)
			errs = append(errs, n.errs...)
		}
	}
	return errs
}

// numbers puts right the numbers of one file.
type numbers struct {
	src      Source
	elements map[string]protoreflect.Message // descriptors by full name
	errs     Errors
}

// collect finds the elements within m, whose full name is scope.
func (n *numbers) collect(m protoreflect.Message, scope string) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !f.IsList() || f.Message() == nil || f.Message().Fields().ByName("name") == nil {
			return true
		}
		for i := range v.List().Len() {
			element := v.List().Get(i).Message()
			name := strings.TrimPrefix(scope+"."+element.Get(f.Message().Fields().ByName("name")).String(), ".")
			n.elements[name] = element
			if f.Message().Name() == "EnumDescriptorProto" {
				n.collect(element, scope) // values are their enum's siblings
			} else {
				n.collect(element, name)
			}
		}
		return true
	})
}

func (n *numbers) file(f *ir.File, fd *descriptorpb.FileDescriptorProto) {
	n.options(f.Options(), fd.ProtoReflect())
	for m := range f.AllMembers() {
		element := n.elements[string(m.FullName())]
		if element == nil {
			continue
		}
		n.options(m.Options(), element)
		if field, ok := element.Interface().(*descriptorpb.FieldDescriptorProto); ok {
			n.defaultValue(m.PseudoOptions().Default, field)
		}
	}
	for t := range seq.Values(f.AllTypes()) {
		element := n.elements[string(t.FullName())]
		if element == nil {
			continue
		}
		n.options(t.Options(), element)
		for o := range seq.Values(t.Oneofs()) {
			if element := n.elements[string(o.FullName())]; element != nil {
				n.options(o.Options(), element)
			}
		}
		if d, ok := element.Interface().(*descriptorpb.DescriptorProto); ok {
			for r := range seq.Values(t.ExtensionRanges()) {
				start, _ := r.Range()
				for _, er := range d.ExtensionRange {
					if er.GetStart() == start {
						n.options(r.Options(), er.ProtoReflect())
					}
				}
			}
		}
	}
	for s := range seq.Values(f.Services()) {
		if element := n.elements[string(s.FullName())]; element != nil {
			n.options(s.Options(), element)
		}
		for m := range seq.Values(s.Methods()) {
			if element := n.elements[string(m.FullName())]; element != nil {
				n.options(m.Options(), element)
			}
		}
	}
}

func (n *numbers) defaultValue(v ir.Value, f *descriptorpb.FieldDescriptorProto) {
	isFloat := f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_FLOAT || f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_DOUBLE
	if v.IsZero() || !isFloat {
		return
	}
	if want, ok := n.read(v.ValueAST()); ok {
		if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_FLOAT {
			want = float64(float32(want))
		}
		text := strconv.FormatFloat(want, 'g', -1, 64)
		if math.IsInf(want, 0) {
			text = strings.TrimPrefix(strings.ToLower(text), "+")
		}
		f.DefaultValue = &text
		settleFloat(f)
	}
}

// options goes through an element's options.
func (n *numbers) options(v ir.MessageValue, element protoreflect.Message) {
	f := element.Descriptor().Fields().ByName("options")
	if !v.IsEmpty() && element.Has(f) {
		n.message(v, ast.ExprAny{}, element.Mutable(f).Message())
	}
}

// message goes through a message in options, which was written as expr or piece
// by piece. m is nil where it cannot be changed: a doubtful number there is an
// error.
func (n *numbers) message(v ir.MessageValue, expr ast.ExprAny, m protoreflect.Message) {
	for value := range v.Fields() {
		f := fieldOf(m, value.Field().Number())
		exprs := expressions(value, expr)
		for i, e := range seq.All(value.Elements()) {
			var expr ast.ExprAny
			if i < len(exprs) {
				expr = exprs[i]
			}
			if inner := e.AsMessage(); inner.Concrete().TypeURL() != "" {
				n.message(inner.Concrete(), expr, nil) // of an Any
			} else if !inner.IsZero() {
				n.message(inner, expr, within(m, f, i))
			} else if _, ok := e.AsFloat(); ok && !expr.IsZero() {
				if want, ok := n.read(expr); ok {
					n.set(m, f, i, want, expr)
				}
			}
		}
	}
}

// set sets field f of m, or its i-th element.
func (n *numbers) set(m protoreflect.Message, f protoreflect.FieldDescriptor, i int, v float64, e ast.ExprAny) {
	value := protoreflect.ValueOfFloat64(v)
	switch {
	case f == nil || f.IsMap():
		n.errs = append(n.errs, at(n.src, e.Span().Start, e.Span().End, "this number cannot be read within a map or an Any",
			"write it without exponent and in fewer than 20 digits"))
		return
	case f.Kind() == protoreflect.FloatKind:
		value = protoreflect.ValueOfFloat32(float32(v))
	case f.Kind() != protoreflect.DoubleKind:
		return
	}
	if !f.IsList() {
		m.Set(f, value)
	} else if list := m.Mutable(f).List(); i < list.Len() {
		list.Set(i, value)
	}
}

// read is the value of a doubtful literal. Only where e begins is sure: the
// front end may have read another spelling.
func (n *numbers) read(e ast.ExprAny) (float64, bool) {
	start := e.Span().Start
	if start < 0 || start >= len(n.src.Text) {
		return 0, false
	}
	text := n.src.Text[start:]
	digits := strings.TrimLeft(strings.TrimPrefix(text, "-"), " \t\r\n")
	if digits == "" {
		return 0, false
	}
	return floatLiteral(text[:len(text)-len(digits)+numberEnd(digits, 0)])
}

// fieldOf is the field of m with that number, if it is set.
func fieldOf(m protoreflect.Message, number int32) (found protoreflect.FieldDescriptor) {
	if m == nil {
		return nil
	}
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if int32(f.Number()) == number {
			found = f
		}
		return found == nil
	})
	return found
}

// within is the message in field f of m, or in its i-th element, or nil.
func within(m protoreflect.Message, f protoreflect.FieldDescriptor, i int) protoreflect.Message {
	switch {
	case f == nil || f.IsMap() || f.Message() == nil || f.Message().FullName() == "google.protobuf.Any":
		return nil
	case !f.IsList():
		return m.Mutable(f).Message()
	case i < m.Get(f).List().Len():
		return m.Mutable(f).List().Get(i).Message()
	}
	return nil
}

// expressions lists those of a value's elements, which are fields of a message
// written as around. Those of a list may come from several options, each with
// one element or with a list of them.
func expressions(v ir.Value, around ast.ExprAny) (out []ast.ExprAny) {
	add := func(e ast.ExprAny) {
		if list := e.AsArray(); !list.IsZero() {
			out = append(out, slices.Collect(seq.Values(list.Elements()))...)
		} else {
			out = append(out, e)
		}
	}
	for e := range seq.Values(v.ValueASTs()) {
		add(e)
	}
	if dict := around.AsDict(); len(out) == 0 && !dict.IsZero() {
		// Within a list of messages the front end does not keep them.
		for f := range seq.Values(dict.Elements()) {
			key := strings.TrimLeft(strings.Trim(f.Key().Span().Text(), "[] "), ".")
			if full := "." + string(v.Field().FullName()); key != "" && strings.HasSuffix(full, "."+key) {
				add(f.Value())
			}
		}
	}
	return out
}
