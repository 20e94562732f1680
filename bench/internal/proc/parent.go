package proc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/lupine-rpc/lupine/bench/internal/load"
	"github.com/lupine-rpc/lupine/bench/internal/peer"
)

// ErrUnsupported means that an implementation cannot do the work.
var ErrUnsupported = peer.ErrUnsupported

// Child processes end when their standard input does; one that has not ended so
// long after is killed.
const exitTime = 2 * time.Second

// process is a child.
type process struct {
	role role
	cmd  *exec.Cmd
	in   io.WriteCloser
	enc  *json.Encoder
	dec  *json.Decoder
}

// start runs this program again as a child. procs is its GOMAXPROCS; 0 leaves it
// alone.
func start(r role, procs int) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	// Under the race detector a process would wait a second before it ends.
	cmd.Env = append(os.Environ(), roleVariable+"="+string(r), "GORACE=atexit_sleep_ms=0")
	if procs > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", procs))
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{role: r, cmd: cmd, in: in, enc: json.NewEncoder(in), dec: json.NewDecoder(out)}, nil
}

// stop ends the child and waits for it.
func (p *process) stop() {
	p.in.Close()
	kill := time.AfterFunc(exitTime, func() { p.cmd.Process.Kill() })
	p.cmd.Wait()
	kill.Stop()
}

// ask sends a request and waits for the answer. When ctx ends first, the child
// is killed.
func (p *process) ask(ctx context.Context, req request) (answer, error) {
	kill := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer kill()
	var a answer
	err := p.enc.Encode(req)
	if err == nil {
		err = p.dec.Decode(&a)
	}
	switch {
	case ctx.Err() != nil:
		return a, fmt.Errorf("the %s did not answer %q: %w", p.role, req.Op, ctx.Err())
	case err != nil:
		return a, fmt.Errorf("the %s ended instead of answering %q: %w", p.role, req.Op, err)
	case a.No:
		return a, ErrUnsupported
	case a.Err != "":
		return a, errors.New(a.Err)
	}
	return a, nil
}

// Pair is a server process and a client process that calls it.
type Pair struct {
	server, client *process
}

// Sides says how the two ends of a Pair are built; they differ where one
// implementation calls another.
type Sides struct {
	Client, Server peer.Spec
	Procs          int // GOMAXPROCS of each; 0 leaves it alone
}

// StartPair starts both processes and opens what the work needs.
func StartPair(ctx context.Context, s Sides, work load.Work) (*Pair, error) {
	p := &Pair{}
	var err error
	if p.server, err = start(server, s.Procs); err != nil {
		return nil, err
	}
	if p.client, err = start(client, s.Procs); err != nil {
		p.Stop()
		return nil, err
	}
	a, err := p.server.ask(ctx, request{Op: "serve", Spec: s.Server})
	if err != nil {
		p.Stop()
		return nil, err
	}
	s.Client.Addr = strings.TrimPrefix(a.Addr, "unix:")
	if _, err := p.client.ask(ctx, request{Op: "open", Spec: s.Client, Work: work}); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// PIDs returns the ids of the server's and the client's process.
func (p *Pair) PIDs() (server, client int) {
	return p.server.cmd.Process.Pid, p.client.cmd.Process.Pid
}

// Run lets the client's callers work for d. It returns the client's outcome and
// what the server used meanwhile.
func (p *Pair) Run(ctx context.Context, d time.Duration) (load.Outcome, load.Usage, error) {
	before, err := p.server.ask(ctx, request{Op: "usage"})
	if err != nil {
		return load.Outcome{}, load.Usage{}, err
	}
	out, err := p.client.ask(ctx, request{Op: "run", Duration: d})
	if err != nil {
		return load.Outcome{}, load.Usage{}, err
	}
	after, err := p.server.ask(ctx, request{Op: "usage"})
	if err != nil {
		return load.Outcome{}, load.Usage{}, err
	}
	return *out.Outcome, after.Usage.Since(*before.Usage), nil
}

// RunIdle opens the connections of idle work and returns what each side holds
// for all of them.
func (p *Pair) RunIdle(ctx context.Context) (out load.Outcome, server load.Memory, err error) {
	before, err := p.server.ask(ctx, request{Op: "memory"})
	if err != nil {
		return out, server, err
	}
	a, err := p.client.ask(ctx, request{Op: "run"})
	if err != nil {
		return out, server, err
	}
	after, err := p.server.ask(ctx, request{Op: "memory"})
	if err != nil {
		return out, server, err
	}
	return *a.Outcome, after.Memory.Less(*before.Memory), nil
}

// Stop ends both processes and waits for them.
func (p *Pair) Stop() {
	if p.client != nil {
		p.client.stop()
	}
	p.server.stop()
}

// Heat keeps every processor of this machine from halting until the function it
// returns is called: a process of threads that spin at SCHED_IDLE, which give
// way at once to whatever else wants to run. On a virtual machine a halted
// processor takes tens of microseconds to come back, which is most of what a
// lone caller would wait for. It returns nil where that cannot be done.
func Heat(ctx context.Context) (stop func()) {
	p, err := start(heater, runtime.NumCPU()+1) // one for the goroutine that hears of the end
	if err != nil {
		return nil
	}
	if _, err := p.ask(ctx, request{Op: "heat", Threads: runtime.NumCPU()}); err != nil {
		p.stop()
		return nil
	}
	return p.stop
}
