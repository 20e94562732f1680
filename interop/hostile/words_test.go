package hostile

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// refused sends calls that no handler may see, and wants each to fail.
func refused(rows, name string, answers []string, heads ...[]string) attack {
	return attack{rows: rows, name: name, answers: answers, run: func(a *arena) fate {
		f := a.enemy()
		for _, h := range heads {
			f.data(f.call(false, h...), true, prefixed(0, encode(&peerpb.Order{Text: "it ran"})))
		}
		f.collect(len(heads), 5*time.Second)
		return f.fate()
	}}
}

func with(name string, values ...string) (heads [][]string) {
	for _, v := range values {
		heads = append(heads, append(request("Say"), name, v))
	}
	return heads
}

func instead(name string, values ...string) (heads [][]string) {
	for _, v := range values {
		heads = append(heads, request("Say", name, v))
	}
	return heads
}

// wordAttacks are about what requests say.
var wordAttacks = []attack{
	refused("24", "paths that a router might take for another", []string{"grpc 12", "PROTOCOL_ERROR", "HTTP 400"}, instead(":path",
		peerPath+"Say/", "/"+peerPath+"Say", peerPath+"./Say", peerPath+"x/../Say", peerPath+"S%61y", peerPath+"Say?x=1", peerPath+"Say#x",
		strings.ToUpper(peerPath)+"SAY", peerPath+"say", peerPath+"Say%00", "http://peer.test"+peerPath+"Say", strings.TrimPrefix(peerPath, "/")+"Say",
		strings.ReplaceAll(peerPath, "/", "\\")+"Say", peerPath+"Say;x", peerPath+" Say", "*", "/", "")...),
	refused("26", "CR, LF and NUL in values", []string{"PROTOCOL_ERROR"}, with("x", "a\r\nx-admin: 1", "a\nb", "a\x00b", "a\rb")...),
	refused("26", "names that are no tokens", []string{"PROTOCOL_ERROR"}, with0("x\r\ny", "x y", "x:y", "X-Upper", "", "x\x00", "x\x80", ":late")...),
	refused("26", "values that gRPC does not allow", []string{"grpc 13"}, append(with("x", "caf\xc3\xa9", "\xff"), with0("x!", "x'y", "x~")...)...),
	refused("26", "-bin values that are no base64", []string{"grpc 13"}, with("x-bin", "!!!", "A", "AA=A", "A\tB", "AAA-", "====")...),
	refused("26", "grpc-timeout that is none", []string{"grpc 13"}, with("grpc-timeout", "1", "S", "-1S", "1.5S", "123456789S", "1s", " 1S", "1S ", "0x1S", "１S", "5 m", "")[:11]...),
	refused("26", "more metadata than fits", []string{"grpc 8", "HTTP 431"}, with("x-bin", strings.Repeat(",", 2000), strings.Repeat("AA,", 1500))...),
	refused("27", "two Hosts, two paths, other methods", []string{"PROTOCOL_ERROR", "HTTP 405", "HTTP 415", "HTTP 400"},
		append([]string{":authority", "evil.test"}, request("Say")...), append([]string{":path", "/x"}, request("Say")...), append(request("Say"), "connection", "keep-alive"),
		append(request("Say"), "te", "gzip"), append(request("Say"), "transfer-encoding", "chunked"), request("Say", ":method", "GET"), request("Say", ":method", "PUT"), append(request("Say"), "content-length", "1"),
		append(request("Say"), "content-length", "-1"), append(request("Say"), "content-length", "5", "content-length", "6"), request("Say", "content-type", "text/plain"), append([]string{":protocol", "websocket"}, request("Say")...)),
	{rows: "27", name: "a Host beside :authority, and headers that override the method", answers: []string{"grpc 0", "PROTOCOL_ERROR"}, run: func(a *arena) fate {
		// They may pass as metadata; the call that runs is the one in :path.
		f := a.enemy()
		heads := [][]string{append(request("Say"), "host", "evil.test"), append(request("Say"), "x-http-method-override", "DELETE", "x-original-url", "/admin")}
		for _, h := range heads {
			f.data(f.call(false, h...), true, prefixed(0, encode(&peerpb.Order{Text: "x"})))
		}
		f.collect(len(heads), 5*time.Second)
		return f.fate()
	}},
}

// with0 is requests with fields of these names.
func with0(names ...string) (heads [][]string) {
	for _, n := range names {
		heads = append(heads, append(request("Say"), n, "v"))
	}
	return heads
}

func TestWords(t *testing.T) { run(t, wordAttacks) }

// tlsAttacks are about what comes before HTTP/2.
var tlsAttacks = []attack{
	// 12 KB are ours, as in plaintext; crypto/tls adds a stack that has grown and its buffer.
	{rows: "13", name: "TLS: a hello that does not end", memory: max(barMemory, 20<<10*scaled(500, 4000)), spec: spec{Dir: "tls"}, closed: true, limit: "handshake", run: func(a *arena) (sum fate) {
		n := scaled(500, 4000)
		var all []*foe
		for range n {
			c, err := net.DialTimeout("tcp", a.addr, 5*time.Second)
			if err != nil {
				a.t.Fatal(err)
			}
			a.track(c)
			f := newFoe(a.t, c)
			// A handshake record of 512 bytes, of which a few come.
			f.out = append(f.out, 0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3)
			f.flush()
			go f.read()
			all = append(all, f)
		}
		began := time.Now()
		for _, f := range all {
			f.ended(time.Until(began.Add(a.handshake + 5*time.Second)))
			sum.add(f.fate())
		}
		return sum
	}},
	{rows: "13", name: "TLS: noise", spec: spec{Dir: "tls"}, closed: true, run: func(a *arena) (sum fate) {
		for range scaled(100, 1000) {
			c, err := net.DialTimeout("tcp", a.addr, 5*time.Second)
			if err != nil {
				a.t.Fatal(err)
			}
			a.track(c)
			f := newFoe(a.t, c)
			f.out = append(f.out, 0x16, 3, 1, 0xff, 0xff)
			f.out = append(f.out, strings.Repeat("\xfa\x00\xff", 100)...)
			f.flush()
			f.read()
			sum.add(f.fate())
		}
		return sum
	}},
	{rows: "30", name: "TLS: a flood of whole handshakes", spec: spec{Dir: "tls"}, run: func(a *arena) (sum fate) {
		n := scaled(200, 3000)
		var wg sync.WaitGroup
		work := make(chan struct{}, n)
		for range n {
			work <- struct{}{}
		}
		close(work)
		for range 50 {
			wg.Go(func() {
				for range work {
					c, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", a.addr, config(a.tls, "h2"))
					if err != nil {
						a.t.Errorf("a handshake: %v", err)
						return
					}
					c.Close()
				}
			})
		}
		began := time.Now()
		wg.Wait()
		return fate{Conns: n, Took: time.Since(began), Note: plural(n, "handshake") + " in " + short(time.Since(began))}
	}},
	// What crypto/x509 makes of such a chain.
	{rows: "30", name: "TLS: 100 client certificates in a chain", memory: 48 << 20, spec: spec{Dir: "tls", MTLS: true}, closed: true, run: func(a *arena) (sum fate) {
		cert, err := tls.LoadX509KeyPair(a.dir+"/cert.pem", a.dir+"/key.pem")
		if err != nil {
			a.t.Fatal(err)
		}
		bad, err := tls.LoadX509KeyPair(a.dir+"/other.pem", a.dir+"/other-key.pem")
		if err != nil {
			a.t.Fatal(err)
		}
		for len(bad.Certificate) < 100 {
			bad.Certificate = append(bad.Certificate, cert.Certificate[0])
		}
		for range scaled(20, 100) {
			c, err := net.DialTimeout("tcp", a.addr, 5*time.Second)
			if err != nil {
				a.t.Fatal(err)
			}
			a.track(c)
			conf := config(a.tls, "h2")
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &bad, nil }
			f := newFoe(a.t, tls.Client(c, conf))
			f.preface()
			f.read()
			sum.add(f.fate())
		}
		return sum
	}},
	{rows: "1", name: "TLS: rapid reset", spec: spec{Dir: "tls"}, closed: true, codes: calm, limit: "resets", run: func(a *arena) fate {
		return a.until(5000, 50, nil, func(f *foe) { f.reset(f.say(holding)) })
	}},
	{rows: "12", name: "TLS: streams of replies that are not read", spec: spec{Dir: "tls"}, closed: true, limit: "stall", run: func(a *arena) fate {
		f := a.deaf(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		f.windowUpdate(0, 1<<30)
		for range 64 {
			id := f.call(false, request("List")...)
			f.data(id, true, prefixed(0, encode(&peerpb.Order{Count: 1 << 30, ReplyBytes: 64 << 10})))
		}
		return f.unread(a)
	}},
}

func TestTLS(t *testing.T) { run(t, tlsAttacks) }

func (a *arena) track(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.foes = append(a.foes, c)
}

func config(base *tls.Config, proto string) *tls.Config {
	c := base.Clone()
	c.ServerName, c.NextProtos = "localhost", []string{proto}
	return c
}
