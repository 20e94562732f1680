// Package inproc carries calls within one process. Nothing is sent: a call is a
// message handed over. It means the same as on every other wire (deadline,
// cancellation, metadata, errors, limits, flow control, draining), so that a test
// or a program in one piece behaves as it will when it is taken apart.
//
//	net := inproc.New()
//	go srv.Serve(ctx, net.Listen())
//	conn, err := lupine.Dial(ctx, net.To())
//
// # Copying
//
// Caller and handler never share a message. Each message is copied deeply when
// it is handed over, and what one side does to its own afterwards the other does
// not see:
//
//   - When both sides use the same Go type and the codec is a [lupine.Copier], the
//     codec copies it.
//   - Otherwise the sender's codec encodes it and the receiver's codec decodes it.
//     So a handler with [lupine.RawCodec], a proxy, sees the bytes it would see on a
//     network, and messages of two generated packages meet.
//
// A Send has copied when it returns, as has Invoke: the message may be changed
// again. The reply of a unary handler is copied on the caller's goroutine, after
// the handler returned; a handler must not change it then, as on every wire.
// Metadata and error details are copied too. What [lupine.Errorf] wrapped stays
// with the handler: a caller must not come to rely on what no network carries.
//
// # Limits
//
// MaxReceive and MaxSend hold wherever the size of a message's encoding is known:
// always, but for a codec that is a Copier and no [lupine.Sizer]. Each direction of a
// stream holds at most [Config].Queue messages or QueueBytes bytes that the other
// side has not taken, then Send waits. The number of calls is not limited: whoever
// can make one is this process itself. Compressors are ignored.
//
// # Goroutines
//
// Every handler has a goroutine of its own, so that a caller whose context ends
// returns at once, whatever the handler does. These goroutines are used again.
// Closing a listener ends all of them that have no handler to run.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/workers"
)

// Defaults of [Config].
const (
	DefaultQueue      = 16      // messages that a stream holds each way
	DefaultQueueBytes = 1 << 20 // bytes that a stream holds each way
)

// Config is how a [Network] behaves. The zero value is the default.
type Config struct {
	// Name stands in addresses and errors: "inproc:Name". Empty means "inproc".
	Name string
	// Queue is how many messages one direction of a stream holds before Send
	// waits. Zero or less means [DefaultQueue].
	Queue int
	// QueueBytes is how many bytes they may have together; a single message may
	// have more. Zero or less means [DefaultQueueBytes].
	QueueBytes int
}

// Network is where one server and any number of callers of a process meet. It
// has at most one listener at a time; when that is closed another may follow,
// and Conns find it. All methods are safe for concurrent use.
type Network struct {
	config Config

	mu       sync.Mutex
	listener *listener // the bound one
}

// New returns a Network with the default configuration.
func New() *Network { return Config{}.New() }

// New returns a Network that behaves as c says.
func (c Config) New() *Network {
	if c.Queue <= 0 {
		c.Queue = DefaultQueue
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = DefaultQueueBytes
	}
	return &Network{config: c}
}

func (n *Network) addr() string {
	if n.config.Name == "" {
		return "inproc"
	}
	return "inproc:" + n.config.Name
}

// Listen returns a listener for one server.
func (n *Network) Listen() lupine.Listener {
	return &listener{network: n, sessions: make(map[*session]struct{}), serving: make(chan struct{}), closed: make(chan struct{})}
}

// To returns the target that leads to whatever server listens.
func (n *Network) To() lupine.Target {
	return lupine.Target{Name: n.addr(), Wire: n, Resolver: lupine.Endpoints{{Addr: n.addr()}}}
}

// Info describes the wire.
func (n *Network) Info() lupine.WireInfo {
	return lupine.WireInfo{Name: "inproc", Capabilities: lupine.Capabilities{
		Streams: true, FullDuplex: true, Metadata: true, Trailers: true, Details: true, PeerCalls: true, Identity: true,
	}}
}

// Dial makes a session with the server that listens. It waits within ctx for a
// bound listener to be served, and fails when there is none.
func (n *Network) Dial(ctx context.Context, _ lupine.Endpoint, opts lupine.SessionOptions) (lupine.Session, error) {
	n.mu.Lock()
	l := n.listener
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: no server listens there", n.addr())
	}
	select {
	case <-l.serving:
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: the server is shutting down", n.addr())
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s: waiting for the server to serve: %w", n.addr(), ctx.Err())
	}
	return l.accept(opts)
}

// listener is the serving side of a Network.
type listener struct {
	network *Network
	server  *lupine.Server
	workers workers.Pool
	serving chan struct{} // closed by Serve
	closed  chan struct{} // closed when Drain is done or by Close

	mu       sync.Mutex
	sessions map[*session]struct{} // the callers' directions
	bound    bool
	served   bool
	draining bool
	down     bool
}

// Info describes the wire.
func (l *listener) Info() lupine.WireInfo { return l.network.Info() }

// Addr returns the network's address.
func (l *listener) Addr() string { return l.network.addr() }

// Bind makes l the network's listener. It fails when the network has one.
func (l *listener) Bind(_ context.Context, srv *lupine.Server) error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bound || l.down || l.draining {
		return fmt.Errorf("listen %s: the listener was used before: call Listen again", l.Addr())
	}
	if l.network.listener != nil {
		return fmt.Errorf("listen %s: another server listens there: close it first, or make another inproc.Network", l.Addr())
	}
	l.bound, l.server = true, srv
	l.network.listener = l
	return nil
}

// Serve lets callers in, and returns once Drain has ended or Close was called.
func (l *listener) Serve() error {
	l.mu.Lock()
	switch {
	case l.down || l.draining:
	case !l.bound || l.served:
		l.mu.Unlock()
		return errors.New("inproc: Serve needs a listener that was bound and not served yet")
	default:
		l.served = true
		close(l.serving)
	}
	l.mu.Unlock()
	<-l.closed
	return nil
}

func (l *listener) accept(opts lupine.SessionOptions) (lupine.Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining || l.down {
		return nil, fmt.Errorf("dial %s: the server is shutting down", l.Addr())
	}
	s := newSession(l, opts)
	l.sessions[s] = struct{}{}
	return s, nil
}

func (l *listener) forget(s *session) {
	l.mu.Lock()
	delete(l.sessions, s)
	l.mu.Unlock()
}

// leave makes room for the network's next listener.
func (l *listener) leave() {
	l.network.mu.Lock()
	if l.network.listener == l {
		l.network.listener = nil
	}
	l.network.mu.Unlock()
}

func (l *listener) all() []*session {
	all := make([]*session, 0, len(l.sessions))
	for s := range l.sessions {
		all = append(all, s)
	}
	return all
}

// Drain refuses new sessions and calls, and returns when every handler has
// returned or ctx has ended.
func (l *listener) Drain(ctx context.Context) error {
	l.leave()
	l.mu.Lock()
	l.draining = true
	all := l.all()
	l.mu.Unlock()
	why := lupine.Errorf(lupine.Unavailable, "the server at %s is shutting down", l.Addr()).NotExecuted()
	for _, s := range all {
		s.refuse(why)
	}
	for _, s := range all {
		if err := s.wait(ctx, s.unhandled); err != nil {
			return err
		}
	}
	return nil
}

// Close ends every session. Handlers that ignore their context outlive it.
func (l *listener) Close() error {
	l.leave()
	l.mu.Lock()
	if l.down {
		l.mu.Unlock()
		return nil
	}
	l.down = true
	all := l.all()
	l.mu.Unlock()
	for _, s := range all {
		s.gone()
	}
	l.workers.Close()
	close(l.closed)
	return nil
}

// self is this process as its own peer.
func self(addr string) *lupine.Peer {
	p := &lupine.Peer{Wire: "inproc", LocalAddr: addr, RemoteAddr: addr, Encrypted: true, SameHost: true}
	if uid := os.Getuid(); uid >= 0 { // -1 on Windows
		p.User = &lupine.UserID{UID: uint32(uid), GID: uint32(os.Getgid()), PID: int32(os.Getpid())}
	}
	return p
}
