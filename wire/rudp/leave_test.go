package rudp

import (
	"context"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// A server does not wait for clients that have closed, whatever they had made.
func TestDrainAfterClose(t *testing.T) {
	for name, use := range map[string]func(addr string){
		"unary": func(addr string) {
			conn := dialEcho(t, addr, plain)
			if _, err := say(soon(t), conn, []byte("x")); err != nil {
				t.Error(err)
			}
			conn.Close()
		},
		"canceled stream": func(addr string) {
			conn := dialEcho(t, addr, plain)
			ctx, cancel := context.WithCancel(soon(t))
			s := lupine.CallBidi[raw, raw](ctx, conn, &echoMethods[3], nil)
			if err := s.Send(ctx, &raw{Bytes: []byte("x")}); err != nil {
				t.Error(err)
			}
			if _, err := s.Recv(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			if _, err := say(soon(t), conn, []byte("x")); err != nil {
				t.Error(err)
			}
			conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, srv := serveEcho(t, echo{}, plain)
			use(addr)
			begin := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := srv.Drain(ctx); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Close tells the peer before it returns: the process may end right after it.
func TestCloseTells(t *testing.T) {
	addr, _ := serveEcho(t, echo{}, plain)
	for range 20 {
		stats := new(Stats)
		conn := dialEcho(t, addr, Config{Plain: true, Stats: stats})
		if _, err := say(soon(t), conn, []byte("x")); err != nil {
			t.Fatal(err)
		}
		before, _ := stats.Datagrams()
		conn.Close()
		if after, _ := stats.Datagrams(); after == before {
			t.Fatal("Close has sent nothing")
		}
	}
}
