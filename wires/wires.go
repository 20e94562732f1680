// Package wires turns a URL into a target or a listener, whatever its wire:
// for commands, config files and everything else that gets addresses as text.
//
//	target, err := wires.To("grpcs://guide.example:8443", wires.Config{})
//	conn, err := lupine.Dial(ctx, target)
//
// A program that knows its wire calls the wire's own package and links no other.
// The forms are listed by [Schemes].
package wires

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/h2"
	"github.com/lupine-rpc/lupine/wire/inproc"
	"github.com/lupine-rpc/lupine/wire/rudp"
)

// Config is what a URL does not say. The zero value is the default.
type Config struct {
	// TLS is for the schemes that have it: at a listener it must hold a
	// certificate; at a target, nil means the system's authorities and the host
	// as the server's name. It is an error to set it for any other scheme.
	TLS *tls.Config
	// H2 configures wire h2, RUDP wire rudp. What they say of TLS is replaced by TLS above.
	H2   h2.Config
	RUDP rudp.Config
}

// Scheme is one form of URL.
type Scheme struct {
	Name  string // "grpc"
	Form  string // "grpc://HOST:PORT"
	About string // what it is, for help texts
	TLS   bool   // Config.TLS applies
	udp   bool
}

// secure is the scheme that has TLS where this one has none.
func (s Scheme) secure() string {
	if s.udp {
		return "rudps"
	}
	return "grpcs"
}

// HasTLS reports whether Config.TLS applies to a URL. A URL that To and Listen do not take
// has none.
func HasTLS(at string) bool {
	s, err := find(at)
	return err == nil && s.TLS
}

// Schemes returns the schemes that To and Listen know.
func Schemes() []Scheme {
	return []Scheme{
		{Name: "grpc", Form: "grpc://HOST:PORT", About: "gRPC on HTTP/2 in the clear"},
		{Name: "grpcs", Form: "grpcs://HOST:PORT", About: "gRPC on HTTP/2 over TLS", TLS: true},
		{Name: "unix", Form: "unix:///PATH", About: "gRPC on HTTP/2 over a unix socket"},
		{Name: "rudp", Form: "rudp://HOST:PORT", About: "RPC over UDP in the clear", udp: true},
		{Name: "rudps", Form: "rudps://HOST:PORT", About: "RPC over UDP, encrypted by TLS", TLS: true, udp: true},
	}
}

// Infos returns every wire that there is: the rows of the capability table.
func Infos() []lupine.WireInfo {
	mounted := h2.HandlerConfig{}.NewHandler().Info()
	mounted.Name += " (net/http)" // the same wire, with less of HTTP/2 in its hands
	return []lupine.WireInfo{
		h2.Listen("", h2.Config{}).Info(),
		mounted,
		rudp.Listen("", rudp.Config{Plain: true}).Info(),
		inproc.New().Info(),
	}
}

// To returns the target that a URL names. It does no I/O. Its errors say what is
// wrong with the URL and what would be right.
func To(target string, c Config) (lupine.Target, error) {
	scheme, addr, c, err := parse(target, c, false)
	if err != nil {
		return lupine.Target{}, err
	}
	var to lupine.Target
	if scheme.udp {
		to = rudp.To(addr, c.RUDP)
	} else {
		to = h2.To(addr, c.H2)
	}
	return to, to.Err
}

// Listen returns the listener that a URL names. Port 0 takes any free port: the
// listener's Addr tells which, once it is bound.
func Listen(at string, c Config) (lupine.Listener, error) {
	scheme, addr, c, err := parse(at, c, true)
	if err != nil {
		return nil, err
	}
	if scheme.udp {
		return rudp.Listen(addr, c.RUDP), nil
	}
	return h2.Listen(addr, c.H2), nil
}

// URL is the URL by which callers reach a bound listener that Listen made of the
// URL at.
func URL(at string, l lupine.Listener) string {
	scheme, _, _ := strings.Cut(at, ":")
	if scheme == "unix" {
		return at
	}
	return scheme + "://" + l.Addr()
}

// parse returns the wire's own form of an address.
func parse(text string, c Config, listen bool) (scheme Scheme, addr string, _ Config, err error) {
	if scheme, err = find(text); err != nil {
		return scheme, "", c, err
	}
	switch {
	case !scheme.TLS && c.TLS != nil:
		return scheme, "", c, fmt.Errorf("%s: %s:// has no TLS, but TLS settings were given: use %s:// or leave them out", text, scheme.Name, scheme.secure())
	case scheme.TLS && listen && (c.TLS == nil || !proves(c.TLS)):
		return scheme, "", c, fmt.Errorf("%s: serving over TLS needs a certificate and its key", text)
	}
	var secure *tls.Config
	if scheme.TLS {
		secure = new(tls.Config)
		if c.TLS != nil {
			secure = c.TLS.Clone()
		}
	}
	c.H2.TLS, c.RUDP.TLS, c.RUDP.Plain = secure, secure, secure == nil
	u, err := url.Parse(text)
	if err != nil {
		return scheme, "", c, wrong(text, scheme, reason(err))
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return scheme, "", c, wrong(text, scheme, "a user, a query or a fragment has no meaning here")
	}
	if scheme.Name == "unix" {
		path := u.Path
		if path == "" {
			path = u.Opaque // unix:relative/path
		}
		if u.Host != "" || path == "" || path == "/" || strings.HasSuffix(path, "/") {
			return scheme, "", c, wrong(text, scheme, "want the path of a socket after unix://, such as unix:///run/guide.sock")
		}
		if len(path) > maxUnixPath {
			return scheme, "", c, wrong(text, scheme, fmt.Sprintf("the path has %d bytes and a unix socket's has at most %d", len(path), maxUnixPath))
		}
		return scheme, "unix:" + path, c, nil
	}
	if strings.Trim(u.Path, "/") != "" {
		return scheme, "", c, wrong(text, scheme, fmt.Sprintf("the path %q has no meaning here", u.Path))
	}
	addr, err = hostPort(text, scheme, u, listen)
	return scheme, addr, c, err
}

func hostPort(text string, scheme Scheme, u *url.URL, listen bool) (string, error) {
	host, port := u.Hostname(), u.Port()
	switch n, err := strconv.ParseUint(port, 10, 16); {
	case port == "":
		return "", wrong(text, scheme, "there is no port")
	case err != nil:
		return "", wrong(text, scheme, fmt.Sprintf("port %q is not a number from 0 to 65535", port))
	case n == 0 && !listen:
		return "", wrong(text, scheme, "port 0 is for listening only")
	case host == "" && !listen:
		return "", wrong(text, scheme, "there is no host")
	}
	return net.JoinHostPort(host, port), nil
}

// maxUnixPath is the longest path of a unix socket on Linux: sun_path has 108
// bytes, the last of which is zero (unix(7)).
const maxUnixPath = 107

// find returns the scheme of a URL.
func find(text string) (Scheme, error) {
	name, _, ok := strings.Cut(text, ":")
	var forms []string
	for _, s := range Schemes() {
		if ok && s.Name == name {
			return s, nil
		}
		forms = append(forms, s.Form)
	}
	known := "use " + strings.Join(forms, ", ")
	if name == "inproc" {
		return Scheme{}, errors.New("inproc reaches only within one process and so has no URL: " + known)
	}
	if !strings.Contains(text, "://") {
		if _, _, err := net.SplitHostPort(text); err == nil {
			return Scheme{}, fmt.Errorf("%q has no scheme: did you mean grpc://%s? %s", text, text, known)
		}
		return Scheme{}, fmt.Errorf("%q is not a URL: %s", text, known)
	}
	if name == "http" || name == "https" {
		return Scheme{}, fmt.Errorf("%q: the scheme of gRPC over %s is grpc%s://: %s", text, name, name[4:], known)
	}
	return Scheme{}, fmt.Errorf("%q: unknown scheme %q: %s", text, name, known)
}

func wrong(text string, s Scheme, why string) error {
	return fmt.Errorf("%q: %s: want %s", text, why, s.Form)
}

// reason is what is wrong with a URL, without the URL.
func reason(err error) string {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		return ue.Err.Error()
	}
	return err.Error()
}

func proves(c *tls.Config) bool {
	return len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil
}
