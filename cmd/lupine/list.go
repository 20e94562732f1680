package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func listCommand(io console) *cobra.Command {
	var f connectFlags
	cmd := &cobra.Command{
		Use:   "list TARGET [PACKAGE.SERVICE]",
		Short: "List what a server offers: its services, or a service's methods",
		Long: `List the services of a server that has gRPC server reflection, or the methods of
one service. With -proto, list what the files declare; TARGET can then be left out.`,
		Example: `  lupine list grpc://127.0.0.1:8080
  lupine list grpc://127.0.0.1:8080 hello.v1.Greeter
  lupine list -proto hello.proto`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(f.protos) > 0 {
				return args(0, 2, "at most TARGET and PACKAGE.SERVICE")(cmd, given)
			}
			return args(1, 2, "TARGET and perhaps PACKAGE.SERVICE")(cmd, given)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.list(cmd, io, args) },
	}
	cmd.ValidArgsFunction = f.complete
	cmd.Flags().SortFlags = false
	f.add(cmd)
	return cmd
}

func (f *connectFlags) list(cmd *cobra.Command, io console, args []string) error {
	ctx, cancel, err := f.limited(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	var s schema
	target := ""
	if len(f.protos) > 0 {
		// A first argument with a scheme is a target, which is not needed here.
		if len(args) > 0 && strings.Contains(args[0], ":") {
			args = args[1:]
		}
		s, err = compileSchema(ctx, f.protos, f.imports)
	} else {
		target, args = args[0], args[1:]
		var done func() error
		if s, done, err = f.open(ctx, target); err == nil {
			defer done()
		}
	}
	if err != nil {
		return err
	}
	names := args
	if len(args) == 0 {
		if names, err = s.services(ctx); err != nil {
			return failed(io, unsent(err), target, &replies{types: resolver{ctx, s}})
		}
		for _, name := range names {
			fmt.Fprintln(io.out, printable(name))
		}
		return nil
	}
	for _, name := range names {
		sd, err := findService(ctx, s, name)
		if err != nil {
			return failed(io, unsent(err), target, &replies{types: resolver{ctx, s}})
		}
		for i := range sd.Methods().Len() {
			fmt.Fprintln(io.out, signature(sd.Methods().Get(i)))
		}
	}
	return nil
}

// signature is a method as a .proto file declares it, under its full name.
func signature(m protoreflect.MethodDescriptor) string {
	side := func(stream bool, d protoreflect.MessageDescriptor) string {
		if stream {
			return "stream " + string(d.FullName())
		}
		return string(d.FullName())
	}
	return fmt.Sprintf("%s/%s(%s) returns (%s)", m.Parent().FullName(), m.Name(), side(m.IsStreamingClient(), m.Input()), side(m.IsStreamingServer(), m.Output()))
}
