//go:build race

package udp

import "sync/atomic"

// ioSync orders what was done before a datagram was sent before what is done after one
// was received, for the race detector: package syscall does so for its own calls, and
// tests have both ends in one process.
var ioSync atomic.Uint64

func sending()  { ioSync.Add(1) }
func received() { ioSync.Load() }
