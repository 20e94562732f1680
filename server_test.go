package lupine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lupine-rpc/lupine"
)

func TestRegisterPanics(t *testing.T) {
	svc := newService("test.S", lupine.Unary, lupine.ServerStreaming)
	for _, c := range []struct {
		name, says string
		f          func()
	}{
		{"twice", "registered twice", func() {
			srv := lupine.NewServer()
			srv.Register(svc, handlers(svc)...)
			srv.Register(svc, handlers(svc)...)
		}},
		{"a handler is missing", "2 methods and 1 handlers", func() { lupine.NewServer().Register(svc, handlers(svc)[:1]...) }},
		{"wrong kind", "server stream method, handled as a unary", func() {
			lupine.HandleUnary(&svc.Methods[1], func(context.Context, *lupine.Raw) (*lupine.Raw, error) { return nil, nil })
		}},
		{"after Serve", "after Serve", func() {
			var p any
			synctest.Test(t, func(t *testing.T) {
				defer func() { p = recover() }() // it must not leave the bubble
				srv := lupine.NewServer()
				defer srv.Close()
				go srv.Serve(context.Background(), newFakeListener(lupine.Capabilities{}))
				synctest.Wait()
				srv.Register(svc, handlers(svc)...)
			})
			panic(p)
		}},
	} {
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.Contains(p, c.says) {
					t.Errorf("%s: panic %q, want one that says %q", c.name, p, c.says)
				}
			}()
			c.f()
		}()
	}
}

func TestLookup(t *testing.T) {
	svc := newService("test.S", lupine.Unary)
	srv := lupine.NewServer()
	srv.Register(svc, handlers(svc)...)
	if r := srv.Lookup("/test.S/M0"); r == nil || r.Method != &svc.Methods[0] || !r.Direct() {
		t.Errorf("Lookup: %+v", r)
	}
	if all := srv.Services(); len(all) != 1 || all[0] != svc {
		t.Errorf("Services: %v", all)
	}
	for path, says := range map[string]string{
		"/test.S/Nope": "service test.S has no method Nope",
		"/other/M0":    "unknown service other",
		"":             "malformed method name",
		"/":            "malformed method name",
		"test.S":       "malformed method name",
		"//M0":         "malformed method name",
		"/test.S/":     "malformed method name",
	} {
		if srv.Lookup(path) != nil {
			t.Errorf("%q was found", path)
		}
		if e := srv.NoSuchMethod(path); e.Code != lupine.Unimplemented || e.Executed != lupine.No || !strings.Contains(e.Message, says) {
			t.Errorf("%q: %v, want one that says %q", path, e, says)
		}
	}
	srv = lupine.ServerConfig{Unknown: func(context.Context, *lupine.Receiver[lupine.Raw], *lupine.Sender[lupine.Raw]) error { return nil }}.NewServer()
	if r := srv.Lookup("/a.b.C/D"); r == nil || r.Method.Service != "a.b.C" || r.Method.Name != "D" || r.Method.Kind != lupine.Bidi || r.Direct() {
		t.Errorf("Lookup with an unknown handler: %+v", r)
	}
	for _, path := range []string{"", "/", "a/b", "/a/", "//b"} {
		if srv.Lookup(path) != nil {
			t.Errorf("the unknown handler was asked for %q", path)
		}
	}
}

// TestCapabilities: Serve refuses a method that a wire cannot carry, before any
// socket opens, unless it is left out there.
func TestCapabilities(t *testing.T) {
	for _, c := range []struct {
		kind lupine.Kind
		amo  bool
		caps lupine.Capabilities
		says string
	}{
		{lupine.Unary, false, lupine.Capabilities{}, ""},
		{lupine.Unary, true, lupine.Capabilities{}, "at-most-once"},
		{lupine.Unary, true, lupine.Capabilities{AtMostOnce: true}, ""},
		{lupine.ServerStreaming, false, lupine.Capabilities{}, "server streams"},
		{lupine.ClientStreaming, false, lupine.Capabilities{}, "client streams"},
		{lupine.Bidi, false, lupine.Capabilities{}, "bidi streams"},
		{lupine.Bidi, false, lupine.Capabilities{Streams: true}, "full-duplex"},
		{lupine.Bidi, false, lupine.Capabilities{Streams: true, FullDuplex: true}, ""},
	} {
		svc := newService("test.S", lupine.Unary, c.kind)
		svc.Methods[1].AtMostOnce = c.amo
		able, l := newFakeListener(lupine.Capabilities{Streams: true, FullDuplex: true, AtMostOnce: true}), newFakeListener(c.caps)
		srv := lupine.NewServer()
		srv.Register(svc, handlers(svc)...)
		err := srv.Bind(t.Context(), able, l)
		if c.says == "" {
			if err != nil {
				t.Errorf("%v on %+v: %v", c.kind, c.caps, err)
			}
			srv.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "/test.S/M1") || !strings.Contains(err.Error(), "Exclude") {
			t.Errorf("%v on %+v: got %v, want an error that says %q", c.kind, c.caps, err, c.says)
		}
		if able.srv != nil || l.srv != nil {
			t.Error("a listener was bound before all were checked")
		}
		for _, path := range []string{"/test.S/M1", "/test.S/"} {
			l := newFakeListener(c.caps)
			if err := srv.Bind(t.Context(), lupine.Exclude(l, path)); err != nil {
				t.Errorf("%v left out by %s: %v", c.kind, path, err)
			}
			if l.srv.Lookup("/test.S/M1") != nil || (l.srv.Lookup("/test.S/M0") != nil) != (path == "/test.S/M1") {
				t.Errorf("Exclude %s left out something else", path)
			}
			if e := l.srv.NoSuchMethod("/test.S/M1"); e.Code != lupine.Unimplemented {
				t.Errorf("an excluded method: %v", e)
			}
		}
		srv.Close()
	}
}

func TestCapabilitiesLacks(t *testing.T) {
	all := lupine.Capabilities{true, true, true, true, true, true, true, true, 100}
	if no := all.Lacks(all); no != "" {
		t.Errorf("a wire lacks what it has: %s", no)
	}
	if no := (lupine.Capabilities{}).Lacks(lupine.Capabilities{}); no != "" {
		t.Errorf("nothing is asked for, and lacking: %s", no)
	}
	no := lupine.Capabilities{MaxMessage: 10}.Lacks(all)
	for _, word := range []string{"streams", "full-duplex", "metadata", "trailers", "details", "at-most-once", "peer calls", "identity", "size"} {
		if !strings.Contains(no, word) {
			t.Errorf("%q does not name %s", no, word)
		}
	}
	if no := (lupine.Capabilities{}).Lacks(lupine.Capabilities{MaxMessage: 1 << 30}); no != "" {
		t.Errorf("a wire without a largest message lacks %s", no)
	}
}

// TestServeEnds: Serve ends with its context, with Drain, and with a listener that
// fails, which takes the others down.
func TestServeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := func(ctx context.Context, srv *lupine.Server, all ...lupine.Listener) chan error {
			done := make(chan error, 1)
			go func() { done <- srv.Serve(ctx, all...) }()
			synctest.Wait()
			return done
		}
		a, b := newFakeListener(lupine.Capabilities{}), newFakeListener(lupine.Capabilities{})
		ctx, cancel := context.WithCancel(context.Background())
		srv := lupine.NewServer()
		done := serve(ctx, srv, a, b)
		if err := srv.Serve(ctx); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("a second Serve: %v", err)
		}
		cancel()
		if err := <-done; err != nil || !a.isClosed() || !b.isClosed() {
			t.Errorf("Serve whose context ended: %v", err)
		}

		a, b = newFakeListener(lupine.Capabilities{}), newFakeListener(lupine.Capabilities{})
		srv = lupine.NewServer()
		done = serve(context.Background(), srv, a, b)
		if err := srv.Drain(context.Background()); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve after Drain: %v", err)
		}
		if err := <-serve(context.Background(), srv, newFakeListener(lupine.Capabilities{})); err == nil {
			t.Error("a drained server was served again")
		}

		a, b = newFakeListener(lupine.Capabilities{}), newFakeListener(lupine.Capabilities{})
		a.err = errors.New("accept failed")
		srv = lupine.NewServer()
		done = serve(context.Background(), srv, a, b)
		a.Close()
		if err := <-done; err != a.err || !b.isClosed() {
			t.Errorf("Serve with a listener that failed: %v; the other is closed: %v", err, b.isClosed())
		}

		a, b = newFakeListener(lupine.Capabilities{}), newFakeListener(lupine.Capabilities{})
		b.bindErr = errors.New("address in use")
		if err := lupine.NewServer().Serve(context.Background(), a, b); err != b.bindErr || !a.isClosed() {
			t.Errorf("Serve with an address in use: %v; the other is closed: %v", err, a.isClosed())
		}
		if err := lupine.NewServer().Serve(context.Background()); err == nil {
			t.Error("Serve without a listener succeeded")
		}

		// Drained before it was served: there is nothing to do, and nothing hangs.
		srv = lupine.NewServer()
		srv.Close()
		if err := srv.Serve(context.Background(), newFakeListener(lupine.Capabilities{})); err != nil {
			t.Errorf("Serve after Close: %v", err)
		}
	})
}

// TestServeWaitsForDrain: a program exits when Serve returns, so that must not be
// before the calls under way have ended.
func TestServeWaitsForDrain(t *testing.T) {
	for _, how := range []string{"context", "Drain", "DrainTime"} {
		synctest.Test(t, func(t *testing.T) {
			l := newFakeListener(lupine.Capabilities{})
			l.drain = make(chan struct{})
			srv := lupine.ServerConfig{DrainTime: time.Minute}.NewServer()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- srv.Serve(ctx, l) }()
			synctest.Wait()
			if how == "Drain" {
				go srv.Drain(context.Background())
			} else {
				cancel()
			}
			synctest.Wait()
			select {
			case <-done:
				t.Errorf("%s: Serve returned while draining", how)
			default:
			}
			start := time.Now()
			if how != "DrainTime" {
				close(l.drain)
			}
			if err := <-done; err != nil {
				t.Errorf("%s: Serve: %v", how, err)
			}
			if took := time.Since(start); (took == time.Minute) != (how == "DrainTime") {
				t.Errorf("%s: Serve returned after %v", how, took)
			}
		})
	}
}
