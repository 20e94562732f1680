package interop

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// childMode makes this test binary another program; see TestMain.
const childMode = "LUPINE_INTEROP_CHILD"

// TestMain is also the programs that tests start and kill.
func TestMain(m *testing.M) {
	switch mode := os.Getenv(childMode); mode {
	case "":
		// Most tests wait rather than compute: more of them at once than there
		// are processors, and the minute of TestSilence costs nobody anything.
		flag.Parse()
		if err := flag.Set("test.parallel", "12"); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	case "grpc-go", "lupine":
		if err := childServer(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "call":
		childCall(os.Args[1])
	}
}

// childServer prints its address, and each call that its Peer is told to hold.
func childServer(mode string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	held := func(id string) { fmt.Println("held", id) }
	fmt.Println(l.Addr())
	if mode == "grpc-go" {
		s := grpc.NewServer()
		peerpb.RegisterPeerServer(s, grpcPeer{conductor: &conductor{name: mode, held: held}})
		return s.Serve(l)
	}
	s, p := newLupine(lupine.ServerConfig{})
	p.held = held
	return s.Serve(context.Background(), h2.Listen("", h2.Config{Listener: l}))
}

// childCall makes one call and prints how it went.
func childCall(target string) {
	conn, err := lupine.Dial(context.Background(), h2.To(target, h2.Config{}))
	if err == nil {
		_, out := newLupineCaller(conn).say(context.Background(), &peerpb.Order{}, options{})
		err = out.err
	}
	fmt.Println("result:", err)
}

// child is a process of this test binary in another mode.
type child struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startChild(t *testing.T, mode string, env []string, args ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), childMode+"="+mode), env...)
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
	return &child{cmd, bufio.NewScanner(out)}
}

// line returns the next line that the process prints.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child ended early: %v", c.out.Err())
	}
	return strings.TrimSpace(c.out.Text())
}

// need is for peers that a machine may lack: without them the test is skipped,
// with the command that installs them, but fails in CI (LUPINE_CI=1), where they
// must not go missing unseen.
func need(t *testing.T, what string, missing error, install string) {
	t.Helper()
	if missing == nil {
		return
	}
	if os.Getenv("LUPINE_CI") == "1" {
		t.Fatalf("%s is missing (%v); install it: %s", what, missing, install)
	}
	t.Skipf("SKIP: %s is missing (%v); to run this test: %s", what, missing, install)
}
