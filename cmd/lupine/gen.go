package main

import (
	"fmt"
	"math"
	"os"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine/compiler"
)

// genFlags is what lupine gen was asked for.
type genFlags struct {
	imports       []string
	out           string
	descriptorSet string
	set           compiler.SetOptions
	stubsOnly     bool
	stubSuffix    string
	noCodec       bool
	noStubs       bool
	api           string
	quiet         bool
}

func genCommand(io console) *cobra.Command {
	var f genFlags
	cmd := &cobra.Command{
		Use:   "gen [-I DIR]... [-o DIR] FILE...",
		Short: "Compile .proto files to Go messages, codec, client and server",
		Long: `Compile .proto files to Go. No protoc and no plugins are needed.

x.proto gives x.pb.go, the message types of google.golang.org/protobuf, and
x_lupine.go, the codec and the client and server stubs, in one package. Without
-o they are written beside the source. With -o, each goes below that folder at
the source's path below the first -I folder that holds it.

The Go package is the file's go_package option; without one, it is the folder's
place in the nearest Go module.

google/protobuf, google/api and google/rpc files are built in.`,
		Example: `  lupine gen echo.proto
  lupine gen -I protos -o gen protos/shop/v1/*.proto
  lupine gen --stubs-only echo.proto          # messages come from protoc-gen-go
  lupine gen --descriptor_set_out=echo.binpb --include_imports echo.proto`,
		DisableFlagsInUseLine: true,
		Args:                  args(1, math.MaxInt, "one or more .proto files"),
		RunE:                  func(cmd *cobra.Command, files []string) error { return f.run(cmd, io, files) },
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"proto"}, cobra.ShellCompDirectiveFilterFileExt
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringArrayVarP(&f.imports, "proto_path", "I", nil, "look for imports in `DIR`; may be repeated (default: the working folder)")
	fl.StringVarP(&f.out, "out", "o", "", "write below `DIR` instead of beside each source")
	fl.BoolVar(&f.stubsOnly, "stubs-only", false, "write stubs only, into a package of their own: messages come from protoc-gen-go")
	fl.StringVar(&f.stubSuffix, "stub-suffix", "", "put stubs into a sub-package named like the messages' with this `SUFFIX`\n(\"lupine\" with --stubs-only)")
	fl.BoolVar(&f.noCodec, "no-codec", false, "leave out the codec: messages go through google.golang.org/protobuf")
	fl.BoolVar(&f.noStubs, "no-stubs", false, "leave out clients and servers")
	fl.StringVar(&f.api, "api", "", "`LEVEL` of the messages' Go API where the file does not say: open, hybrid or opaque")
	fl.StringVar(&f.descriptorSet, "descriptor_set_out", "", "write a FileDescriptorSet to `FILE`; without -o, nothing else is written")
	fl.BoolVar(&f.set.Imports, "include_imports", false, "with --descriptor_set_out: include what the files import")
	fl.BoolVar(&f.set.SourceInfo, "include_source_info", false, "with --descriptor_set_out: include positions and comments")
	fl.BoolVar(&f.set.SourceOptions, "retain_options", false, "with --descriptor_set_out: keep options that are for readers of the source alone")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "do not name the files that were written")
	cmd.RegisterFlagCompletionFunc("api", cobra.FixedCompletions([]string{"open", "hybrid", "opaque"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.MarkFlagDirname("proto_path")
	cmd.MarkFlagDirname("out")
	return cmd
}

func (f *genFlags) run(cmd *cobra.Command, io console, files []string) error {
	cfg := compiler.Config{Files: files, ImportPaths: f.imports, OutDir: f.out}
	if f.stubsOnly {
		if f.noStubs {
			return fmt.Errorf("--stubs-only and --no-stubs leave nothing to write: drop one of them")
		}
		cfg.Generator = compiler.StubsOnly("lupine")
	}
	if f.stubSuffix != "" {
		cfg.StubSuffix = f.stubSuffix
	}
	cfg.NoCodec = cfg.NoCodec || f.noCodec
	cfg.NoStubs, cfg.APILevel = f.noStubs, f.api

	if f.descriptorSet == "" && f.set != (compiler.SetOptions{}) {
		return fmt.Errorf("--include_imports, --include_source_info and --retain_options need --descriptor_set_out FILE")
	}
	var written []string
	if f.descriptorSet != "" && f.out == "" {
		linked, err := compiler.Link(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		if written, err = f.writeSet(linked); err != nil {
			return err
		}
		f.say(io, linked, written)
		return nil
	}
	result, err := compiler.Compile(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	if written, err = result.Write(); err != nil {
		return err
	}
	if f.descriptorSet != "" {
		more, err := f.writeSet(result.Linked)
		if err != nil {
			return err
		}
		written = append(written, more...)
	}
	f.say(io, result.Linked, written)
	return nil
}

func (f *genFlags) writeSet(l *compiler.Linked) ([]string, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(l.DescriptorSet(f.set))
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(f.descriptorSet); err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		// A pipe or a device, such as /dev/stdout, must not be renamed over.
		return nil, os.WriteFile(f.descriptorSet, b, 0)
	}
	changed, err := compiler.WriteFile(f.descriptorSet, b)
	if err != nil || !changed {
		return nil, err
	}
	return []string{f.descriptorSet}, nil
}

func (f *genFlags) say(io console, l *compiler.Linked, written []string) {
	for _, w := range l.Warnings {
		fmt.Fprint(io.err, w.String())
	}
	if f.quiet {
		return
	}
	for _, path := range written {
		fmt.Fprintln(io.err, "wrote "+path)
	}
	if len(written) == 0 {
		fmt.Fprintln(io.err, "nothing to write: the files are up to date")
	}
}
