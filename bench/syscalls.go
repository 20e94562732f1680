package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lupine-rpc/lupine/bench/internal/proc"
)

// Reads and writes are counted in every round, by the kernel and for nothing.
// System calls of every kind need a tracer, so they have a round of their own:
// perf, which costs little, or else strace, which slows the process down and so
// makes batches larger than they are.

// installTracer is how to get one on Debian.
const installTracer = "apt-get install linux-perf (or strace)"

// tracer counts the system calls of one process.
type tracer interface {
	// stop ends counting and returns how many there were.
	stop() (uint64, error)
}

// tracers returns how to count system calls here, and a name for it, or nil and
// why not.
func tracers(ctx context.Context) (func(pid int) (tracer, error), string) {
	if _, err := exec.LookPath("perf"); err == nil {
		if t, err := startPerf(os.Getpid()); err == nil {
			if n, err := t.stop(); err == nil && n > 0 {
				return startPerf, "perf stat"
			}
		}
	}
	if _, err := exec.LookPath("strace"); err == nil {
		return startStrace, "strace -c, which slows the process down"
	}
	return nil, "SKIP: neither perf nor strace can count here: " + installTracer
}

// perfTracer is perf stat attached to a process.
type perfTracer struct {
	cmd       *exec.Cmd
	out       strings.Builder
	ctl, acks *os.File
}

// startPerf attaches perf and returns once it counts.
func startPerf(pid int) (tracer, error) {
	ctlRead, ctlWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ackRead, ackWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	t := &perfTracer{ctl: ctlWrite, acks: ackRead}
	t.cmd = exec.Command("perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-D", "-1", "--control", "fd:3,4", "-p", strconv.Itoa(pid))
	t.cmd.ExtraFiles = []*os.File{ctlRead, ackWrite}
	t.cmd.Stderr = &t.out
	err = t.cmd.Start()
	ctlRead.Close()
	ackWrite.Close()
	if err != nil {
		return nil, err
	}
	if _, err := ctlWrite.WriteString("enable\n"); err != nil {
		t.end()
		return nil, err
	}
	// It answers "ack" once it counts; if it ends instead, the pipe does too.
	if _, err := io.ReadFull(ackRead, make([]byte, 4)); err != nil {
		t.end()
		return nil, fmt.Errorf("perf: %s", strings.TrimSpace(t.out.String()))
	}
	return t, nil
}

func (t *perfTracer) end() {
	interrupt(t.cmd)
	t.ctl.Close()
	t.acks.Close()
}

func (t *perfTracer) stop() (uint64, error) {
	t.end()
	for line := range strings.Lines(t.out.String()) {
		if n, rest, ok := strings.Cut(line, ","); ok && strings.Contains(rest, "sys_enter") {
			return strconv.ParseUint(n, 10, 64)
		}
	}
	return 0, fmt.Errorf("perf said %q", t.out.String())
}

// straceTracer is strace attached to a process.
type straceTracer struct {
	cmd *exec.Cmd
	out *os.File
}

// attachTime is what strace gets to attach to every thread; it does not say when
// it has.
const attachTime = 150 * time.Millisecond

func startStrace(pid int) (tracer, error) {
	out, err := os.CreateTemp("", "lupine-bench-strace")
	if err != nil {
		return nil, err
	}
	os.Remove(out.Name())
	cmd := exec.Command("strace", "-c", "-f", "-o", "/dev/fd/3", "-p", strconv.Itoa(pid))
	cmd.ExtraFiles = []*os.File{out}
	if err := cmd.Start(); err != nil {
		out.Close()
		return nil, err
	}
	time.Sleep(attachTime)
	return &straceTracer{cmd, out}, nil
}

func (t *straceTracer) stop() (uint64, error) {
	defer t.out.Close()
	interrupt(t.cmd)
	if _, err := t.out.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	data, err := io.ReadAll(t.out)
	if err != nil {
		return 0, err
	}
	return straceTotal(string(data))
}

// straceTotal reads the last line of a table by strace -c: "100.00 SECONDS
// USECS CALLS [ERRORS] total".
func straceTotal(table string) (uint64, error) {
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) >= 4 && f[len(f)-1] == "total" {
			return strconv.ParseUint(f[3], 10, 64)
		}
	}
	return 0, errors.New("strace printed no total")
}

// interrupt ends a tracer as Ctrl-C does, and waits for it.
func interrupt(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGINT)
	kill := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	cmd.Wait()
	kill.Stop()
}

// countSyscalls has a round of its own for the cells that ask for it.
func (b *bench) countSyscalls(ctx context.Context) {
	var list []int
	for i, c := range b.cells {
		if c.work.syscalls && b.results.Cells[i].Err == "" {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return
	}
	attach, how := tracers(ctx)
	b.results.Notes = append(b.results.Notes, "system calls of every kind: "+how)
	if attach == nil {
		return
	}
	for _, i := range list {
		c, r := b.cells[i], b.results.Cells[i]
		b.progress.step("system calls  " + c.work.name + "  " + c.pair.name)
		b.heat(ctx, c.work.heat)
		client, server, err := b.traced(ctx, c, attach)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.results.Notes = append(b.results.Notes, fmt.Sprintf("system calls of %s %s: %v", c.work.name, c.pair.name, err))
			continue
		}
		if r.Median == nil {
			r.Median = figures{}
		}
		r.Median[syscallsClient], r.Median[syscallsServer] = client, server
	}
	b.heat(ctx, false)
}

// traced measures a cell with a tracer on each side and returns system calls per
// call.
func (b *bench) traced(ctx context.Context, c cell, attach func(int) (tracer, error)) (client, server float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, cellTimeout)
	defer cancel()
	p, err := proc.StartPair(ctx, b.sides(c), c.work.work)
	if err != nil {
		return 0, 0, err
	}
	defer p.Stop()
	if _, _, err := p.Run(ctx, b.WarmUp); err != nil {
		return 0, 0, err
	}
	serverPID, clientPID := p.PIDs()
	onServer, err := attach(serverPID)
	if err != nil {
		return 0, 0, err
	}
	onClient, err := attach(clientPID)
	if err != nil {
		onServer.stop()
		return 0, 0, err
	}
	out, _, err := p.Run(ctx, b.Measure)
	clientCalls, clientErr := onClient.stop()
	serverCalls, serverErr := onServer.stop()
	if err := errors.Join(err, clientErr, serverErr); err != nil {
		return 0, 0, err
	}
	n := float64(out.Calls)
	return float64(clientCalls) / n, float64(serverCalls) / n, nil
}
