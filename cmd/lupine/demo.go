package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/lupine-rpc/lupine/compiler"
	"github.com/lupine-rpc/lupine/examples/routeguide"
)

// demoTimeout bounds the whole demo: a wire that hangs is a failure too.
const demoTimeout = 2 * time.Minute

func demoCommand(io console) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "demo [--json]",
		Short: "Compile, serve and call an example over every wire, and check every answer",
		Long: `See Lupine do its work in a few seconds: compile the route guide example's .proto,
serve it over every wire at once, and call all four kinds of method over each.
Every answer is checked against the data set. Nothing leaves this machine.

With --json, stdout has one object per wire and line and nothing else: wire,
carrier, address, calls, errors, p50_us, p99_us (of unary calls, one at a time,
in microseconds), and over UDP packets_per_call (of the same calls). The exit status is 0 only if every call gave the right answer.`,
		DisableFlagsInUseLine: true,
		Args:                  args(0, 0, "no arguments"),
		RunE:                  func(cmd *cobra.Command, _ []string) error { return demo(cmd.Context(), io, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per wire and nothing else")
	return cmd
}

// result is what one wire did: a line of --json.
type result struct {
	Wire    string  `json:"wire"`    // the package's name
	Carrier string  `json:"carrier"` // what is below it
	Address string  `json:"address"`
	Calls   int     `json:"calls"`
	Errors  int     `json:"errors"` // calls that failed or gave a wrong answer
	P50     float64 `json:"p50_us"` // of unary calls
	P99     float64 `json:"p99_us"`
	// Packets is how many datagrams a unary call took, requests and replies together,
	// as the client counted them: of wires that send datagrams.
	Packets float64 `json:"packets_per_call,omitempty"`
}

func demo(ctx context.Context, con console, asJSON bool) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	say := con.out
	if asJSON {
		say = io.Discard
	}
	if err := demoCompile(ctx, say); err != nil {
		return err
	}
	s, err := startDemo(ctx, say)
	if err != nil {
		return err
	}
	bar := progress(con.err, len(s.carriers)*stepsPerWire)
	var results []result
	var wrong []string
	for i, c := range s.carriers {
		bar.Describe(c.wire + " " + c.name)
		t := callWire(ctx, c, i, func() { bar.Add(1) })
		results = append(results, t.result(c))
		for _, w := range t.wrong {
			wrong = append(wrong, c.wire+" over "+c.name+": "+w)
		}
	}
	bar.Finish()
	if err := s.stop(); err != nil {
		wrong = append(wrong, "the server did not stop cleanly: "+err.Error())
	}
	if asJSON {
		out := json.NewEncoder(con.out)
		for _, r := range results {
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	} else {
		printTable(say, results)
	}
	if len(wrong) > 0 {
		return &exit{exitFailed, errors.New("the demo failed:\n  " + strings.Join(wrong, "\n  "))}
	}
	fmt.Fprint(say, next)
	return nil
}

const next = `
Every answer was right. What to try next:

  go install ./cmd/lupine             put the lupine command on your PATH
  lupine serve                        serve this example at grpc://127.0.0.1:8080
  lupine list grpc://127.0.0.1:8080   ask it what it offers, and then call it:
  lupine call -d '{"latitude":525200000,"longitude":134050000}' \
      grpc://127.0.0.1:8080 routeguide.v1.RouteGuide/GetFeature
  lupine gen FILE.proto               compile a .proto of your own; see README.md
`

// demoCompile compiles the example again and holds the result against the stubs
// that this program was built with.
func demoCompile(ctx context.Context, say io.Writer) error {
	name := path.Base(routeguide.Proto)
	text, err := routeguide.Source.ReadFile(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(say, "Compiling %s, %d lines:\n\n", routeguide.Proto, lines(text))
	printService(say, string(text))
	begin := time.Now()
	made, err := compiler.Compile(ctx, compiler.Config{
		Files:     []string{routeguide.Proto},
		Resolver:  compiler.Sources{routeguide.Proto: string(text)},
		OutDir:    ".",
		Generator: compiler.Generator{},
	})
	if err != nil {
		return err
	}
	took := time.Since(begin)
	about := map[string]string{".pb.go": "message types of google.golang.org/protobuf", "_lupine.go": "codec, client and server"}
	w := tabwriter.NewWriter(say, 0, 0, 2, ' ', 0)
	for _, o := range made.Outputs {
		base := path.Base(o.Name)
		kind := ""
		for tail, what := range about {
			if strings.HasSuffix(base, tail) {
				kind = what
			}
		}
		fmt.Fprintf(w, "  %s\t%d lines\t%s\n", base, lines(o.Content), kind)
	}
	w.Flush()
	if err := sameAsLinked(made.Outputs); err != nil {
		return &exit{exitFailed, err}
	}
	fmt.Fprintf(say, "\nin %d ms, byte for byte the stubs that this program was built with.\n\n", took.Milliseconds())
	return nil
}

// sameAsLinked reports the first byte in which the outputs differ from the files
// linked in.
func sameAsLinked(outputs []compiler.Output) error {
	const todo = "the demo's stubs are not what this compiler makes: run 'make generate' in the source tree and build again"
	linked, err := routeguide.Source.ReadDir(".")
	if err != nil {
		return err
	}
	want := map[string]bool{}
	for _, f := range linked {
		if strings.HasSuffix(f.Name(), ".go") {
			want[f.Name()] = true
		}
	}
	for _, o := range outputs {
		name := path.Base(o.Name)
		if !want[name] {
			return fmt.Errorf("the compiler made %s, which is not linked in: %s", name, todo)
		}
		delete(want, name)
		have, err := routeguide.Source.ReadFile(name)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, o.Content) {
			at := 0
			for at < min(len(have), len(o.Content)) && have[at] == o.Content[at] {
				at++
			}
			return fmt.Errorf("%s differs from the file linked in, at line %d: %s", name, bytes.Count(have[:at], []byte("\n"))+1, todo)
		}
	}
	for name := range want {
		return fmt.Errorf("the compiler did not make %s, which is linked in: %s", name, todo)
	}
	return nil
}

func lines(text []byte) int { return bytes.Count(text, []byte("\n")) }

// printService prints the source's service, without its comments.
func printService(say io.Writer, text string) {
	inside := false
	for line := range strings.Lines(text) {
		inside = inside || strings.HasPrefix(line, "service ")
		trimmed := strings.TrimSpace(line)
		if inside && trimmed != "" && !strings.HasPrefix(trimmed, "//") {
			fmt.Fprint(say, "  ", line)
		}
		if inside && strings.HasPrefix(line, "}") {
			fmt.Fprintln(say)
			return
		}
	}
}

// progress is a bar on a terminal, and nothing elsewhere.
func progress(w io.Writer, steps int) *progressbar.ProgressBar {
	return progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetVisibility(isTerminal(w)),
		progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(false),
	)
}

func printTable(say io.Writer, results []result) {
	w := tabwriter.NewWriter(say, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "wire\tcarrier\taddress\tcalls\terrors\tmedian\tp99\tpackets/call")
	for _, r := range results {
		packets := "-"
		if r.Packets > 0 {
			packets = fmt.Sprintf("%.2f", r.Packets)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", r.Wire, r.Carrier, r.Address, r.Calls, r.Errors, micros(r.P50), micros(r.P99), packets)
	}
	w.Flush()
	fmt.Fprintln(say, "\nTimes are of unary calls, one at a time, in this process: a look, not a benchmark.")
}

func micros(us float64) string {
	if us >= 10 {
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.1f µs", us)
}
