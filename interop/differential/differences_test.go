package differential

import (
	"slices"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine/internal/testpb"
)

// difference is where Lupine means to differ from grpc-go.
type difference struct {
	*scenario
	why string
	// ends are how the call ends in each pair, in their order.
	ends [4]string
}

// differences is all of them.
//
// One cannot be run: a handler that panics takes a grpc-go server's process with it,
// and is an Internal error of its own call here.
func differences() []difference {
	return []difference{
		{
			scenario: &scenario{name: "unknown compressor", kind: say, options: options{compress: "lzma"}, request: new(testpb.EchoRequest), ownText: true},
			why:      "what the caller asked for is wrong, nothing inside is broken",
			ends:     [4]string{"code 13", "code 13", "code 3", "code 3"},
		},
		{
			scenario: &scenario{name: "metadata that is not ASCII", kind: say, options: options{header: pairs{"k", "é"}}, request: new(testpb.EchoRequest), ownText: true},
			why:      "the same: it names the argument that is invalid",
			ends:     [4]string{"code 13", "code 13", "code 3", "code 3"},
		},
		{
			scenario: &scenario{name: "metadata with spaces at its ends", kind: say, options: options{header: pairs{"k", " x "}}, request: new(testpb.EchoRequest), handler: echo, ownText: true},
			why:      "RFC 9113, 8.2.1 forbids them, and proxies may refuse the whole request: our callers are told, grpc-go's are served",
			ends:     [4]string{"code 0", "code 0", "code 3", "code 3"},
		},
		{
			scenario: &scenario{name: "a code that gRPC does not know", kind: say, request: new(testpb.EchoRequest), handler: func(h *hand) error { return &failure{code: 99, message: "odd"} }, ownText: true},
			why:      "the status code table asks clients to take it for UNKNOWN",
			ends:     [4]string{"code 99", "code 99", "code 2", "code 2"},
		},
	}
}

// TestDifferences keeps the list true: each is still there, as it is said to be.
func TestDifferences(t *testing.T) {
	w := newWorld(t)
	for _, d := range differences() {
		t.Run(d.name, func(t *testing.T) {
			var ends []string
			for _, p := range w.pairs {
				s := *d.scenario
				if strings.HasPrefix(p.name, "Lupine") && d.ends[2] == "code 3" {
					s.handler = nil // it is not reached
				}
				log, _ := run(t, p.client, p.st, &s)
				for i, want := range d.ends {
					if w.pairs[i].name == p.name && !slices.ContainsFunc(log, func(l string) bool { return strings.HasPrefix(l, "caller: ended with "+want+" ") }) {
						t.Errorf("%s: want %q in %q", p.name, want, log)
					}
				}
				ends = append(ends, strings.Join(log, "\n"))
			}
			if len(slices.Compact(slices.Sorted(slices.Values(ends)))) == 1 {
				t.Errorf("all pairs do the same now: move it to the table (%s)", d.why)
			}
		})
	}
}
