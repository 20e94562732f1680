package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/health"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// target is a server to examine.
type target struct {
	name      string
	reference bool
	tls       bool
	// start returns where it listens and what ends it.
	start func(dir string, id identity) (addr string, stop func(), err error)
}

// targets come in order: references first. h2spec asks as a browser would, so
// that our server's answer is its Handler's where it has one, else 415.
var targets = []target{
	{name: "nghttpd, h2c", reference: true, start: nghttpd(false)},
	{name: "nghttpd, TLS", reference: true, tls: true, start: nghttpd(true)},
	{name: "lupine, h2c", start: ours(false, hello{})},
	{name: "lupine, TLS", tls: true, start: ours(true, hello{})},
	{name: "lupine, h2c, gRPC alone", start: ours(false, nil)},
}

// hello answers as nghttpd does: with a few bytes.
type hello struct{}

// ServeHTTP reads the request to its end, so that its length is checked.
func (hello) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	io.WriteString(w, "hello\n")
}

// ours serves in this process.
func ours(useTLS bool, other http.Handler) func(string, identity) (string, func(), error) {
	return func(_ string, id identity) (string, func(), error) {
		config := h2.Config{Handler: other}
		if useTLS {
			pair, err := tls.LoadX509KeyPair(id.cert, id.key)
			if err != nil {
				return "", nil, err
			}
			config.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		}
		srv := lupine.NewServer()
		health.Register(srv)
		l := h2.Listen("127.0.0.1:0", config)
		if err := srv.Bind(context.Background(), l); err != nil {
			return "", nil, err
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			srv.Serve(context.Background())
		}()
		return l.Addr(), func() {
			srv.Close()
			<-ended
		}, nil
	}
}

// nghttpd serves a folder with one file.
func nghttpd(useTLS bool) func(string, identity) (string, func(), error) {
	return func(dir string, id identity) (string, func(), error) {
		program, err := findNghttpd()
		if err != nil {
			return "", nil, err
		}
		root := filepath.Join(dir, "root")
		if err := os.MkdirAll(root, 0o755); err != nil {
			return "", nil, err
		}
		if err := os.WriteFile(filepath.Join(root, "index.html"), []byte("hello\n"), 0o644); err != nil {
			return "", nil, err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		addr := l.Addr().(*net.TCPAddr)
		l.Close()
		args := []string{"--address=127.0.0.1", "-d", root, strconv.Itoa(addr.Port)}
		if useTLS {
			args = append(args, id.key, id.cert)
		} else {
			args = append([]string{"--no-tls"}, args...)
		}
		cmd := exec.Command(program, args...)
		if err := cmd.Start(); err != nil {
			return "", nil, err
		}
		ended := make(chan struct{})
		go func() {
			cmd.Wait()
			close(ended)
		}()
		stop := func() {
			cmd.Process.Kill()
			<-ended
		}
		if err := reachable(addr.String(), ended); err != nil {
			stop()
			return "", nil, err
		}
		return addr.String(), stop, nil
	}
}

// findNghttpd knows that Debian installs it where only root's PATH leads.
func findNghttpd() (string, error) {
	for _, name := range []string{"nghttpd", "/usr/sbin/nghttpd"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", errors.New("it is not installed, and without it there is nothing to compare with: apt-get install nghttp2-server")
}

// reachable waits until the server accepts connections.
func reachable(addr string, ended <-chan struct{}) error {
	late := time.After(startTime)
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			return errors.New("ended at once")
		case <-late:
			return fmt.Errorf("does not listen: %w", err)
		case <-retry.C:
		}
	}
}
