package rudp

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// tap forwards datagrams between one client and a server, and keeps them.
type tap struct {
	near, far *net.UDPConn
	mu        sync.Mutex
	seen      [][]byte
}

func newTap(t *testing.T, target string) *tap {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		t.Fatal(err)
	}
	near, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	p := &tap{near: near, far: far}
	keep := func(b []byte) {
		p.mu.Lock()
		p.seen = append(p.seen, bytes.Clone(b))
		p.mu.Unlock()
	}
	client := make(chan *net.UDPAddr, 1)
	go func() {
		b := make([]byte, 1<<16)
		for first := true; ; first = false {
			n, from, err := near.ReadFromUDP(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			if first {
				client <- from
			}
			keep(b[:n])
			far.Write(b[:n])
		}
	}()
	go func() {
		back := <-client
		b := make([]byte, 1<<16)
		for {
			n, err := far.Read(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			keep(b[:n])
			near.WriteToUDP(b[:n], back)
		}
	}()
	return p
}

func (p *tap) explain() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var x Explainer
	var out strings.Builder
	for _, b := range p.seen {
		x.Explain(&out, b)
	}
	return out.String()
}

// What goes over the wire in the clear is told frame by frame; what is sealed is not.
func TestExplain(t *testing.T) {
	server, client := testTLS(t)
	for _, c := range []struct {
		name           string
		server, client Config
		want, lack     []string
	}{
		{"plain", plain, plain, []string{
			"HELLO, 1200 bytes: version 0x80, plain, ", "CRYPTO, bytes 0 to ", "PAD, ", "CALL, slot 0, call 1, ", "head: unary, /test.Echo/Say",
			`trace: "7f2a"`, "DEFINE 1 as \"/test.Echo/Say\"", "MESSAGE of 6 bytes, checksum ", ", right", "6c7570696e65", "REPLY, slot 0, call 1, ", "  ACK ",
		}, []string{"wrong", "WRONG", "sealed"}},
		{"TLS", Config{TLS: server}, Config{TLS: client}, []string{"HELLO, ", ", TLS, ", "CRYPTO", "HANDSHAKE, ", "DATA, key phase 0, ", "sealed: "}, []string{"CALL", "test.Echo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, _ := serveEcho(t, echo{}, c.server)
			p := newTap(t, addr)
			conn := dialEcho(t, p.near.LocalAddr().String(), c.client)
			for range 3 {
				if _, err := say(soon(t), conn, []byte("lupine"), lupine.WithHeader(lupine.Pairs("trace", "7f2a"))); err != nil {
					t.Fatal(err)
				}
			}
			got := p.explain()
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("it lacks %q", want)
				}
			}
			for _, lack := range c.lack {
				if strings.Contains(got, lack) {
					t.Errorf("it has %q", lack)
				}
			}
			if t.Failed() {
				t.Log(got)
			}
		})
	}
}

// FuzzExplain gives it anything: it neither panics nor says nothing.
func FuzzExplain(f *testing.F) {
	f.Add([]byte("\x0e\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x0c"))
	f.Add([]byte("\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x0c\x42\x00\x01\x00\x03abc\x01\x05\x00\x00\x00\x00hello\x00\x00\x00\x00"))
	f.Add([]byte("lupine"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x Explainer
		var out strings.Builder
		x.Explain(&out, b)
		if out.Len() == 0 {
			t.Error("nothing was said")
		}
	})
}
