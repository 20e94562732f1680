package interop

import (
	"os/exec"
	"testing"

	"google.golang.org/grpc"
)

// systemPython is where Debian's packages install to; another python3 earlier in
// PATH would not see them.
const systemPython = "/usr/bin/python3"

// python is testdata/peer.py.
func python(t *testing.T) program {
	t.Helper()
	check := exec.Command(systemPython, "-c", "import grpc, google.protobuf")
	need(t, "Python's grpcio", check.Run(), "apt-get install python3-grpcio python3-protobuf")
	return program{"peer.py", []string{systemPython, "testdata/peer.py"}}
}

// startPython serves a Peer with Python's grpcio and returns its address.
func startPython(t *testing.T) string {
	t.Helper()
	return python(t).serve(t)
}

func dialPython(t *testing.T, address string) *programCaller {
	t.Helper()
	return python(t).dial(t, address)
}

// Python with grpc-go: what peer.py does is what gRPC does.
func TestPythonControl(t *testing.T) {
	t.Parallel()
	big := listen(t)
	startGRPC(t, big, grpc.MaxRecvMsgSize(maxRaised), grpc.MaxSendMsgSize(maxRaised))
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		// C-core takes grpc-go's reset at the deadline for a cancel, now and then.
		runSuite(t, pair{caller: dialPython(t, big.Addr().String()), server: "grpc-go", slow: true, hasty: true})
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		runSuite(t, pair{caller: dialGRPC(t, startPython(t)), server: "python", slow: true})
	})
}
