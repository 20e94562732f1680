package main

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// An index is a descriptor set made ready for comparison.
type index struct {
	files map[string]*descriptorpb.FileDescriptorProto
	types *dynamicpb.Types
}

func newIndex(set *descriptorpb.FileDescriptorSet) (*index, error) {
	linked, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	x := &index{map[string]*descriptorpb.FileDescriptorProto{}, dynamicpb.NewTypes(linked)}
	for _, f := range set.File {
		x.files[f.GetName()] = f
	}
	return x, nil
}

// difference returns the first one between what two sets, which hold file and
// all that it imports, say of it, or "". Options are read with what theirs says
// of extensions.
func difference(file string, ours, theirs *index) (string, error) {
	a, err := resolved(ours.files[file], theirs.types)
	if err != nil {
		return "", err
	}
	b, err := resolved(theirs.files[file], theirs.types)
	if err != nil || proto.Equal(a, b) {
		return "", err
	}
	return firstDifference("", a.ProtoReflect(), b.ProtoReflect()), nil
}

// resolved is f with its extensions no longer unknown fields.
func resolved(f *descriptorpb.FileDescriptorProto, types *dynamicpb.Types) (*descriptorpb.FileDescriptorProto, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		return nil, err
	}
	out := new(descriptorpb.FileDescriptorProto)
	return out, proto.UnmarshalOptions{Resolver: types}.Unmarshal(raw, out)
}

// firstDifference names the first field, in order of number, that differs.
func firstDifference(path string, a, b protoreflect.Message) string {
	fields := map[protoreflect.FieldNumber]protoreflect.FieldDescriptor{}
	note := func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		fields[f.Number()] = f
		return true
	}
	a.Range(note)
	b.Range(note)
	numbers := make([]protoreflect.FieldNumber, 0, len(fields))
	for n := range fields {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		f := fields[n]
		name := path + "." + string(f.Name())
		if f.IsExtension() {
			name = path + ".(" + string(f.FullName()) + ")"
		}
		switch hasA, hasB := a.Has(f), b.Has(f); {
		case !hasA:
			return fmt.Sprintf("%s: not set; %s", name, text(f, b.Get(f)))
		case !hasB:
			return fmt.Sprintf("%s: %s; not set", name, text(f, a.Get(f)))
		case a.Get(f).Equal(b.Get(f)):
			continue
		case f.IsList():
			return listDifference(name, f, a.Get(f).List(), b.Get(f).List())
		case f.Message() != nil && !f.IsMap():
			return firstDifference(name, a.Get(f).Message(), b.Get(f).Message())
		default:
			return fmt.Sprintf("%s: %s; %s", name, text(f, a.Get(f)), text(f, b.Get(f)))
		}
	}
	return fmt.Sprintf("%s: unknown fields %x; %x", path, a.GetUnknown(), b.GetUnknown())
}

func listDifference(name string, f protoreflect.FieldDescriptor, a, b protoreflect.List) string {
	for i := range min(a.Len(), b.Len()) {
		x, y := a.Get(i), b.Get(i)
		if x.Equal(y) {
			continue
		}
		at := fmt.Sprintf("%s[%d]", name, i)
		if f.Message() != nil {
			return firstDifference(at, x.Message(), y.Message())
		}
		return fmt.Sprintf("%s: %v; %v", at, x, y)
	}
	return fmt.Sprintf("%s: %d elements; %d", name, a.Len(), b.Len())
}

// text shows a value of f for a reader.
func text(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Message() != nil && !f.IsList() && !f.IsMap() {
		return fmt.Sprint(v.Message().Interface())
	}
	return v.String()
}
