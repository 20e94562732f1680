// Matrix runs every case of gRPC's interoperability tests with every pair of a
// client and a server, over plaintext and TLS, and prints how many passed. It
// fails if one did not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// testCases are those that need no cloud credentials.
var testCases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response",
	"status_code_and_message", "special_status_message", "custom_metadata",
	"unimplemented_method", "unimplemented_service", "orca_per_rpc", "orca_oob", "rpc_soak", "channel_soak",
}

// pairs are clients and servers. The first is the reference: it shows what the
// suite can pass, and does not count.
var pairs = []struct{ client, server string }{
	{"grpc-go", "grpc-go"}, {"lupine", "grpc-go"}, {"lupine", "lupine"}, {"grpc-go", "lupine"},
}

const (
	serverName  = "foo.test.google.fr"
	caseTimeout = 45 * time.Second // of one client; orca_oob alone may take seconds
	startTime   = 10 * time.Second // of one server
	loadPolicy  = `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("interop: ")
	bin := flag.String("bin", "", "the `folder` of the programs: lupine-client, lupine-server, grpc-go-client, grpc-go-server")
	only := flag.String("run", "", "run this `case` alone")
	flag.Parse()
	if *only != "" {
		testCases = []string{*only}
	}
	if err := run(*bin); err != nil {
		log.Fatal(err)
	}
}

func run(bin string) error {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ids, err := newIdentities(dir)
	if err != nil {
		return err
	}
	passed, total := 0, 0
	fmt.Printf("%-8s  %-8s  %-6s  passed/total  seconds\n", "client", "server", "over")
	for i, p := range pairs {
		for _, useTLS := range []bool{false, true} {
			over := "h2c"
			if useTLS {
				over = "TLS"
			}
			begun := time.Now()
			good, err := runPair(bin, p.client, p.server, useTLS, ids)
			if err != nil {
				return err
			}
			fmt.Printf("%-8s  %-8s  %-6s  %-12s  %.1f\n", p.client, p.server, over, fmt.Sprintf("%d/%d", good, len(testCases)), time.Since(begun).Seconds())
			if i > 0 {
				passed += good
				total += len(testCases)
			}
		}
	}
	fmt.Printf("grpc interop, ours: %d/%d\n", passed, total)
	if passed < total {
		return errors.New("cases failed")
	}
	return nil
}

// runPair starts the server and runs every case against it.
func runPair(bin, client, server string, useTLS bool, ids identities) (passed int, err error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	args := []string{"-port", strconv.Itoa(port)}
	if useTLS {
		args = append(args, "-use_tls", "-tls_cert_file", ids.cert, "-tls_key_file", ids.key)
	}
	var said strings.Builder // read once the server has ended
	srv := exec.CommandContext(ctx, filepath.Join(bin, server+"-server"), args...)
	srv.Stdout, srv.Stderr = &said, &said
	if err := srv.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		srv.Wait()
		close(ended)
	}()
	defer func() {
		stop()
		<-ended
		if passed < len(testCases) {
			fmt.Printf("the %s server said:\n%s\n", server, said.String())
		}
	}()
	if err := reachable(port, ended); err != nil {
		return 0, fmt.Errorf("the %s server: %w", server, err)
	}
	for _, c := range testCases {
		if out, err := runCase(bin, client, c, port, useTLS, ids); err != nil {
			fmt.Printf("FAILED: %s client, %s server, TLS %v: %s: %v\n%s", client, server, useTLS, c, err, out)
			continue
		}
		passed++
	}
	return passed, nil
}

// runCase runs a client to its end.
func runCase(bin, client, name string, port int, useTLS bool, ids identities) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	args := []string{"-test_case", name, "-server_host", "127.0.0.1", "-server_port", strconv.Itoa(port),
		"-service_config_json", loadPolicy,
		// A machine that does much else is slow; what is tested is that all is well.
		"-soak_per_iteration_max_acceptable_latency_ms", "10000", "-soak_overall_timeout_seconds", "40"}
	if useTLS {
		args = append(args, "-use_tls", "-use_test_ca", "-ca_file", ids.ca, "-server_host_override", serverName)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, client+"-client"), args...).CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not over after %v", caseTimeout)
	}
	return string(out), err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// reachable waits until the server accepts connections.
func reachable(port int, ended <-chan struct{}) error {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	late := time.After(startTime)
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			return errors.New("ended at once")
		case <-late:
			return fmt.Errorf("does not listen: %w", err)
		case <-retry.C:
		}
	}
}
