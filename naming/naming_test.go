package naming_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/naming"
)

func TestTarget(t *testing.T) {
	for _, tc := range []struct {
		name string
		port string
		want string // the endpoint, "dns HOST PORT", or a part of the error
	}{
		{"127.0.0.1:80", "", "127.0.0.1:80 127.0.0.1"},
		{"[::1]:80", "", "[::1]:80 ::1"},
		{"dns:///10.0.0.7:8443", "", "10.0.0.7:8443 10.0.0.7"},
		{"guide.example:8443", "", "dns guide.example 8443"},
		{"dns:///guide.example", "443", "dns guide.example 443"},
		{":80", "", "dns localhost 80"},
		{"unix:///run/x.sock", "", "/run/x.sock localhost"},
		{"unix:x.sock", "", "x.sock localhost"},
		{"unix://x.sock", "", "want unix:///absolute/path"},
		{"unix:", "", "path is missing"},
		{"dns://8.8.8.8/x:80", "", "name server"},
		{"dns://x", "", "three slashes"},
		{"ftp://x:80", "", "unknown scheme"},
		{"guide.example", "", "want host:port"},
		{"x:99999", "", "neither a number"},
		{"x:", "", "port is missing"},
	} {
		got := naming.Target(tc.name, nil, tc.port)
		var text string
		switch r := got.Resolver.(type) {
		case lupine.Endpoints:
			text = r[0].Addr + " " + r[0].ServerName
		case *naming.DNS:
			text = fmt.Sprintf("dns %s %s", r.Host, r.Port)
		default:
			text = got.Err.Error()
			if !strings.Contains(text, tc.want) || !strings.Contains(text, tc.name) {
				t.Errorf("Target(%q): error %q, want the name and %q", tc.name, text, tc.want)
			}
			continue
		}
		if text != tc.want {
			t.Errorf("Target(%q) = %q, want %q", tc.name, text, tc.want)
		}
	}
}

// A changed answer is told, the same one is not, and a failure is tried again
// sooner than a success.
func TestDNSWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []string{"10.0.0.1", "10.0.0.1", "", "10.0.0.1 10.0.0.2"}
		asked := 0
		d := &naming.DNS{Host: "h", Port: "1", Lookup: func(context.Context, string) ([]string, error) {
			a := answers[min(asked, len(answers)-1)]
			asked++
			if a == "" {
				return nil, errors.New("server misbehaving")
			}
			return strings.Fields(a), nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		begin := time.Now()
		go d.Watch(ctx, func(list []lupine.Endpoint, err error) {
			told = append(told, fmt.Sprint(time.Since(begin), len(list), err))
		})
		time.Sleep(2 * time.Minute)
		cancel()
		synctest.Wait()
		want := "[0s 1 <nil> 1m0s 0 server misbehaving 1m1s 2 <nil>]"
		if got := fmt.Sprint(told); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}
