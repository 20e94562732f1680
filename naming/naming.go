// Package naming finds the endpoints that serve a name.
//
// Wires use [Target] in their To functions. The schemes it knows follow gRPC's
// naming document: "dns:///host:port" asks the resolver of the machine and asks
// again from time to time, "unix:///path" and "unix:path" are sockets, and a
// plain "host:port" is like dns. A name that is an IP address resolves to itself.
package naming

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/lupine-rpc/lupine"
)

// Default limits of the DNS resolver.
const (
	DefaultRefresh   = 30 * time.Second // how often a name is looked up again
	DefaultRetry     = time.Second      // how soon after a failure
	DefaultEndpoints = 1000             // addresses kept of one answer
)

// An endpoint whose Addr is the path of a unix socket has
// Attributes[NetworkAttribute] == UnixNetwork.
const (
	NetworkAttribute = "network"
	UnixNetwork      = "unix"
)

// Target understands name and returns a target of wire w. Target.Err says what
// is wrong with a name that it does not understand. defaultPort is used where a
// host has none; empty means that a port is needed.
func Target(name string, w lupine.Wire, defaultPort string) lupine.Target {
	r, err := resolver(name, defaultPort)
	if err != nil {
		err = fmt.Errorf("lupine: target %q: %w", name, err)
	}
	return lupine.Target{Name: name, Wire: w, Resolver: r, Err: err}
}

func resolver(name, defaultPort string) (lupine.Resolver, error) {
	scheme, rest, found := strings.Cut(name, ":")
	switch {
	case found && scheme == "unix":
		path := rest
		if strings.HasPrefix(rest, "//") {
			if path = rest[2:]; !strings.HasPrefix(path, "/") {
				return nil, errors.New("want unix:///absolute/path or unix:relative/path")
			}
		}
		if path == "" {
			return nil, errors.New("the socket's path is missing; want unix:///absolute/path")
		}
		return lupine.Endpoints{{Addr: path, ServerName: "localhost", Attributes: map[string]string{NetworkAttribute: UnixNetwork}}}, nil
	case found && scheme == "dns" && strings.HasPrefix(rest, "//"):
		authority, host, ok := strings.Cut(rest[2:], "/")
		if !ok {
			return nil, errors.New("want dns:///host:port, with three slashes")
		}
		if authority != "" {
			return nil, fmt.Errorf("name server %q: choosing a name server is not supported; want dns:///host:port", authority)
		}
		return hostPort(host, defaultPort)
	case strings.Contains(name, "://"):
		return nil, fmt.Errorf("unknown scheme %q; want host:port, dns:///host:port or unix:///path", scheme)
	}
	return hostPort(name, defaultPort)
}

func hostPort(s, defaultPort string) (lupine.Resolver, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if defaultPort == "" || strings.Contains(s, "/") {
			return nil, errors.New("want host:port")
		}
		host, port = strings.Trim(s, "[]"), defaultPort
	}
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		return nil, errors.New("the port is missing; want host:port")
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return nil, fmt.Errorf("port %q is neither a number from 0 to 65535 nor a service name", port)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return lupine.Endpoints{{Addr: net.JoinHostPort(host, port), ServerName: host}}, nil
	}
	return &DNS{Host: host, Port: port}, nil
}

// DNS is a Resolver that looks a host up by the machine's own resolver, again
// and again while it is watched.
type DNS struct {
	Host, Port string
	Refresh    time.Duration // zero means DefaultRefresh
	Retry      time.Duration // zero means DefaultRetry
	// Lookup replaces net.DefaultResolver.LookupHost, for tests.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Watch reports the addresses of the host until ctx ends. Of an answer with more
// than DefaultEndpoints addresses the rest is dropped. After a failure it tries
// again sooner; the caller keeps the last good list.
func (d *DNS) Watch(ctx context.Context, update func([]lupine.Endpoint, error)) {
	lookup := d.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	refresh, retry := d.Refresh, d.Retry
	if refresh <= 0 {
		refresh = DefaultRefresh
	}
	if retry <= 0 {
		retry = DefaultRetry
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := ""
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		addrs, err := lookup(ctx, d.Host)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			last = ""
			update(nil, err)
			timer.Reset(retry)
			continue
		}
		addrs = addrs[:min(len(addrs), DefaultEndpoints)]
		// Only a change is worth telling.
		if now := strings.Join(addrs, " "); now != last {
			last = now
			update(d.endpoints(addrs), nil)
		}
		timer.Reset(refresh)
	}
}

func (d *DNS) endpoints(addrs []string) []lupine.Endpoint {
	list := make([]lupine.Endpoint, len(addrs))
	for i, a := range addrs {
		list[i] = lupine.Endpoint{Addr: net.JoinHostPort(a, d.Port), ServerName: d.Host}
	}
	return list
}
