package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine/cmd/lupine/internal/guide"
	"github.com/lupine-rpc/lupine/compiler"
	"github.com/lupine-rpc/lupine/examples/routeguide"
)

func TestDemoJSON(t *testing.T) {
	r := lupineRun(t, "demo", "--json").want(t, 0)
	if r.errOut != "" {
		t.Errorf("demo --json wrote to stderr, which is no terminal:\n%s", r.errOut)
	}
	carriers := map[string]bool{}
	for line := range strings.Lines(r.out) {
		var got struct {
			Wire, Carrier, Address *string
			Calls, Errors          *int
			P50                    *float64 `json:"p50_us"`
			P99                    *float64 `json:"p99_us"`
			Packets                *float64 `json:"packets_per_call"`
		}
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("stdout has the line %q: %v", line, err)
		}
		if got.Wire == nil || got.Carrier == nil || got.Address == nil || got.Calls == nil || got.Errors == nil || got.P50 == nil || got.P99 == nil {
			t.Fatalf("a field is missing: %s", line)
		}
		if *got.Calls < 1000 || *got.Errors != 0 || *got.P50 <= 0 || *got.P99 < *got.P50 || *got.Address == "" {
			t.Errorf("unlikely: %s", line)
		}
		// A request and a reply, and what was still to be said of the first call.
		if udp := *got.Wire == "rudp"; udp != (got.Packets != nil) || udp && (*got.Packets < 2 || *got.Packets > 2.1) {
			t.Errorf("unlikely packets_per_call: %s", line)
		}
		carriers[*got.Wire+" "+*got.Carrier] = true
	}
	for _, want := range []string{"h2 tcp", "h2 tcp+tls", "h2 unix", "h2 net/http", "rudp udp", "rudp udp+tls", "inproc memory"} {
		if !carriers[want] {
			t.Errorf("no line for %s:\n%s", want, r.out)
		}
	}
}

func TestDemo(t *testing.T) {
	r := lupineRun(t, "demo").want(t, 0)
	for _, want := range []string{
		"Compiling examples/routeguide/routeguide.proto, ", "rpc RouteChat(stream RouteNote)", "routeguide_lupine.go", "byte for byte",
		"wire    carrier", "\nh2      tcp ", "\ninproc  memory ", "What to try next", "lupine serve",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("demo's output lacks %q:\n%s", want, r.out)
		}
	}
}

// Each check of the demo finds a wrong answer.
func TestDemoNoticesStaleStubs(t *testing.T) {
	text, err := routeguide.Source.ReadFile("routeguide.proto")
	if err != nil {
		t.Fatal(err)
	}
	compile := func(text string) []compiler.Output {
		made, err := compiler.Compile(t.Context(), compiler.Config{
			Files: []string{routeguide.Proto}, Resolver: compiler.Sources{routeguide.Proto: text}, OutDir: ".",
		})
		if err != nil {
			t.Fatal(err)
		}
		return made.Outputs
	}
	good := compile(string(text))
	if err := sameAsLinked(good); err != nil {
		t.Fatal(err)
	}
	if err := sameAsLinked(compile(strings.Replace(string(text), "RouteChat", "RouteTalk", 1))); err == nil || !strings.Contains(err.Error(), "at line") {
		t.Errorf("other stubs: got %v", err)
	}
	if err := sameAsLinked(good[:1]); err == nil || !strings.Contains(err.Error(), "did not make") {
		t.Errorf("a file less: got %v", err)
	}
	if err := sameAsLinked(append(good[:2:2], compiler.Output{Name: "x/y.go"})); err == nil || !strings.Contains(err.Error(), "y.go") {
		t.Errorf("a file more: got %v", err)
	}
}

func TestTally(t *testing.T) {
	tl := new(tally)
	for range maxWrong + 5 {
		tl.count("a call", io.ErrUnexpectedEOF)
	}
	tl.count("another", nil)
	if r := tl.result(carrier{}); r.Calls != maxWrong+6 || r.Errors != maxWrong+5 || len(tl.wrong) != maxWrong+1 {
		t.Errorf("got %+v and %d texts", r, len(tl.wrong))
	}
	for i := range 100 {
		tl.unary = append(tl.unary, timeOf(100-i))
	}
	if r := tl.result(carrier{}); r.P50 != 50 || r.P99 != 99 {
		t.Errorf("median %v and p99 %v of 1 to 100", r.P50, r.P99)
	}
}

func TestPlaces(t *testing.T) {
	places := guide.Places()
	if len(places) < 100 {
		t.Errorf("%d places", len(places))
	}
	seen := map[guide.Place]bool{}
	names := map[string]bool{}
	for _, p := range places {
		at := guide.Place{Latitude: p.Latitude, Longitude: p.Longitude}
		if seen[at] || names[p.Name] || p.Name == "" {
			t.Errorf("%s is there twice", p.Name)
		}
		seen[at], names[p.Name] = true, true
	}
}

func TestProgressIsSilentOffTerminals(t *testing.T) {
	var out bytes.Buffer
	bar := progress(&out, 3)
	bar.Describe("x")
	bar.Add(3)
	bar.Finish()
	if out.Len() != 0 {
		t.Errorf("wrote %q", out.String())
	}
	if isTerminal(&out) {
		t.Error("not a terminal")
	}
}

func timeOf(us int) time.Duration { return time.Duration(us) * time.Microsecond }
