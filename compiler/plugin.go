package compiler

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	gengo "google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// MaxRequestBytes is the largest request that RunPlugin reads.
const MaxRequestBytes = 1 << 30

// RunPlugin is protoc-gen-lupine: it reads a CodeGeneratorRequest from in and
// writes a CodeGeneratorResponse to out. What is wrong with the files or the
// parameters goes into the response, for protoc or buf to print; the error is
// for what cannot be said there.
//
// It takes protoc-gen-go's parameters (paths, module, M, default_api_level) and
// messages=false, codec=false, stubs=false, stub_suffix=SUFFIX, which are
// Generator's fields. Run beside protoc-gen-go, it needs messages=false.
func RunPlugin(in io.Reader, out io.Writer) error {
	raw, err := io.ReadAll(io.LimitReader(in, MaxRequestBytes+1))
	if err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	if len(raw) > MaxRequestBytes {
		return fmt.Errorf("request is larger than %d MiB", MaxRequestBytes>>20)
	}
	var req pluginpb.CodeGeneratorRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		return fmt.Errorf("cannot read the request, which protoc or buf must write: %w", err)
	}
	made, err := answer(&req)
	if err != nil {
		made = &pluginpb.CodeGeneratorResponse{Error: proto.String(strings.TrimSpace(err.Error()))}
	}
	made.SupportedFeatures = proto.Uint64(gengo.SupportedFeatures)
	made.MinimumEdition = proto.Int32(int32(descriptorpb.Edition_EDITION_PROTO2))
	made.MaximumEdition = proto.Int32(int32(maxEdition))
	raw, err = proto.Marshal(made)
	if err != nil {
		return fmt.Errorf("cannot marshal the response: %w", err)
	}
	if _, err := out.Write(raw); err != nil {
		return fmt.Errorf("cannot write the response: %w", err)
	}
	return nil
}

// answer generates what the request asks for.
func answer(req *pluginpb.CodeGeneratorRequest) (made *pluginpb.CodeGeneratorResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			made, err = nil, fmt.Errorf("protoc-gen-lupine panicked: %v", p)
		}
	}()
	var g Generator
	plugin, err := protogen.Options{ParamFunc: g.set}.New(req)
	if err != nil {
		return nil, err
	}
	if err := g.validate(); err != nil {
		return nil, err
	}
	for _, f := range plugin.Files {
		if e := f.Proto.GetEdition(); f.Generate && e > maxEdition {
			return nil, fmt.Errorf("%s: edition %s is not supported: the newest supported edition is 2024",
				f.Desc.Path(), strings.TrimPrefix(e.String(), "EDITION_"))
		}
	}
	if err := g.run(plugin); err != nil {
		return nil, err
	}
	return response(plugin), nil
}

// set takes one name=value parameter.
func (g *Generator) set(name, value string) error {
	var leaveOut *bool
	switch name {
	case "messages":
		leaveOut = &g.NoMessages
	case "codec":
		leaveOut = &g.NoCodec
	case "stubs":
		leaveOut = &g.NoStubs
	case "stub_suffix":
		g.StubSuffix = value
		return nil
	default:
		return fmt.Errorf("unknown parameter %q: want messages, codec, stubs, stub_suffix or one of protoc-gen-go's", name)
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("parameter %s=%s: want true or false", name, value)
	}
	*leaveOut = !on
	return nil
}
