package compiler

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// withoutSourceOptions returns fd without the options that are for readers of
// the source alone (retention = RETENTION_SOURCE), at any depth, and without
// their positions. It returns fd itself if it has none, and does not change it.
// An element's options go when nothing is left of them; messages within options
// may stay empty. That is what protoc does.
func withoutSourceOptions(fd *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	find := optionStripper{}
	if !find.search(fd.ProtoReflect()) {
		return fd
	}
	out := proto.CloneOf(fd)
	strip := optionStripper{removed: map[string]bool{}}
	strip.search(out.ProtoReflect())
	if info := out.SourceCodeInfo; info != nil {
		info.Location = slices.DeleteFunc(info.Location, func(l *descriptorpb.SourceCodeInfo_Location) bool {
			return strip.isRemoved(l.Path)
		})
	}
	return out
}

// optionStripper finds options that are for readers of the source, and removes
// them if removed is not nil.
type optionStripper struct {
	path    []byte // of the message at hand, as appendStep writes it
	removed map[string]bool
}

// search goes through m and reports whether it found any.
func (s *optionStripper) search(m protoreflect.Message) (found bool) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		end := len(s.path)
		s.path = appendStep(s.path, int32(f.Number()))
		defer func() { s.path = s.path[:end] }()
		switch {
		case f.FullName() == "google.protobuf.FileDescriptorProto.source_code_info":
		case isSourceOnly(f):
			found = true
			s.remove(m, f)
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					found = s.search(v.Message()) || found
					return true
				})
			}
		case f.Message() == nil:
		case f.IsList():
			element := len(s.path)
			for i := range v.List().Len() {
				s.path = appendStep(s.path[:element], int32(i))
				found = s.search(v.List().Get(i).Message()) || found
			}
			s.path = s.path[:element]
		case s.search(v.Message()):
			found = true
			if isOptions(f) && isEmpty(v.Message()) {
				s.remove(m, f)
			}
		}
		return true
	})
	return found
}

func (s *optionStripper) remove(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	if s.removed != nil {
		m.Clear(f)
		s.removed[string(s.path)] = true
	}
}

// isRemoved reports whether what lies at path, or anything around it, is gone.
func (s *optionStripper) isRemoved(path []int32) bool {
	var key []byte
	for _, step := range path {
		key = appendStep(key, step)
		if s.removed[string(key)] {
			return true
		}
	}
	return false
}

func appendStep(path []byte, step int32) []byte {
	return binary.BigEndian.AppendUint32(path, uint32(step))
}

func isSourceOnly(f protoreflect.FieldDescriptor) bool {
	o, _ := f.Options().(*descriptorpb.FieldOptions)
	return o.GetRetention() == descriptorpb.FieldOptions_RETENTION_SOURCE
}

// isOptions reports whether f holds the options of an element of a .proto file.
func isOptions(f protoreflect.FieldDescriptor) bool {
	return f.Name() == "options" && !f.IsExtension() && f.ParentFile().Path() == "google/protobuf/descriptor.proto"
}

func isEmpty(m protoreflect.Message) bool {
	empty := len(m.GetUnknown()) == 0
	m.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
		empty = false
		return false
	})
	return empty
}
