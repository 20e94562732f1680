// Server is our server under the Connect conformance suite, which starts it many
// times, each for one kind of connection. See package conformance.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/conformance"
	pb "github.com/lupine-rpc/lupine/interop/conformance/connectrpc/conformance/v1"
	"github.com/lupine-rpc/lupine/wire/h2"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("conformance server: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

// run serves as the request on stdin asks, says where on stdout, and goes on
// until ctx ends.
func run(ctx context.Context) error {
	var req pb.ServerCompatRequest
	if err := conformance.ReadFrame(os.Stdin, &req); err != nil {
		return err
	}
	if req.GetProtocol() != pb.Protocol_PROTOCOL_GRPC || req.GetHttpVersion() != pb.HTTPVersion_HTTP_VERSION_2 {
		return errors.New("only gRPC over HTTP/2 is served: " + req.String())
	}
	config, err := tlsConfig(&req)
	if err != nil {
		return err
	}
	srv := lupine.ServerConfig{MaxReceive: int(req.GetMessageReceiveLimit()), DrainTime: -1}.NewServer()
	pb.RegisterConformanceService(srv, service{})
	l := h2.Listen("127.0.0.1:0", h2.Config{TLS: config})
	if err := srv.Bind(ctx, l); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(l.Addr())
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	res := &pb.ServerCompatResponse{Host: host, Port: uint32(n)}
	if config != nil {
		res.PemCert = req.GetServerCreds().GetCert()
	}
	if err := conformance.WriteFrame(os.Stdout, res); err != nil {
		return err
	}
	return srv.Serve(ctx)
}

// tlsConfig returns nil for plaintext.
func tlsConfig(req *pb.ServerCompatRequest) (*tls.Config, error) {
	if !req.GetUseTls() {
		return nil, nil
	}
	cert, err := tls.X509KeyPair(req.GetServerCreds().GetCert(), req.GetServerCreds().GetKey())
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if pem := req.GetClientTlsCert(); len(pem) > 0 {
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("client_tls_cert has no certificate")
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}
