// Package rudp tests RPC over UDP with real processes: packets counted on the interface,
// datagrams lost in a relay and by a socket filter, servers killed with SIGKILL.
package rudp
