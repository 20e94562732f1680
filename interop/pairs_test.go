package interop

import (
	"net"
	"testing"

	"google.golang.org/grpc"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// grpc-go with itself: what the suite asks is what gRPC does.
func TestControl(t *testing.T) {
	t.Parallel()
	big, small := listen(t), listen(t)
	startGRPC(t, big, grpc.MaxRecvMsgSize(maxRaised), grpc.MaxSendMsgSize(maxRaised))
	startGRPC(t, small)
	runSuite(t, pair{caller: dialGRPC(t, big.Addr().String()), small: dialGRPC(t, small.Addr().String()), server: "grpc-go"})
}
