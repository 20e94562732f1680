package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine/wire/h2"
)

// childMode makes this test binary the program that is attacked, or one that
// calls it meanwhile.
const (
	childMode = "LUPINE_HOSTILE_CHILD"
	childSpec = "LUPINE_HOSTILE_SPEC"
)

// spec is what a child is told at its start.
type spec struct {
	Addr string `json:",omitempty"` // of the server that a bystander calls
	Evil string `json:",omitempty"` // of the hostile server that a client calls
	Dir  string `json:",omitempty"` // with TLS certificates; empty: plaintext
	MTLS bool   `json:",omitempty"`
	// Of a server's or a client's h2.Config, in milliseconds; 0 means the default.
	Handshake, Stall, KeepAlive int  `json:",omitempty"`
	SmallBuffers                bool `json:",omitempty"`
}

func (s spec) config() h2.Config {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return h2.Config{HandshakeTimeout: ms(s.Handshake), StallTimeout: ms(s.Stall), KeepAlive: ms(s.KeepAlive), Stats: stats}
}

// stats counts what ran into the limits of this process.
var stats = new(h2.Stats)

// TestMain is also the programs that tests start.
func TestMain(m *testing.M) {
	mode := os.Getenv(childMode)
	if mode == "" {
		if os.Getenv("LUPINE_HOSTILE") == "" {
			fmt.Println("SKIP: the attacks measure memory and time, and want the machine for themselves: run make hostile")
			os.Exit(0)
		}
		code := m.Run()
		if err := report(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
	var s spec
	err := json.Unmarshal([]byte(os.Getenv(childSpec)), &s)
	if err == nil {
		err = map[string]func(spec) error{"server": childServer, "client": childClient, "bystander": childBystander}[mode](s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is a process of this test binary in another mode. It answers each line
// that it is told with a line of JSON.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *bufio.Writer
	out *bufio.Scanner
}

func startChild(t *testing.T, mode string, s spec) *child {
	t.Helper()
	config, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+mode, childSpec+"="+string(config))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	c := &child{t, cmd, bufio.NewWriter(in), bufio.NewScanner(out)}
	c.out.Buffer(nil, 1<<20)
	return c
}

// line returns the next line that the process prints.
func (c *child) line() string {
	c.t.Helper()
	if !c.out.Scan() {
		c.t.Fatalf("the child ended early: %v", c.out.Err())
	}
	return strings.TrimSpace(c.out.Text())
}

// ask tells the child a word and decodes its answer.
func (c *child) ask(word string, answer any) {
	c.t.Helper()
	fmt.Fprintln(c.in, word)
	if err := c.in.Flush(); err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(c.line()), answer); err != nil {
		c.t.Fatal(err)
	}
}

// answer is the child's side of ask: it answers until its parent is gone.
func answer(f func(word string) any) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		b, err := json.Marshal(f(in.Text()))
		if err != nil {
			return err
		}
		fmt.Println(string(b))
	}
	return in.Err()
}

// insides is what only the process itself knows.
type insides struct {
	Goroutines int // but for those that wait in the pool for a call
	Handlers   int
	Files      int
	Heap       int
	Limits     map[string]uint64
}

var handlers atomic.Int64

func inside() insides {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	files, _ := os.ReadDir("/proc/self/fd")
	in := insides{Goroutines: runtime.NumGoroutine() - pooled(), Handlers: int(handlers.Load()), Files: len(files), Heap: int(mem.HeapAlloc), Limits: map[string]uint64{}}
	for name, n := range stats.All() {
		if n > 0 {
			in.Limits[name] = n
		}
	}
	return in
}

// stacks is what pooled reads them into. It is no garbage: that would count as the
// attack's.
var stacks [4 << 20]byte

// pooled counts the goroutines that wait in internal/workers for another task:
// they are kept for seconds on purpose, and there are at most 256 of them.
func pooled() int {
	buf := stacks[:runtime.Stack(stacks[:], true)]
	n := 0
	for one := range strings.SplitSeq(string(buf), "\n\n") {
		lines := strings.SplitN(one, "\n", 3)
		if len(lines) > 1 && strings.HasPrefix(lines[1], "github.com/lupine-rpc/lupine/internal/workers.(*worker).run(") && strings.Contains(lines[0], "[chan receive") {
			n++
		}
	}
	return n
}

// shrink makes a socket that the kernel buffers little for, in segments as on an
// Ethernet: loopback's own are larger than the buffers, and then each waits for a
// timer.
func shrink(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		for _, o := range [][3]int{
			{syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8 << 10}, {syscall.SOL_SOCKET, syscall.SO_SNDBUF, 8 << 10},
			{syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460},
		} {
			if err := syscall.SetsockoptInt(int(fd), o[0], o[1], o[2]); err != nil {
				failed = err
			}
		}
	})
	return errors.Join(err, failed)
}

func shrunk(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&net.Dialer{Control: shrink}).DialContext(ctx, network, addr)
}
