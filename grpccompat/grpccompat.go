// Package grpccompat lets code written for grpc-go's status errors run on
// Lupine unchanged, at both ends:
//
//	srv := lupine.ServerConfig{ConvertError: grpccompat.FromStatus}.NewServer()
//	conn, err := lupine.DialConfig{ConvertError: grpccompat.ToStatus}.Dial(ctx, target)
//
// With the first, a handler may go on returning status.Error(codes.NotFound, ...)
// with details: callers get the code, the text and the details. With the second,
// status.FromError, status.Code and status.Convert understand what a call
// returned, and errors.As still finds the *lupine.Error in it, which alone knows
// whether the call ran.
//
// It is a module of its own because it needs grpc-go.
package grpccompat

import (
	"errors"
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lupine-rpc/lupine"
)

// typeURLPrefix stands before the message name in a google.protobuf.Any.
const typeURLPrefix = "type.googleapis.com/"

// grpcStatus is what grpc-go's status package looks for in an error.
type grpcStatus interface{ GRPCStatus() *status.Status }

// FromStatus turns an error that is or wraps a grpc-go status into a
// *lupine.Error with its code, its details and, as grpc-go has it, the text of
// the whole error; the error itself is the cause. Any other error comes back as
// it is: a *lupine.Error, a context's error, and one whose status is OK, which
// is no way to fail. It is for lupine.ServerConfig.ConvertError and safe for
// concurrent use.
func FromStatus(err error) error {
	// What the handler made last counts: a status around a *lupine.Error, or the
	// reverse.
	for e := err; e != nil; e = errors.Unwrap(e) {
		if _, ours := e.(*lupine.Error); ours {
			return err
		}
		if _, theirs := e.(grpcStatus); theirs {
			break
		}
	}
	var s grpcStatus
	if !errors.As(err, &s) {
		return err
	}
	st := s.GRPCStatus()
	if st.Code() == codes.OK {
		return err
	}
	e := &lupine.Error{Code: lupine.Code(st.Code()), Message: st.Message()}
	if err != error(s.(error)) {
		e.Message = err.Error()
	}
	for _, d := range st.Proto().GetDetails() {
		e.Details = append(e.Details, lupine.Detail{Type: strings.TrimPrefix(d.GetTypeUrl(), typeURLPrefix), Value: d.GetValue()})
	}
	return e.Wrap(err)
}

// Error is a *lupine.Error that grpc-go's status package understands. It is
// immutable and safe for concurrent use.
type Error struct {
	err *lupine.Error
}

// ToStatus wraps the error of a call so that grpc-go's status package
// understands it. It is for lupine.DialConfig.ConvertError and safe for
// concurrent use. It returns nil for nil.
func ToStatus(err *lupine.Error) error {
	if err == nil {
		return nil
	}
	return &Error{err}
}

// Error returns the text of the *lupine.Error.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the *lupine.Error, so that errors.As finds it and errors.Is what
// it stands for, such as context.Canceled.
func (e *Error) Unwrap() error { return e.err }

// GRPCStatus returns the code, the message and the details. It is what
// status.FromError looks for.
func (e *Error) GRPCStatus() *status.Status {
	p := &spb.Status{Code: int32(e.err.Code), Message: strings.ToValidUTF8(e.err.Message, "\uFFFD")}
	for _, d := range e.err.Details {
		url := d.Type
		if !strings.Contains(url, "/") {
			url = typeURLPrefix + url
		}
		p.Details = append(p.Details, &anypb.Any{TypeUrl: url, Value: d.Value})
	}
	return status.FromProto(p)
}
