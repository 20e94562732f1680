package lupine

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Error is how a call failed. Handlers return one to choose a code; callers
// get one from every failed call:
//
//	var e *lupine.Error
//	if errors.As(err, &e) && e.Executed == lupine.No { /* safe to repeat */ }
//
// errors.Is finds context.Canceled behind [Canceled], context.DeadlineExceeded
// behind [DeadlineExceeded], and whatever [Errorf] wrapped. An Error must not
// be changed once it has been returned.
type Error struct {
	Code    Code
	Message string
	// Details are typed messages beside the text: google.rpc.Status.details on
	// the gRPC wires.
	Details []Detail
	// Metadata is the trailing metadata that came with the failure. On a server
	// it is sent as the trailer.
	Metadata Metadata
	// Executed says whether the call ran. What a handler puts here is ignored:
	// a handler that returned has run.
	Executed Executed

	cause error
}

// Detail is one typed message attached to an Error.
type Detail struct {
	Type  string // full message name, such as "google.rpc.RetryInfo"
	Value []byte // the message, encoded as protobuf
}

// Errorf returns an Error with the given code and a message formatted as
// [fmt.Errorf] does; an error wrapped with %w is the cause that errors.Is and
// errors.As see. It panics when code is OK.
func Errorf(code Code, format string, args ...any) *Error {
	if code == OK {
		panic("lupine: Errorf with code OK; return nil instead")
	}
	err := fmt.Errorf(format, args...)
	e := &Error{Code: code, Message: err.Error()}
	// Only keep what was wrapped: the formatted error itself says nothing more.
	if errors.Unwrap(err) != nil {
		e.cause = errors.Unwrap(err)
	} else if _, many := err.(interface{ Unwrap() []error }); many {
		e.cause = err
	}
	return e
}

// WithDetail returns e with a detail added. It is for building an error:
//
//	return lupine.Errorf(lupine.ResourceExhausted, "slow down").WithDetail(d)
func (e *Error) WithDetail(d Detail) *Error {
	e.Details = append(e.Details, d)
	return e
}

// NotExecuted returns e marked [No]. It is for wires and interceptors that
// refuse a call before any handler can have seen it.
func (e *Error) NotExecuted() *Error {
	e.Executed = No
	return e
}

// Wrap returns e with cause set, so that errors.Is and errors.As see it.
func (e *Error) Wrap(cause error) *Error {
	e.cause = cause
	return e
}

// Error returns the code and the message. It says so when the call is known
// not to have run, since that is what decides whether to repeat it.
func (e *Error) Error() string {
	s := e.Code.String()
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Executed == No {
		s += " (not executed)"
	}
	return s
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the context error of e's code.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Code == Canceled
	case context.DeadlineExceeded:
		return e.Code == DeadlineExceeded
	}
	return false
}

// CodeOf returns OK for nil, the code of the [Error] that err is or wraps, the
// code of a context error, and Unknown for anything else.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	return AsError(err).Code
}

// AsError returns the [Error] that err is or wraps, or a new one that wraps
// err: context errors get their code, [net.ErrClosed] is Unavailable and
// anything else is Unknown. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		return e
	}
	var e *Error
	if errors.As(err, &e) {
		// The outer text is what the user wrote; the inner error has the code.
		return &Error{Code: e.Code, Message: err.Error(), Details: e.Details, Metadata: e.Metadata, Executed: e.Executed, cause: err}
	}
	code := Unknown
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = Canceled
	case errors.Is(err, net.ErrClosed):
		code = Unavailable
	}
	return &Error{Code: code, Message: err.Error(), cause: err}
}

// handlerError turns what a handler returned into what its caller is told. The
// handler ran, whatever its error wraps: an upstream's "not executed" must not
// travel down and invite a repeat.
func handlerError(err error) *Error {
	e := *AsError(err)
	if e.Code == OK {
		e.Code = Internal
		e.Message = "handler returned an error with code OK: " + e.Message
	}
	e.Executed = Yes
	return &e
}
