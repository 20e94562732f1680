package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// roleVariable makes this program one of its children.
const roleVariable = "LUPINE_FAULTS_ROLE"

// process is a child.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	done chan struct{} // closed once it has ended
	addr string        // of a server
}

// start starts a child, in a network namespace if one is named, with the listener
// if one is given.
func start(ctx context.Context, r role, namespace string, l *net.TCPListener) (*process, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	words := []string{self}
	if namespace != "" {
		words = []string{"ip", "netns", "exec", namespace, self}
	}
	p := &process{cmd: exec.CommandContext(ctx, words[0], words[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	p.cmd.Stderr = os.Stderr
	if l != nil {
		f, err := l.File()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		p.cmd.ExtraFiles = []*os.File{f}
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	p.out.Buffer(nil, 1<<20)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if !r.Server {
		return p, nil
	}
	if p.addr, err = p.line(); err != nil {
		p.kill()
		return nil, fmt.Errorf("a server did not start: %w", err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) line() (string, error) {
	if !p.out.Scan() {
		err := p.out.Err()
		if err == nil {
			err = io.EOF
		}
		return "", err
	}
	return strings.TrimSpace(p.out.Text()), nil
}

// kill ends a server with SIGKILL and waits until it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	select {
	case <-p.done:
	case <-time.After(time.Second): // a client, which nobody waits for yet
	}
}

// wait waits until a server has ended by itself.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-time.After(exitTime):
		return fmt.Errorf("a server is still there %v after SIGTERM", exitTime)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stopped waits until every thread of a server stands still after SIGSTOP.
func (p *process) stopped(ctx context.Context) error {
	for late := time.Now().Add(time.Second); time.Now().Before(late); {
		running := false
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		if err != nil || len(threads) == 0 {
			return fmt.Errorf("cannot see process %d: %v", p.cmd.Process.Pid, err)
		}
		for _, path := range threads {
			b, _ := os.ReadFile(path) // nothing, if the thread has ended
			_, state, ok := strings.Cut(string(b), ") ")
			running = running || ok && !strings.HasPrefix(state, "T")
		}
		if !running {
			return nil
		}
		if err := pause(ctx, time.Millisecond); err != nil { // between looks
			return err
		}
	}
	return fmt.Errorf("process %d has not stopped", p.cmd.Process.Pid)
}

// ask tells a client something and decodes its answer.
func (p *process) ask(what any, answer any) error {
	word, ok := what.(string)
	if !ok {
		b, err := json.Marshal(what)
		if err != nil {
			return err
		}
		word = string(b)
	}
	if _, err := fmt.Fprintln(p.in, word); err != nil {
		return err
	}
	line, err := p.line()
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(line), answer)
}

// good returns how many calls of a client have succeeded so far.
func (p *process) good() (n int64, err error) {
	err = p.ask("good", &n)
	return n, err
}

// until waits until n more calls have succeeded.
func (p *process) until(ctx context.Context, n int64) error {
	first, err := p.good()
	for late := time.Now().Add(recoverTime); err == nil; {
		var now int64
		if now, err = p.good(); err != nil || now >= first+n {
			return err
		}
		if time.Now().After(late) {
			return fmt.Errorf("only %d of %d calls succeeded in %v", now-first, n, recoverTime)
		}
		err = pause(ctx, 2*time.Millisecond) // between looks
	}
	return err
}

// pause lets the load go on for a while.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
