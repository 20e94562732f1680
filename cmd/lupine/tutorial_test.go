package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// tutorialTime bounds the whole tutorial, which downloads and builds.
const tutorialTime = 5 * time.Minute

// block is one fenced block of the tutorial and the text before it.
type block struct{ before, kind, text string }

// The README's tutorial works, step by step as it is written. What is different
// here: the command and the module are those of this tree, and port 8080 may be
// another.
func TestTutorial(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	if runtime.GOOS == "windows" {
		t.Skip("its steps are for a Unix shell")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tut := &tutorial{t: t, dir: t.TempDir(), root: root, addr: freeAddr(t)}
	var cancel context.CancelFunc
	tut.ctx, cancel = context.WithTimeout(t.Context(), tutorialTime)
	defer cancel()
	defer tut.stop()
	kinds := map[string]int{}
	for _, b := range tutorialBlocks(t, read(t, root, "README.md")) {
		kinds[b.kind]++
		switch b.kind {
		case "proto", "go":
			tut.file(b)
		case "sh":
			for line := range strings.Lines(b.text) {
				tut.step(strings.TrimSpace(line))
			}
		}
		if t.Failed() {
			return
		}
	}
	if kinds["proto"] < 1 || kinds["go"] < 2 || kinds["sh"] < 2 {
		t.Errorf("the tutorial has %v blocks: is README.md read rightly?", kinds)
	}
	for _, want := range []string{"Hello, Ada\n", "1\n2\n3\n", `{"text":"Hello, Ada"}` + "\n"} {
		if !strings.Contains(tut.out.String(), want) {
			t.Errorf("the steps' output lacks %q:\n%s", want, tut.out.String())
		}
	}
}

// tutorialBlocks cuts the fenced blocks out of the tutorial's section.
func tutorialBlocks(t *testing.T, readme string) []block {
	_, section, ok := strings.Cut(readme, "\n## Five minutes")
	if !ok {
		t.Fatal("README.md has no section \"Five minutes\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []block
	for {
		before, rest, ok := strings.Cut(section, "\n```")
		if !ok {
			return blocks
		}
		kind, rest, _ := strings.Cut(rest, "\n")
		text, after, ok := strings.Cut(rest, "\n```")
		if !ok {
			t.Fatal("README.md has a fence that does not end")
		}
		blocks = append(blocks, block{before, kind, text + "\n"})
		section = after
	}
}

// tutorial is somebody who follows the tutorial.
type tutorial struct {
	t         *testing.T
	ctx       context.Context
	dir, root string
	addr      string // instead of 127.0.0.1:8080
	out       bytes.Buffer
	servers   []*exec.Cmd
}

var filename = regexp.MustCompile("`([^`]+\\.(?:go|proto))`")

// file writes a block to the file that the text before it names last.
func (tut *tutorial) file(b block) {
	names := filename.FindAllStringSubmatch(b.before, -1)
	if len(names) == 0 {
		tut.t.Fatalf("no text says which file this block is:\n%s", b.text)
	}
	path := filepath.Join(tut.dir, filepath.FromSlash(names[len(names)-1][1]))
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(b.text, "127.0.0.1:8080", tut.addr)), 0o644); err != nil {
		tut.t.Fatal(err)
	}
}

// step runs one line of a shell block.
func (tut *tutorial) step(line string) {
	line, _, _ = strings.Cut(line, " #")
	line = strings.TrimSpace(strings.ReplaceAll(line, "127.0.0.1:8080", tut.addr))
	switch {
	case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "go install "):
		return
	case line == "go mod tidy":
		tut.sh("go mod edit -replace github.com/lupine-rpc/lupine=" + tut.root + " -require github.com/lupine-rpc/lupine@v0.0.0")
	case strings.HasSuffix(line, "&"):
		tut.background(strings.TrimSpace(strings.TrimSuffix(line, "&")))
		return
	}
	tut.sh(line)
	if _, to, ok := strings.Cut(line, "&& cd "); ok {
		tut.dir = filepath.Join(tut.dir, to)
	}
}

func (tut *tutorial) command(line string) *exec.Cmd {
	cmd := exec.CommandContext(tut.ctx, "sh", "-e", "-c", line)
	cmd.Dir = tut.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "PATH="+filepath.Dir(binary())+string(os.PathListSeparator)+os.Getenv("PATH"))
	return cmd
}

func (tut *tutorial) sh(line string) {
	cmd := tut.command(line)
	var errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &tut.out, &errOut
	if err := cmd.Run(); err != nil {
		tut.t.Fatalf("$ %s\n%s\n%v", line, errOut.String(), err)
	}
}

// background starts a server: "go run" as a build and a start, so that it can be
// stopped as one process.
func (tut *tutorial) background(line string) {
	pkg, ok := strings.CutPrefix(line, "go run ")
	if !ok {
		tut.t.Fatalf("%s &: only go run is known", line)
	}
	program := filepath.Join(tut.t.TempDir(), "server")
	tut.sh(fmt.Sprintf("go build -o '%s' %s", program, pkg))
	cmd := exec.Command(program)
	cmd.Dir, cmd.Stderr = tut.dir, os.Stderr
	if err := cmd.Start(); err != nil {
		tut.t.Fatal(err)
	}
	tut.servers = append(tut.servers, cmd)
}

// stop interrupts the servers, which must end by themselves and well.
func (tut *tutorial) stop() {
	for _, cmd := range tut.servers {
		cmd.Process.Signal(os.Interrupt)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				tut.t.Errorf("the server, interrupted: %v", err)
			}
		case <-time.After(testTime):
			tut.t.Errorf("the server does not stop")
			cmd.Process.Kill()
		}
	}
}

func freeAddr(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
