package peer

import (
	"context"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/bench/benchpb"
	"github.com/lupine-rpc/lupine/wire/rudp"
)

// Ours over UDP, with the same stubs. Options: message limits, and as many calls in a
// session as there are callers. Without TLS it is told so.

func rudpConfig(s Spec) rudp.Config {
	return rudp.Config{Plain: !s.TLS, MaxSlots: maxStreams, MaxDatagram: s.MaxDatagram}
}

func serveRUDP(s Spec, svc *Service) (Server, error) {
	config := rudpConfig(s)
	var err error
	if config.TLS, err = serverTLS(s); err != nil {
		return nil, err
	}
	srv := lupine.ServerConfig{MaxReceive: maxMessage}.NewServer()
	benchpb.RegisterBench(srv, &lupineServer{s: svc})
	lis := rudp.Listen(s.Addr, config)
	if err := srv.Bind(context.Background(), lis); err != nil {
		return nil, err
	}
	go srv.Serve(context.Background())
	return lupineListening{srv, lis}, nil
}

func dialRUDP(s Spec, d Dialer) (Client, error) {
	config := rudpConfig(s)
	var err error
	if config.TLS, err = clientTLS(s); err != nil {
		return nil, err
	}
	conn, err := lupine.DialConfig{MaxReceive: maxMessage}.Dial(context.Background(), rudp.To(d.Addr, config))
	if err != nil {
		return nil, err
	}
	return lupineClient{conn, benchpb.NewBenchClient(conn)}, nil
}
