package interop

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

var raisedServer = []grpc.ServerOption{grpc.MaxRecvMsgSize(maxRaised), grpc.MaxSendMsgSize(maxRaised)}

// grpcServers starts one server with raised limits and one without.
func grpcServers(t *testing.T) (big, small string) {
	t.Helper()
	b, s := listen(t), listen(t)
	startGRPC(t, b, raisedServer...)
	startGRPC(t, s)
	return b.Addr().String(), s.Addr().String()
}

func lupineServers(t *testing.T) (big, small string) {
	t.Helper()
	b, s := h2.Listen("127.0.0.1:0", h2.Config{}), h2.Listen("127.0.0.1:0", h2.Config{})
	startLupine(t, b, lupine.ServerConfig{MaxReceive: maxRaised})
	startLupine(t, s, lupine.ServerConfig{})
	return b.Addr(), s.Addr()
}

// startMounted serves a Peer with Lupine inside net/http, and next what is not
// gRPC.
func startMounted(t *testing.T, config lupine.ServerConfig, next http.Handler) (*http.Server, string) {
	t.Helper()
	return mount(t, listen(t), config, next)
}

func mount(t *testing.T, l net.Listener, config lupine.ServerConfig, next http.Handler) (*http.Server, string) {
	t.Helper()
	handler := h2.HandlerConfig{Next: next}.NewHandler()
	srv, _ := newLupine(config)
	if err := srv.Bind(t.Context(), handler); err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	web := &http.Server{Handler: handler, Protocols: protocols}
	go web.Serve(l)
	t.Cleanup(func() { web.Close() })
	return web, l.Addr().String()
}

func plain(t *testing.T, addr string) lupineCaller {
	t.Helper()
	return dialLupine(t, h2.To(addr, h2.Config{}), lupine.DialConfig{})
}

// grpc-go with itself: what the suite asks is what gRPC does.
func TestControl(t *testing.T) {
	t.Parallel()
	big, small := grpcServers(t)
	runSuite(t, pair{caller: dialGRPC(t, big), small: dialGRPC(t, small), server: "grpc-go"})
}

func TestLupineToGRPC(t *testing.T) {
	t.Parallel()
	big, small := grpcServers(t)
	runSuite(t, pair{caller: plain(t, newTap(t, big).addr), small: plain(t, small), server: "grpc-go"})
}

func TestGRPCToLupine(t *testing.T) {
	t.Parallel()
	big, small := lupineServers(t)
	runSuite(t, pair{caller: dialGRPC(t, newTap(t, big).addr), small: dialGRPC(t, small), server: "lupine"})
}

func TestLupineToLupine(t *testing.T) {
	t.Parallel()
	big, small := lupineServers(t)
	runSuite(t, pair{caller: plain(t, newTap(t, big).addr), small: plain(t, small), server: "lupine"})
}

func TestMounted(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("a page")) })
	_, big := startMounted(t, lupine.ServerConfig{MaxReceive: maxRaised}, page)
	_, small := startMounted(t, lupine.ServerConfig{}, nil)
	t.Run("grpc-go", func(t *testing.T) {
		t.Parallel()
		runSuite(t, pair{caller: dialGRPC(t, big), small: dialGRPC(t, small), server: "lupine"})
	})
	t.Run("lupine", func(t *testing.T) {
		t.Parallel()
		runSuite(t, pair{caller: plain(t, big), small: plain(t, small), server: "lupine"})
	})
	t.Run("page", func(t *testing.T) {
		res, err := http.Get("http://" + big + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("GET beside gRPC: %s", res.Status)
		}
	})
}

func TestPython(t *testing.T) {
	t.Parallel()
	big, _ := lupineServers(t)
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		runSuite(t, pair{caller: dialPython(t, newTap(t, big).addr), server: "lupine", slow: true})
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		runSuite(t, pair{caller: plain(t, newTap(t, startPython(t)).addr), server: "python", slow: true})
	})
}

// shortSuite is what depends on the transport below.
func shortSuite(t *testing.T, p pair) {
	t.Helper()
	testKinds(t, p)
	testMetadata(t, p)
	testLarge(t, p)
}

// TLS and mTLS, both ways.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, mutual := range []bool{false, true} {
		name, server, client := "server", ca.server(t), ca.client()
		if mutual {
			name = "mutual"
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
			client.Certificates = []tls.Certificate{ca.issue(t, "alice")}
		}
		named := func(t *testing.T, c caller) {
			t.Helper()
			want := ""
			if mutual {
				want = "alice"
			}
			if r, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil || r.Caller != want {
				t.Errorf("the server sees the caller %q, %v; want %q", r.GetCaller(), out.err, want)
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Run("lupine to grpc-go", func(t *testing.T) {
				t.Parallel()
				l := listen(t)
				startGRPC(t, l, append(raisedServer, grpc.Creds(credentials.NewTLS(server.Clone())))...)
				c := dialLupine(t, h2.To(l.Addr().String(), h2.Config{TLS: client}), lupine.DialConfig{})
				named(t, c)
				shortSuite(t, pair{caller: c, server: "grpc-go"})
			})
			t.Run("grpc-go to lupine", func(t *testing.T) {
				t.Parallel()
				l := h2.Listen("127.0.0.1:0", h2.Config{TLS: server})
				startLupine(t, l, lupine.ServerConfig{MaxReceive: maxRaised})
				c := dialGRPC(t, l.Addr(), grpc.WithTransportCredentials(credentials.NewTLS(client.Clone())))
				named(t, c)
				shortSuite(t, pair{caller: c, server: "lupine"})
			})
		})
	}
}

// A failed handshake says why, and that nothing ran.
func TestTLSRefused(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	demanding := ca.server(t)
	demanding.ClientAuth, demanding.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
	l := listen(t)
	startGRPC(t, l, grpc.Creds(credentials.NewTLS(demanding)))
	wrongName := ca.client()
	wrongName.ServerName = "elsewhere.test"
	web := httptest.NewUnstartedServer(nil)
	web.TLS = ca.server(t)
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS() // HTTP/1.1 alone
	t.Cleanup(web.Close)
	for _, c := range []struct {
		name   string
		config *tls.Config
		addr   string
		want   string
	}{
		{"unknown authority", other.client(), "", "certificate"},
		{"wrong name", wrongName, "", "elsewhere.test"},
		{"no client certificate", ca.client(), "", "certificate"},
		{"no HTTP/2", ca.client(), web.Listener.Addr().String(), "h2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := dialLupine(t, h2.To(cmp.Or(c.addr, l.Addr().String()), h2.Config{TLS: c.config}), lupine.DialConfig{})
			_, out := conn.say(limited(t), &peerpb.Order{}, options{})
			wantError(t, out.err, lupine.Unavailable, lupine.No, c.want)
		})
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	t.Run("lupine to grpc-go", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		startGRPC(t, l, raisedServer...)
		shortSuite(t, pair{caller: plain(t, "unix://"+path), server: "grpc-go"})
	})
	t.Run("grpc-go to lupine", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "s")
		startLupine(t, h2.Listen("unix://"+path, h2.Config{}), lupine.ServerConfig{MaxReceive: maxRaised})
		shortSuite(t, pair{caller: dialGRPC(t, "unix://"+path), server: "lupine"})
	})
}

// A user's own dialer and listener.
func TestOwnDialer(t *testing.T) {
	t.Parallel()
	l := listen(t)
	startLupine(t, h2.Listen("ignored", h2.Config{Listener: l}), lupine.ServerConfig{})
	var asked string
	c := dialLupine(t, h2.To("192.0.2.1:443", h2.Config{Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		asked = network + " " + addr
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}}), lupine.DialConfig{})
	if _, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil || asked != "tcp 192.0.2.1:443" {
		t.Errorf("through a dialer that was asked for %q: %v", asked, out.err)
	}
}

func startGRPCTLS(t *testing.T, ca *authority) string {
	t.Helper()
	l := listen(t)
	startGRPC(t, l, grpc.Creds(credentials.NewTLS(ca.server(t))))
	return l.Addr().String()
}
