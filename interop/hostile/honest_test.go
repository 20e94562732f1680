package hostile

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/interop/peerpb/peerpblupine"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// weather is an honest client in trouble. Its connections must never be closed,
// and no limit that is for attackers may be touched.
type weather struct {
	name string
	spec spec
	// run makes calls and returns how many it made and how many succeeded.
	run func(t *testing.T, addr string) (calls, good int)
	// atLeast is the least share of calls that must succeed, in percent.
	atLeast int
}

// fine are the counters that an honest client may move: refusals of calls, and
// turns that large messages wait for.
var fine = []string{"streams", "decompression", "handshake"}

var honest = []weather{
	{name: "overload: 2,000 calls at once of 20 ms, 256 of them admitted", atLeast: 20, run: func(t *testing.T, addr string) (int, int) {
		f := dialMany(t, addr, 1)
		return storm(scaled(6000, 40_000), 2000, func(int) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := f[0].Say(ctx, &peerpb.Order{WaitMs: 20})
			return err
		})
	}},
	{name: "deadlines of 5 ms for calls of 20 ms", run: func(t *testing.T, addr string) (int, int) {
		f := dialMany(t, addr, 1)
		return storm(scaled(6000, 60_000), 300, func(int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			defer cancel()
			_, err := f[0].Say(ctx, &peerpb.Order{WaitMs: 20})
			return err
		})
	}},
	{name: "deadlines of 5 ms, by grpc-go", run: func(t *testing.T, addr string) (int, int) {
		f := dialGRPC(t, addr)
		return storm(scaled(6000, 60_000), 300, func(int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			defer cancel()
			_, err := f.Say(ctx, &peerpb.Order{WaitMs: 20})
			return err
		})
	}},
	{name: "1,000 users behind one connection, half of whom cancel at any moment", atLeast: 30, run: func(t *testing.T, addr string) (int, int) {
		f := dialGRPC(t, addr)
		return storm(scaled(8000, 80_000), 1000, func(i int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if i%2 == 0 {
				time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
			}
			_, err := f.Say(ctx, &peerpb.Order{WaitMs: uint32(rand.IntN(3))})
			return err
		})
	}},
	{name: "every call hedged: the slower of two is canceled", atLeast: 40, run: func(t *testing.T, addr string) (int, int) {
		f := dialMany(t, addr, 1)
		return storm(scaled(6000, 60_000), 100, func(i int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			won := make(chan error, 2)
			for range 2 {
				go func() {
					_, err := f[0].Say(ctx, &peerpb.Order{Text: "x"})
					won <- err
				}()
			}
			return <-won // the other one is canceled now
		})
	}},
	{name: "streams of tiny messages, broken off while they flow", run: func(t *testing.T, addr string) (int, int) {
		f := dialMany(t, addr, 1)
		return storm(scaled(300, 3000), 20, func(i int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			n := 0
			for _, err := range f[0].List(ctx, &peerpb.Order{Count: 2000}).All() {
				if n++; err != nil || n > 5 {
					return err
				}
			}
			return nil
		})
	}, atLeast: 99},
	{name: "requests of tiny messages that the server answers early", run: func(t *testing.T, addr string) (int, int) {
		f := dialMany(t, addr, 1)
		return storm(scaled(100, 1000), 20, func(i int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			s := f[0].Sum(ctx)
			for range 3000 {
				if err := s.Send(ctx, &peerpb.Order{}); err != nil {
					break
				}
			}
			_, err := s.CloseAndRecv(ctx)
			return err
		})
	}, atLeast: 99},
	{name: "a download that is read in pieces of 4 KB, by net/http", atLeast: 100, run: download},
	{name: "4,096 calls of 8 KB over sockets of 8 KB", spec: spec{SmallBuffers: true}, atLeast: 100, run: func(t *testing.T, addr string) (int, int) {
		conn := dial(t, addr, h2.Config{Dialer: shrunk})
		c := peerpblupine.NewPeerClient(conn)
		payload := make([]byte, 8<<10)
		return storm(4096, 4096, func(int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			_, err := c.Say(ctx, &peerpb.Order{Payload: payload})
			return err
		})
	}},
	{name: "64 uploads of 3 MB over a link of 20 MB/s", spec: spec{Stall: 1000}, atLeast: 100, run: func(t *testing.T, addr string) (int, int) {
		conn := dial(t, addr, h2.Config{Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &narrow{Conn: c}, err
		}})
		c := peerpblupine.NewPeerClient(conn)
		payload := make([]byte, 3<<20)
		return storm(scaled(20, 64), 64, func(int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
			defer cancel()
			_, err := c.Say(ctx, &peerpb.Order{Payload: payload, ReplyBytes: 1})
			return err
		})
	}},
	{name: "compressible messages of 3 MB, 100 at once", atLeast: 100, run: func(t *testing.T, addr string) (int, int) {
		f := dialMany(t, addr, 4)
		payload := []byte(strings.Repeat("honest ", 3<<20/7))
		return storm(scaled(100, 500), 100, func(i int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
			defer cancel()
			_, err := f[i%4].Say(ctx, &peerpb.Order{Payload: payload, ReplyBytes: 1}, lupine.Compress("gzip"))
			return err
		})
	}},
}

func TestHonest(t *testing.T) {
	beside(t)
	for i := range honest {
		w := &honest[i]
		t.Run(w.name, w.test)
	}
}

func (w *weather) test(t *testing.T) {
	server := startChild(t, "server", w.spec)
	addr := server.line()
	lost.Store(0)
	began := time.Now()
	calls, good := w.run(t, addr)
	took := time.Since(began)
	in := server.inside()
	for name, n := range in.Limits {
		allowed := false
		for _, f := range fine {
			allowed = allowed || f == name
		}
		if !allowed {
			t.Errorf("an honest client ran into the limit %q %d times", name, n)
		}
	}
	if n := lost.Load(); n > 0 {
		t.Errorf("%d calls lost their connection", n)
	}
	if calls == 0 || good*100 < w.atLeast*calls {
		t.Errorf("%d of %d calls succeeded, want %d%%", good, calls, w.atLeast)
	}
	t.Logf("%d calls, %d good, in %v; limits %v", calls, good, took.Round(time.Millisecond), in.Limits)
	addFine(fineRow{w.name, calls, good, took, t.Failed()})
}

// lost counts calls that failed because their connection did.
var lost atomic.Int64

// storm makes n calls, width at a time.
func storm(n, width int, call func(i int) error) (calls, good int) {
	var wg sync.WaitGroup
	var at, ok atomic.Int64
	for range width {
		wg.Go(func() {
			for {
				i := int(at.Add(1)) - 1
				if i >= n {
					return
				}
				err := call(i)
				if err == nil {
					ok.Add(1)
				} else if s := err.Error(); strings.Contains(s, "connection to") || strings.Contains(s, "GOAWAY") || strings.Contains(s, "goaway") || strings.Contains(s, "transport is closing") || strings.Contains(s, ": EOF") {
					// A bare EOF is grpc-go's: its Send met the end of the call.
					if lost.Add(1) == 1 {
						fmt.Println("lost:", s)
					}
				}
			}
		})
	}
	wg.Wait()
	return n, int(ok.Load())
}

func dial(t *testing.T, addr string, config h2.Config) *lupine.Conn {
	t.Helper()
	conn, err := lupine.DialConfig{MaxSessions: 1}.Dial(t.Context(), h2.To(addr, config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func dialMany(t *testing.T, addr string, n int) (all []peerpblupine.PeerClient) {
	t.Helper()
	for range n {
		all = append(all, peerpblupine.NewPeerClient(dial(t, addr, h2.Config{})))
	}
	return all
}

func dialGRPC(t *testing.T, addr string) peerpb.PeerClient {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return peerpb.NewPeerClient(conn)
}

// download reads a long stream of replies by net/http's client, which gives
// credit back in as small pieces as it is read in.
func download(t *testing.T, addr string) (calls, good int) {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	defer tr.CloseIdleConnections()
	count := uint32(scaled(1000, 8000))
	body := prefixed(0, encode(&peerpb.Order{Count: count, ReplyBytes: 64 << 10}))
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+peerPath+"List", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return 1, 0
	}
	defer res.Body.Close()
	total, piece := 0, make([]byte, 4<<10)
	for err == nil {
		var n int
		n, err = res.Body.Read(piece)
		total += n
	}
	if err != io.EOF || total < int(count)<<16 || res.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("%d bytes came of %d, status %q: %v", total, int(count)<<16, res.Trailer.Get("Grpc-Status"), err)
		return 1, 0
	}
	return 1, 1
}

// narrow is a connection that sends 20 MB a second.
type narrow struct {
	net.Conn
	free time.Time
}

func (n *narrow) Write(b []byte) (int, error) {
	for at := 0; at < len(b); {
		k := min(len(b)-at, 64<<10)
		if now := time.Now(); n.free.Before(now) {
			n.free = now
		}
		n.free = n.free.Add(time.Duration(k) * time.Second / (20 << 20))
		time.Sleep(time.Until(n.free)) // the link's speed
		m, err := n.Conn.Write(b[at : at+k])
		if at += m; err != nil {
			return at, err
		}
	}
	return len(b), nil
}
