package rudp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest/sim"
	"github.com/lupine-rpc/lupine/wire/rudp"
)

// relayed starts a relay to a server.
func relayed(t *testing.T, target string, cfg sim.NetConfig) (*sim.Live, *sim.Relay) {
	t.Helper()
	live := sim.NewLive(sim.NewRand(uint64(time.Now().UnixNano()), 1), cfg)
	t.Cleanup(live.Close)
	r, err := live.Relay("client", "server", "127.0.0.1:0", target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return live, r
}

// book is what became of calls.
type book struct {
	mu    sync.Mutex
	ended map[string]error
}

// many makes calls on connections of their own, so that none rides in another's datagram.
func (b *book) many(prefix string, conns []*lupine.Conn, each int, deadline time.Duration) {
	if b.ended == nil {
		b.ended = map[string]error{}
	}
	var all sync.WaitGroup
	for c, conn := range conns {
		all.Go(func() {
			for i := range each {
				name := fmt.Sprint(prefix, "-", c, "-", i)
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				err := call(ctx, conn, name)
				cancel()
				b.mu.Lock()
				b.ended[name] = err
				b.mu.Unlock()
			}
		})
	}
	all.Wait()
}

func several(t *testing.T, n int, addr string, c rudp.Config) (conns []*lupine.Conn) {
	for range n {
		conns = append(conns, dial(t, addr, c))
	}
	return conns
}

// wantAll checks that every call succeeded and was run once.
func (b *book) wantAll(t *testing.T, ledger string) {
	t.Helper()
	ok, _, _ := account(t, b.ended, runs(t, ledger))
	for name, err := range b.ended {
		if err != nil {
			t.Errorf("%s: %v", name, err)
			break
		}
	}
	if ok != len(b.ended) {
		t.Errorf("%d of %d calls succeeded", ok, len(b.ended))
	}
}

// TestRelayLoss loses three of ten real datagrams each way: every call succeeds and is run
// once, with not many more datagrams than that takes.
func TestRelayLoss(t *testing.T) {
	t.Parallel()
	const conns, each = 16, 40
	s := start(t, "127.0.0.1:0", filepath.Join(t.TempDir(), "ledger"))
	live, r := relayed(t, s.addr, sim.NetConfig{Link: sim.LinkConfig{Loss: 300}})
	var b book
	b.many("call", several(t, conns, r.Addr(), rudp.Config{}), each, 10*time.Second)
	b.wantAll(t, s.ledger)
	var sent int
	live.Do(func(n *sim.Net) {
		up, down := n.Link("client", "server").Counts(), n.Link("server", "client").Counts()
		sent = up.Sent + down.Sent
		if up.Lost == 0 || down.Lost == 0 {
			t.Errorf("nothing was lost: %+v, %+v", up, down)
		}
	})
	per := float64(sent) / (conns * each)
	t.Logf("%d calls, %d datagrams, handshakes included: %.2f a call", conns*each, sent, per)
	if per > 5 {
		t.Errorf("%.2f datagrams a call at 30%% loss, 3.47 are needed", per)
	}
}

// TestRelayWeather adds copies, late and corrupt datagrams, delay and a slow link.
func TestRelayWeather(t *testing.T) {
	t.Parallel()
	s := start(t, "127.0.0.1:0", filepath.Join(t.TempDir(), "ledger"))
	live, r := relayed(t, s.addr, sim.NetConfig{Link: sim.LinkConfig{
		Loss: 100, Duplicate: 200, Reorder: 200, Corrupt: 100, Delay: int64(5 * time.Millisecond), Jitter: int64(10 * time.Millisecond),
		Late: int64(30 * time.Millisecond), Rate: 1 << 20,
	}})
	var b book
	b.many("call", several(t, 16, r.Addr(), rudp.Config{}), 25, 10*time.Second)
	b.wantAll(t, s.ledger)
	live.Do(func(n *sim.Net) {
		c := n.Link("client", "server").Counts()
		t.Logf("%+v", c)
		if c.Lost == 0 || c.Duplicated == 0 || c.Reordered == 0 || c.Corrupted == 0 {
			t.Errorf("a fault did not happen: %+v", c)
		}
	})
}

// TestFilterLoss has the server's kernel drop three of ten datagrams.
func TestFilterLoss(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: socket filters are for Linux")
	}
	t.Parallel()
	s := start(t, "127.0.0.1:0", filepath.Join(t.TempDir(), "ledger"), childDrop+"="+strconv.Itoa(300))
	var b book
	begin := time.Now()
	b.many("call", several(t, 16, s.addr, rudp.Config{}), 40, 10*time.Second)
	b.wantAll(t, s.ledger)
	t.Logf("%d calls in %v", len(b.ended), time.Since(begin).Round(time.Millisecond))
}

// TestRebind changes the clients' addresses under way.
func TestRebind(t *testing.T) {
	t.Parallel()
	s := start(t, "127.0.0.1:0", filepath.Join(t.TempDir(), "ledger"))
	_, r := relayed(t, s.addr, sim.NetConfig{Link: sim.LinkConfig{Loss: 50}})
	conns := several(t, 4, r.Addr(), rudp.Config{})
	var b book
	for round := range 3 {
		b.many(fmt.Sprint("round", round), conns, 5, 10*time.Second)
		r.Rebind()
	}
	b.many("last", conns, 5, 10*time.Second)
	b.wantAll(t, s.ledger)
}

// TestKill kills the server again and again, with SIGKILL, under load and loss. Whatever
// an error says of whether its call was run is true, none is run twice, and calls succeed
// soon after the server is back.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 4
	if s := os.Getenv("LUPINE_KILLS"); s != "" { // make chaos
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	ledger := filepath.Join(t.TempDir(), "ledger")
	s := start(t, "127.0.0.1:0", ledger)
	_, r := relayed(t, s.addr, sim.NetConfig{Link: sim.LinkConfig{Loss: 100, Duplicate: 50}})
	stop := make(chan struct{})
	var b book
	b.ended = map[string]error{}
	back := make(chan string, 1<<16)
	var all sync.WaitGroup
	for c, conn := range several(t, 8, r.Addr(), rudp.Config{}) {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprint("call-", c, "-", i)
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				err := call(ctx, conn, name)
				cancel()
				b.mu.Lock()
				b.ended[name] = err
				b.mu.Unlock()
				if err == nil {
					select {
					case back <- name:
					default:
					}
				}
			}
		})
	}
	await := func(n int) time.Duration {
		begin := time.Now()
		for range n {
			select {
			case <-back:
			case <-time.After(patience):
				t.Fatal("no call succeeds any more")
			}
		}
		return time.Since(begin)
	}
	for range kills {
		await(200)
		s.kill(t)
		for len(back) > 0 {
			<-back
		}
		s = start(t, s.addr, ledger)
		t.Logf("a call succeeds %v after the server is back", await(1).Round(time.Millisecond))
	}
	await(50)
	close(stop)
	all.Wait()
	ok, no, maybe := account(t, b.ended, runs(t, ledger))
	t.Logf("%d calls succeeded, %d were not run, %d may have been", ok, no, maybe)
	if maybe == 0 {
		t.Error("no call was under way when the server was killed")
	}
}
