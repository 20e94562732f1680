package lupine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

func TestErrorIs(t *testing.T) {
	base := errors.New("base")
	for _, c := range []struct {
		name   string
		err    error
		target error
		want   bool
	}{
		{"canceled", &lupine.Error{Code: lupine.Canceled}, context.Canceled, true},
		{"canceled is no deadline", &lupine.Error{Code: lupine.Canceled}, context.DeadlineExceeded, false},
		{"deadline", &lupine.Error{Code: lupine.DeadlineExceeded}, context.DeadlineExceeded, true},
		{"other code", &lupine.Error{Code: lupine.Aborted}, context.Canceled, false},
		{"wrapped by %w", lupine.Errorf(lupine.Internal, "x: %w", base), base, true},
		{"not wrapped by %v", lupine.Errorf(lupine.Internal, "x: %v", base), base, false},
		{"one of several %w", lupine.Errorf(lupine.Internal, "%w and %w", io.EOF, base), base, true},
		{"Wrap", lupine.Errorf(lupine.Internal, "x").Wrap(base), base, true},
		{"closed", lupine.Errorf(lupine.Unavailable, "x: %w", net.ErrClosed), net.ErrClosed, true},
		{"within another", fmt.Errorf("outer: %w", &lupine.Error{Code: lupine.Canceled}), context.Canceled, true},
	} {
		if got := errors.Is(c.err, c.target); got != c.want {
			t.Errorf("%s: errors.Is(%v, %v) is %v", c.name, c.err, c.target, got)
		}
	}
	path := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	var got *fs.PathError
	if err := lupine.Errorf(lupine.NotFound, "reading: %w", path); !errors.As(err, &got) || got != path || !errors.Is(err, fs.ErrNotExist) {
		t.Error("errors.As does not find what Errorf wrapped")
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  *lupine.Error
		want string
	}{
		{lupine.Errorf(lupine.NotFound, "no %s", "wolf"), "NOT_FOUND: no wolf"},
		{&lupine.Error{Code: lupine.Internal}, "INTERNAL"},
		{lupine.Errorf(lupine.Unavailable, "refused").NotExecuted(), "UNAVAILABLE: refused (not executed)"},
		{&lupine.Error{Code: 99, Message: "x"}, "CODE(99): x"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Errorf with code OK did not panic")
		}
	}()
	_ = lupine.Errorf(lupine.OK, "fine")
}

func TestAsError(t *testing.T) {
	if lupine.AsError(nil) != nil || lupine.CodeOf(nil) != lupine.OK {
		t.Error("nil is not OK")
	}
	own := lupine.Errorf(lupine.Aborted, "x").NotExecuted().WithDetail(lupine.Detail{Type: "a.B"})
	if lupine.AsError(own) != own {
		t.Error("an *Error is not itself")
	}
	outer := lupine.AsError(fmt.Errorf("outer: %w", own))
	if outer.Code != lupine.Aborted || outer.Executed != lupine.No || len(outer.Details) != 1 || !strings.HasPrefix(outer.Message, "outer: ") || !errors.Is(outer, own) {
		t.Errorf("a wrapped *Error became %+v", outer)
	}
	for err, code := range map[error]lupine.Code{
		context.Canceled:         lupine.Canceled,
		context.DeadlineExceeded: lupine.DeadlineExceeded,
		net.ErrClosed:            lupine.Unavailable,
		io.EOF:                   lupine.Unknown,
		fmt.Errorf("reading: %w", context.DeadlineExceeded): lupine.DeadlineExceeded,
	} {
		e := lupine.AsError(err)
		if e.Code != code || e.Message != err.Error() || !errors.Is(e, err) || e.Executed != lupine.Maybe || lupine.CodeOf(err) != code {
			t.Errorf("%v became %+v", err, e)
		}
	}
}

func TestNames(t *testing.T) {
	if s := lupine.FailedPrecondition.String(); s != "FAILED_PRECONDITION" {
		t.Errorf("got %q", s)
	}
	if s := fmt.Sprint(lupine.Maybe, lupine.No, lupine.Yes); s != "maybe no yes" {
		t.Errorf("got %q", s)
	}
	if s := fmt.Sprint(lupine.Unary, lupine.ClientStreaming, lupine.ServerStreaming, lupine.Bidi); s != "unary client stream server stream bidi stream" {
		t.Errorf("got %q", s)
	}
	if s := fmt.Sprint(lupine.Idle, lupine.Connecting, lupine.Ready, lupine.Failing); s != "idle connecting ready failing" {
		t.Errorf("got %q", s)
	}
}
