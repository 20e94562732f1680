package compiler

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Default values as protoc 3.21 and 36 write them.
var defaults = []struct{ kind, source, want string }{
	{"float", "9e9", "9e+09"},
	{"float", "0.1", "0.1"},
	{"float", "-1.5", "-1.5"},
	{"float", "1", "1"},
	{"float", "-0.0", "-0"},
	{"float", "100000", "100000"},
	{"float", "1000000", "1e+06"},
	{"float", "1234567", "1234567"},
	{"float", "16777217", "16777216"},
	{"float", "0.0001", "0.0001"},
	{"float", "0.00001", "1e-05"},
	{"float", "3.14159265358979", "3.14159274"},
	{"float", "1.17549435e-38", "1.17549435e-38"},
	{"float", "3.40282347e+38", "3.40282347e+38"},
	{"float", "1e45", "inf"},
	{"float", "-inf", "-inf"},
	{"float", "nan", "nan"},
	{"double", "9e9", "9000000000"},
	{"double", "0.1", "0.1"},
	{"double", "0.30000000000000004", "0.30000000000000004"},
	{"double", "1.7976931348623157e308", "1.7976931348623157e+308"},
	{"double", "123456789012345678", "1.2345678901234568e+17"},
	{"double", "100000000000000", "100000000000000"},
	{"double", "1e15", "1e+15"},
	{"double", "1e-5", "1e-05"},
	{"double", "18446744073709551615", "1.8446744073709552e+19"},
	{"double", "inf", "inf"},
	{"int32", "-0x80000000", "-2147483648"},
}

func TestDefaultValues(t *testing.T) {
	var src strings.Builder
	src.WriteString("message M {\n  message N {\n")
	for i, d := range defaults {
		fmt.Fprintf(&src, "    optional %s f%d = %d [default = %s];\n", d.kind, i+1, i+1, d.source)
	}
	src.WriteString("  }\n  extensions 4;\n  extend M { optional float x = 4 [default = 9e9]; }\n}\n")
	l, err := Link(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": src.String()}})
	if err != nil {
		t.Fatal(err)
	}
	m := l.DescriptorSet(SetOptions{}).File[0].MessageType[0]
	for i, d := range defaults {
		if got := m.NestedType[0].Field[i].GetDefaultValue(); got != d.want {
			t.Errorf("%s %s is %s, want %s", d.kind, d.source, got, d.want)
		}
	}
	if got := m.Extension[0].GetDefaultValue(); got != "9e+09" {
		t.Errorf("an extension's default is %s", got)
	}
}
