// Faults runs Lupine and grpc-go as real processes under load and breaks things
// beneath them: servers are killed, stopped, drained and restarted, and a link is
// cut without a word. It prints one table of what callers saw beside what servers
// did, which is in a file that all processes map and no kill takes away:
//
//	make faults                 # everything, under three minutes
//	make faults FAULTS=-write   # and puts the table into docs/CONFORMANCE.md
//	make faults FAULTS='-only kill'
//
// It fails if a caller of Lupine's was told that a call did not run which did, or
// if one ran twice, or if Lupine beside Lupine misses what its design promises.
// The cut link needs root, for network namespaces; without it that row is skipped.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/lupine-rpc/lupine/interop/internal/section"
)

// totalTime bounds the whole run.
const totalTime = 5 * time.Minute

func main() {
	if text := os.Getenv(roleVariable); text != "" {
		if err := play(text); err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", "", "run the `fault` of this name alone: kill, failover, stop, cut, drain or roll")
	write := flag.Bool("write", false, "put the table into -doc")
	doc := flag.String("doc", "../docs/CONFORMANCE.md", "the `file` whose section \"faults\" -write replaces")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, totalTime)
	defer cancel()
	err := run(ctx, *only, *write, *doc)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// play is a child's main.
func play(text string) error {
	var r role
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	if r.Server {
		return serve(r)
	}
	return load(r)
}

func run(ctx context.Context, only string, write bool, doc string) error {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var rows []row
	var skipped []string
	known := false
	for _, f := range faults {
		if only != "" && only != f.name {
			continue
		}
		known = true
		began := time.Now()
		got, err := f.run(ctx, filepath.Join(dir, f.name))
		var skip skipError
		if errors.As(err, &skip) {
			fmt.Printf("SKIP %s: %v\n", f.name, err)
			skipped = append(skipped, f.name)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Printf("(%s: %.1f s)\n", f.name, time.Since(began).Seconds())
		rows = append(rows, got...)
	}
	if !known {
		return fmt.Errorf("no fault is called %q", only)
	}
	print(os.Stdout, rows)
	if write {
		if only != "" || len(skipped) > 0 {
			return fmt.Errorf("-write wants every row; missing are %s", strings.Join(append(skipped, only), " "))
		}
		if err := section.Replace(doc, "faults", markdown(rows)); err != nil {
			return err
		}
	}
	return verdict(rows)
}

// version is that of grpc-go, as linked in.
func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "google.golang.org/grpc" {
			return m.Version
		}
	}
	return "of unknown version"
}
