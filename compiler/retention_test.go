package compiler

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

const retention = `edition = "2024";
package r;
import "google/protobuf/descriptor.proto";
option features.enforce_naming_style = STYLE_LEGACY;
message Opt {
  int32 source = 1 [retention = RETENTION_SOURCE];
  int32 kept = 2;
  map<string, Opt> opts = 3;
}
extend google.protobuf.MessageOptions {
  Opt opt = 50001;
  Opt source = 50002 [retention = RETENTION_SOURCE];
  repeated Opt many = 50003;
}
message Some {
  option (opt) = {source: 1};
  option (source) = {kept: 2};
  option (many) = {source: 1, kept: 2};
  option (many) = {opts: {key: "k" value: {source: 1, kept: 3}}};
}
message Nothing {
  option (source) = {kept: 2};
}
message Declared {
  extensions 4 to 5 [declaration = {number: 4, full_name: ".r.x", type: "int32"}];
}
`

// What is left of each element's options; protoc 36 gives the same.
func TestSourceOptions(t *testing.T) {
	l, err := Link(context.Background(), Config{Files: []string{"r.proto"}, Resolver: Sources{"r.proto": retention}})
	if err != nil {
		t.Fatal(err)
	}
	before := proto.Clone(l.Set)
	fd := l.DescriptorSet(SetOptions{SourceInfo: true}).File[0]
	types := extensionsOf(l.Files)
	for _, c := range []struct {
		got  proto.Message
		want string
	}{
		{fd.MessageType[1].Options, `[r.opt]: {} [r.many]: {kept: 2} [r.many]: {opts: {key: "k" value: {kept: 3}}}`},
		{fd.Options, `features: {}`},
	} {
		want := c.got.ProtoReflect().New().Interface()
		if err := (prototext.UnmarshalOptions{Resolver: types}).Unmarshal([]byte(c.want), want); err != nil {
			t.Fatal(err)
		}
		a, err1 := proto.MarshalOptions{Deterministic: true}.Marshal(c.got)
		b, err2 := proto.MarshalOptions{Deterministic: true}.Marshal(want)
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%v, want %s (%v, %v)", c.got, c.want, err1, err2)
		}
	}
	if o := fd.MessageType[2].Options; o != nil {
		t.Errorf("options of which nothing is left are %v, want none", o)
	}
	if fd.MessageType[3].ExtensionRange[0].Options != nil {
		t.Error("an extension range keeps its declaration")
	}
	if !proto.Equal(before, l.Set) {
		t.Error("the linked set has changed")
	}
	whole := l.DescriptorSet(SetOptions{SourceInfo: true, SourceOptions: true}).File[0]
	if !proto.Equal(whole, l.Set.File[len(l.Set.File)-1]) {
		t.Error("with source options it is not the whole file")
	}
	for _, path := range [][]int32{{8, 50, 7}, {4, 1, 7, 50002}, {4, 2, 7}, {4, 3, 5, 0, 3}} {
		if !hasLocation(whole, path) {
			t.Errorf("no position of %v in the whole file", path)
		}
		if hasLocation(fd, path) {
			t.Errorf("a position of %v, which is gone", path)
		}
	}
	if !hasLocation(fd, []int32{4, 1, 7, 50001}) {
		t.Error("no position of an option that stays")
	}
}

func hasLocation(fd *descriptorpb.FileDescriptorProto, path []int32) bool {
	return slices.ContainsFunc(fd.GetSourceCodeInfo().GetLocation(), func(l *descriptorpb.SourceCodeInfo_Location) bool {
		return slices.Equal(l.Path, path)
	})
}

// Generated code carries the descriptor that protoc would hand to a plugin.
func TestSourceOptionsInCode(t *testing.T) {
	with := Sources{"a.proto": "edition = \"2024\";\noption features.enforce_naming_style = STYLE_LEGACY;\noption go_package = \"x.test/a\";\nmessage M {}\n"}
	without := Sources{"a.proto": strings.Replace(with["a.proto"], "features.enforce_naming_style = STYLE_LEGACY", "features = {}", 1)}
	var made [2]string
	for i, src := range []Sources{with, without} {
		r, err := Compile(context.Background(), Config{Files: []string{"a.proto"}, Resolver: src})
		if err != nil {
			t.Fatal(err)
		}
		made[i] = string(r.Outputs[0].Content)
	}
	if made[0] != made[1] {
		t.Errorf("code depends on an option for readers of the source:\n%s\n%s", made[0], made[1])
	}
}

// The front end's own notes for buf must not come out: protoc has none.
func TestNoForeignPositions(t *testing.T) {
	l, err := Link(context.Background(), Config{Files: []string{"a.proto"}, Resolver: Sources{"a.proto": "message M {}\n"}})
	if err != nil {
		t.Fatal(err)
	}
	info := l.DescriptorSet(SetOptions{SourceInfo: true}).File[0].GetSourceCodeInfo()
	if info == nil || len(info.ProtoReflect().GetUnknown()) > 0 {
		t.Errorf("positions with unknown fields: %v", info)
	}
}
