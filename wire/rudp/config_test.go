package rudp

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// TestConfig: what is wrong with a Config is named, at Bind and at Dial.
func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, "set TLS, or ask for Plain"},
		{Config{TLS: new(tls.Config), Plain: true}, "choose one"},
		{Config{Plain: true, MaxSlots: -1}, "Config.MaxSlots is -1"},
		{Config{Plain: true, FirstCredit: 100}, "the least is 16384"},
		{Config{Plain: true, MaxDatagram: 1000}, "from 1200 to 61440"},
		{Config{Plain: true, AckDelay: -time.Second}, "cannot be turned off"},
	} {
		_, err := lupine.Dial(context.Background(), To("127.0.0.1:1", c.config))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Dial with %+v: %v, want %q", c.config, err, c.want)
		}
		err = lupine.ServerConfig{}.NewServer().Bind(context.Background(), Listen("127.0.0.1:0", c.config))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Bind with %+v: %v, want %q", c.config, err, c.want)
		}
	}
}

// TestModes: a client that speaks another mode than the server is told so, and a port
// that nobody has fails at once.
func TestModes(t *testing.T) {
	server, client := testTLS(t)
	secured, _ := serveEcho(t, echo{}, Config{TLS: server})
	open, _ := serveEcho(t, echo{}, plain)
	for _, c := range []struct {
		name, addr string
		config     Config
		want       string
	}{
		{"plain to TLS", secured, plain, "speaks rudp with TLS"},
		{"TLS to plain", open, Config{TLS: client}, "speaks rudp without TLS"},
		{"nobody", "127.0.0.1:9", plain, "127.0.0.1:9"},
		{"unknown authority", secured, Config{TLS: new(tls.Config)}, "certificate"},
	} {
		began := time.Now()
		conn, err := lupine.Dial(soon(t), To(c.addr, c.config))
		if err == nil {
			_, err = say(soon(t), conn, nil)
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", c.name, took)
		}
	}
}
