package h2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// webCall is an HTTP/2 request that is not gRPC, for Config.Handler: the task
// that runs it, the request's body, and (as webWriter) its response.
type webCall struct {
	c      *serverCall
	req    *http.Request
	cancel context.CancelFunc

	// Guarded by the link's lock.
	body     []byte // received and not read
	end      bool
	err      error // why the body broke off
	expected bool  // the client waits for 100 Continue
}

// notGRPC hands a request that is not gRPC to the handler; without one it answers
// 415, or 405 if only the method is wrong (PROTOCOL-HTTP2, Requests). The lock is
// held.
func (c *serverCall) notGRPC(h *engine.Head, end, typed bool) {
	switch {
	case h.TooLarge:
		c.refuseWeb(http.StatusRequestHeaderFieldsTooLarge, "")
	case typed:
		c.refuseAtEnd(http.StatusMethodNotAllowed, h, end)
	case c.sv.l.config.Handler == nil:
		c.refuseAtEnd(http.StatusUnsupportedMediaType, h, end)
	case h.Method == http.MethodConnect:
		c.refuseWeb(http.StatusNotImplemented, "")
	default:
		w := &webCall{c: c, end: end}
		if w.req = w.request(h, end); w.req == nil {
			c.refuseWeb(http.StatusBadRequest, "")
			return
		}
		c.web, c.started = w, true
		c.sv.l.workers.Go(w)
	}
}

// refusalWait is how long a request that is refused may take to end before it is
// answered all the same.
const refusalWait = time.Second

// refuseAtEnd refuses a request once all of it has come, so that one which breaks
// the rules further on is still told so. What it carries is let go; what goes
// beyond the stream's window waits for refusalWait.
func (c *serverCall) refuseAtEnd(status int, h *engine.Head, end bool) {
	switch {
	case h.Method == http.MethodHead || h.Method == http.MethodConnect:
		c.refuseWeb(status, "")
	case end:
		c.refuseWeb(status, grpcOnly)
	default:
		c.refusal = uint16(status)
	}
}

// grpcOnly is what a browser shows.
const grpcOnly = "This port speaks gRPC over HTTP/2 only.\n"

// refuseNow answers a request that refuseAtEnd put off.
func (c *serverCall) refuseNow() {
	if c.refusal != 0 && !c.over {
		c.refuseWeb(int(c.refusal), grpcOnly)
	}
}

// refuseWeb answers with a status and a body.
func (c *serverCall) refuseWeb(status int, body string) {
	e := c.sv.eng
	c.started, c.over, c.refusal = true, true, 0
	c.direct = true // the body is not kept for a client that does not take it
	e.BeginHeaders()
	e.Out = e.Enc.Append(e.Out, hpack.Pair{Name: ":status", Value: strconv.Itoa(status)})
	e.Out = e.Enc.Append(e.Out, hpack.Pair{Name: grpcmsg.HeaderContentType, Value: "text/plain"})
	e.EndHeaders(&c.stream, body == "")
	if body != "" {
		e.Send(&c.stream, []byte(body), true, outLimit)
	}
	c.sv.release(c)
}

// request makes the net/http form of a request, or nil if it has none.
func (w *webCall) request(h *engine.Head, end bool) *http.Request {
	sv := w.c.sv
	path := strings.Clone(h.Path)
	u, err := url.ParseRequestURI(path)
	if err != nil {
		if path != "*" || h.Method != http.MethodOptions {
			return nil
		}
		u = &url.URL{Path: "*"}
	}
	header := make(http.Header, len(h.Fields))
	for i := range h.Fields {
		name, value := stable(&h.Fields[i])
		if name == "cookie" && header.Get("Cookie") != "" {
			header.Set("Cookie", header.Get("Cookie")+"; "+value) // RFC 9113, 8.2.3
			continue
		}
		header.Add(name, value)
	}
	host := strings.Clone(h.Authority)
	if host == "" {
		host = header.Get("Host")
	}
	header.Del("Host")
	w.expected = header.Get("Expect") == "100-continue"
	r := &http.Request{
		Method: strings.Clone(h.Method), URL: u, Proto: "HTTP/2.0", ProtoMajor: 2, Header: header, Host: host,
		RequestURI: path, RemoteAddr: sv.peerInfo.RemoteAddr, TLS: sv.peerInfo.TLS, Body: http.NoBody, ContentLength: h.ContentLength,
	}
	if end {
		r.ContentLength = 0
	} else {
		r.Body = webBody{w}
	}
	ctx := context.WithValue(context.Background(), http.LocalAddrContextKey, sv.sock.LocalAddr())
	ctx, w.cancel = context.WithCancel(ctx)
	return r.WithContext(ctx)
}

// data takes a piece of the body. The lock is held.
func (w *webCall) data(ev *engine.Event) {
	w.body = append(w.body, ev.Data...)
	w.end = w.end || ev.End
	w.c.sv.wake(&w.c.recvWait)
}

// ended notes the end of the body. The lock is held.
func (w *webCall) ended() {
	w.end = true
	w.c.sv.wake(&w.c.recvWait)
}

// reset notes that the client, or the link, has gone. The lock is held.
func (w *webCall) reset(cause error) {
	w.err = cause
	w.cancel()
	w.c.sv.wake(&w.c.recvWait)
	w.c.sent()
}

// Run runs the handler.
func (w *webCall) Run() {
	rw := &webWriter{w: w, header: make(http.Header)}
	ok := false
	defer func() { w.conclude(rw, ok) }() // also when the handler ends its goroutine
	ok = w.serve(rw)
}

// conclude ends the response: well if the handler returned.
func (w *webCall) conclude(rw *webWriter, ok bool) {
	w.cancel()
	c := w.c
	if ok {
		rw.finish()
	}
	c.sv.mu.Lock()
	defer c.sv.mu.Unlock()
	if !ok && !c.over {
		c.sv.eng.Reset(&c.stream, engine.InternalError)
	}
	c.over = true
	c.sv.release(c)
	c.sv.flush(false)
}

// serve runs the handler and reports whether it returned.
func (w *webCall) serve(rw *webWriter) (ok bool) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			w.c.sv.l.log.Error("web handler panicked", "path", w.req.URL.Path, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	w.c.sv.l.config.Handler.ServeHTTP(rw, w.req)
	return true
}

// webBody is the request's body.
type webBody struct{ w *webCall }

// Read waits for a part of the body.
func (b webBody) Read(p []byte) (int, error) {
	w, c := b.w, b.w.c
	c.sv.mu.Lock()
	defer c.sv.mu.Unlock()
	if w.expected {
		w.expected = false
		if !c.headed && !c.stream.Closed {
			c.sv.eng.BeginHeaders()
			c.sv.eng.Out = c.sv.eng.Enc.Append(c.sv.eng.Out, hpack.Pair{Name: ":status", Value: "100"})
			c.sv.eng.EndHeaders(&c.stream, false)
		}
	}
	for len(w.body) == 0 {
		switch {
		case w.err != nil:
			return 0, w.err
		case w.end:
			return 0, io.EOF
		}
		c.sv.flush(false)
		if len(w.body) > 0 || w.end || w.err != nil {
			continue
		}
		c.sv.park(context.Background(), &c.recvWait) // a reset wakes it
	}
	n := copy(p, w.body)
	w.body = w.body[n:]
	if len(w.body) == 0 {
		w.body = nil
	}
	if !c.stream.Closed {
		c.sv.eng.Consumed(&c.stream, n)
		c.sv.flushSoon()
	}
	return n, nil
}

// Close lets the rest of the body go.
func (b webBody) Close() error { return nil }

// webWriter is the response. One goroutine at a time may use it.
type webWriter struct {
	w      *webCall
	header http.Header
	status int // 0 until WriteHeader
	sent   bool
	buf    *buffers.Buffer
	length int64 // written
	err    error
}

// webBuffer is how much of a response is gathered before it is sent.
const webBuffer = 16 << 10

// Header returns the response's header.
func (rw *webWriter) Header() http.Header { return rw.header }

// WriteHeader sets the status.
func (rw *webWriter) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic("h2: invalid status " + strconv.Itoa(status))
	}
	if rw.status != 0 {
		return
	}
	if status < 200 {
		if status != http.StatusSwitchingProtocols { // RFC 9113, 8.6
			rw.send(func(c *serverCall) { rw.headers(c, status, nil, false) })
		}
		return
	}
	rw.status = status
}

// bodyless reports whether the response has no body, whatever is written.
func (rw *webWriter) bodyless() bool {
	return rw.w.req.Method == http.MethodHead || rw.status == http.StatusNoContent || rw.status == http.StatusNotModified
}

// Write gathers p, and sends what has been gathered when it is enough.
func (rw *webWriter) Write(p []byte) (int, error) {
	if rw.status == 0 {
		rw.WriteHeader(http.StatusOK)
	}
	if rw.err != nil {
		return 0, rw.err
	}
	rw.length += int64(len(p))
	if rw.w.req.Method == http.MethodHead {
		return len(p), nil
	}
	if rw.bodyless() {
		return 0, http.ErrBodyNotAllowed
	}
	if rw.header.Get("Content-Type") == "" && !rw.sent && rw.buf == nil {
		rw.header.Set("Content-Type", http.DetectContentType(p))
	}
	for n := 0; n < len(p); {
		if rw.buf == nil {
			rw.buf = buffers.Get()
			rw.buf.B = rw.buf.B[:0]
		}
		k := min(webBuffer-len(rw.buf.B), len(p)-n)
		rw.buf.B = append(rw.buf.B, p[n:n+k]...)
		n += k
		if len(rw.buf.B) >= webBuffer {
			if rw.push(false); rw.err != nil {
				return n, rw.err
			}
		}
	}
	return len(p), nil
}

// Flush sends what has been gathered.
func (rw *webWriter) Flush() { rw.FlushError() }

// FlushError is Flush for http.ResponseController.
func (rw *webWriter) FlushError() error {
	if rw.status == 0 {
		rw.WriteHeader(http.StatusOK)
	}
	rw.push(false)
	return rw.err
}

// finish ends the response.
func (rw *webWriter) finish() {
	if rw.status == 0 {
		rw.WriteHeader(http.StatusOK)
	}
	if !rw.sent && rw.header.Get("Content-Length") == "" && (rw.length > 0 || !rw.bodyless()) {
		rw.header.Set("Content-Length", strconv.FormatInt(rw.length, 10))
	}
	rw.push(true)
}

// push sends the header, once, and the bytes gathered; with end also the end.
func (rw *webWriter) push(end bool) {
	rw.send(func(c *serverCall) {
		e := c.sv.eng
		trailer := rw.trailer(end)
		if !rw.sent {
			rw.sent = true
			last := end && rw.buf == nil && len(trailer) == 0
			rw.headers(c, rw.status, rw.header, last)
			if last {
				return
			}
		}
		if b := rw.buf; b != nil {
			rw.buf = nil
			c.out = b
			e.Send(&c.stream, b.B, end && len(trailer) == 0, outLimit)
			if !c.stream.Pending() && c.out == b {
				c.out = nil
				b.Free()
			}
		} else if end && len(trailer) == 0 {
			e.Send(&c.stream, nil, true, outLimit)
		}
		if end && len(trailer) > 0 {
			e.Finish(&c.stream, nil, trailer)
		}
	})
}

// send runs f with the lock once the stream can take more, and flushes.
func (rw *webWriter) send(f func(*serverCall)) {
	c := rw.w.c
	c.sv.mu.Lock()
	defer c.sv.mu.Unlock()
	for !c.over && c.stream.Pending() {
		c.sv.park(context.Background(), &c.sendWait) // a reset wakes it
	}
	if c.over || c.stream.Closed {
		if rw.err = rw.w.err; rw.err == nil {
			rw.err = errWebGone
		}
		return
	}
	f(c)
	c.sv.flush(false)
}

var errWebGone = errors.New("h2: the client has gone")

// headers sends a header block.
func (rw *webWriter) headers(c *serverCall, status int, header http.Header, end bool) {
	e := c.sv.eng
	e.BeginHeaders()
	out := e.Enc.Append(e.Out, hpack.Pair{Name: ":status", Value: strconv.Itoa(status)})
	for name, values := range header {
		if strings.HasPrefix(name, http.TrailerPrefix) || rw.declared(name) {
			continue
		}
		for _, v := range values {
			if p, ok := webPair(name, v); ok {
				out = e.Enc.Append(out, p)
			}
		}
	}
	e.Out = out
	if status >= 200 {
		c.headed = true
	}
	e.EndHeaders(&c.stream, end)
}

// declared reports whether the Trailer header names a field.
func (rw *webWriter) declared(name string) bool {
	for _, v := range rw.header["Trailer"] {
		for one := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(one), name) {
				return true
			}
		}
	}
	return false
}

// trailer collects the trailer fields.
func (rw *webWriter) trailer(end bool) (pairs []hpack.Pair) {
	if !end {
		return nil
	}
	for name, values := range rw.header {
		rest, prefixed := strings.CutPrefix(name, http.TrailerPrefix)
		if !prefixed && !rw.declared(name) {
			continue
		}
		for _, v := range values {
			if p, ok := webPair(rest, v); ok {
				pairs = append(pairs, p)
			}
		}
	}
	return pairs
}

// webPair is a field as HTTP/2 takes it. Fields that belong to a connection are
// left out (RFC 9113, 8.2.2), as are values that would break the response.
func webPair(name, value string) (p hpack.Pair, ok bool) {
	p = hpack.Pair{Name: strings.ToLower(name), Value: strings.TrimSpace(value)}
	switch p.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return p, false
	case "set-cookie":
		p.Mode = hpack.Sensitive
	}
	return p, p.Name != "" && !strings.ContainsAny(p.Name, ": \r\n\x00") && !strings.ContainsAny(p.Value, "\r\n\x00")
}
