// H2spec runs the HTTP/2 conformance tests of that name against our server's
// port, over plaintext and TLS, and against nghttpd (Debian's nghttp2-server),
// and prints how many each passed. It fails if ours fails a case that nghttpd
// passes:
//
//	make h2spec
package main

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	// patience is how long h2spec waits for an answer that ought to come, in
	// seconds.
	patience   = 2
	runTimeout = 3 * time.Minute
	startTime  = 10 * time.Second
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("h2spec: ")
	tool := flag.String("h2spec", "h2spec", "the h2spec `program`")
	only := flag.String("section", "", "run this `section` alone, such as http2/5.1")
	flag.Parse()
	if err := run(*tool, *only); err != nil {
		log.Fatal(err)
	}
}

func run(tool, only string) error {
	dir, err := os.MkdirTemp("", "h2spec")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	id, err := newIdentity(dir)
	if err != nil {
		return err
	}
	passes := make(map[string]bool) // what nghttpd passes, over either
	passed, total := 0, 0
	var failed []string
	fmt.Printf("%-30s  passed/total\n", "server")
	for _, t := range targets {
		addr, stop, err := t.start(dir, id)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		cases, err := examine(tool, dir, addr, only, t.tls)
		stop()
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		good := 0
		for _, c := range cases {
			if c.good() {
				good++
			}
			if t.reference {
				passes[c.name()] = passes[c.name()] || c.good()
				continue
			}
			if !passes[c.name()] {
				continue // the reference does not do it either: not counted, but shown
			}
			total++
			if c.good() {
				passed++
			} else {
				failed = append(failed, t.name+": "+c.name())
			}
		}
		fmt.Printf("%-30s  %d/%d\n", t.name, good, len(cases))
		for _, c := range cases {
			if !c.good() {
				fmt.Printf("    not passed: %s\n%s", c.name(), c.why())
			}
		}
	}
	fmt.Printf("h2spec, ours, of what nghttpd passes: %d/%d\n", passed, total)
	if len(failed) > 0 || total == 0 {
		return fmt.Errorf("%d cases failed that nghttpd passes: %q", len(failed), failed)
	}
	return nil
}

// testcase is one case of h2spec's report, which is JUnit's XML.
type testcase struct {
	Section string    `xml:"package,attr"`
	Title   string    `xml:"classname,attr"`
	Skipped *struct{} `xml:"skipped"`
	Failure string    `xml:"failure"`
	Error   string    `xml:"error"`
}

func (c *testcase) name() string { return c.Section + ": " + c.Title }
func (c *testcase) good() bool   { return c.Skipped == nil && c.Failure == "" && c.Error == "" }

func (c *testcase) why() string {
	if c.Skipped != nil {
		return "        skipped\n"
	}
	return fmt.Sprintf("        %s%s\n", c.Failure, c.Error)
}

// examine runs h2spec, strict cases included, and reads its report.
func examine(tool, dir, addr, only string, useTLS bool) ([]testcase, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "report.xml")
	os.Remove(file)
	args := []string{"--strict", "-h", host, "-p", port, "-o", strconv.Itoa(patience), "-j", file}
	if useTLS {
		args = append(args, "--tls", "--insecure")
	}
	if only != "" {
		args = append(args, only)
	}
	out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	raw, rerr := os.ReadFile(file)
	if rerr != nil {
		return nil, fmt.Errorf("h2spec left no report: %w (it ended with %v)\n%s", rerr, err, out)
	}
	var report struct {
		Suites []struct {
			Cases []testcase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(raw, &report); err != nil {
		return nil, fmt.Errorf("h2spec's report: %w", err)
	}
	var cases []testcase
	seen := make(map[string]int)
	for _, s := range report.Suites {
		for _, c := range s.Cases {
			// Some sections have two cases of one title.
			name := c.name()
			if seen[name]++; seen[name] > 1 {
				c.Title += " (" + strconv.Itoa(seen[name]) + ")"
			}
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("h2spec's report has no cases\n%s", out)
	}
	return slices.Clip(cases), nil
}
