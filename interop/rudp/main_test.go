package rudp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp"
)

const (
	childAddr   = "LUPINE_RUDP_ADDR" // makes this test binary a server there
	childLedger = "LUPINE_RUDP_LEDGER"
	childSingly = "LUPINE_RUDP_SINGLY" // no batches of datagrams
	childDrop   = "LUPINE_RUDP_DROP"   // of 1000 datagrams that come
	childCaller = "LUPINE_RUDP_CALLER" // makes this test binary a client of a server there

	// patience bounds what must happen soon.
	patience = 20 * time.Second
)

// TestMain is also the server that tests start and kill.
func TestMain(m *testing.M) {
	run := serve
	switch {
	case os.Getenv(childCaller) != "":
		run = callers
	case os.Getenv(childAddr) == "":
		os.Exit(m.Run())
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// mark is the only method: its request is the name of a call, its handler writes that into
// the ledger, which outlives the process, and returns it, after slowFor if the name begins
// with slowName.
var mark = &lupine.Method{
	Service: "test.Ledger", Name: "Mark", Path: "/test.Ledger/Mark", Kind: lupine.Unary, Codec: lupine.RawCodec{},
	NewRequest: func() any { return new(lupine.Raw) }, NewReply: func() any { return new(lupine.Raw) },
}

func serve() error {
	ledger, err := os.OpenFile(os.Getenv(childLedger), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	srv := lupine.ServerConfig{}.NewServer()
	srv.Register(&lupine.Service{Name: mark.Service, Methods: []lupine.Method{*mark}},
		lupine.HandleUnary(mark, func(ctx context.Context, r *lupine.Raw) (*lupine.Raw, error) {
			if _, err := fmt.Fprintf(ledger, "%x\n", r.Bytes); err != nil { // one write
				return nil, err
			}
			if bytes.HasPrefix(r.Bytes, []byte(slowName)) {
				select {
				case <-time.After(slowFor):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return r, nil
		}))
	l := rudp.Listen(os.Getenv(childAddr), rudp.Config{Plain: true, NoBatches: os.Getenv(childSingly) != ""})
	if err := srv.Bind(context.Background(), l); err != nil {
		return err
	}
	if s := os.Getenv(childDrop); s != "" {
		var of1000 int
		if _, err := fmt.Sscan(s, &of1000); err != nil {
			return err
		}
		if err := dropOwn(of1000); err != nil {
			return err
		}
	}
	fmt.Println(l.Addr())
	return srv.Serve(context.Background())
}

const (
	slowName = "slow"
	slowFor  = 2 * time.Second
)

// server is a process that serves.
type server struct {
	cmd    *exec.Cmd
	addr   string
	ledger string
}

// start starts a server at addr with the variables of env, and waits until it serves.
func start(t *testing.T, addr, ledger string, env ...string) *server {
	t.Helper()
	return startWith(t, exec.Command(os.Args[0]), addr, ledger, env...)
}

// startWith is start with a command that runs this test binary.
func startWith(t *testing.T, cmd *exec.Cmd, addr, ledger string, env ...string) *server {
	t.Helper()
	cmd.Env = append(append(os.Environ(), childAddr+"="+addr, childLedger+"="+ledger), env...)
	cmd.Stderr = t.Output()
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server ended early: %v", err)
	}
	return &server{cmd, strings.TrimSpace(line), ledger}
}

// kill kills the server with SIGKILL.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.cmd.Wait()
}

func dial(t *testing.T, addr string, c rudp.Config) *lupine.Conn {
	t.Helper()
	c.Plain = true
	conn, err := lupine.DialConfig{}.Dial(context.Background(), rudp.To(addr, c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// call makes the call of that name, and checks that the reply is its own.
func call(ctx context.Context, conn *lupine.Conn, name string) error {
	r, err := lupine.Invoke[lupine.Raw](ctx, conn, mark, &lupine.Raw{Bytes: []byte(name)}, nil)
	if err == nil && string(r.Bytes) != name {
		return fmt.Errorf("the reply of another call: %q to %q", r.Bytes, name)
	}
	return err
}

// runs reads how often each call was run.
func runs(t *testing.T, ledger string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(ledger)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, line := range strings.Fields(string(b)) {
		name, err := hex.DecodeString(line)
		if err != nil {
			t.Fatalf("the ledger holds %q", line)
		}
		counts[string(name)]++
	}
	return counts
}

// account holds how calls ended against how often they were run. It returns how many
// succeeded, were not run, and may have been.
func account(t *testing.T, ended map[string]error, counts map[string]int) (ok, no, maybe int) {
	t.Helper()
	for name, err := range ended {
		n := counts[name]
		e, _ := err.(*lupine.Error)
		switch {
		case n > 1:
			t.Errorf("call %s was run %d times", name, n)
		case err == nil:
			ok++
			if n != 1 {
				t.Errorf("call %s succeeded, and was run %d times", name, n)
			}
		case e == nil:
			t.Errorf("call %s: %v", name, err)
		case e.Executed == lupine.No:
			no++
			if n != 0 {
				t.Errorf("call %s was not executed, says %v, but it was", name, err)
			}
		default:
			maybe++
		}
	}
	for name := range counts {
		if _, made := ended[name]; !made {
			t.Errorf("call %s was run, and never made", name)
		}
	}
	return ok, no, maybe
}

// need is for what a machine may lack: without it the test is skipped, but fails in CI
// (LUPINE_CI=1), where it must not go missing unseen.
func need(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("LUPINE_CI") == "1" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("SKIP: %s: %v; run this test as root", what, err)
}
