// Package proc runs each side of a measurement in a process of its own: the same
// program again, told what to be by its environment and what to do by JSON on
// its standard input, and answering on its standard output.
package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/lupine-rpc/lupine/bench/internal/load"
	"github.com/lupine-rpc/lupine/bench/internal/peer"
)

// roleVariable tells a child what it is.
const roleVariable = "LUPINE_BENCH_ROLE"

type role string

const (
	server role = "server"
	client role = "client"
	heater role = "heater"
)

// request is what a child is asked.
type request struct {
	Op       string        `json:"op"`
	Spec     peer.Spec     `json:"spec,omitzero"`
	Work     load.Work     `json:"work,omitzero"`
	Duration time.Duration `json:"duration,omitempty"`
	Threads  int           `json:"threads,omitempty"`
}

// answer is what it says.
type answer struct {
	Err     string        `json:"err,omitempty"`
	No      bool          `json:"no,omitempty"` // the implementation cannot do it
	Addr    string        `json:"addr,omitempty"`
	Usage   *load.Usage   `json:"usage,omitempty"`
	Memory  *load.Memory  `json:"memory,omitempty"`
	Outcome *load.Outcome `json:"outcome,omitempty"`
}

// Child does not return if this process is a child of the benchmark: main, and
// TestMain, call it first.
func Child() {
	r := role(os.Getenv(roleVariable))
	if r == "" {
		return
	}
	var handle func(request) answer
	switch r {
	case server:
		handle = new(serverChild).handle
	case client:
		handle = new(clientChild).handle
	case heater:
		handle = heat
	default:
		fmt.Fprintf(os.Stderr, "bench: %s=%q is unknown\n", roleVariable, r)
		os.Exit(2)
	}
	load.RaiseFiles()
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var req request
		if err := in.Decode(&req); err != nil {
			if err == io.EOF {
				os.Exit(0) // the parent is done, or gone
			}
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		if err := out.Encode(handle(req)); err != nil {
			os.Exit(1)
		}
	}
}

func failed(err error) answer {
	return answer{Err: err.Error(), No: errors.Is(err, peer.ErrUnsupported)}
}

type serverChild struct {
	srv peer.Server
	svc *peer.Service
}

func (s *serverChild) handle(req request) answer {
	switch req.Op {
	case "serve":
		var err error
		if s.srv, s.svc, err = peer.Serve(req.Spec); err != nil {
			return failed(err)
		}
		return answer{Addr: s.srv.Addr()}
	case "usage":
		u := load.Take()
		return answer{Usage: &u}
	case "memory":
		m := load.TakeMemory()
		return answer{Memory: &m}
	case "release":
		s.svc.Release()
		return answer{}
	}
	return failed(fmt.Errorf("server: unknown request %q", req.Op))
}

type clientChild struct{ c *load.Client }

func (c *clientChild) handle(req request) answer {
	switch req.Op {
	case "open":
		var err error
		if c.c, err = load.Open(req.Spec, req.Work); err != nil {
			return failed(err)
		}
		return answer{}
	case "run":
		out, err := c.c.Run(req.Duration)
		if err != nil {
			return failed(err)
		}
		return answer{Outcome: &out}
	}
	return failed(fmt.Errorf("client: unknown request %q", req.Op))
}

// heat keeps processors from halting: see Heat.
func heat(req request) answer {
	errs := make(chan error)
	for range req.Threads {
		go func() {
			runtime.LockOSThread()
			err := idlePriority()
			errs <- err
			for err == nil {
				runtime.KeepAlive(peer.Spin(1 << 20))
			}
		}()
	}
	for range req.Threads {
		if err := <-errs; err != nil {
			return failed(err)
		}
	}
	return answer{}
}
