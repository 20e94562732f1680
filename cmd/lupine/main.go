// Command lupine compiles .proto files to Go, calls services, and serves and
// demonstrates an example over every wire:
//
//	lupine gen      .proto files to Go messages, codec and stubs
//	lupine call     call a method of any gRPC server, JSON in and JSON out
//	lupine list     what a server offers
//	lupine serve    the route guide example
//	lupine demo     compile, serve and call the example over every wire
//	lupine version
//
// Its exit status is 0 for success, 1 when a call ended with a status other
// than OK or a run did not give the right answers, and 2 when the command could
// not do its work: a wrong flag, a missing file, a source with errors.
//
// Under the name protoc-gen-lupine it is a plugin for protoc and buf.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/lupine-rpc/lupine/compiler"
)

// The exit statuses.
const (
	exitFailed  = 1 // a call's status was not OK, or an answer was wrong
	exitTrouble = 2 // the command could not do its work
)

func main() {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if name == "protoc-gen-lupine" {
		if err := compiler.RunPlugin(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "protoc-gen-lupine: "+err.Error())
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, console{in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Args[1:]))
}

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
}

// isTerminal reports whether f is a terminal, where somebody watches.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// exit is an error that chooses the exit status. Without an err, everything
// that there is to say has been said.
type exit struct {
	status int
	err    error
}

func (e *exit) Error() string {
	if e.err == nil {
		return "failed"
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// run runs the command line and returns the exit status.
func run(ctx context.Context, io console, args []string) int {
	root := rootCommand(io)
	root.SetArgs(doubleDashes(root, args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var e *exit
	if !errors.As(err, &e) {
		e = &exit{exitTrouble, err}
	}
	if e.err != nil {
		report(io.err, e.err)
	}
	return e.status
}

// report prints an error once. The compiler's diagnostics stand as they are,
// each with its own place.
func report(w io.Writer, err error) {
	if d := (compiler.Errors)(nil); errors.As(err, &d) {
		fmt.Fprintln(w, strings.TrimRight(d.Error(), "\n"))
		return
	}
	fmt.Fprintln(w, "lupine: "+printable(strings.TrimRight(err.Error(), "\n")))
}
