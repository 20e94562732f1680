package lupine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ServerConfig is how a Server behaves. The zero value is the default.
type ServerConfig struct {
	// MaxReceive is the most bytes of one request message, after decompression.
	// Zero means [DefaultMaxReceive], negative means no limit.
	MaxReceive int
	// MaxSend is the most bytes of one reply message, before compression. Zero
	// or negative means no limit.
	MaxSend int
	// Interceptors wrap every handler, the first one outermost.
	Interceptors []ServerInterceptor
	// Hooks watch every call; see [Hooks].
	Hooks Hooks
	// ConvertError turns a handler's error into one that AsError understands,
	// such as grpc-go's status errors; see the grpccompat module.
	ConvertError func(error) error
	// Unknown handles methods that nobody registered. Its messages are *[Raw],
	// in whatever encoding the caller used; ServerCallFrom(ctx).Method() says
	// what was called.
	Unknown func(ctx context.Context, in *Receiver[Raw], out *Sender[Raw]) error
	// DrainTime is how long Serve waits for calls under way when its context
	// ends. Zero means [DefaultDrainTime], negative means not at all.
	DrainTime time.Duration
	// Log gets what callers are not told: panics and broken sessions. Nil means
	// slog.Default().
	Log *slog.Logger
}

// Server runs handlers for calls that come in over any number of wires. Register
// services, then Serve. All methods are safe for concurrent use.
type Server struct {
	config   ServerConfig
	draining chan struct{}
	base     *atomic.Pointer[context.Context] // what Serve was given; shared by Exclude

	mu        sync.RWMutex
	routes    map[string]*Route
	services  []*Service
	listeners []Listener
	serving   bool
	drained   bool
	drains    int        // Drains under way
	quiet     *sync.Cond // with mu: drains is 0 again
}

// NewServer returns a Server with the default configuration.
func NewServer() *Server { return ServerConfig{}.NewServer() }

// NewServer returns a Server that behaves as c says.
func (c ServerConfig) NewServer() *Server {
	if c.MaxReceive == 0 {
		c.MaxReceive = DefaultMaxReceive
	}
	if c.MaxSend == 0 {
		c.MaxSend = -1
	}
	if c.DrainTime == 0 {
		c.DrainTime = DefaultDrainTime
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Server{config: c, draining: make(chan struct{}), base: new(atomic.Pointer[context.Context]), routes: make(map[string]*Route)}
	s.quiet = sync.NewCond(&s.mu)
	return s
}

// Register adds a service with a handler for each of its methods. Generated
// Register functions call it. It panics when the service is registered twice,
// when a handler is missing, or when the server is already serving, since those
// are mistakes of the program.
func (s *Server) Register(svc *Service, handlers ...Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving {
		panic("lupine: service " + svc.Name + " registered after Serve")
	}
	for _, have := range s.services {
		if have.Name == svc.Name {
			panic("lupine: service " + svc.Name + " registered twice")
		}
	}
	if len(handlers) != len(svc.Methods) {
		panic(fmt.Sprintf("lupine: service %s has %d methods and %d handlers", svc.Name, len(svc.Methods), len(handlers)))
	}
	for _, h := range handlers {
		s.routes[h.method.Path] = &Route{Method: h.method, server: s, unary: h.unary, stream: h.stream}
	}
	s.services = append(s.services, svc)
}

// Services returns the registered services in order of registration.
func (s *Server) Services() []*Service {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]*Service(nil), s.services...)
}

// Lookup returns the route of path, such as "/routeguide.v1.RouteGuide/GetFeature".
// For a path that nobody registered it returns a new route to the Unknown
// handler, or nil without one; see [NoSuchMethod]. It is for wires.
func (s *Server) Lookup(path string) *Route {
	s.mu.RLock()
	r := s.routes[path]
	s.mu.RUnlock()
	if r != nil || s.config.Unknown == nil {
		return r
	}
	service, name, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || service == "" || name == "" || path[0] != '/' {
		return nil
	}
	newRaw := func() any { return new(Raw) }
	m := &Method{Service: service, Name: name, Path: path, Kind: Bidi, Codec: RawCodec{}, NewRequest: newRaw, NewReply: newRaw}
	h := HandleBidi(m, s.config.Unknown)
	return &Route{Method: m, server: s, stream: h.stream}
}

// NoSuchMethod is the error for a path that Lookup does not know: it says
// whether the service or only the method is missing. It is for wires.
func (s *Server) NoSuchMethod(path string) *Error {
	service, name, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || service == "" || name == "" {
		return Errorf(Unimplemented, "malformed method name %q: want /package.Service/Method", path).NotExecuted()
	}
	for _, have := range s.Services() {
		if have.Name == service {
			return Errorf(Unimplemented, "service %s has no method %s", service, name).NotExecuted()
		}
	}
	return Errorf(Unimplemented, "unknown service %s", service).NotExecuted()
}

// Log returns where the server logs. It is for wires.
func (s *Server) Log() *slog.Logger { return s.config.Log }

// drainInTime drains within DrainTime.
func (s *Server) drainInTime() {
	ctx, cancel := context.WithTimeout(context.Background(), max(s.config.DrainTime, 0))
	defer cancel()
	s.Drain(ctx)
}

// Bind checks every registered method against every listener's wire, then opens
// the listeners' sockets. It is for callers who need an address before Serve;
// if any fails, all are closed. Until Serve is called, handlers of a listener that
// others drive (one mounted in net/http) see the values of ctx.
func (s *Server) Bind(ctx context.Context, listeners ...Listener) error {
	base := context.WithoutCancel(ctx)
	s.base.CompareAndSwap(nil, &base)
	for _, l := range listeners {
		if err := s.check(l); err != nil {
			return err
		}
	}
	for i, l := range listeners {
		if err := l.Bind(ctx, s); err != nil {
			for _, open := range listeners[:i] {
				open.Close()
			}
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drained {
		for _, l := range listeners {
			l.Close()
		}
		return errDrained
	}
	s.listeners = append(s.listeners, listeners...)
	return nil
}

var errDrained = errors.New("lupine: the server was drained or closed: make another")

func (s *Server) check(l Listener) error {
	excluded := func(string) bool { return false }
	if x, ok := l.(*excluding); ok {
		excluded = x.excludes
	}
	info := l.Info()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, svc := range s.services {
		for i := range svc.Methods {
			m := &svc.Methods[i]
			if excluded(m.Path) {
				continue
			}
			if no := info.Capabilities.missing(m); no != "" {
				return fmt.Errorf("lupine: wire %s has no %s, which %s needs: serve it on another wire, or leave it out here with lupine.Exclude", info.Name, no, m.Path)
			}
		}
	}
	return nil
}

// Serve binds listeners that are not bound yet and serves all bound ones until
// ctx ends, Drain is called or one of them fails. When ctx ends, calls under way
// have DrainTime to finish. It returns when every Drain has, so that a program
// may exit then: nil, unless a listener failed.
func (s *Server) Serve(ctx context.Context, listeners ...Listener) error {
	s.mu.Lock()
	if s.serving {
		s.mu.Unlock()
		return errors.New("lupine: Serve called twice on one Server")
	}
	s.serving = true
	s.mu.Unlock()
	base := context.WithoutCancel(ctx) // handlers get its values; they end by draining
	s.base.Store(&base)
	if err := s.Bind(ctx, listeners...); err == errDrained {
		return nil
	} else if err != nil {
		return err
	}
	s.mu.RLock()
	all := append([]Listener(nil), s.listeners...)
	s.mu.RUnlock()
	if len(all) == 0 {
		return errors.New("lupine: Serve needs at least one listener")
	}

	failed := make(chan error, len(all))
	for _, l := range all {
		go func() { failed <- l.Serve() }()
	}
	late := make(chan struct{}) // closed when the drain that ctx began has ended
	watch := context.AfterFunc(ctx, func() {
		defer close(late)
		s.drainInTime()
	})
	var first error
	for range all {
		if err := <-failed; err != nil && first == nil {
			first = err
			// One wire that cannot serve takes the others down: half a server is
			// harder to notice than none.
			go s.drainInTime()
		}
	}
	if !watch() {
		<-late
	}
	if first != nil {
		s.drainInTime()
	}
	s.mu.Lock()
	for s.drains > 0 {
		s.quiet.Wait()
	}
	s.mu.Unlock()
	return first
}

// Drain stops accepting, tells handlers ([ServerCall.Draining]) and peers, waits
// until calls under way have ended, and when ctx ends first, ends them. It
// returns ctx's error if it had to.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	if !s.drained {
		s.drained = true
		close(s.draining)
	}
	s.drains++
	all := append([]Listener(nil), s.listeners...)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.drains--
		s.quiet.Broadcast()
		s.mu.Unlock()
	}()
	errs := make(chan error, len(all))
	for _, l := range all {
		go func() {
			err := l.Drain(ctx)
			l.Close()
			errs <- err
		}()
	}
	var first error
	for range all {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Close ends everything at once: calls under way fail as Unavailable.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Drain(ctx)
	return nil
}

// Exclude leaves methods out of what l serves: a path such as
// "/pkg.Service/Method", or "/pkg.Service/" for a whole service. Calls to them
// on that wire are Unimplemented.
func Exclude(l Listener, paths ...string) Listener { return &excluding{l, paths} }

type excluding struct {
	Listener
	paths []string
}

func (x *excluding) excludes(path string) bool {
	for _, p := range x.paths {
		if p == path || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// Bind binds the inner listener to a Server without the excluded routes.
func (x *excluding) Bind(ctx context.Context, s *Server) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	less := s.config.NewServer()
	less.draining, less.base = s.draining, s.base
	less.services = s.services
	for path, r := range s.routes {
		if !x.excludes(path) {
			copied := *r
			copied.server = less
			less.routes[path] = &copied
		}
	}
	return x.Listener.Bind(ctx, less)
}
