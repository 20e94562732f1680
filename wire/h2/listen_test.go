package h2

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{MaxStreams: -1}, "MaxStreams"},
		{Config{MaxHeaderBytes: -1}, "MaxHeaderBytes"},
		{Config{Window: 1000}, "Window"},
		{Config{TLS: &tls.Config{}}, "no certificate"},
	} {
		l := Listen("127.0.0.1:0", c.config)
		err := l.Bind(context.Background(), lupine.NewServer())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Bind: %v, want it to name %s", err, c.want)
		}
	}
	if err := To("127.0.0.1:1", Config{Window: 5}).Err; err == nil {
		t.Error("To took a bad Config")
	}
	if err := To("no port").Err; err == nil {
		t.Error("To took a bad target")
	}
}

func TestPortInUse(t *testing.T) {
	s := serveEcho(t, echo{}, Config{})
	err := Listen(s.addr, Config{}).Bind(context.Background(), lupine.NewServer())
	if err == nil || !strings.Contains(err.Error(), s.addr) || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("Bind: %v; want the address and what to do", err)
	}
}

func TestUnixSocketInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := Listen("unix://"+path, Config{})
	if err := first.Bind(context.Background(), lupine.NewServer()); err != nil {
		t.Skip(err) // the path may be too long here
	}
	err := Listen("unix://"+path, Config{}).Bind(context.Background(), lupine.NewServer())
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Bind over a live server: %v", err)
	}
	// A server that died leaves its socket.
	first.(*listener).ln.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	again := Listen("unix://"+path, Config{})
	if err := again.Bind(context.Background(), lupine.NewServer()); err != nil {
		t.Errorf("Bind over a dead server's socket: %v", err)
	}
	again.Close()
}

// TestMismatch: the wrong protocol on a port is said clearly, at both ends.
func TestMismatch(t *testing.T) {
	ctx := soon(t)
	server, client := testTLS(t)
	plain := serveEcho(t, echo{}, Config{})
	secure := serveEcho(t, echo{}, Config{TLS: server})
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	for _, c := range []struct {
		name, addr string
		config     Config
		want       string
	}{
		{"TLS to plaintext", plain.addr, Config{TLS: client}, "TLS"},
		{"plaintext to TLS", secure.addr, Config{}, "Config.TLS"},
		{"untrusted certificate", secure.addr, Config{TLS: &tls.Config{}}, "certificate"},
		{"HTTP/1 server", web.Listener.Addr().String(), Config{}, "HTTP"},
		{"nobody there", "127.0.0.1:1", Config{}, "127.0.0.1:1"},
	} {
		_, err := say(ctx, dialEcho(t, c.addr, c.config), nil)
		var e *lupine.Error
		if !errors.As(err, &e) || e.Code != lupine.Unavailable || e.Executed != lupine.No || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want Unavailable, not executed, with %q", c.name, err, c.want)
		}
	}
	// What a browser sees on a TLS port.
	res, err := http.Get("http://" + secure.addr + "/")
	if err != nil || res.StatusCode != 400 {
		t.Errorf("http to a TLS port: %v %v", res, err)
	}
	if res != nil {
		res.Body.Close()
	}
	// And without a Handler.
	res, err = http.Get("http://" + plain.addr + "/")
	if err != nil || res.StatusCode != 415 {
		t.Errorf("http to a gRPC port: %v %v", res, err)
	}
	if res != nil {
		res.Body.Close()
	}
}

// webPages is a web handler with a bit of everything.
func webPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		fmt.Fprintf(w, "hello %s from %s", r.URL.Query().Get("name"), r.Host)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Count")
		if r.ProtoMajor == 1 { // net/http's HTTP/1 cannot do both at once
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(b))
		}
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-Count", fmt.Sprint(n))
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "part %d\n", i)
			w.(http.Flusher).Flush()
			if _, err := r.Body.Read(make([]byte, 1)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("at the disco") })
	mux.HandleFunc("/teapot", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("/wait", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// TestWeb: one port serves gRPC and, by net/http's clients, HTTP/1.1 and HTTP/2.
func TestWeb(t *testing.T) {
	server, client := testTLS(t)
	plain := serveEcho(t, echo{}, Config{Handler: webPages()})
	secure := serveEcho(t, echo{}, Config{Handler: webPages(), TLS: server})
	var inClear, onlyH2 http.Protocols
	inClear.SetUnencryptedHTTP2(true)
	onlyH2.SetHTTP2(true)
	h2c := &http.Transport{Protocols: &inClear}
	h1 := &http.Transport{}
	h1s := &http.Transport{TLSClientConfig: client.Clone()}
	h2s := &http.Transport{TLSClientConfig: client.Clone(), Protocols: &onlyH2}
	for _, c := range []struct {
		name, base, proto string
		rt                http.RoundTripper
	}{
		{"h1", "http://" + plain.addr, "HTTP/1.1", h1},
		{"h2c", "http://" + plain.addr, "HTTP/2.0", h2c},
		{"h1 over TLS", "https://" + secure.addr, "HTTP/1.1", h1s},
		{"h2", "https://" + secure.addr, "HTTP/2.0", h2s},
	} {
		t.Run(c.name, func(t *testing.T) {
			testWeb(t, &http.Client{Transport: c.rt, Timeout: 20 * time.Second}, c.base, c.proto)
		})
	}
	for _, rt := range []interface{ CloseIdleConnections() }{h1, h1s, h2c, h2s} {
		rt.CloseIdleConnections()
	}
	ctx := soon(t)
	for _, conn := range []*lupine.Conn{dialEcho(t, plain.addr, Config{}), dialEcho(t, secure.addr, Config{TLS: client})} {
		if got, err := say(ctx, conn, []byte("x")); err != nil || string(got) != "x" {
			t.Errorf("gRPC on the same port: %q, %v", got, err)
		}
	}
}

func testWeb(t *testing.T, hc *http.Client, base, proto string) {
	body := func(res *http.Response, err error) (string, *http.Response) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), res
	}
	u, _ := url.Parse(base)
	b, res := body(hc.Get(base + "/hello?name=you"))
	if b != "hello you from "+u.Host || res.Header.Get("X-Proto") != proto || res.ContentLength != int64(len(b)) {
		t.Errorf("GET: %q, %q, length %d", b, res.Header.Get("X-Proto"), res.ContentLength)
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("content type %q", res.Header.Get("Content-Type"))
	}
	for _, size := range []int{0, 1, 100_000, 1 << 20} {
		in := strings.Repeat("z", size)
		b, res = body(hc.Post(base+"/echo", "text/plain", strings.NewReader(in)))
		if b != in || res.Trailer.Get("X-Count") != fmt.Sprint(size) {
			t.Errorf("POST of %d bytes: %d back, trailer %q", size, len(b), res.Trailer.Get("X-Count"))
		}
	}
	if _, res = body(hc.Get(base + "/teapot")); res.StatusCode != http.StatusTeapot {
		t.Errorf("status %d", res.StatusCode)
	}
	if b, res = body(hc.Head(base + "/hello")); b != "" || res.StatusCode != 200 {
		t.Errorf("HEAD: %q %d", b, res.StatusCode)
	}
	if res, err := hc.Get(base + "/panic"); err == nil {
		t.Errorf("a handler that panicked answered %v", res.Status)
	}
	if _, res = body(hc.Get(base + "/nothing")); res.StatusCode != 404 {
		t.Errorf("status %d", res.StatusCode)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", base+"/wait", nil)
	if _, err := hc.Do(req); err == nil {
		t.Error("a request outlived its context")
	}
	if proto != "HTTP/2.0" {
		return
	}
	// Both directions at once.
	pr, pw := io.Pipe()
	req, _ = http.NewRequest("POST", base+"/stream", pr)
	res, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for i := range 3 {
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("part %d\n", i) {
			t.Fatalf("line %q, %v", line, err)
		}
		pw.Write([]byte("."))
	}
	pw.Close()
}

// TestOwnListenerAndDialer: any net.Conn will do, even one without a kernel.
func TestOwnListenerAndDialer(t *testing.T) {
	l := newPipeListener()
	serveEcho(t, echo{}, Config{Listener: l})
	conn := dialEcho(t, "192.0.2.1:443", Config{Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if network != "tcp" || addr != "192.0.2.1:443" {
			return nil, fmt.Errorf("asked for %s %s", network, addr)
		}
		return l.dial()
	}})
	ctx := soon(t)
	for _, n := range []int{0, 10, 300_000} {
		b := bytes.Repeat([]byte("p"), n)
		if got, err := say(ctx, conn, b); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%d bytes: %d back, %v", n, len(got), err)
		}
	}
	s := chat(ctx, conn)
	for range 100 {
		if err := s.Send(ctx, &raw{Bytes: []byte("hi")}); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Recv(ctx); err != nil || string(m.Bytes) != "hi" {
			t.Fatal(m, err)
		}
	}
	s.Close()
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{make(chan net.Conn), make(chan struct{})}
}

func (l *pipeListener) dial() (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case l.conns <- b:
		return a, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Net: "pipe", Name: "pipe"} }

// TestProxy: a TCP target is reached by CONNECT through the proxy that the
// environment, or Config.Proxy, names.
func TestProxy(t *testing.T) {
	s := serveEcho(t, echo{}, Config{})
	asked := make(chan *http.Request, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") == "" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		out, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		in, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		rw.WriteString("HTTP/1.1 200 OK\r\n\r\n")
		rw.Flush()
		go func() { io.Copy(out, in); out.Close() }()
		go func() { io.Copy(in, out); in.Close() }()
	}))
	defer proxy.Close()
	through := func(user *url.Userinfo) Config {
		return Config{Proxy: func(u *url.URL) (*url.URL, error) {
			if u.Scheme != "https" || u.Host != s.addr {
				t.Errorf("asked for a proxy to %s", u)
			}
			return &url.URL{Scheme: "http", Host: proxy.Listener.Addr().String(), User: user}, nil
		}}
	}
	ctx := soon(t)
	if got, err := say(ctx, dialEcho(t, s.addr, through(url.UserPassword("a", "b"))), []byte("x")); err != nil || string(got) != "x" {
		t.Errorf("through a proxy: %q, %v", got, err)
	}
	if r := <-asked; r.Host != s.addr {
		t.Errorf("CONNECT to %q", r.Host)
	}
	// A proxy on this machine does not make the server one of this machine.
	_, err := say(ctx, dialEcho(t, s.addr, through(url.UserPassword("a", "b"))), nil, lupine.WithCredentials(lupine.BearerToken("secret")))
	if lupine.CodeOf(err) != lupine.Unauthenticated {
		t.Errorf("a token in plaintext through a proxy: %v", err)
	}
	<-asked
	_, err = say(ctx, dialEcho(t, s.addr, through(nil)), nil)
	if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), ":b@") {
		t.Errorf("a proxy that refuses: %v", err)
	}
}

// TestIdentity: the server learns the client's certificate, or its user.
func TestIdentity(t *testing.T) {
	server, client := testTLS(t)
	who := func(ctx context.Context, _ *raw) (*raw, error) {
		p := lupine.ServerCallFrom(ctx).Peer
		name := ""
		if p.TLS != nil && len(p.TLS.PeerCertificates) > 0 {
			name = p.TLS.PeerCertificates[0].Subject.CommonName
		}
		return &raw{Bytes: []byte(fmt.Sprintf("%s encrypted=%v same=%v user=%v", name, p.Encrypted, p.SameHost, p.User != nil))}, nil
	}
	ctx := soon(t)
	s := serveEcho(t, echo{say: who}, Config{TLS: server})
	if got, err := say(ctx, dialEcho(t, s.addr, Config{TLS: client}), nil); err != nil || string(got) != "test encrypted=true same=true user=false" {
		t.Errorf("%q, %v", got, err)
	}
	strict := server.Clone()
	strict.ClientAuth = tls.RequireAndVerifyClientCert
	s = serveEcho(t, echo{say: who}, Config{TLS: strict})
	without := client.Clone()
	without.Certificates = nil
	if _, err := say(ctx, dialEcho(t, s.addr, Config{TLS: without}), nil); lupine.CodeOf(err) != lupine.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
}
