package engine

import "fmt"

// Code is why a session was closed (3.8). TLSAlert + n is alert n of TLS.
type Code uint64

// The codes (3.8).
const (
	CodeNone     Code = 0 // closed on purpose, or drained
	CodeInternal Code = 1 // the sender's fault
	CodeProtocol Code = 2 // the peer broke docs/rudp.md
	CodeFlow     Code = 3 // bytes beyond a grant, or a slot beyond MAX_SLOTS
	CodeLimit    Code = 4 // a limit of 5.7 that ends sessions
	CodeVersion  Code = 5 // no common version
	CodeMode     Code = 6 // TLS to a plain port or the reverse
	CodeBusy     Code = 7 // MaxSessions
	CodeTLS      Code = 0x100
)

var codeNames = [...]string{"NONE", "INTERNAL", "PROTOCOL", "FLOW", "LIMIT", "VERSION", "MODE", "BUSY"}

// String returns the code's name as 3.8 spells it.
func (c Code) String() string {
	switch {
	case int(min(c, 1<<20)) < len(codeNames):
		return codeNames[c]
	case c >= CodeTLS && c < CodeTLS+256:
		return fmt.Sprintf("TLS alert %d", c-CodeTLS)
	}
	return fmt.Sprintf("code %#x", uint64(c))
}

// Error is why a session is ended by us (3.8). The reason names the frame or
// record, and the field of it, that was wrong.
type Error struct {
	Code   Code
	Reason string
}

func (e *Error) Error() string { return e.Code.String() + ": " + e.Reason }

func protocol(format string, args ...any) *Error {
	return &Error{CodeProtocol, fmt.Sprintf(format, args...)}
}

// ErrShort says that a part of a stream ends before the field it should hold:
// more bytes may still come (2.4). Where none can, it is a PROTOCOL error; see
// Ended.
var ErrShort error = &shortError{}

type shortError struct{}

func (*shortError) Error() string { return "more bytes are needed" }

// Ended turns ErrShort, where the stream has ended, into the PROTOCOL error that it
// then is (2.4). what names what was being read.
func Ended(err error, what string) error {
	if err == ErrShort {
		return protocol("%s: the stream ends within it", what)
	}
	return err
}

// TooLarge is the error of a head or of fields beyond a limit of ours (5.7).
// It ends a call, not a session: the caller is told ResourceExhausted.
type TooLarge struct {
	What  string // "head", "metadata"
	Limit string // name of the limit, with its value
}

func (e *TooLarge) Error() string { return e.What + " is over the limit (" + e.Limit + ")" }
