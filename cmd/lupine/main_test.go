package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	status := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(status)
}

var buildDir string

// binary builds the command, once and only if a test needs it, and returns its
// path: most tests run it as a user would.
var binary = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "lupine-test-")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	path := filepath.Join(dir, "lupine")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.Command("go", "build", "-o", path, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(fmt.Sprintf("go build: %v", err))
	}
	return path
})

// testTime bounds one run of the command.
const testTime = time.Minute

// ran is one run of the command.
type ran struct {
	args        []string
	out, errOut string
	status      int
}

// lupineIn runs the command in a folder.
func lupineIn(t *testing.T, dir, stdin string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(), args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("lupine %s: %v", strings.Join(args, " "), err)
	}
	if ctx.Err() != nil {
		t.Fatalf("lupine %s: still running after %v; stderr:\n%s", strings.Join(args, " "), testTime, errOut.String())
	}
	return ran{args, out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

func lupineRun(t *testing.T, args ...string) ran {
	t.Helper()
	return lupineIn(t, "", "", args...)
}

// want checks the exit status, and that each text is in stderr.
func (r ran) want(t *testing.T, status int, stderr ...string) ran {
	t.Helper()
	if r.status != status {
		t.Errorf("lupine %s: exit status %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(r.args, " "), r.status, status, r.out, r.errOut)
	}
	for _, text := range stderr {
		if !strings.Contains(r.errOut, text) {
			t.Errorf("lupine %s: stderr lacks %q:\n%s", strings.Join(r.args, " "), text, r.errOut)
		}
	}
	if strings.Contains(r.errOut, "Flags:\n") || strings.Contains(r.errOut, "goroutine ") {
		t.Errorf("lupine %s: stderr has the usage or a panic:\n%s", strings.Join(r.args, " "), r.errOut)
	}
	return r
}

// stdout checks all of stdout.
func (r ran) stdout(t *testing.T, want string) {
	t.Helper()
	if r.out != want {
		t.Errorf("lupine %s: stdout is\n%s\nwant\n%s\nstderr:\n%s", strings.Join(r.args, " "), r.out, want, r.errOut)
	}
}

// write makes files below a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"-help"}, {"help"}} {
		r := lupineRun(t, args...).want(t, 0)
		for _, name := range []string{"gen", "call", "list", "serve", "demo", "version", "completion"} {
			if !strings.Contains(r.out, "\n  "+name+" ") {
				t.Errorf("lupine %v does not name %s:\n%s", args, name, r.out)
			}
		}
	}
	for _, name := range []string{"gen", "call", "list", "serve", "demo", "version"} {
		r := lupineRun(t, name, "--help").want(t, 0)
		if !strings.Contains(r.out, "Usage:\n  lupine "+name) {
			t.Errorf("lupine %s --help shows no usage:\n%s", name, r.out)
		}
	}
	if r := lupineRun(t, "version").want(t, 0); !strings.HasPrefix(r.out, "lupine ") || !strings.Contains(r.out, runtime.Version()) {
		t.Errorf("lupine version printed %q", r.out)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := lupineRun(t, "completion", shell).want(t, 0); !strings.Contains(r.out, "lupine") {
			t.Errorf("lupine completion %s printed %q", shell, r.out)
		}
	}
	// What the scripts ask for when Tab is pressed.
	if r := lupineRun(t, "__complete", "gen", "--api", "").want(t, 0); !strings.Contains(r.out, "opaque") {
		t.Errorf("no completion of --api: %q", r.out)
	}
	if r := lupineRun(t, "__complete", "call", "").want(t, 0); !strings.Contains(r.out, "grpc://\t") || !strings.Contains(r.out, "unix:///\t") {
		t.Errorf("no completion of targets: %q", r.out)
	}
	target := "grpc://" + startPeer(t, reflectBoth, nil)
	if r := lupineRun(t, "__complete", "call", target, "").want(t, 0); !strings.Contains(r.out, service+"UnaryCall\n") {
		t.Errorf("no completion of methods: %q", r.out)
	}
	if r := lupineRun(t, "__complete", "list", target, "").want(t, 0); !strings.Contains(r.out, "\ngrpc.testing.TestService\n") {
		t.Errorf("no completion of services: %q", r.out)
	}
	dir := write(t, map[string]string{"echo.proto": echoProto})
	if r := lupineIn(t, dir, "", "__complete", "call", "-proto", "echo.proto", "grpc://127.0.0.1:1", "").want(t, 0); !strings.Contains(r.out, "echo.v1.Echo/Say\n") {
		t.Errorf("no completion of methods of files: %q", r.out)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"cal"}, "Did you mean this?\n\tcall"},
		{[]string{"--bogus"}, "unknown flag: --bogus\nSee 'lupine --help'"},
		{[]string{"gen"}, "want one or more .proto files"},
		{[]string{"gen", "--bogus", "a.proto"}, "See 'lupine gen --help'"},
		{[]string{"gen", "-o"}, "flag needs an argument"},
		{[]string{"gen", "--api", "closed", "a.proto"}, "a.proto"},
		{[]string{"gen", "--stubs-only", "--no-stubs", "a.proto"}, "drop one of them"},
		{[]string{"gen", "--include_imports", "a.proto"}, "need --descriptor_set_out"},
		{[]string{"call"}, "want TARGET and PACKAGE.SERVICE/METHOD"},
		{[]string{"call", "grpc://127.0.0.1:1"}, "Usage: lupine call [-d JSON"},
		{[]string{"call", "grpc://127.0.0.1:1", "Greet"}, "want PACKAGE.SERVICE/METHOD"},
		{[]string{"call", "-H", "nocolon", "grpc://127.0.0.1:1", "a.B/C"}, "want 'KEY: VALUE'"},
		{[]string{"call", "-H", "x-bin: ***", "grpc://127.0.0.1:1", "a.B/C"}, "base64"},
		{[]string{"call", "-H", "grpc-timeout: 1S", "grpc://127.0.0.1:1", "a.B/C"}, "kept for the protocol"},
		{[]string{"call", "--timeout", "-1s", "grpc://127.0.0.1:1", "a.B/C"}, "--timeout -1s"},
		{[]string{"call", "--timeout", "soon", "grpc://127.0.0.1:1", "a.B/C"}, "--timeout"},
		{[]string{"call", "--compress", "rar", "grpc://127.0.0.1:1", "a.B/C"}, "want gzip or zstd"},
		{[]string{"call", "--max-receive", "0", "grpc://127.0.0.1:1", "a.B/C"}, "--max-receive 0"},
		{[]string{"call", "-I", "x", "grpc://127.0.0.1:1", "a.B/C"}, "no -proto FILE"},
		{[]string{"call", "127.0.0.1:1", "a.B/C"}, "did you mean grpc://127.0.0.1:1?"},
		{[]string{"call", "gopher://h:1", "a.B/C"}, `unknown scheme "gopher": use grpc://HOST:PORT, grpcs://HOST:PORT, unix:///PATH, rudp://HOST:PORT, rudps://HOST:PORT`},
		{[]string{"call", "-insecure", "grpc://127.0.0.1:1", "a.B/C"}, "use grpcs://"},
		{[]string{"call", "-cacert", "none.pem", "grpcs://127.0.0.1:1", "a.B/C"}, "none.pem: no such file"},
		{[]string{"call", "-cert", "a.pem", "grpcs://127.0.0.1:1", "a.B/C"}, "--cert and --key belong together"},
		{[]string{"list"}, "want TARGET"},
		{[]string{"serve", "extra"}, "want no arguments"},
		{[]string{"serve", "--listen", "grpcs://127.0.0.1:0"}, "--self-signed"},
		{[]string{"serve", "--listen", "127.0.0.1:0"}, "did you mean grpc://127.0.0.1:0?"},
		{[]string{"serve", "--listen", "grpc://127.0.0.1:0", "--self-signed"}, "no --listen grpcs://"},
		{[]string{"demo", "extra"}, "want no arguments"},
	} {
		r := lupineRun(t, test.args...).want(t, exitTrouble, test.want)
		if r.out != "" {
			t.Errorf("lupine %v wrote to stdout: %q", test.args, r.out)
		}
	}
}

// Long flags with one dash are long flags; everything else is left alone.
func TestDoubleDashes(t *testing.T) {
	root := rootCommand(console{strings.NewReader(""), io.Discard, io.Discard})
	for _, test := range []struct{ in, want string }{
		{"call -proto x.proto T M", "call --proto x.proto T M"},
		{"call -proto=x.proto T M", "call --proto=x.proto T M"},
		{"call -insecure -d - T M", "call --insecure -d - T M"},
		{"call -d -proto T M", "call -d -proto T M"}, // a value
		{"call -I. -d{} T M", "call -I. -d{} T M"},
		{"call -Iproto T M", "call -Iproto T M"},
		{"gen -- -proto", "gen -- -proto"},
		{"gen -descriptor_set_out=x a.proto", "gen --descriptor_set_out=x a.proto"},
		{"demo -json", "demo --json"},
		{"demo -x", "demo -x"},
		{"-help", "--help"},
	} {
		if got := strings.Join(doubleDashes(root, strings.Fields(test.in)), " "); got != test.want {
			t.Errorf("doubleDashes(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}
