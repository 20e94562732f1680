package h2_test

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// TestHandlerSuite runs the behaviours of every wire against a Server that is
// mounted into net/http, with our own client.
func TestHandlerSuite(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		name := "net-http"
		if encrypted {
			name = "net-http-tls"
		}
		rpctest.Run(t, rpctest.Wire{Name: name, Light: true, New: func(t testing.TB) (lupine.Listener, func() lupine.Target) {
			h := h2.HandlerConfig{}.NewHandler()
			// The suite asks for listeners that it does not use: serve when called.
			return h, sync.OnceValue(func() lupine.Target { return serveHTTP(t, h, encrypted) })
		}, Skip: map[string]string{
			"Conn/waitForReady": "net/http goes on answering when the Server is closed, so there is no dial to wait for",
			"Ends/unreachable":  "the same",
		}})
	}
}

// serveHTTP runs a net/http server with h until the test ends.
func serveHTTP(t testing.TB, h http.Handler, encrypted bool) lupine.Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{
		Handler: h, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 16 << 20},
	}
	var client h2.Config
	if encrypted {
		// Borrow the certificate that net/http's own tests have.
		borrowed := httptest.NewUnstartedServer(nil)
		borrowed.StartTLS()
		defer borrowed.Close()
		web.TLSConfig = &tls.Config{Certificates: borrowed.TLS.Certificates}
		web.Protocols.SetHTTP2(true)
		client.TLS = &tls.Config{RootCAs: borrowed.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	} else {
		web.Protocols.SetUnencryptedHTTP2(true)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if encrypted {
			web.ServeTLS(ln, "", "")
		} else {
			web.Serve(ln)
		}
	}()
	t.Cleanup(func() {
		web.Close()
		<-served
	})
	return h2.To(ln.Addr().String(), client)
}
