package compiler

import (
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"
)

// settleFloats writes the default values of float and double fields as protoc
// does. The front end writes the shortest text of the value as a double, which
// is another text for most floats. Generated code repeats it.
func settleFloats(fd *descriptorpb.FileDescriptorProto) {
	for _, f := range fd.Extension {
		settleFloat(f)
	}
	var messages func([]*descriptorpb.DescriptorProto)
	messages = func(list []*descriptorpb.DescriptorProto) {
		for _, m := range list {
			for _, f := range m.Field {
				settleFloat(f)
			}
			for _, f := range m.Extension {
				settleFloat(f)
			}
			messages(m.NestedType)
		}
	}
	messages(fd.MessageType)
}

func settleFloat(f *descriptorpb.FieldDescriptorProto) {
	bits, digits := 64, []int{15, 17}
	switch f.GetType() {
	case descriptorpb.FieldDescriptorProto_TYPE_FLOAT:
		bits, digits = 32, []int{6, 9}
	case descriptorpb.FieldDescriptorProto_TYPE_DOUBLE:
	default:
		return
	}
	v, err := strconv.ParseFloat(f.GetDefaultValue(), bits)
	if err != nil || strings.ContainsAny(f.GetDefaultValue(), "in") {
		return // none, or inf, -inf and nan, which are words
	}
	// The fewer digits if they are enough, else as many as any value needs. Of a
	// float below the normal ones protoc does not believe that they are.
	text := formatG(v, digits[0])
	again, err := strconv.ParseFloat(text, bits)
	if err != nil || again != v || bits == 32 && v != 0 && math.Abs(v) < 0x1p-126 {
		text = formatG(v, digits[1])
	}
	f.DefaultValue = &text
}

// formatG is C's %.*g: Go's 'g' keeps trailing zeros away too, but turns to an
// exponent by another rule.
func formatG(v float64, digits int) string {
	e := strconv.FormatFloat(v, 'e', digits-1, 64)
	mantissa, exponent, _ := strings.Cut(e, "e")
	x, err := strconv.Atoi(exponent)
	if err != nil || x < -4 || x >= digits {
		return trimZeros(mantissa) + "e" + exponent
	}
	return trimZeros(strconv.FormatFloat(v, 'f', digits-1-x, 64))
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
