package hostile

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // for the reference
	"google.golang.org/grpc/keepalive"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/interop/peerpb/peerpblupine"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// peer is the service that is attacked: an echo that waits if it is told to. It
// refuses what an attacker must not be able to bring before a handler.
type peer struct {
	peerpblupine.UnimplementedPeerServer
}

func (peer) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	handlers.Add(1)
	defer handlers.Add(-1)
	r := &peerpb.Result{Text: o.Text, Payload: o.Payload}
	if o.ReplyBytes > 0 {
		r.Payload = make([]byte, o.ReplyBytes)
	}
	if err := pause(ctx, o); err != nil {
		return nil, err
	}
	return r, nil
}

func pause(ctx context.Context, o *peerpb.Order) error {
	if o.WaitMs == 0 && !o.Hold {
		return nil
	}
	var after <-chan time.Time
	if !o.Hold {
		t := time.NewTimer(time.Duration(o.WaitMs) * time.Millisecond)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-after:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (peer) List(ctx context.Context, o *peerpb.Order, s *lupine.Sender[peerpb.Result]) error {
	handlers.Add(1)
	defer handlers.Add(-1)
	payload := make([]byte, o.ReplyBytes)
	for i := range o.Count {
		if err := pause(ctx, o); err != nil {
			return err
		}
		if err := s.Send(ctx, &peerpb.Result{Index: i, Payload: payload}); err != nil {
			return err
		}
	}
	return nil
}

func (peer) Sum(ctx context.Context, r *lupine.Receiver[peerpb.Order]) (*peerpb.Result, error) {
	handlers.Add(1)
	defer handlers.Add(-1)
	sum := new(peerpb.Result)
	for {
		o, err := r.Recv(ctx)
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return nil, err
		}
		if err := pause(ctx, o); err != nil {
			return nil, err
		}
		sum.Index++
	}
}

func (peer) Chat(ctx context.Context, r *lupine.Receiver[peerpb.Order], s *lupine.Sender[peerpb.Result]) error {
	handlers.Add(1)
	defer handlers.Add(-1)
	for {
		o, err := r.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(ctx, &peerpb.Result{Text: o.Text, Payload: o.Payload}); err != nil {
			return err
		}
	}
}

// referenceVariable puts grpc-go's server in the place of Lupine's, for a look at
// what it does. Then nothing is held against the bar.
const referenceVariable = "LUPINE_HOSTILE_REFERENCE"

// grpcPeer is the peer behind grpc-go's stubs, as far as the attacks on memory
// call it.
type grpcPeer struct{ peerpb.UnimplementedPeerServer }

func (grpcPeer) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	return peer{}.Say(ctx, o)
}

func (grpcPeer) Chat(s grpc.BidiStreamingServer[peerpb.Order, peerpb.Result]) error {
	for {
		o, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&peerpb.Result{Text: o.Text, Payload: o.Payload}); err != nil {
			return err
		}
	}
}

// childServer serves a peer and prints its address.
func childServer(s spec) error {
	var lc net.ListenConfig
	if s.SmallBuffers {
		lc.Control = shrink
	}
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config := s.config()
	config.Listener = l
	if s.Dir != "" {
		if config.TLS, err = serverTLS(s.Dir, s.MTLS); err != nil {
			return err
		}
	}
	if os.Getenv(referenceVariable) != "" {
		// The attacks count on PING, which its policy would end first.
		theirs := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Nanosecond, PermitWithoutStream: true}))
		peerpb.RegisterPeerServer(theirs, grpcPeer{})
		go theirs.Serve(l)
		fmt.Println(l.Addr())
		return answer(func(string) any { return inside() })
	}
	srv := lupine.ServerConfig{Log: slog.New(slog.DiscardHandler)}.NewServer()
	peerpblupine.RegisterPeer(srv, peer{})
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(context.Background(), h2.Listen("", config)) }()
	fmt.Println(l.Addr())
	go func() {
		if err := <-failed; err != nil {
			slog.Error("the server failed", "err", err)
		}
	}()
	return answer(func(string) any { return inside() })
}

// calls is how the calls of a bystander went since it was asked last.
type calls struct {
	Calls, Failures int
	First           string // failure
	P50, P99, Max   time.Duration
	Codes           map[string]int // how the calls ended
}

func (c calls) String() string {
	return fmt.Sprintf("%d calls, %d failures %s, p50 %v, p99 %v, max %v", c.Calls, c.Failures, c.First, c.P50, c.P99, c.Max)
}

// tally collects calls.
type tally struct {
	mu    sync.Mutex
	took  []time.Duration
	fails int
	first string
	codes map[string]int
}

func (a *tally) add(took time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took = append(a.took, took)
	if a.codes == nil {
		a.codes = make(map[string]int)
	}
	a.codes[lupine.CodeOf(err).String()]++
	if err != nil {
		a.fails++
		if a.first == "" {
			a.first = err.Error()
		}
	}
}

func (a *tally) take() calls {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := calls{Calls: len(a.took), Failures: a.fails, First: a.first, Codes: a.codes}
	if n := len(a.took); n > 0 {
		slices.Sort(a.took)
		c.P50, c.P99, c.Max = a.took[n/2], a.took[n*99/100], a.took[n-1]
	}
	a.took, a.fails, a.first, a.codes = a.took[:0], 0, "", nil
	return c
}

// bystanderPace is the time between the calls of one bystander, and
// bystanderPatience what it waits for a reply.
const (
	bystanderPace     = 4 * time.Millisecond
	bystanderPatience = 5 * time.Second
)

// say is one call with a payload of some size.
type say func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error)

// loop calls at bystanderPace for ever.
func (a *tally) loop(f say) {
	pace := time.NewTicker(bystanderPace)
	payload := make([]byte, 100)
	for range pace.C {
		ctx, cancel := context.WithTimeout(context.Background(), bystanderPatience)
		began := time.Now()
		r, err := f(ctx, &peerpb.Order{Text: "bystander", Payload: payload})
		cancel()
		if err == nil && (r.Text != "bystander" || len(r.Payload) != len(payload)) {
			err = fmt.Errorf("the reply is not what was sent: %v", r)
		}
		a.add(time.Since(began), err)
	}
}

// childBystander calls a server: by Lupine, unary and on a stream, and by grpc-go.
func childBystander(s spec) error {
	var config h2.Config
	creds := insecure.NewCredentials()
	if s.Dir != "" {
		t, err := clientTLS(s.Dir)
		if err != nil {
			return err
		}
		config.TLS, creds = t, credentials.NewTLS(t)
	}
	conn, err := lupine.Dial(context.Background(), h2.To(s.Addr, config))
	if err != nil {
		return err
	}
	other, err := grpc.NewClient(s.Addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		return err
	}
	client, grpcClient := peerpblupine.NewPeerClient(conn), peerpb.NewPeerClient(other)
	var a tally
	go a.loop(func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) { return client.Say(ctx, o) })
	go a.loop(func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) { return grpcClient.Say(ctx, o) })
	stream := client.Chat(context.Background())
	go a.loop(func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
		if err := stream.Send(ctx, o); err != nil {
			return nil, err
		}
		return stream.Recv(ctx)
	})
	return answer(func(string) any { return a.take() })
}

// clientReport is what the client process says of itself.
type clientReport struct {
	Good, Evil calls
	Late       int // hostile calls that ended long after their deadline
	Inside     insides
}

// evilDeadline bounds each call to a hostile server, and evilLate is how much
// later it may end on a machine that is busy.
const (
	evilDeadline = 300 * time.Millisecond
	evilLate     = time.Second
)

// childClient calls a good server and a hostile one.
func childClient(s spec) error {
	good, err := lupine.Dial(context.Background(), h2.To(s.Addr))
	if err != nil {
		return err
	}
	config := s.config()
	if s.Dir != "" {
		if config.TLS, err = clientTLS(s.Dir); err != nil {
			return err
		}
	}
	evil, err := lupine.Dial(context.Background(), h2.To(s.Evil, config))
	if err != nil {
		return err
	}
	var a, b tally
	var mu sync.Mutex
	late := 0
	client := peerpblupine.NewPeerClient(good)
	go a.loop(func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) { return client.Say(ctx, o) })
	stop := make(chan struct{})
	attacked := func() {
		c := peerpblupine.NewPeerClient(evil)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), evilDeadline)
			began := time.Now()
			var err error
			if i%2 == 0 {
				_, err = c.Say(ctx, &peerpb.Order{Text: "x"})
			} else {
				for _, e := range c.List(ctx, &peerpb.Order{Text: "x"}).All() {
					err = e
				}
			}
			took := time.Since(began)
			cancel()
			b.add(took, err)
			if took > evilDeadline+evilLate {
				mu.Lock()
				late++
				mu.Unlock()
			}
			time.Sleep(time.Millisecond) // a pace: refusals come at once
		}
	}
	var busy sync.WaitGroup
	return answer(func(word string) any {
		switch word {
		case "attack":
			for range 4 {
				busy.Go(attacked)
			}
		case "rest":
			close(stop)
			busy.Wait()
			evil.Close()
		}
		mu.Lock()
		n := late
		late = 0
		mu.Unlock()
		return clientReport{a.take(), b.take(), n, inside()}
	})
}

// tlsConfigs are read from the folder that the parent wrote.
func serverTLS(dir string, mutual bool) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(dir+"/cert.pem", dir+"/key.pem")
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}}
	if mutual {
		pool, err := roots(dir)
		if err != nil {
			return nil, err
		}
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, pool
	}
	return c, nil
}
