package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// needPeer is need for the peers that only interop/peers/run.sh installs: CI that
// runs it sets LUPINE_CI_PEERS=1, and then none may go missing.
func needPeer(t *testing.T, what string, missing error, install string) {
	t.Helper()
	if missing == nil {
		return
	}
	if os.Getenv("LUPINE_CI_PEERS") == "1" {
		t.Fatalf("%s is missing (%v); install it: %s", what, missing, install)
	}
	t.Skipf("SKIP: %s is missing (%v); to run this test: %s", what, missing, install)
}

// node is peers/node/peer.mjs through one of its libraries, from an npm package.
func node(library, npm string) func(*testing.T) program {
	return func(t *testing.T) program {
		t.Helper()
		path, err := exec.LookPath("node")
		needPeer(t, "node", err, "apt-get install nodejs npm")
		_, err = os.Stat(filepath.Join("peers/node/node_modules", npm))
		needPeer(t, npm, err, "(cd interop/peers/node && npm ci --ignore-scripts)")
		return program{library, []string{path, "peers/node/peer.mjs", library}}
	}
}

// cpp is peers/cpp, which links libgrpc++.
func cpp(t *testing.T) program {
	t.Helper()
	// A program that is older than its sources will not do.
	err := exec.Command("make", "--question", "-C", "peers/cpp").Run()
	needPeer(t, "peers/cpp/build/peer", err, "apt-get install "+cppPackages+" && make -C interop/peers/cpp")
	return program{"cpp", []string{"peers/cpp/build/peer"}}
}

const cppPackages = "g++ make pkg-config libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc"

// others are the peers in languages that need more than Go.
var others = []struct {
	name   string
	peer   func(*testing.T) program
	client pair // what to know of it as a client, and as a server
	server pair
}{
	{
		name: "grpc-js", peer: node("grpc-js", "@grpc/grpc-js"),
		// node ends a stream before it resets it.
		client: pair{joined: true, halfCloses: true},
		// Its timeouts are 32 bits of milliseconds.
		server: pair{joined: true, longest: 24 * 24 * time.Hour, plainReplies: true},
	},
	{
		name: "connect", peer: node("connect", "@connectrpc/connect-node"),
		// It says every timeout in milliseconds, whatever the number of digits.
		client: pair{joined: true, longest: 24 * time.Hour, halfCloses: true},
		// Its timers are 32 bits of milliseconds.
		server: pair{joined: true, longest: 24 * 24 * time.Hour, lateHeader: true},
	},
	{name: "cpp", peer: cpp},
}

// Every other peer runs the whole suite, as client and as server.
func TestPeers(t *testing.T) {
	t.Parallel()
	for _, o := range others {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			peer := o.peer(t)
			big, _ := lupineServers(t)
			client, server := o.client, o.server
			client.slow, client.server = true, "lupine"
			server.slow, server.server = true, o.name
			t.Run("client", func(t *testing.T) {
				t.Parallel()
				p := client
				p.caller = peer.dial(t, newTap(t, big).addr)
				runSuite(t, p)
				t.Run("gzip", func(t *testing.T) {
					t.Parallel()
					x := newTap(t, big)
					p := client
					p.caller = peer.dial(t, x.addr)
					testCompressed(t, p, x, "gzip")
				})
			})
			t.Run("mounted", func(t *testing.T) { // in net/http
				t.Parallel()
				_, addr := startMounted(t, lupine.ServerConfig{MaxReceive: maxRaised}, nil)
				p := client
				p.caller = peer.dial(t, addr)
				runSuite(t, p)
			})
			t.Run("server", func(t *testing.T) {
				t.Parallel()
				addr := peer.serve(t)
				p := server
				p.caller = plain(t, newTap(t, addr).addr)
				runSuite(t, p)
				t.Run("gzip", func(t *testing.T) {
					t.Parallel()
					x := newTap(t, addr)
					p := server
					p.caller = plain(t, x.addr)
					testCompressed(t, p, x, "gzip")
				})
			})
		})
	}
}

// Every other peer with grpc-go, for the reference's figures: grpc-go does not
// split joined binary metadata, and sends spaces at the ends of a message as they
// are, so that some of this fails.
func TestPeersReference(t *testing.T) {
	if os.Getenv("REFERENCE") != "1" {
		t.Skip("SKIP: it tests no code of ours; to run it: REFERENCE=1 interop/peers/run.sh")
	}
	t.Parallel()
	for _, o := range others {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			peer := o.peer(t)
			big, _ := grpcServers(t)
			t.Run("client", func(t *testing.T) {
				t.Parallel()
				p := o.client
				p.slow, p.server = true, "grpc-go"
				p.hasty = true // grpc-go's reset at the deadline looks like a cancel, now and then
				p.caller = peer.dial(t, newTap(t, big).addr)
				runSuite(t, p)
				t.Run("gzip", func(t *testing.T) {
					t.Parallel()
					x := newTap(t, big)
					p := p
					p.caller = peer.dial(t, x.addr)
					testCompressed(t, p, x, "gzip")
				})
			})
			t.Run("server", func(t *testing.T) {
				t.Parallel()
				p := o.server
				p.slow, p.server = true, o.name
				addr := peer.serve(t)
				p.caller = dialGRPC(t, newTap(t, addr).addr)
				runSuite(t, p)
				t.Run("gzip", func(t *testing.T) {
					t.Parallel()
					x := newTap(t, addr)
					p := p
					p.caller = dialGRPC(t, x.addr)
					testCompressed(t, p, x, "gzip")
				})
			})
		})
	}
}
