// Descriptors holds the descriptors that lupine gen writes against those of
// other compilers, file by file, for every .proto below some folders.
//
//	go run ./descriptors -lupine lupine -protoc protoc -buf buf NAME=FOLDER...
//
// Options are compared after the extensions in them were resolved, so that the
// order in which a compiler writes them does not count; see compare.go. A
// difference that known.txt does not explain is an error, and so is a line of
// known.txt that explains nothing. run.sh fetches the files and calls it.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
)

//go:embed known.txt
var knownText string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "descriptors:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var references []compiler
	known, err := parseKnown(knownText)
	if err != nil {
		return err
	}
	add := func(open func(context.Context, string) (compiler, error)) func(string) error {
		return func(path string) error {
			c, err := open(ctx, path)
			references = append(references, c)
			return err
		}
	}
	fl := flag.NewFlagSet("descriptors", flag.ContinueOnError)
	path := fl.String("lupine", "lupine", "the compiler under test")
	fl.Func("protoc", "hold it against this protoc; may be repeated", add(protoc))
	fl.Func("buf", "hold it against this buf, where files use editions", add(buf))
	if err := fl.Parse(args); err != nil {
		return err
	}
	if fl.NArg() == 0 || len(references) == 0 {
		return fmt.Errorf("give at least one compiler (-protoc, -buf) and one NAME=FOLDER")
	}
	var suites []*suite
	for _, arg := range fl.Args() {
		s, err := openSuite(arg)
		if err != nil {
			return err
		}
		suites = append(suites, s)
	}
	lupine := compiler{path: *path, name: "lupine", args: lupineArgs}
	unexplained := 0
	fmt.Fprintf(out, "%-18s %-16s %11s\n", "files", "against", "equal")
	for _, s := range suites {
		ours, err := lupine.all(ctx, s.roots, s.files, nil)
		if err != nil {
			return err
		}
		for _, ref := range references {
			n, err := s.hold(ctx, out, ours, ref, known)
			if err != nil {
				return fmt.Errorf("%s against %s: %w", s.name, ref.name, err)
			}
			unexplained += n
		}
	}
	for _, k := range known {
		if !k.used && k.applies(suites, references) {
			fmt.Fprintf(out, "known.txt:%d explains nothing now: take it out\n", k.line)
			unexplained++
		}
	}
	if unexplained > 0 {
		return fmt.Errorf("%d findings are not explained in known.txt", unexplained)
	}
	return nil
}

// hold compares ours with what ref makes of the suite, prints a row, and below
// it the files that are not equal. The total is what ref accepts. It returns how
// many findings nobody has explained.
func (s *suite) hold(ctx context.Context, out io.Writer, ours *product, ref compiler, known []*explanation) (int, error) {
	files := slices.DeleteFunc(slices.Clone(s.files), func(f string) bool {
		return s.editions[f] && !ref.editions || !s.editions[f] && !ref.others
	})
	theirs, err := ref.all(ctx, s.roots, files, ours.refused)
	if err != nil || len(files) == 0 {
		return 0, err
	}
	equal, accepted, neither := 0, 0, 0
	var findings []finding
	for _, f := range files {
		a, b := ours.made[f], theirs.made[f]
		if b != nil {
			accepted++
		}
		switch {
		case a == nil && b == nil:
			neither++
		case a == nil:
			findings = append(findings, finding{f, "lupine refuses it", ours.refused[f]})
		case b == nil:
			findings = append(findings, finding{f, ref.name + " refuses it", theirs.refused[f]})
		default:
			diff, err := difference(f, a, b)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", f, err)
			}
			if diff == "" {
				equal++
			} else {
				findings = append(findings, finding{f, "differs", diff})
			}
		}
	}
	fmt.Fprintf(out, "%-18s %-16s %5d/%d", s.name, ref.name, equal, accepted)
	if neither > 0 {
		fmt.Fprintf(out, ", and %d that both refuse", neither)
	}
	fmt.Fprintln(out)
	unexplained := 0
	for _, d := range findings {
		if k := explain(known, s.name, ref.name, d.file); k != nil {
			d.why = k.why
		} else {
			d.why = "NOT EXPLAINED: " + d.why
			unexplained++
		}
		fmt.Fprintf(out, "    %s: %s: %s\n", d.file, d.what, d.why)
	}
	return unexplained, nil
}

// A finding is a file that is not equal.
type finding struct{ file, what, why string }
