package rudp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp"
)

// Addresses of RFC 2544, section C.2.2: nobody's own. The server has one that both links
// lead to.
const (
	serverAddr  = "198.18.9.1"
	firstNet    = "198.18.1."
	secondNet   = "198.18.2."
	smallBefore = 200 // small calls before the network changes
	smallAfter  = 200 // and after it
)

// twoLinks is a client's network namespace and a server's, with two links between them.
type twoLinks struct{ client, server string }

// networks counts them, for names.
var networks atomic.Int64

// newTwoLinks makes the namespaces, which takes root and the command ip.
func newTwoLinks(t *testing.T) *twoLinks {
	t.Helper()
	if os.Geteuid() != 0 {
		need(t, "network namespaces need root", errors.New("this user has not its rights"))
	}
	_, err := exec.LookPath("ip")
	need(t, "the command ip (iproute2)", err)
	name := fmt.Sprintf("lupine%d-%d", os.Getpid(), networks.Add(1))
	n := &twoLinks{name + "c", name + "s"}
	t.Cleanup(func() {
		for _, ns := range []string{n.client, n.server} {
			exec.Command("ip", "netns", "del", ns).Run() // it may not be there
		}
	})
	need(t, "network namespaces", n.ip("netns add "+n.client))
	for _, line := range []string{
		"netns add " + n.server,
		"link add name one netns " + n.client + " type veth peer name one netns " + n.server,
		"link add name two netns " + n.client + " type veth peer name two netns " + n.server,
		"-n " + n.server + " link set lo up", "-n " + n.server + " addr add " + serverAddr + "/32 dev lo",
		"-n " + n.client + " addr add " + firstNet + "1/24 dev one", "-n " + n.server + " addr add " + firstNet + "2/24 dev one",
		"-n " + n.client + " addr add " + secondNet + "1/24 dev two", "-n " + n.server + " addr add " + secondNet + "2/24 dev two",
		"-n " + n.client + " link set one up", "-n " + n.client + " link set two up",
		"-n " + n.server + " link set one up", "-n " + n.server + " link set two up",
		"-n " + n.client + " route add " + serverAddr + "/32 via " + firstNet + "2 metric 10",
		"-n " + n.client + " route add " + serverAddr + "/32 via " + secondNet + "2 metric 20",
	} {
		if err := n.ip(line); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func (n *twoLinks) ip(line string) error {
	out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// in is a command that runs this test binary in a namespace.
func in(namespace string) *exec.Cmd {
	return exec.Command("ip", "netns", "exec", namespace, os.Args[0])
}

// TestClientMoves takes a client's network away under a long call and many small ones. They
// end over its other link, on the same session: the long call is run once, and a session
// that is lost would have failed it.
func TestClientMoves(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server string // what is done there with the command ip
	}{
		{"link down", "link set one down", ""},
		{"address removed", "addr del " + firstNet + "1/24 dev one", ""},
		{"route moved", "route del " + serverAddr + "/32 via " + firstNet + "2 metric 10", "link set one down"}, // sends do not fail
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := newTwoLinks(t)
			s := startWith(t, in(n.server), serverAddr+":0", filepath.Join(t.TempDir(), "ledger"))
			cmd := in(n.client)
			cmd.Env = append(os.Environ(), childCaller+"="+s.addr)
			cmd.Stderr = t.Output()
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
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
			lines := bufio.NewScanner(stdout)
			if !lines.Scan() || lines.Text() != "calls are under way" {
				t.Fatalf("the client says %q: %v", lines.Text(), lines.Err())
			}
			if err := n.ip("-n " + n.client + " " + c.client); err != nil {
				t.Fatal(err)
			}
			if c.server != "" {
				if err := n.ip("-n " + n.server + " " + c.server); err != nil {
					t.Fatal(err)
				}
			}
			fmt.Fprintln(stdin, "changed")
			for lines.Scan() {
				switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
				case "failed":
					t.Errorf("a call failed: %s", rest)
				default:
					t.Log(lines.Text())
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the client: %v", err)
			}
			for name, n := range runs(t, s.ledger) {
				if n != 1 {
					t.Errorf("call %s ran %d times", name, n)
				}
			}
			if runs(t, s.ledger)[slowName] != 1 {
				t.Error("the long call did not run")
			}
		})
	}
}

// callers is the client's process: it makes calls, says so, waits until it is told that its
// network has changed, makes more, and says how they ended.
func callers() error {
	stats := new(rudp.Stats)
	conn, err := lupine.DialConfig{}.Dial(context.Background(), rudp.To(os.Getenv(childCaller), rudp.Config{Plain: true, Stats: stats}))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := call(ctx, conn, "first"); err != nil {
		return err
	}
	var (
		all     sync.WaitGroup
		out     sync.Mutex
		made    atomic.Int64
		ready   = make(chan struct{})
		changed atomic.Bool
		left    atomic.Int64
		longest atomic.Int64
		say     = func(format string, args ...any) {
			out.Lock()
			defer out.Unlock()
			fmt.Printf(format+"\n", args...)
		}
	)
	left.Store(smallAfter)
	all.Go(func() {
		if err := call(ctx, conn, slowName); err != nil {
			say("failed %v: %v", slowName, err)
		}
	})
	for c := range 4 {
		all.Go(func() {
			for i := 0; !changed.Load() || left.Add(-1) >= 0; i++ {
				began := time.Now()
				if err := call(ctx, conn, fmt.Sprint("small-", c, "-", i)); err != nil {
					say("failed small-%d-%d: %v", c, i, err)
					return
				}
				if took := int64(time.Since(began)); changed.Load() && took > longest.Load() {
					longest.Store(took)
				}
				if made.Add(1) == smallBefore {
					close(ready)
				}
			}
		})
	}
	select {
	case <-ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	say("calls are under way")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	changed.Store(true)
	all.Wait()
	for name, n := range stats.All() {
		if name == "rebinds" {
			say("%d sockets were bound anew; %d small calls; the slowest after the change took %v", n, made.Load(), time.Duration(longest.Load()).Round(time.Millisecond))
			if n == 0 {
				return errors.New("the client has kept its socket")
			}
		}
	}
	return nil
}
