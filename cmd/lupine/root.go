package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func rootCommand(io console) *cobra.Command {
	root := &cobra.Command{
		Use:   "lupine",
		Short: "Remote procedure call for Go: one stub compiler, one runtime, every wire",
		Long: `Lupine compiles .proto files to Go and carries the calls over every wire.

New here? See it work, then call something yourself:

  lupine demo                         compile, serve and call an example
  lupine gen echo.proto               Go messages, client and server from a .proto
  lupine list grpc://127.0.0.1:8080   what a gRPC server offers
  lupine call -d '{"text":"hi"}' grpc://127.0.0.1:8080 demo.v1.Echo/Say`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())
	})
	root.AddCommand(genCommand(io), callCommand(io), listCommand(io), serveCommand(io), demoCommand(io), explainCommand(io), versionCommand(io))
	return root
}

func versionCommand(io console) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of lupine and of the Go that built it",
		Args:  args(0, 0, "no arguments"),
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(io.out, "lupine %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// version is the module's version as Go recorded it, with the commit for a
// build from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}

// args checks the number of arguments; its error says how the command is used.
func args(least, most int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		got := "none"
		if len(args) > 0 {
			got = fmt.Sprintf("%d: %s", len(args), strings.Join(args, " "))
		}
		return fmt.Errorf("want %s; the arguments given are %s\nUsage: %s\nSee '%s --help'", want, got, cmd.UseLine(), cmd.CommandPath())
	}
}

// doubleDashes lets long flags be written with one dash as well, as protoc,
// grpcurl and Go's own tools have them: -proto FILE means --proto FILE. pflag
// would read it as -p -r -o -t -o.
func doubleDashes(root *cobra.Command, args []string) []string {
	line := args
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		line = args[1:] // Tab was pressed
	}
	cmd, _, err := root.Find(line)
	if err != nil {
		return args
	}
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return append(out, args[i:]...)
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			name, _, _ := strings.Cut(a[1:], "=")
			if len(name) > 1 && (cmd.Flags().Lookup(name) != nil || name == "help") {
				a = "-" + a
			}
		}
		out = append(out, a)
		// The value of a flag is left as it is.
		if f := flagOf(cmd.Flags(), a); f != nil && f.NoOptDefVal == "" && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out
}

// flagOf returns the flag whose value is the argument after a, or nil.
func flagOf(flags *pflag.FlagSet, a string) *pflag.Flag {
	switch {
	case strings.Contains(a, "="):
		return nil
	case strings.HasPrefix(a, "--"):
		return flags.Lookup(a[2:])
	case len(a) == 2 && a[0] == '-':
		return flags.ShorthandLookup(a[1:])
	}
	return nil
}
