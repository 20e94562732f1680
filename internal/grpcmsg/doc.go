// Package grpcmsg is what gRPC puts on top of any HTTP: its header values, its
// status, its message prefix and its compression. It is shared by the wires
// that speak gRPC and does no I/O: everything is a pure function of bytes, and
// what is hot appends to the caller's buffer.
//
// Names are those of gRPC's protocol description, PROTOCOL-HTTP2.md, cited here
// as "PROTOCOL-HTTP2". Errors are *lupine.Error values without an Executed
// mark: only the wire knows whether a handler had run.
//
// All functions are safe for concurrent use; values say so where they are.
package grpcmsg

import (
	"fmt"

	"github.com/lupine-rpc/lupine"
)

// The header and trailer names of gRPC (PROTOCOL-HTTP2, Requests and
// Responses), and our own.
const (
	HeaderContentType    = "content-type"
	HeaderTE             = "te"
	HeaderTimeout        = "grpc-timeout"
	HeaderEncoding       = "grpc-encoding"
	HeaderAcceptEncoding = "grpc-accept-encoding"
	HeaderStatus         = "grpc-status"
	HeaderMessage        = "grpc-message"
	HeaderStatusDetails  = "grpc-status-details-bin"

	// HeaderExecuted is the trailer in which a Lupine server says whether the
	// handler of a failed call ran: "yes" or "no". Without it the answer is
	// lupine.Maybe.
	HeaderExecuted = "lupine-executed"
)

// fail returns an Error for what a peer or a caller got wrong.
func fail(code lupine.Code, format string, args ...any) *lupine.Error {
	return &lupine.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// maxQuoted is how much of a peer's value an error message repeats, in bytes.
const maxQuoted = 64

// quote returns s cut to what fits an error message. The verb is left to the
// caller, who uses %q: a peer's bytes never reach a log unescaped.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return s[:maxQuoted] + "..."
}
