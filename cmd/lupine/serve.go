package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/cmd/lupine/internal/guide"
	"github.com/lupine-rpc/lupine/examples/routeguide"
	"github.com/lupine-rpc/lupine/health"
	"github.com/lupine-rpc/lupine/reflection"
	"github.com/lupine-rpc/lupine/wires"
)

// serveFlags is what lupine serve was asked for.
type serveFlags struct {
	listen     []string
	cert, key  string
	selfSigned bool
	clientCA   string
}

func serveCommand(io console) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [--listen URL]...",
		Short: "Serve the route guide example over the wires given",
		Long: `Serve the route guide example, routeguide.v1.RouteGuide, with health checking and server
reflection,
until interrupted. Calls under way may then finish; a second interrupt ends them.

Where it serves is printed to stdout, a URL on each line. Port 0 takes a free one.`,
		Example: `  lupine serve
  lupine serve --listen grpc://127.0.0.1:0 --listen unix:///tmp/guide.sock
  lupine serve --listen grpcs://127.0.0.1:8443 --listen rudps://127.0.0.1:8443 --self-signed`,
		DisableFlagsInUseLine: true,
		Args:                  args(0, 0, "no arguments, but --listen URL"),
		RunE:                  func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), io) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringArrayVar(&f.listen, "listen", []string{"grpc://127.0.0.1:8080"}, "serve at `URL`: grpc://HOST:PORT, unix:///PATH or rudp://HOST:PORT,\nor with TLS grpcs://HOST:PORT or rudps://HOST:PORT; may be repeated")
	fl.StringVar(&f.cert, "cert", "", "with grpcs:// and rudps://: our certificate chain, in a PEM `FILE`")
	fl.StringVar(&f.key, "key", "", "with grpcs:// and rudps://: the private key of --cert, in a PEM `FILE`")
	fl.BoolVar(&f.selfSigned, "self-signed", false, "with grpcs:// and rudps://: make a certificate for localhost that nobody trusts;\ncall with --insecure")
	fl.StringVar(&f.clientCA, "client-ca", "", "with grpcs:// and rudps://: let in only callers with a certificate of an authority in this PEM `FILE`")
	cmd.RegisterFlagCompletionFunc("listen", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return completeURL()
	})
	return cmd
}

func (f *serveFlags) run(ctx context.Context, io console) error {
	tlsConfig, err := f.tls()
	if err != nil {
		return err
	}
	var listeners []lupine.Listener
	usedTLS := false
	for _, at := range f.listen {
		c := wires.Config{}
		if wires.HasTLS(at) {
			c.TLS, usedTLS = tlsConfig, true
			if tlsConfig == nil {
				return fmt.Errorf("--listen %s needs a certificate: give --cert FILE and --key FILE, or --self-signed for a try", at)
			}
		}
		l, err := wires.Listen(at, c)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		listeners = append(listeners, l)
	}
	if tlsConfig != nil && !usedTLS {
		return errors.New("a certificate was given, but no --listen grpcs://HOST:PORT or rudps://HOST:PORT uses it")
	}
	srv := lupine.ServerConfig{Log: slog.New(slog.NewTextHandler(io.err, nil))}.NewServer()
	routeguide.RegisterRouteGuide(srv, guide.New())
	health.Register(srv)
	reflection.Register(srv)
	if err := srv.Bind(ctx, listeners...); err != nil {
		return bindError(err)
	}
	for i, l := range listeners {
		fmt.Fprintln(io.out, wires.URL(f.listen[i], l))
	}
	first := wires.URL(f.listen[0], listeners[0])
	extra := ""
	if f.selfSigned && wires.HasTLS(first) {
		extra = "--insecure "
	}
	fmt.Fprintf(io.err, `serving routeguide.v1.RouteGuide; try, from another terminal:
  lupine list %[2]s%[1]s
  lupine call %[2]s-d '{"latitude":525200000,"longitude":134050000}' %[1]s routeguide.v1.RouteGuide/GetFeature
`, first, extra)
	stopping := context.AfterFunc(ctx, func() {
		fmt.Fprintln(io.err, "stopping: calls under way may finish; interrupt again to end them")
	})
	defer stopping()
	return srv.Serve(ctx)
}

func (f *serveFlags) tls() (*tls.Config, error) {
	given := f.cert != "" || f.key != ""
	switch {
	case given && f.selfSigned:
		return nil, errors.New("--self-signed makes a certificate: drop it, or --cert and --key")
	case (f.cert == "") != (f.key == ""):
		return nil, errors.New("--cert and --key belong together: give both or neither")
	case !given && !f.selfSigned && f.clientCA != "":
		return nil, errors.New("--client-ca needs TLS: give --cert and --key too")
	case !given && !f.selfSigned:
		return nil, nil
	}
	c := new(tls.Config)
	pair, _, err := selfSigned()
	if given {
		pair, err = loadKeyPair(f.cert, f.key)
	}
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{pair}
	if f.clientCA != "" {
		pem, err := os.ReadFile(f.clientCA)
		if err != nil {
			return nil, fmt.Errorf("cannot read --client-ca %s: %w", f.clientCA, bare(err))
		}
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--client-ca %s holds no certificate: want PEM, with BEGIN CERTIFICATE", f.clientCA)
		}
	}
	return c, nil
}

// bindError adds what to do about an address that cannot be had.
func bindError(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: choose another with --listen, such as grpc://127.0.0.1:0 for any free port", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: choose another with --listen; ports below 1024 need privileges", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have that address; choose another with --listen", err)
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: make the folder first, or choose another with --listen", err)
	}
	return err
}
