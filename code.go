package lupine

import "strconv"

// Code says how a call ended. The numbers are gRPC's status codes, so that a
// code means the same on every wire.
type Code uint32

// The codes. OK is never found in an [Error]: it stands for "no error" in
// [CodeOf] and in hooks.
const (
	OK                 Code = 0  // the call succeeded
	Canceled           Code = 1  // the caller gave up
	Unknown            Code = 2  // an error of a kind the server did not say
	InvalidArgument    Code = 3  // the request is wrong whatever the state of the system
	DeadlineExceeded   Code = 4  // the deadline passed first
	NotFound           Code = 5  // what was asked for does not exist
	AlreadyExists      Code = 6  // what should be made exists
	PermissionDenied   Code = 7  // this caller may not do this
	ResourceExhausted  Code = 8  // a quota or a limit was reached
	FailedPrecondition Code = 9  // the system is not in the state this needs
	Aborted            Code = 10 // a conflict, such as a lost transaction
	OutOfRange         Code = 11 // past the end of what exists now
	Unimplemented      Code = 12 // the server has no such method or feature
	Internal           Code = 13 // an invariant was broken
	Unavailable        Code = 14 // the service cannot be reached now
	DataLoss           Code = 15 // data was lost or corrupted for good
	Unauthenticated    Code = 16 // no valid credentials
)

var codeNames = [...]string{
	"OK", "CANCELED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// String returns the code's name as the gRPC specification spells it, such as
// "NOT_FOUND", or "CODE(n)" for a number outside the specification.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "CODE(" + strconv.Itoa(int(c)) + ")"
}

// Executed says whether the server ran the call. Only the runtime sets it.
type Executed uint8

// The zero value is Maybe: a failure nobody can vouch for.
const (
	Maybe Executed = iota // it may have run
	No                    // it did not run: refused, never sent, or unimplemented
	Yes                   // the handler ran, and said so
)

// String returns "maybe", "no" or "yes".
func (e Executed) String() string {
	switch e {
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return "maybe"
}
