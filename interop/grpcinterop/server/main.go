// Server is our server for gRPC's interoperability tests.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/grpcinterop/orcapb"
	"github.com/lupine-rpc/lupine/interop/grpcinterop/testpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("interop server: ")
	port := flag.Int("port", 10000, "serve on this `port`")
	useTLS := flag.Bool("use_tls", false, "speak TLS")
	cert := flag.String("tls_cert_file", "", "the certificate, a PEM `file`")
	key := flag.String("tls_key_file", "", "its key, a PEM `file`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *port, *useTLS, *cert, *key); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, port int, useTLS bool, cert, key string) error {
	var config h2.Config
	if useTLS {
		if cert == "" || key == "" {
			return errors.New("-use_tls needs -tls_cert_file and -tls_key_file")
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		config.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	srv := lupine.ServerConfig{DrainTime: -1}.NewServer()
	var l load
	testpb.RegisterTestService(srv, &service{load: &l})
	orcapb.RegisterOpenRcaService(srv, reports{load: &l})
	return srv.Serve(ctx, h2.Listen(net.JoinHostPort("", strconv.Itoa(port)), config))
}
