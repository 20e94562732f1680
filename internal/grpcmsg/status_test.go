package grpcmsg

import (
	"encoding/base64"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

func TestCodes(t *testing.T) {
	for s, want := range map[string]lupine.Code{"0": 0, "5": 5, "16": 16, "05": 5, "17": lupine.Unknown, "4294967296": lupine.Unknown, "9999999999": lupine.Unknown} {
		if got, ok := ParseCode(s); got != want || !ok {
			t.Errorf("ParseCode(%q) = %v, %v; want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "-1", "+1", " 1", "1 ", "x", "1.0", "00000000001", "99999999999"} {
		if got, ok := ParseCode(s); ok || got != lupine.Unknown {
			t.Errorf("ParseCode(%q) = %v, %v; want Unknown, false", s, got, ok)
		}
	}
	for status, want := range map[int]lupine.Code{
		200: lupine.Unknown, 204: lupine.Unknown, 302: lupine.Unknown, 400: lupine.Internal, 401: lupine.Unauthenticated,
		403: lupine.PermissionDenied, 404: lupine.Unimplemented, 405: lupine.Unknown, 429: lupine.Unavailable, 500: lupine.Unknown,
		502: lupine.Unavailable, 503: lupine.Unavailable, 504: lupine.Unavailable, 0: lupine.Unknown,
	} {
		if got := CodeOfHTTP(status); got != want {
			t.Errorf("CodeOfHTTP(%d) = %v; want %v", status, got, want)
		}
	}
	e := HTTPError(404, "text/html; charset=utf-8\r\n")
	if e.Code != lupine.Unimplemented || e.Executed != lupine.Maybe || !strings.Contains(e.Message, "text/html") || strings.Contains(e.Message, "\n") {
		t.Errorf("HTTPError = %v", e)
	}
	for code, want := range map[uint32]lupine.Code{
		0: lupine.Internal, 1: lupine.Internal, 2: lupine.Internal, 3: lupine.Internal, 4: lupine.Internal, 5: lupine.Internal,
		6: lupine.Internal, 7: lupine.Unavailable, 8: lupine.Canceled, 9: lupine.Internal, 10: lupine.Internal,
		11: lupine.ResourceExhausted, 12: lupine.PermissionDenied, 13: lupine.Internal, 14: lupine.Internal, math.MaxUint32: lupine.Internal,
	} {
		e := ResetError(code)
		if e.Code != want || (e.Executed == lupine.No) != (code == ResetRefusedStream) || e.Executed == lupine.Yes {
			t.Errorf("ResetError(%d) = %v, executed %v; want %v", code, e, e.Executed, want)
		}
	}
	if !strings.Contains(ResetError(11).Message, "ENHANCE_YOUR_CALM") || !strings.Contains(ResetError(99).Message, "0x63") {
		t.Error("the reset's name or number is missing")
	}
}

// take gives the fields of a response to an Outcome and returns the rest.
func take(o *Outcome, fields lupine.Metadata) (rest lupine.Metadata) {
	for _, p := range fields {
		if !o.Take(p.Key, p.Value) {
			rest = append(rest, p)
		}
	}
	return rest
}

func TestStatusBothWays(t *testing.T) {
	details := []lupine.Detail{{Type: "google.rpc.RetryInfo", Value: []byte{10, 2, 8, 5}}, {Type: "a.B"}, {Type: "other.example/x.Y", Value: []byte("v")}}
	for _, e := range []*lupine.Error{
		{Code: lupine.NotFound},
		{Code: lupine.NotFound, Message: "no ☺ 100%\n"},
		{Code: lupine.Internal, Message: " edges ", Executed: lupine.Yes},
		{Code: lupine.Unavailable, Message: "drained", Executed: lupine.No},
		{Code: lupine.ResourceExhausted, Message: "slow down", Details: details, Executed: lupine.Yes},
		{Code: lupine.Unauthenticated, Details: details[:1]},
	} {
		var o Outcome
		fields := AppendStatus(pairs("mine", "1"), e, 0)
		rest := take(&o, fields)
		if len(rest) != 1 || !o.HasStatus() || o.OK() {
			t.Errorf("%v: left over %v, status %v, OK %v", e, rest, o.HasStatus(), o.OK())
		}
		var got *lupine.Error
		if !errors.As(o.Err(rest), &got) {
			t.Fatalf("%v came back as %v", e, o.Err(rest))
		}
		want := *e
		want.Metadata = rest
		if got.Code != want.Code || got.Message != want.Message || got.Executed != want.Executed || !reflect.DeepEqual(got.Metadata, want.Metadata) || !sameDetails(got.Details, want.Details) {
			t.Errorf("came back as %+v; want %+v", got, want)
		}
	}
	var o Outcome
	take(&o, AppendStatus(nil, nil, 0))
	if err := o.Err(nil); err != nil || !o.OK() {
		t.Errorf("success came back as %v", err)
	}
}

func sameDetails(a, b []lupine.Detail) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Type != b[i].Type || string(a[i].Value) != string(b[i].Value) {
			return false
		}
	}
	return true
}

func TestForeignStatus(t *testing.T) {
	status := func(e *lupine.Error) string {
		return base64.StdEncoding.EncodeToString(AppendRPCStatus(nil, e)) // padded, as some send it
	}
	withDetail := &lupine.Error{Code: lupine.NotFound, Message: "m", Details: []lupine.Detail{{Type: "a.B"}}}
	for name, c := range map[string]struct {
		fields  lupine.Metadata
		code    lupine.Code
		text    string // in the message
		details int
		exec    lupine.Executed
	}{
		"none":              {nil, lupine.Unknown, "without a grpc-status", 0, 0},
		"zero twice":        {pairs("grpc-status", "00"), lupine.OK, "", 0, 0},
		"not a number":      {pairs("grpc-status", "abc\x00"), lupine.Unknown, `abc\x00`, 0, 0},
		"empty":             {pairs("grpc-status", ""), lupine.Unknown, "not a number", 0, 0},
		"undefined":         {pairs("grpc-status", "99"), lupine.Unknown, "99", 0, 0},
		"undefined, text":   {pairs("grpc-status", "99", "grpc-message", "hm"), lupine.Unknown, "hm", 0, 0},
		"two":               {pairs("grpc-status", "0", "grpc-status", "5"), lupine.Internal, "more than one", 0, 0},
		"the same twice":    {pairs("grpc-status", "5", "grpc-status", "5"), lupine.NotFound, "", 0, 0},
		"unimplemented":     {pairs("grpc-status", "12"), lupine.Unimplemented, "", 0, lupine.Maybe},
		"marked":            {pairs("grpc-status", "12", "lupine-executed", "no"), lupine.Unimplemented, "", 0, lupine.No},
		"marked oddly":      {pairs("grpc-status", "12", "lupine-executed", "No"), lupine.Unimplemented, "", 0, lupine.Maybe},
		"padded details":    {pairs("grpc-status", "5", "grpc-status-details-bin", status(withDetail)), lupine.NotFound, "m", 1, 0},
		"other code":        {pairs("grpc-status", "6", "grpc-message", "header", "grpc-status-details-bin", status(withDetail)), lupine.AlreadyExists, "header", 0, 0},
		"not base64":        {pairs("grpc-status", "5", "grpc-status-details-bin", "!!"), lupine.NotFound, "", 0, 0},
		"not protobuf":      {pairs("grpc-status", "5", "grpc-status-details-bin", "/////w"), lupine.NotFound, "", 0, 0},
		"OK with a message": {pairs("grpc-status", "0", "grpc-message", "x"), lupine.OK, "", 0, 0},
	} {
		var o Outcome
		take(&o, c.fields)
		err := o.Err(nil)
		e := lupine.AsError(err)
		if lupine.CodeOf(err) != c.code {
			t.Errorf("%s: %v; want %v", name, err, c.code)
		} else if e != nil && (!strings.Contains(e.Message, c.text) || len(e.Details) != c.details || e.Executed != c.exec) {
			t.Errorf("%s: %+v; want %q, %d details, executed %v", name, e, c.text, c.details, c.exec)
		}
	}
}

func TestStatusFitsThePeer(t *testing.T) {
	e := &lupine.Error{
		Code: lupine.Internal, Message: strings.Repeat("long ☺ ", 100), Executed: lupine.Yes,
		Details: []lupine.Detail{{Type: "a.B", Value: make([]byte, 5000)}},
	}
	size := func(fields lupine.Metadata) (n int) {
		for _, p := range fields {
			n += len(p.Key) + len(p.Value) + fieldOverhead
		}
		return n
	}
	whole := size(AppendStatus(nil, e, 0))
	for limit := 1; limit < whole+100; limit += 7 {
		fields := AppendStatus(nil, e, limit)
		// The code and the mark always go: 2 fields of at most 160 bytes.
		if n := size(fields); n > max(limit, 160) {
			t.Fatalf("under a limit of %d the status takes %d", limit, n)
		}
		var o Outcome
		take(&o, fields)
		got := lupine.AsError(o.Err(nil))
		if got == nil || got.Code != e.Code || got.Executed != lupine.Yes || strings.Contains(got.Message, "\uFFFD") {
			t.Fatalf("under a limit of %d the status is %+v", limit, got)
		}
		if limit > 2000 && limit < whole-100 && !strings.Contains(got.Message, "details left out") {
			t.Fatalf("under a limit of %d the message does not say what is missing: %q", limit, got.Message)
		}
	}
}

func TestStatusAllocates(t *testing.T) {
	fields := make(lupine.Metadata, 0, 4)
	buf := make([]byte, 0, 16)
	n := testing.AllocsPerRun(100, func() {
		var o Outcome
		for _, p := range AppendStatus(fields, nil, 0) {
			o.Take(p.Key, p.Value)
		}
		if o.Err(nil) != nil || len(AppendCode(buf, lupine.NotFound)) != 1 {
			t.Fatal("not OK")
		}
	})
	if n != 0 {
		t.Errorf("a status of OK makes %v allocations; want none", n)
	}
}

func FuzzOutcome(f *testing.F) {
	f.Add("5", "no%20such", "CAUSAW0", "yes")
	f.Add("0", "", "", "")
	f.Add("x", "%", "!", "no")
	f.Fuzz(func(t *testing.T, status, message, details, executed string) {
		var o Outcome
		take(&o, pairs(HeaderStatus, status, HeaderMessage, message, HeaderStatusDetails, details, HeaderExecuted, executed))
		err := o.Err(nil)
		if err == nil {
			return
		}
		// What came goes on unchanged.
		first := lupine.AsError(err)
		var again Outcome
		take(&again, AppendStatus(nil, first, 0))
		second := lupine.AsError(again.Err(nil))
		if second == nil || second.Code != first.Code || second.Message != first.Message || second.Executed != first.Executed || !sameDetails(first.Details, second.Details) {
			t.Fatalf("%+v came back as %+v", first, second)
		}
	})
}

func BenchmarkStatusOK(b *testing.B) {
	b.ReportAllocs()
	fields := make(lupine.Metadata, 0, 4)
	for b.Loop() {
		var o Outcome
		for _, p := range AppendStatus(fields, nil, 0) {
			o.Take(p.Key, p.Value)
		}
		if o.Err(nil) != nil {
			b.Fatal("not OK")
		}
	}
}

func BenchmarkStatusNotFound(b *testing.B) {
	b.ReportAllocs()
	e := &lupine.Error{Code: lupine.NotFound, Message: "no such feature", Executed: lupine.Yes}
	fields := make(lupine.Metadata, 0, 4)
	for b.Loop() {
		var o Outcome
		for _, p := range AppendStatus(fields, e, 8<<10) {
			o.Take(p.Key, p.Value)
		}
		if o.Err(nil) == nil {
			b.Fatal("OK")
		}
	}
}
