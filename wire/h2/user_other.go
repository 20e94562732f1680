//go:build !linux

package h2

import (
	"net"

	"github.com/lupine-rpc/lupine"
)

// peerUser is not known here.
func peerUser(*net.UnixConn) *lupine.UserID { return nil }

// userTimeout has no counterpart here.
func userTimeout(*net.TCPConn, int) {}
