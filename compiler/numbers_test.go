package compiler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const numbersHead = `syntax = "proto2";
package o;
import "google/protobuf/descriptor.proto";
import "google/protobuf/any.proto";
message V {
  optional double d = 1;
  optional float f = 2;
  repeated double r = 3;
  optional V v = 4;
  repeated V vs = 5;
  optional string s = 6;
  map<string, double> m = 7;
  optional google.protobuf.Any any = 8;
}
extend google.protobuf.FileOptions { optional double file = 50001; }
extend google.protobuf.MessageOptions { optional V msg = 50001; repeated double rd = 50002; repeated V mv = 50003; }
extend google.protobuf.FieldOptions { optional double fld = 50001; optional V fv = 50002; }
extend google.protobuf.OneofOptions { optional double one = 50001; }
extend google.protobuf.EnumOptions { optional double en = 50001; }
extend google.protobuf.EnumValueOptions { optional double ev = 50001; }
extend google.protobuf.ServiceOptions { optional double sv = 50001; }
extend google.protobuf.MethodOptions { optional float mt = 50001; }
extend google.protobuf.ExtensionRangeOptions { optional double er = 50001; }
`

// Numbers that the front end misreads, each at a place of its own. What protoc
// makes of this file was seen to be the same.
const numbersBody = `option (file) = 1e23;
message M { // 0.01e5
  option (msg) = { d: 2e23 f: -1e-23, r: [3e23, 4e23, -3e-23], v { d: 0.01e5 r: 5e-23 r: 6e-23 }
    vs: [{d: 7e23}, {d: 8e-23 vs: [<d: 9e55>]}], s: "1e23 0.01e5" };
  option (rd) = 11e23; option (rd) = 1.5; option (rd) = 12e-23;
  option (mv) = {d: 13e23};
  option (mv) = {d: - 14e23 v: <d: 15e23>};
  optional double x = 1 [default = 16e23, (fld) = 17e-23, (fv).v.d = 18e23, (fv).r = 6.62607015e-34];
  oneof u { option (one) = -19e23; int32 y = 2; }
  extensions 10 to 20, 30 to 40 [(er) = 21e87];
  enum E { option (en) = 22e23; A = 0 [(ev) = 23e23]; }
  extend M { optional float z = 10 [default = 0.024e-5, (fld) = 25e23]; }
  message N { optional float w = 1 [default = -26e-23]; optional float big = 2 [default = -1e45]; }
}
service S { option (sv) = 27e23; rpc C(M) returns (M) { option (mt) = 28e-23; } }
`

func TestNumbers(t *testing.T) {
	l, err := Link(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": numbersHead + numbersBody}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	gather(l.DescriptorSet(SetOptions{}).File[0].ProtoReflect(), &got)
	want := []string{
		"file 1e+23", "d 2e+23", "f -1e-23", "r 3e+23", "r 4e+23", "r -3e-23", "d 1000", "r 5e-23", "r 6e-23",
		"d 7e+23", "d 8e-23", "d 9e+55", "rd 1.1e+24", "rd 1.5", "rd 1.2e-22", "d 1.3e+24", "d -1.4e+24", "d 1.5e+24",
		"default 1.6e+24", "fld 1.7e-22", "d 1.8e+24", "r 6.62607015e-34", "one -1.9e+24", "er 2.1e+88", "er 2.1e+88",
		"en 2.2e+24", "ev 2.3e+24", "default 2.4e-07", "fld 2.5e+24", "default -2.6e-22", "default -inf", "sv 2.7e+24", "mt 2.8e-22",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if s := l.Set.File[len(l.Set.File)-1].String(); !strings.Contains(s, `1e23 0.01e5`) {
		t.Error("a number within a string has changed")
	}
}

// gather lists the floating-point values in m, and default values.
func gather(m protoreflect.Message, out *[]string) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		add := func(v protoreflect.Value) {
			switch {
			case f.Name() == "default_value":
				*out = append(*out, "default "+v.String())
			case f.Kind() == protoreflect.DoubleKind || f.Kind() == protoreflect.FloatKind:
				*out = append(*out, fmt.Sprint(f.Name(), " ", v))
			case f.Message() != nil && !f.IsMap():
				gather(v.Message(), out)
			}
		}
		if f.IsList() {
			for i := range v.List().Len() {
				add(v.List().Get(i))
			}
		} else {
			add(v)
		}
		return true
	})
}

// Where a number cannot be put right it is an error, not another number.
func TestNumbersThatCannotBeRead(t *testing.T) {
	for _, value := range []string{
		`{ m { key: "k" value: 1e23 } }`,
		`{ any { [type.googleapis.com/o.V] { d: 1e23 } } }`,
	} {
		src := numbersHead + "message M { option (msg) = " + value + "; }\n"
		_, err := Link(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": src}})
		if err == nil || !strings.Contains(err.Error(), "a.proto:24:") || !strings.Contains(err.Error(), "this number cannot be read") {
			t.Errorf("%s: %v", value, err)
		}
		if err != nil && !strings.Contains(err.Error(), "^~~~") {
			t.Errorf("%s: no caret below the number:\n%v", value, err)
		}
	}
}

func TestRespelled(t *testing.T) {
	for in, want := range map[string]string{
		"x = 0.01e5;":            "x = 1e3   ;",
		"x = .01e5;":             "x = 1e3  ;",
		"x=-0.0837e-91]":         "x=-837e-95   ]",
		"0.00e5 0.1e5 1.05e5":    "0.00e5 0.1e5 1.05e5",
		"// 0.01e5\n0.01e5":      "// 0.01e5\n1e3   ",
		"/* 0.01e5 */ 0.01E+5":   "/* 0.01e5 */ 1e3    ",
		`"0.01e5" '\'0.01e5' x`:  `"0.01e5" '\'0.01e5' x`,
		"a0.01e5 b.c0.01e5":      "a0.01e5 b.c0.01e5",
		"0.01e99999999999999999": "0.01e99999999999999999",
		"0.01e":                  "0.01e",
	} {
		if got := respelled(in); got != want || len(got) != len(in) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
