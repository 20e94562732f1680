package h2

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// DefaultMessageTime is how long a message may take through a [Handler], from
// its first bytes to its last.
const DefaultMessageTime = 30 * time.Second

const (
	handlerHeaderBytes  = 8 << 10
	handlerHeaderFields = 100
	handlerStatusBytes  = 8 << 10     // a status may take this much of the peer's header list
	handlerWriteGrace   = time.Second // after a deadline, until a write that is stuck is given up
	handlerWriteBuffer  = 64 << 10    // bytes queued for a slow caller before Send waits
	handlerReadBuffer   = 4 << 10     // bytes read at once
	handlerKeepBuffer   = 64 << 10    // largest buffer kept for another call
)

// HandlerConfig is how a Handler behaves. The zero value is the default.
type HandlerConfig struct {
	// Next gets requests that are not gRPC, by their content type. Nil means
	// that they are answered 415 Unsupported Media Type.
	Next http.Handler
	// MaxHeaderBytes and MaxHeaderFields bound the header of a request, counted
	// as RFC 9113, section 6.5.2, does. Zero means 8 KiB and 100, as for
	// [Listen]; negative means that only the http.Server's own limit applies. A
	// call over the limit is ResourceExhausted, not executed.
	MaxHeaderBytes, MaxHeaderFields int
	// MessageTime is how long a message may take from its first bytes to its
	// last; a call that trickles is DeadlineExceeded. Zero means
	// [DefaultMessageTime], negative means no limit.
	MessageTime time.Duration
	// DecompressBudget and Stats are those of [Config]; of the counters only
	// "decompression" moves.
	DecompressBudget int
	Stats            *Stats
}

// Handler serves gRPC through somebody else's net/http server: it is an
// [http.Handler], and the [lupine.Listener] that a Server is bound to.
//
//	handler := h2.HandlerConfig{Next: mux}.NewHandler()
//	if err := srv.Bind(ctx, handler); err != nil { ... }
//	protocols := new(http.Protocols)
//	protocols.SetHTTP1(true)
//	protocols.SetHTTP2(true)
//	protocols.SetUnencryptedHTTP2(true)
//	web := &http.Server{Addr: ":8080", Handler: handler, Protocols: protocols, HTTP2: &http.HTTP2Config{
//		MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 16 << 20,
//	}}
//
// It answers once it is bound; whether Serve is called does not matter. Calls
// behave as they do under [Listen], except for what net/http keeps to itself:
//
//   - A Server that drains or is closed refuses new calls with a status
//     (Unavailable, not executed), which a caller that waits for readiness sees
//     too; http.Server.Shutdown is what tells the peers, by GOAWAY.
//   - Windows, PINGs, resets and their limits are those of net/http: set them in
//     http.Server.HTTP2. By default one stream's window is as large as its
//     connection's, so that a handler which does not receive holds up every call
//     of that caller: give streams less, as above. A refusal is a status, never a
//     reset.
//   - Close ends the contexts of calls under way. A handler that ignores its
//     context is cut off only by http.Server.Close.
//   - Metadata comes ordered by key. Trailers with names that net/http does not
//     allow there, such as "authorization", are not sent.
//   - HTTP/1.1 has no trailers that gRPC could use: a gRPC request over it is
//     answered 505.
//
// Middleware around it must let http.ResponseController through (an Unwrap
// method). All methods are safe for concurrent use.
type Handler struct {
	config    HandlerConfig
	encodings encodings

	mu       sync.Mutex
	server   *lupine.Server
	draining bool
	calls    map[*handlerCall]struct{}
	idle     chan struct{} // closed when draining and the last call has ended
	closed   chan struct{}
}

// NewHandler returns a Handler that behaves as c says. Bind a Server to it.
func (c HandlerConfig) NewHandler() *Handler {
	c.MaxHeaderBytes = cmp.Or(c.MaxHeaderBytes, handlerHeaderBytes)
	c.MaxHeaderFields = cmp.Or(c.MaxHeaderFields, handlerHeaderFields)
	c.MessageTime = cmp.Or(c.MessageTime, DefaultMessageTime)
	return &Handler{
		config:    c,
		encodings: newEncodings(ownBudget(c.DecompressBudget, c.Stats)),
		calls:     make(map[*handlerCall]struct{}),
		idle:      make(chan struct{}),
		closed:    make(chan struct{}),
	}
}

// Info describes the wire: it is h2 to its callers. What differs under net/http
// is listed at [Handler].
func (h *Handler) Info() lupine.WireInfo { return info() }

// Bind gives the Handler the Server whose methods it serves. It fails when it
// has one already.
func (h *Handler) Bind(_ context.Context, srv *lupine.Server) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server != nil {
		return errors.New("h2: this Handler is bound to a Server already; make another")
	}
	h.server = srv
	return nil
}

// Serve waits until Drain or Close; net/http does the serving.
func (h *Handler) Serve() error {
	<-h.closed
	return nil
}

// Addr says that the address is the http.Server's.
func (h *Handler) Addr() string { return "net/http" }

// Drain refuses new calls and returns when those under way have ended, or ctx
// has, with its error.
func (h *Handler) Drain(ctx context.Context) error {
	h.mu.Lock()
	if !h.draining {
		h.draining = true
		if len(h.calls) == 0 {
			close(h.idle)
		}
	}
	h.mu.Unlock()
	select {
	case <-h.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close refuses new calls and ends the contexts of those under way.
func (h *Handler) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.draining {
		h.draining = true
		if len(h.calls) == 0 {
			close(h.idle)
		}
	}
	select {
	case <-h.closed:
		return nil
	default:
	}
	close(h.closed)
	for c := range h.calls {
		c.abort(errHandlerClosed)
	}
	return nil
}

var (
	errHandlerClosed = lupine.Errorf(lupine.Unavailable, "the server was closed")
	errCallerGone    = lupine.Errorf(lupine.Canceled, "the caller has gone")
)

// add counts a call in, or says why it cannot be served.
func (h *Handler) add(c *handlerCall) *lupine.Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.server == nil:
		return lupine.Errorf(lupine.Unavailable, "no Server is bound to this h2.Handler yet").NotExecuted()
	case h.draining:
		return lupine.Errorf(lupine.Unavailable, "the server is shutting down").NotExecuted()
	}
	c.server = h.server
	h.calls[c] = struct{}{}
	return nil
}

// remove counts a call out. Afterwards nobody aborts it.
func (h *Handler) remove(c *handlerCall) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.calls, c)
	if h.draining && len(h.calls) == 0 {
		close(h.idle)
	}
}

// isClosed reports whether Close was called.
func (h *Handler) isClosed() bool {
	select {
	case <-h.closed:
		return true
	default:
		return false
	}
}

// ServeHTTP serves one gRPC call, or hands the request on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	subtype, ok := grpcmsg.ParseContentType(r.Header.Get("Content-Type"))
	switch {
	case !ok && h.config.Next != nil:
		h.config.Next.ServeHTTP(w, r)
	case !ok:
		w.Header().Set("Accept-Post", grpcmsg.ContentType)
		http.Error(w, "This address serves gRPC: the content-type must be application/grpc.", http.StatusUnsupportedMediaType)
	case r.ProtoMajor < 2:
		http.Error(w, "gRPC needs HTTP/2: this request came over "+protoName(r)+". Call with HTTP/2, and on the server set http.Server.Protocols (SetHTTP2, SetUnencryptedHTTP2).", http.StatusHTTPVersionNotSupported)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "gRPC calls are POST requests.", http.StatusMethodNotAllowed)
	default:
		c := &handlerCall{h: h, w: w, r: r, rc: http.NewResponseController(w), subtype: subtype}
		c.serve()
	}
}

// protoName names the request's HTTP version without trusting its text.
func protoName(r *http.Request) string {
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// path returns the method's path, or "" if the request's is not a plain one. An
// authorisation layer in front of us and the router here must see one name, so
// escapes and queries name no method.
func (c *handlerCall) path() string {
	u := c.r.URL
	if u.RawQuery != "" || u.ForceQuery || u.EscapedPath() != u.Path {
		return ""
	}
	return u.Path
}

// metadata turns the request's header into metadata, ordered by key, within the
// limits.
func (c *handlerCall) metadata() (lupine.Metadata, error) {
	const pseudo = 4 // :method, :scheme, :authority, :path
	fields, size := pseudo, len(c.r.Host)+len(c.r.RequestURI)+pseudo*32
	keys := make([]string, 0, len(c.r.Header))
	for key, values := range c.r.Header {
		keys = append(keys, key)
		fields += len(values)
		for _, v := range values {
			size += len(key) + len(v) + 32
		}
	}
	if n := c.h.config.MaxHeaderFields; n >= 0 && fields > n {
		return nil, lupine.Errorf(lupine.ResourceExhausted, "the request header has %d fields, more than the limit of %d", fields, n)
	}
	if n := c.h.config.MaxHeaderBytes; n >= 0 && size > n {
		return nil, lupine.Errorf(lupine.ResourceExhausted, "the request header has %d bytes, more than the limit of %d", size, n)
	}
	slices.Sort(keys)
	var md lupine.Metadata
	for _, key := range keys {
		name := strings.ToLower(key)
		if lupine.ReservedKey(name) {
			continue
		}
		for _, v := range c.r.Header[key] {
			var err error
			if md, err = grpcmsg.AddField(md, name, v); err != nil {
				return nil, err
			}
		}
	}
	return md, nil
}

// peer describes who sent the request.
func (c *handlerCall) peer() *lupine.Peer {
	p := &lupine.Peer{Wire: "h2", RemoteAddr: c.r.RemoteAddr, TLS: c.r.TLS, Encrypted: c.r.TLS != nil}
	if local, ok := c.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		p.LocalAddr = local.String()
		p.SameHost = local.Network() == "unix"
	}
	if a, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil && a.Addr().Unmap().IsLoopback() {
		p.SameHost = true
	}
	return p
}
