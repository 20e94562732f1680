package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// skipError says why a fault cannot be made here.
type skipError string

func (e skipError) Error() string { return string(e) }

// Addresses of RFC 2544, section C.2.2: nobody's own.
const (
	clientAddr = "198.18.1.1"
	clientGate = "198.18.1.254"
	firstAddr  = "198.18.2.1" // of the server whose link is cut
	secondAddr = "198.18.2.2"
	serverGate = "198.18.2.254"
)

// network is three network namespaces: clients, a router, servers. The router
// loses packets without telling either side, whose own links stay up.
type network struct{ name string }

func (n *network) client() string { return n.name + "-c" }
func (n *network) router() string { return n.name + "-r" }
func (n *network) server() string { return n.name + "-s" }

// addr is where server i of a pair listens, from 0.
func (n *network) addr(i int) string { return []string{firstAddr, secondAddr}[i] + ":0" }

// newNetwork makes the namespaces, which takes root and the command ip.
func newNetwork(ctx context.Context) (*network, error) {
	if os.Geteuid() != 0 {
		return nil, skipError("network namespaces need root: run make faults as root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, skipError("the command ip is missing: apt-get install iproute2")
	}
	n := &network{fmt.Sprint("lupine", os.Getpid())}
	c, r, s := n.client(), n.router(), n.server()
	for i, line := range []string{
		"netns add " + c, "netns add " + r, "netns add " + s,
		"link add name eth netns " + c + " type veth peer name left netns " + r,
		"link add name eth netns " + s + " type veth peer name right netns " + r,
		"-n " + c + " addr add " + clientAddr + "/24 dev eth", "-n " + r + " addr add " + clientGate + "/24 dev left",
		"-n " + s + " addr add " + firstAddr + "/24 dev eth", "-n " + s + " addr add " + secondAddr + "/24 dev eth",
		"-n " + r + " addr add " + serverGate + "/24 dev right",
		"-n " + c + " link set eth up", "-n " + s + " link set eth up", "-n " + r + " link set left up", "-n " + r + " link set right up",
		"-n " + c + " route add default via " + clientGate, "-n " + s + " route add default via " + serverGate,
		"netns exec " + r + " sysctl -q -w net.ipv4.ip_forward=1",
	} {
		if err := ip(ctx, line); err != nil {
			n.close()
			if i == 0 {
				return nil, skipError(fmt.Sprintf("no network namespaces here: %v", err))
			}
			return nil, err
		}
	}
	return n, nil
}

// cut makes the router drop what comes from the first server and what goes to it.
func (n *network) cut(ctx context.Context) error {
	if err := ip(ctx, "-n "+n.router()+" route add blackhole "+firstAddr+"/32"); err != nil {
		return err
	}
	return ip(ctx, "-n "+n.router()+" rule add from "+firstAddr+" blackhole")
}

// close removes the namespaces, and with them links and routes.
func (n *network) close() {
	for _, name := range []string{n.client(), n.router(), n.server()} {
		ip(context.Background(), "netns del "+name) // it may not be there
	}
}

func ip(ctx context.Context, line string) error {
	out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}
