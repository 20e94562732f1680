package h2

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/lupine-rpc/lupine"
	"golang.org/x/net/http/httpproxy"
)

// maxProxyReply bounds a proxy's answer to CONNECT, in bytes.
const maxProxyReply = 16 << 10

// proxyFor returns the proxy to reach an endpoint through, or nil. With dns
// targets, Addr holds an IP address; NO_PROXY is held against the name.
func (w *wire) proxyFor(to lupine.Endpoint) (*url.URL, error) {
	choose := w.config.Proxy
	if choose == nil {
		if w.config.Dialer != nil {
			return nil, nil
		}
		choose = httpproxy.FromEnvironment().ProxyFunc()
	}
	_, port, err := net.SplitHostPort(to.Addr)
	if err != nil {
		return nil, nil
	}
	u, err := choose(&url.URL{Scheme: "https", Host: net.JoinHostPort(serverName(to), port)})
	if err != nil {
		return nil, fmt.Errorf("choosing a proxy: %w", err)
	}
	if u != nil && u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("proxy %s: only http and https proxies are supported", u.Redacted())
	}
	return u, nil
}

// connectThrough asks proxy for a tunnel to addr (RFC 9110, 9.3.6).
func connectThrough(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), proxy *url.URL, addr string) (net.Conn, error) {
	at := proxy.Host
	if proxy.Port() == "" {
		at = net.JoinHostPort(proxy.Hostname(), map[string]string{"http": "80", "https": "443"}[proxy.Scheme])
	}
	c, err := dial(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", proxy.Redacted(), err)
	}
	raw := c
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(kickTime) })
	if proxy.Scheme == "https" {
		t := tls.Client(c, &tls.Config{ServerName: proxy.Hostname()})
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("proxy %s: TLS handshake: %w", proxy.Redacted(), err)
		}
		c = t
	}
	err = tunnel(c, proxy, addr)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("proxy %s: %w", proxy.Redacted(), err)
	}
	raw.SetDeadline(time.Time{})
	return c, nil
}

func tunnel(c net.Conn, proxy *url.URL, addr string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", addr, addr)
	if u := proxy.User; u != nil {
		pass, _ := u.Password()
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+pass)))
	}
	b.WriteString("\r\n")
	if _, err := c.Write(b.Bytes()); err != nil {
		return err
	}
	// Byte by byte: what follows the answer is the server's.
	var reply []byte
	for one := make([]byte, 1); !bytes.HasSuffix(reply, []byte("\r\n\r\n")); {
		if len(reply) > maxProxyReply {
			return fmt.Errorf("its answer to CONNECT is above %d bytes", maxProxyReply)
		}
		n, err := c.Read(one)
		if n == 0 && err != nil {
			return fmt.Errorf("reading its answer to CONNECT: %w", err)
		}
		reply = append(reply, one[:n]...)
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(reply)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("its answer to CONNECT: %w", err)
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		return errors.New("it refused CONNECT: " + res.Status)
	}
	return nil
}
