package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wires"
)

// connectFlags say how to reach a server and where its schema is.
type connectFlags struct {
	headers      []string
	protos       []string
	imports      []string
	timeout      time.Duration
	caCert       string
	cert, key    string
	serverName   string
	insecure     bool
	waitForReady bool
	maxReceive   int
}

func (f *connectFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.headers, "header", "H", nil, "add request metadata, `'KEY: VALUE'`; may be repeated\n(the value of a key that ends in -bin is base64)")
	fl.StringArrayVar(&f.protos, "proto", nil, "take the schema from `FILE` instead of asking the server; may be repeated")
	fl.StringArrayVarP(&f.imports, "proto_path", "I", nil, "look for imports of -proto files in `DIR`; may be repeated")
	fl.DurationVar(&f.timeout, "timeout", 0, "give up after `DURATION`, such as 2s or 500ms; the server is told")
	fl.BoolVar(&f.waitForReady, "wait-for-ready", false, "wait for the server to come up instead of failing at once")
	fl.StringVar(&f.caCert, "cacert", "", "with grpcs:// and rudps://: trust the authorities in this PEM `FILE` instead of the system's")
	fl.StringVar(&f.cert, "cert", "", "with grpcs:// and rudps://: prove who we are by the certificate in this PEM `FILE`")
	fl.StringVar(&f.key, "key", "", "with grpcs:// and rudps://: the private key of --cert, in a PEM `FILE`")
	fl.StringVar(&f.serverName, "servername", "", "with grpcs:// and rudps://: the `NAME` that the server must prove to have (default: the host)")
	fl.BoolVar(&f.insecure, "insecure", false, "with grpcs:// and rudps://: do not check who the server is; for tests only")
	fl.IntVar(&f.maxReceive, "max-receive", lupine.DefaultMaxReceive, "refuse replies of more than so many `BYTES`; -1 means no limit")
	cmd.RegisterFlagCompletionFunc("proto", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"proto"}, cobra.ShellCompDirectiveFilterFileExt
	})
	cmd.MarkFlagDirname("proto_path")
}

// dial returns a Conn to the target. It sends nothing yet.
func (f *connectFlags) dial(ctx context.Context, target string) (*lupine.Conn, error) {
	tlsConfig, err := f.tls()
	if err != nil {
		return nil, err
	}
	to, err := wires.To(target, wires.Config{TLS: tlsConfig})
	if err != nil {
		return nil, err
	}
	if f.maxReceive == 0 {
		return nil, fmt.Errorf("--max-receive 0 allows no reply: give a number of bytes, or -1 for no limit")
	}
	return lupine.DialConfig{
		MaxReceive:   f.maxReceive,
		WaitForReady: f.waitForReady,
		UserAgent:    "lupine-call",
		Log:          quiet,
	}.Dial(ctx, to)
}

// tls returns nil if no flag asks for anything special.
func (f *connectFlags) tls() (*tls.Config, error) {
	if f.caCert == "" && f.cert == "" && f.key == "" && f.serverName == "" && !f.insecure {
		return nil, nil
	}
	c := &tls.Config{ServerName: f.serverName, InsecureSkipVerify: f.insecure}
	if f.caCert != "" {
		pem, err := os.ReadFile(f.caCert)
		if err != nil {
			return nil, fmt.Errorf("cannot read --cacert %s: %w", f.caCert, bare(err))
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cacert %s holds no certificate: want PEM, with BEGIN CERTIFICATE", f.caCert)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return nil, fmt.Errorf("--cert and --key belong together: give both or neither")
	}
	if f.cert != "" {
		pair, err := loadKeyPair(f.cert, f.key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func loadKeyPair(cert, key string) (tls.Certificate, error) {
	for _, path := range []string{cert, key} {
		if _, err := os.Stat(path); err != nil {
			return tls.Certificate{}, fmt.Errorf("cannot read %s: %w", path, bare(err))
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return pair, fmt.Errorf("--cert %s and --key %s: %w", cert, key, err)
	}
	return pair, nil
}

// callOptions turns -H into metadata and credentials.
func (f *connectFlags) callOptions() ([]lupine.CallOption, error) {
	var md, secret lupine.Metadata
	for _, h := range f.headers {
		key, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, fmt.Errorf("-H %q: want 'KEY: VALUE'", h)
		}
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		if strings.HasSuffix(key, "-bin") {
			raw, err := decodeBase64(value)
			if err != nil {
				return nil, fmt.Errorf("-H %q: the value of a key that ends in -bin is base64: %w", h, err)
			}
			value = string(raw)
		}
		if key == "authorization" {
			secret.Add(key, value)
		} else {
			md.Add(key, value)
		}
	}
	for _, m := range []lupine.Metadata{md, secret} {
		if err := m.Check(); err != nil {
			return nil, fmt.Errorf("-H: %s", lupine.AsError(err).Message)
		}
	}
	var opts []lupine.CallOption
	if len(md) > 0 {
		opts = append(opts, lupine.WithHeader(md))
	}
	if len(secret) > 0 {
		opts = append(opts, lupine.WithCredentials(secrets(secret)))
	}
	return opts, nil
}

func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	return base64.RawStdEncoding.DecodeString(s)
}

// secrets is metadata that must not travel where others can read it.
type secrets lupine.Metadata

// Metadata returns the pairs; the Conn refuses to send them in the open.
func (s secrets) Metadata(context.Context, *lupine.Method, *lupine.Peer) (lupine.Metadata, error) {
	return lupine.Metadata(s), nil
}

// schema finds out what the server's messages look like.
func (f *connectFlags) schema(ctx context.Context, conn *lupine.Conn, target string, opts []lupine.CallOption) (schema, error) {
	if len(f.protos) > 0 {
		return compileSchema(ctx, f.protos, f.imports)
	}
	if len(f.imports) > 0 {
		return nil, fmt.Errorf("-I says where to find imports, but there is no -proto FILE")
	}
	return newReflected(conn, target, opts), nil
}

// limited puts --timeout on ctx.
func (f *connectFlags) limited(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if f.timeout < 0 {
		return nil, nil, fmt.Errorf("--timeout %v: want a positive duration, such as 2s", f.timeout)
	}
	if f.timeout == 0 {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	return ctx, cancel, nil
}
