// Peers runs the tests of this module that need programs in other languages, or
// tools that others made, and prints how many passed for each pair. It fails if
// one did not, or did not run. run.sh installs what it needs and starts it in the
// folder above. With REFERENCE=1 it is grpc-go that the other languages meet, and
// what fails is only told.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// row is what is counted together: tests by the beginning of their names.
type row struct {
	name  string
	tests []string
}

// ours are the rows with Lupine at one end.
var ours = []row{
	{"grpc-go to lupine", []string{"TestGRPCToLupine/", "TestCompression/grpc-go_to_lupine_"}},
	{"lupine to grpc-go", []string{"TestLupineToGRPC/", "TestCompression/lupine_to_grpc-go_"}},
	{"python to lupine", []string{"TestPython/client/", "TestCompression/python_to_lupine_"}},
	{"lupine to python", []string{"TestPython/server/", "TestCompression/lupine_to_python_"}},
	{"grpc-js to lupine", []string{"TestPeers/grpc-js/client/"}},
	{"grpc-js to lupine in net/http", []string{"TestPeers/grpc-js/mounted/"}},
	{"lupine to grpc-js", []string{"TestPeers/grpc-js/server/"}},
	{"connect-node to lupine", []string{"TestPeers/connect/client/"}},
	{"connect-node to lupine in net/http", []string{"TestPeers/connect/mounted/"}},
	{"lupine to connect-node", []string{"TestPeers/connect/server/"}},
	{"libgrpc++ to lupine", []string{"TestPeers/cpp/client/"}},
	{"libgrpc++ to lupine in net/http", []string{"TestPeers/cpp/mounted/"}},
	{"lupine to libgrpc++", []string{"TestPeers/cpp/server/"}},
	{"grpcurl to lupine", []string{"TestGrpcurl/"}},
	{"grpc-health-probe to lupine", []string{"TestHealthProbe/"}},
	{"ghz to lupine", []string{"TestGhz/"}},
	{"h2load to lupine", []string{"TestH2load/"}},
}

// reference are the rows with grpc-go in Lupine's place.
var reference = []row{
	{"python to grpc-go", []string{"TestPythonControl/client/"}},
	{"grpc-go to python", []string{"TestPythonControl/server/"}},
	{"grpc-js to grpc-go", []string{"TestPeersReference/grpc-js/client/"}},
	{"grpc-go to grpc-js", []string{"TestPeersReference/grpc-js/server/"}},
	{"connect-node to grpc-go", []string{"TestPeersReference/connect/client/"}},
	{"grpc-go to connect-node", []string{"TestPeersReference/connect/server/"}},
	{"libgrpc++ to grpc-go", []string{"TestPeersReference/cpp/client/"}},
	{"grpc-go to libgrpc++", []string{"TestPeersReference/cpp/server/"}},
}

// lacking are tests of what a peer cannot do; they do not count.
var lacking = map[string]string{
	"TestPeersReference/connect/server/headerFirst": "its servers send their header with the first message",

	"TestPeers/connect/server/headerFirst": "its servers send their header with the first message",
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output string
}

// results are the outcomes and the output of every test by its name.
type results struct {
	outcome map[string]string
	output  map[string][]string
	rest    []string // output of no test
}

func main() {
	rows, asked := ours, os.Getenv("REFERENCE") == "1"
	if asked {
		rows = reference
	}
	r, err := run(rows)
	if err != nil && len(r.outcome) == 0 {
		fmt.Fprintf(os.Stderr, "peers: go test: %v\n%s", err, strings.Join(r.rest, ""))
		os.Exit(1)
	}
	if well := report(rows, r) && err == nil; !well && !asked {
		os.Exit(1)
	}
}

func run(rows []row) (*results, error) {
	var tests []string
	for _, row := range rows {
		for _, t := range row.tests {
			name, _, _ := strings.Cut(t, "/")
			if !slices.Contains(tests, name) {
				tests = append(tests, name)
			}
		}
	}
	cmd := exec.Command("go", "test", "-count=1", "-short", "-json", "-timeout=5m", "-run=^("+strings.Join(tests, "|")+")$", ".")
	cmd.Env = append(os.Environ(), "LUPINE_CI=1", "LUPINE_CI_PEERS=1")
	cmd.Stderr = os.Stderr
	r := &results{make(map[string]string), make(map[string][]string), nil}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return r, err
	}
	r.read(out)
	return r, cmd.Wait()
}

func (r *results) read(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case err != nil:
			return
		case json.Unmarshal(line, &e) != nil:
			r.rest = append(r.rest, string(line))
		case e.Action == "output" && e.Test == "":
			r.rest = append(r.rest, e.Output)
		case e.Action == "output":
			r.output[e.Test] = append(r.output[e.Test], e.Output)
		case e.Test != "" && (e.Action == "run" || e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
			r.outcome[e.Test] = e.Action // "run" stays if it never ended
		}
	}
}

// leaf tells whether test has no tests below it: those that do are not counted.
func (r *results) leaf(test string) bool {
	for other := range r.outcome {
		if strings.HasPrefix(other, test+"/") {
			return false
		}
	}
	return true
}

// report prints the table, and tells whether all is well.
func report(rows []row, r *results) bool {
	well, passedAll, totalAll := true, 0, 0
	var failed []string
	for _, row := range rows {
		passed, total, without := 0, 0, ""
		for test, outcome := range r.outcome {
			begins := func(prefix string) bool { return strings.HasPrefix(test, prefix) }
			if !slices.ContainsFunc(row.tests, begins) || !r.leaf(test) {
				continue
			}
			if why := lacking[test]; why != "" && outcome == "skip" {
				without = " (1 cannot be: " + why + ")"
				continue
			}
			total++
			if outcome == "pass" {
				passed++
			} else {
				failed = append(failed, test)
			}
		}
		fmt.Printf("%-35s %d/%d%s\n", row.name, passed, total, without)
		if passed != total || total == 0 {
			well = false
		}
		passedAll, totalAll = passedAll+passed, totalAll+total
	}
	// A test that failed by itself, or was left out for want of its peer.
	for test, outcome := range r.outcome {
		if outcome != "pass" && !slices.Contains(failed, test) && lacking[test] == "" {
			failed, well = append(failed, test), false
		}
	}
	slices.Sort(failed)
	for _, test := range failed {
		fmt.Printf("\n%s: %s\n%s", test, r.outcome[test], strings.Join(r.output[test], ""))
	}
	fmt.Printf("peers: %d/%d\n", passedAll, totalAll)
	return well
}
