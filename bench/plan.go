package main

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/lupine-rpc/lupine/bench/internal/load"
	"github.com/lupine-rpc/lupine/bench/internal/peer"
)

// pair is a client and a server that are measured together.
type pair struct {
	name           string
	client, server string // implementations
	tls, unix      bool
	udp            bool // the udp pair is its floor
	datagram       int  // largest datagram of rudp; 0: what the path takes
	about          string
}

// pairs returns everything that is compared, in the order of the tables.
func pairs() []pair {
	return []pair{
		{name: "lupine", client: "lupine", server: "lupine", about: "gRPC on HTTP/2 in the clear"},
		{name: "lupine-tls", client: "lupine", server: "lupine", tls: true, about: "the same over TLS 1.3"},
		{name: "lupine-unix", client: "lupine", server: "lupine", unix: true, about: "the same over a unix socket"},
		{name: "lupine>grpc-go", client: "lupine", server: "grpc-go", about: "our client, grpc-go's server"},
		{name: "grpc-go>lupine", client: "grpc-go", server: "lupine", about: "grpc-go's client, our server"},
		{name: "grpc-go", client: "grpc-go", server: "grpc-go", about: "defaults"},
		{name: "grpc-go-tls", client: "grpc-go", server: "grpc-go", tls: true, about: "defaults, over TLS 1.3"},
		{name: "connect", client: "connect", server: "connect", about: "connect-go, gRPC over net/http's h2c"},
		{name: "drpc", client: "drpc", server: "drpc", about: "storj.io/drpc, a connection per caller"},
		{name: "net/rpc", client: "net/rpc", server: "net/rpc", about: "gob"},
		{name: "framed", client: "framed", server: "framed", about: "floor: frames on one connection, combined writes, no RPC"},
		{name: "framed-go", client: "framed-go", server: "framed-go", about: "the same with a goroutine for each call"},
		{name: "ping-pong", client: "ping-pong", server: "ping-pong", about: "floor: a connection per caller, write and read"},
		{name: "rudp", client: "rudp", server: "rudp", udp: true, tls: true, about: "ours over UDP, TLS 1.3"},
		{name: "rudp-plain", client: "rudp", server: "rudp", udp: true, about: "the same, not encrypted"},
		{name: "rudp-1452", client: "rudp", server: "rudp", udp: true, tls: true, datagram: ethernet, about: "TLS 1.3, datagrams as on Ethernet"},
		{name: "rudp-plain-1452", client: "rudp", server: "rudp", udp: true, datagram: ethernet, about: "not encrypted, datagrams as on Ethernet"},
		{name: "framed-tls", client: "framed", server: "framed", tls: true, about: "the floor of frames, over TLS 1.3"},
		{name: "quic-go", client: "quic-go", server: "quic-go", udp: true, tls: true, about: "one connection, a stream for each call, TLS 1.3"},
		{name: "kcp-go", client: "kcp-go", server: "kcp-go", udp: true, about: "a session per caller, not encrypted"},
		{name: "pion-dtls", client: "pion-dtls", server: "pion-dtls", udp: true, tls: true, about: "a DTLS 1.2 association per caller, nothing resent"},
		{name: "udp", client: "udp", server: "udp", udp: true, about: "floor of UDP: a socket per caller, write and read, nothing resent"},
	}
}

// overUDP reports whether the pair of that name talks over UDP.
func overUDP(name string) bool {
	for _, p := range pairs() {
		if p.name == name {
			return p.udp
		}
	}
	return false
}

// workload is a row of the plan: work, and who does it.
type workload struct {
	name, title string
	work        load.Work
	pairs       []string // empty means every one but those in special
	heat        bool     // keep the processors from halting: see proc.Heat
	procs       int      // GOMAXPROCS of both sides; 0 leaves it alone
	once        bool     // one round is enough: it does not waver
	slow        bool     // left out by --quick
	syscalls    bool     // counted in a round of its own
}

const (
	// ethernet is the UDP payload of a packet of 1,500 bytes, less what IPv6 takes.
	ethernet = 1452

	kib = 1 << 10
	mib = 1 << 20
)

var (
	special     = []string{"framed-go", "framed-tls", "rudp-1452", "rudp-plain-1452"}
	unaryPairs  = []string{"lupine", "lupine-tls", "lupine-unix", "grpc-go", "grpc-go-tls", "connect", "drpc", "net/rpc", "framed", "ping-pong"}
	streamPairs = []string{"lupine", "lupine-tls", "lupine-unix", "lupine>grpc-go", "grpc-go>lupine", "grpc-go", "grpc-go-tls", "connect", "drpc", "framed", "framed-go", "ping-pong", "rudp", "rudp-plain"}
	metaPairs   = []string{"lupine", "rudp", "rudp-plain", "lupine>grpc-go", "grpc-go>lupine", "grpc-go", "connect", "drpc"}
	largePairs  = append([]string{"rudp", "rudp-plain", "quic-go", "kcp-go"}, unaryPairs...)
	bulkPairs   = []string{"rudp", "rudp-plain", "rudp-1452", "rudp-plain-1452", "lupine", "lupine-tls", "grpc-go", "grpc-go-tls", "framed", "framed-tls"}
	crowdPairs  = append([]string{"lupine>grpc-go", "grpc-go>lupine"}, largePairs...)
	setupPairs  = []string{"lupine", "rudp", "rudp-plain", "lupine-tls", "lupine-unix", "grpc-go", "grpc-go-tls", "connect", "drpc", "net/rpc", "ping-pong"}
	burnPairs   = []string{"lupine", "grpc-go"}
	fairPairs   = []string{"lupine", "grpc-go", "framed-go"}
)

// fastCallers make the calls whose latency is measured beside others; heldCalls
// are those others where they block.
const (
	fastCallers = 8
	heldCalls   = 64
)

// workloads returns the plan for this machine. idle is how many idle connections
// to open.
func workloads(idle int) []workload {
	echo := func(name, title string, size, callers int) workload {
		return workload{name: name, title: title, work: load.Work{Kind: load.Echo, Size: size, Callers: callers}, heat: callers == 1}
	}
	all := []workload{
		echo("echo64-1", "unary echo of 64 B, 1 caller", 64, 1),
		echo("echo64-64", "unary echo of 64 B, 64 callers", 64, 64),
		echo("echo64-256", "unary echo of 64 B, 256 callers", 64, 256),
		echo("echo4k-1", "unary echo of 4 KiB, 1 caller", 4*kib, 1),
		echo("echo4k-64", "unary echo of 4 KiB, 64 callers", 4*kib, 64),
		echo("echo4k-256", "unary echo of 4 KiB, 256 callers", 4*kib, 256),
		{name: "meta64-64", title: "unary echo of 64 B with a deadline and two metadata pairs, 64 callers", pairs: metaPairs,
			work: load.Work{Kind: load.EchoMeta, Size: 64, Callers: 64}},
		{name: "chat64-1", title: "bidi ping-pong of 64 B, 1 stream", pairs: streamPairs, heat: true,
			work: load.Work{Kind: load.Chat, Size: 64, Callers: 1}},
		{name: "chat64-64", title: "bidi ping-pong of 64 B, 64 streams", pairs: streamPairs,
			work: load.Work{Kind: load.Chat, Size: 64, Callers: 64}},
		{name: "download64", title: "server stream of 64 B messages, 1 stream", pairs: streamPairs,
			work: load.Work{Kind: load.Download, Size: 64, Callers: 1}},
		{name: "upload64", title: "client stream of 64 B messages, 1 stream", pairs: streamPairs,
			work: load.Work{Kind: load.Upload, Size: 64, Callers: 1}},
		{name: "bulk", title: "client stream of 64 KiB messages, 1 stream", pairs: bulkPairs,
			work: load.Work{Kind: load.Upload, Size: 64 * kib, Callers: 1}},
		echo("echo1m-1", "unary echo of 1 MiB, 1 caller", mib, 1),
		echo("echo16m-1", "unary echo of 16 MiB, 1 caller", 16*mib, 1),
		{name: "setup", title: "connect, one call, close; one after the other", pairs: setupPairs, heat: true,
			work: load.Work{Kind: load.Setup, Callers: 1}},
	}
	for i := range all {
		w := &all[i]
		switch w.name {
		case "echo64-1", "echo64-64", "download64":
			w.syscalls = true
		case "echo4k-1", "echo4k-256", "echo16m-1", "upload64":
			w.slow = true
		}
		switch {
		case w.name == "echo64-256":
			w.pairs = crowdPairs // nothing is resent by others, and 256 datagrams overrun a socket
		case w.pairs != nil || w.work.Size == 64:
		case w.work.Size > mib:
			w.pairs = unaryPairs
		default:
			w.pairs = largePairs
		}
	}
	for _, p := range procCounts() {
		all = append(all, workload{
			name: burnName(p), procs: p, pairs: burnPairs,
			title: fmt.Sprintf("unary, handlers burn 20 µs, 64 callers, one connection, GOMAXPROCS=%d on each side", p),
			work:  load.Work{Kind: load.Burn, Burn: 20 * time.Microsecond, Callers: 64},
		})
	}
	fair := func(name, title string, beside load.Beside, others int) {
		all = append(all, workload{name: name, title: title, pairs: fairPairs,
			work: load.Work{Kind: load.Fast, Callers: fastCallers, Beside: beside, Others: others}})
	}
	fair("fair-alone", "fast calls alone, 8 callers", load.Alone, 0)
	fair("fair-held", "fast calls, 8 callers, beside 64 handlers of the same method that block throughout", load.Held, heldCalls)
	fair("fair-churn", "fast calls, 8 callers, beside 64 callers of the same method whose handlers block 10 ms", load.Churning, heldCalls)
	if spinners := runtime.NumCPU() - 1; spinners > 0 {
		fair("fair-spin", fmt.Sprintf("fast calls, 8 callers, beside %d handlers of the same method that spin, on %d processors", spinners, runtime.NumCPU()),
			load.Spinning, spinners)
	}
	return append(all, workload{name: "idle", title: fmt.Sprintf("%d idle connections", idle), pairs: setupPairs, once: true,
		work: load.Work{Kind: load.Idle, Callers: idle}})
}

// burnName is the workload of handlers that burn, with GOMAXPROCS p.
func burnName(p int) string { return fmt.Sprintf("burn20-p%d", p) }

// procCounts returns 1, 2, 4 and so on up to what the machine has.
func procCounts() []int {
	var list []int
	for p := 1; p < runtime.NumCPU(); p *= 2 {
		list = append(list, p)
	}
	return append(list, runtime.NumCPU())
}

// cell is one pair at one workload.
type cell struct {
	work workload
	pair pair
}

// cells returns the plan's cells whose "WORK PAIR" only matches, workload by
// workload.
func cells(plan []workload, only *regexp.Regexp) []cell {
	var list []cell
	for _, w := range plan {
		for _, p := range pairs() {
			if wanted(w, p) && (only == nil || only.MatchString(w.name+" "+p.name)) && peer.Known(p.client) && peer.Known(p.server) {
				list = append(list, cell{w, p})
			}
		}
	}
	return list
}

func wanted(w workload, p pair) bool {
	if len(w.pairs) == 0 {
		return !slices.Contains(special, p.name)
	}
	return slices.Contains(w.pairs, p.name)
}
