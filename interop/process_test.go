package interop

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// A server process is killed in the middle of a call: the caller hears at once,
// and that the call may have run.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server string
		dial   func(*testing.T, string) caller
	}{
		{"grpc-go", func(t *testing.T, a string) caller { return plain(t, a) }},
		{"lupine", func(t *testing.T, a string) caller { return plain(t, a) }},
		{"lupine", func(t *testing.T, a string) caller { return dialGRPC(t, a) }},
	} {
		t.Run(c.server, func(t *testing.T) {
			t.Parallel()
			server := startChild(t, c.server, nil)
			conn := c.dial(t, server.line(t))
			unary, streaming := make(chan error, 1), make(chan error, 1)
			go func() {
				_, out := conn.say(limited(t), &peerpb.Order{Id: "doomed", Hold: true}, options{})
				unary <- out.err
			}()
			if got := server.line(t); got != "held doomed" {
				t.Fatalf("the server said %q", got)
			}
			s, err := conn.chat(limited(t), options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(&peerpb.Order{Text: "x"}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := s.Recv()
				streaming <- err
			}()
			begin := time.Now()
			if err := server.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			wantError(t, <-unary, lupine.Unavailable, lupine.Maybe)
			wantError(t, <-streaming, lupine.Unavailable, lupine.Maybe)
			if took := time.Since(begin); took > patience/4 {
				t.Errorf("it took %v to notice", took)
			}
		})
	}
}

// proxy is an HTTP proxy that knows CONNECT alone. It leads everywhere to one
// server, whatever it was asked for.
type proxy struct {
	addr   string
	target string
	user   string // what Proxy-Authorization must be, in clear

	mu    sync.Mutex
	asked []string
}

func startProxy(t *testing.T, target, user string) *proxy {
	t.Helper()
	l := listen(t)
	p := &proxy{addr: l.Addr().String(), target: target, user: user}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, req.Method+" "+req.Host)
	p.mu.Unlock()
	auth := strings.TrimPrefix(req.Header.Get("Proxy-Authorization"), "Basic ")
	if user, _ := base64.StdEncoding.DecodeString(auth); string(user) != p.user {
		io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
		return
	}
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer up.Close()
	io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		io.Copy(up, in)
		up.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(c, up)
}

func (p *proxy) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.asked, "; ")
}

// HTTPS_PROXY leads through a proxy, which resolves the name: a machine behind a
// proxy often cannot.
func TestProxy(t *testing.T) {
	t.Parallel()
	l := listen(t)
	startGRPC(t, l)
	for _, target := range []string{"guide.test:8443", "dns:///guide.test:8443", "192.0.2.7:8443"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, l.Addr().String(), "user:pass%word")
			c := startChild(t, "call", []string{"HTTPS_PROXY=http://user:pass%25word@" + p.addr, "NO_PROXY=", "no_proxy=", "https_proxy="}, target)
			if got := c.line(t); got != "result: <nil>" {
				t.Errorf("through the proxy: %s", got)
			}
			if got, want := p.seen(), "CONNECT "+strings.TrimPrefix(target, "dns:///"); got != want {
				t.Errorf("the proxy was asked %q, want %q", got, want)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		p := startProxy(t, l.Addr().String(), "user:right")
		c := startChild(t, "call", []string{"HTTPS_PROXY=http://user:wrong@" + p.addr, "NO_PROXY=", "no_proxy=", "https_proxy="}, "192.0.2.7:8443")
		if got := c.line(t); !strings.Contains(got, "UNAVAILABLE") || !strings.Contains(got, "407") || strings.Contains(got, "wrong") {
			t.Errorf("a proxy that wants another password: %s", got)
		}
	})
	t.Run("not for loopback", func(t *testing.T) {
		t.Parallel()
		p := startProxy(t, closedPort(t), "")
		c := startChild(t, "call", []string{"HTTPS_PROXY=http://" + p.addr, "NO_PROXY=", "no_proxy=", "https_proxy="}, l.Addr().String())
		if got := c.line(t); got != "result: <nil>" || p.seen() != "" {
			t.Errorf("%s; the proxy was asked %q", got, p.seen())
		}
	})
}

// TLS runs inside the tunnel, to the name that was dialled.
func TestProxyTLS(t *testing.T) {
	t.Parallel()
	ca, l := newAuthority(t), listen(t)
	startGRPC(t, l, grpc.Creds(credentials.NewTLS(ca.server(t))))
	p := startProxy(t, l.Addr().String(), "")
	config := h2.Config{TLS: ca.client(), Proxy: always(&url.URL{Scheme: "http", Host: p.addr})}
	c := dialLupine(t, h2.To("guide.test:8443", config), lupine.DialConfig{})
	if _, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil {
		t.Error(out.err)
	}
}

func always(proxy *url.URL) func(*url.URL) (*url.URL, error) {
	return func(*url.URL) (*url.URL, error) { return proxy, nil }
}

// wantToken is a grpc-go interceptor that demands the token.
func wantToken(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
	in, _ := metadata.FromIncomingContext(ctx)
	if got := in.Get("authorization"); len(got) != 1 || got[0] != "Bearer s3cret" {
		return nil, status.Errorf(codes.Unauthenticated, "authorization %q", got)
	}
	return h(ctx, req)
}

// elsewhere is a connection that says it leads off this machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 443} }

// A token goes with the call over TLS and on this machine, and nowhere else.
func TestBearerToken(t *testing.T) {
	t.Parallel()
	ca, plainL, tlsL := newAuthority(t), listen(t), listen(t)
	startGRPC(t, plainL, grpc.UnaryInterceptor(wantToken))
	startGRPC(t, tlsL, grpc.UnaryInterceptor(wantToken), grpc.Creds(credentials.NewTLS(ca.server(t))))
	dialer := func(l net.Listener) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
			return elsewhere{c}, err
		}
	}
	creds := lupine.DialConfig{Credentials: lupine.BearerToken("s3cret")}
	t.Run("TLS", func(t *testing.T) {
		c := dialLupine(t, h2.To("192.0.2.7:443", h2.Config{TLS: &tls.Config{RootCAs: ca.pool, ServerName: "guide.test"}, Dialer: dialer(tlsL)}), creds)
		if _, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil {
			t.Error(out.err)
		}
	})
	t.Run("plaintext on this machine", func(t *testing.T) {
		c := dialLupine(t, h2.To(plainL.Addr().String(), h2.Config{}), creds)
		if _, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil {
			t.Error(out.err)
		}
		_, err := c.client.Say(limited(t), new(peerpb.Order), lupine.WithCredentials(lupine.BearerToken("other")))
		wantError(t, err, lupine.Unauthenticated, lupine.Maybe, "other")
	})
	t.Run("plaintext elsewhere", func(t *testing.T) {
		c := dialLupine(t, h2.To("192.0.2.7:443", h2.Config{Dialer: dialer(plainL)}), creds)
		_, out := c.say(limited(t), &peerpb.Order{}, options{})
		wantError(t, out.err, lupine.Unauthenticated, lupine.No)
	})
}
