package h2

import (
	"fmt"
	"net"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/naming"
)

// info is the wire's row of the capability table.
func info() lupine.WireInfo {
	return lupine.WireInfo{Name: "h2", Capabilities: lupine.Capabilities{
		Streams: true, FullDuplex: true, Metadata: true, Trailers: true, Details: true, Identity: true,
	}}
}

// wire dials.
type wire struct {
	config Config
	encs   encodings
}

// To is a target reached by gRPC over HTTP/2, such as "guide.example:8443",
// "dns:///guide.example:8443" or "unix:///run/guide.sock"; package naming has the
// forms. At most one Config may be given; without one the connection is
// plaintext. A target that cannot be understood makes Dial fail.
func To(target string, config ...Config) lupine.Target {
	if len(config) > 1 {
		return lupine.Target{Name: target, Err: fmt.Errorf("h2: To(%q) takes one Config, not %d", target, len(config))}
	}
	var c Config
	if len(config) == 1 {
		c = config[0]
	}
	c, err := c.withDefaults()
	if err != nil {
		return lupine.Target{Name: target, Err: err}
	}
	w := &wire{config: c, encs: newEncodings(c.budget())}
	t := naming.Target(target, w, "")
	if t.Err == nil {
		if e, ok := w.unresolved(target); ok {
			t.Resolver = lupine.Endpoints{e}
		}
	}
	return t
}

// unresolved returns the endpoint of a target whose name is for others to
// resolve: a proxy, or a Dialer, for which only dns:/// asks for addresses.
func (w *wire) unresolved(target string) (e lupine.Endpoint, ok bool) {
	addr, dns := strings.CutPrefix(target, "dns:///")
	host, _, err := net.SplitHostPort(addr)
	if err != nil || strings.HasPrefix(target, "unix:") {
		return e, false
	}
	if host == "" {
		return e, false
	}
	e = lupine.Endpoint{Addr: addr, ServerName: host}
	if proxy, err := w.proxyFor(e); err == nil && proxy != nil {
		return e, true
	}
	return e, w.config.Dialer != nil && !dns
}

// Info names the wire and says what it can do.
func (*wire) Info() lupine.WireInfo { return info() }
