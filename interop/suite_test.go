package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// caller is a client of a Peer, whoever made it. Errors are *lupine.Errors.
type caller interface {
	say(context.Context, *peerpb.Order, options) (*peerpb.Result, outcome)
	list(context.Context, *peerpb.Order, options) (stream, error)
	sum(context.Context, options) (stream, error) // Recv closes and receives
	chat(context.Context, options) (stream, error)
	watch(ctx context.Context, id string) (string, error)
	absent(context.Context) error
}

type stream interface {
	Send(*peerpb.Order) error
	CloseSend() error
	Recv() (*peerpb.Result, error)
	Header() (md, error)
	Trailer() md
}

type options struct {
	header   []string // keys and values
	compress string
	raised   bool // message limits of maxRaised
}

type outcome struct {
	header, trailer md
	err             error
}

// pair is one client with one server. The server's own limit is maxRaised,
// except that small, if there, reaches it where the limit is the default.
type pair struct {
	caller
	small  caller
	server string
	slow   bool // do less: it is an interpreter
	hasty  bool // a deadline may look like a cancel

	// What gRPC leaves open, or a peer's library cannot do.
	joined       bool          // values of a repeated key come as one, with commas between
	lateHeader   bool          // the server's header goes with its first message
	longest      time.Duration // deadline that is carried unharmed; 0 means any
	plainReplies bool          // the server compresses none
	halfCloses   bool          // a cancel says first that no more requests come
}

// same tells whether all values of a key came.
func (p pair) same(got, want []string) bool {
	if !p.joined {
		return slices.Equal(got, want)
	}
	one := func(values []string) string { return strings.ReplaceAll(strings.Join(values, ","), ", ", ",") }
	return one(got) == one(want)
}

var serial struct {
	sync.Mutex
	n int
}

// newID names a call for Watch.
func newID() string {
	serial.Lock()
	defer serial.Unlock()
	serial.n++
	return fmt.Sprint("call-", serial.n)
}

// patience is how long a test waits for what should come at once: long, since
// the machine may have other things to do, and only failures ever take it.
const patience = time.Minute

// limited is a context for calls that end by themselves.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// suite is what every pair must do.
var suite = []struct {
	name string
	run  func(*testing.T, pair)
}{
	{"kinds", testKinds},
	{"metadata", testMetadata},
	{"headerFirst", testHeaderFirst},
	{"codes", testCodes},
	{"details", testDetails},
	{"unimplemented", testUnimplemented},
	{"deadline", testDeadline},
	{"cancel", testCancel},
	{"earlyEnd", testEarlyEnd},
	{"large", testLarge},
	{"tooLarge", testTooLarge},
	{"concurrent", testConcurrent},
}

func runSuite(t *testing.T, p pair) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, p)
		})
	}
}

func testKinds(t *testing.T, p pair) {
	ctx := limited(t)
	r, out := p.say(ctx, &peerpb.Order{Text: "grüße", Payload: []byte{0, 1, 255}}, options{})
	if out.err != nil || r.Text != "grüße" || !bytes.Equal(r.Payload, []byte{0, 1, 255}) || r.Server != p.server {
		t.Fatalf("Say: %v, %v; want the echo of server %s", r, out.err, p.server)
	}
	if r, out := p.say(ctx, &peerpb.Order{}, options{}); out.err != nil || r.Text != "" {
		t.Fatalf("Say of an empty message: %v, %v", r, out.err)
	}
	for _, n := range []uint32{0, 1, 50} {
		s, err := p.list(ctx, &peerpb.Order{Text: "x", Count: n}, options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if r, err := s.Recv(); err != nil || r.Index != i {
				t.Fatalf("List: reply %d of %d is %v, %v", i, n, r, err)
			}
		}
		if r, err := s.Recv(); err != io.EOF {
			t.Fatalf("List: after %d replies: %v, %v; want EOF", n, r, err)
		}
	}
	for _, n := range []int{0, 1, 50} {
		s, err := p.sum(ctx, options{})
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := s.Send(&peerpb.Order{Text: "ab"}); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := s.Recv(); err != nil || r.Index != uint32(n) || r.Text != strings.Repeat("ab", n) {
			t.Fatalf("Sum of %d: %v, %v", n, r, err)
		}
	}
	s, err := p.chat(ctx, options{})
	if err != nil {
		t.Fatal(err)
	}
	// Turn by turn, then all at once.
	for i := range uint32(10) {
		if err := s.Send(&peerpb.Order{Text: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Recv(); err != nil || r.Text != fmt.Sprint(i) || r.Index != i {
			t.Fatalf("Chat: turn %d: %v, %v", i, r, err)
		}
	}
	for range 10 {
		if err := s.Send(&peerpb.Order{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(10) {
		if r, err := s.Recv(); err != nil || r.Index != 10+i {
			t.Fatalf("Chat: reply %d: %v, %v", 10+i, r, err)
		}
	}
	if r, err := s.Recv(); err != io.EOF {
		t.Fatalf("Chat: at the end: %v, %v; want EOF", r, err)
	}
}

var allBytes = func() string {
	var b [256]byte
	for i := range b {
		b[i] = byte(i)
	}
	return string(b[:])
}()

func testMetadata(t *testing.T, p pair) {
	ctx := limited(t)
	sent := []string{
		"echo-one", "1", "echo-many", "a", "echo-many", "b c, d", "echo-many", "a", "echo-printable", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
		"echo-bin", allBytes, "echo-bin", "", "echo-bin", "\x00", "echo-long", strings.Repeat("l", 2000),
		"trail-one", "1", "trail-many", "x", "trail-many", "y", "trail-bin", "\xff\xfe", "trail-bin", "z", "other", "kept",
	}
	want := func(prefix string) md {
		m := md{}
		for i := 0; i < len(sent); i += 2 {
			if strings.HasPrefix(sent[i], prefix) {
				m[sent[i]] = append(m[sent[i]], sent[i+1])
			}
		}
		return m
	}
	check := func(t *testing.T, header, trailer md) {
		t.Helper()
		for _, c := range []struct {
			what      string
			got, want md
		}{{"header", header, want("echo-")}, {"trailer", trailer, want("trail-")}} {
			for k, v := range c.want {
				if !p.same(c.got[k], v) {
					t.Errorf("%s %s: %q, want %q", c.what, k, c.got[k], v)
				}
			}
		}
		if header["other"] != nil || trailer["echo-one"] != nil {
			t.Errorf("pairs in the wrong place: header %q, trailer %q", header, trailer)
		}
	}
	with := options{header: sent}
	t.Run("unary", func(t *testing.T) {
		_, out := p.say(ctx, &peerpb.Order{}, with)
		if out.err != nil {
			t.Fatal(out.err)
		}
		check(t, out.header, out.trailer)
	})
	t.Run("edge spaces", func(t *testing.T) {
		// RFC 9113 wants none, and our callers are told. gRPC says that they may be
		// stripped, so calls of others go through.
		r, out := p.say(ctx, &peerpb.Order{}, options{header: []string{"echo-space", " x "}})
		if _, ours := p.caller.(lupineCaller); ours {
			wantError(t, out.err, lupine.InvalidArgument, lupine.No, "echo-space", "space")
			return
		}
		if out.err != nil || strings.TrimSpace(strings.Join(out.header["echo-space"], ",")) != "x" {
			t.Errorf("metadata with spaces at its ends: %v, %q, %v", r, out.header["echo-space"], out.err)
		}
	})
	t.Run("failed unary", func(t *testing.T) {
		_, out := p.say(ctx, &peerpb.Order{Fail: &peerpb.Failure{Code: 9, Message: "no"}}, with)
		if lupine.CodeOf(out.err) != lupine.FailedPrecondition {
			t.Fatal(out.err)
		}
		// A failure may be trailers alone; what it must not do is lose them.
		for k, v := range want("trail-") {
			if !p.same(out.trailer[k], v) {
				t.Errorf("trailer %s: %q, want %q", k, out.trailer[k], v)
			}
		}
	})
	t.Run("streams", func(t *testing.T) {
		list, err := p.list(ctx, &peerpb.Order{Count: 2}, with)
		if err != nil {
			t.Fatal(err)
		}
		drain(t, list)
		header, err := list.Header()
		if err != nil {
			t.Fatal(err)
		}
		check(t, header, list.Trailer())

		sum, err := p.sum(ctx, with)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sum.Recv(); err != nil {
			t.Fatal(err)
		}
		if header, err = sum.Header(); err != nil {
			t.Fatal(err)
		}
		check(t, header, sum.Trailer())
	})
}

func drain(t *testing.T, s stream) (n int) {
	t.Helper()
	for ; ; n++ {
		if _, err := s.Recv(); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatalf("after %d replies: %v", n, err)
		}
	}
}

// The header comes while the handler still waits for the first message.
func testHeaderFirst(t *testing.T, p pair) {
	if p.lateHeader {
		t.Skip("this server sends its header with the first message")
	}
	s, err := p.chat(limited(t), options{header: []string{"header-first", "1", "echo-a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Header()
	if err != nil || !slices.Equal(h["echo-a"], []string{"b"}) {
		t.Fatalf("Header before any message: %q, %v", h, err)
	}
	if err := s.Send(&peerpb.Order{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Recv(); err != nil || r.Text != "x" {
		t.Fatalf("after the header: %v, %v", r, err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	drain(t, s)
}

// Messages that percent-encoding must carry through.
var messages = []string{
	"plain text", "50% off, %41 is not A", "zwölf Boxkämpfer – 大阪 – 🦊", "line one\nline two\r\n\ttabbed", "\x00\x01\x7f control", "", " leading and trailing ", "%",
	// What need not be encoded must not be: not everybody decodes it (grpc-js leaves %3A).
	"!\"#$&'()*+,-./0123456789:;<=>?@ABC[\\]^_`abc{|}~",
}

func testCodes(t *testing.T, p pair) {
	ctx := limited(t)
	for code := int32(1); code <= 16; code++ {
		message := messages[int(code)%len(messages)]
		check := func(kind string, err error) {
			t.Helper()
			var e *lupine.Error
			if !errors.As(err, &e) || e.Code != lupine.Code(code) || e.Message != message {
				t.Errorf("%s: %v (%+q), want %v (%+q)", kind, err, text(e), lupine.Code(code), message)
			}
		}
		_, out := p.say(ctx, &peerpb.Order{Fail: &peerpb.Failure{Code: code, Message: message}}, options{})
		check("Say", out.err)
		s, err := p.list(ctx, &peerpb.Order{Count: 5, Fail: &peerpb.Failure{Code: code, Message: message, After: 1}}, options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Errorf("List failed before its first reply: %v", err)
			continue
		}
		_, err = s.Recv()
		check("List", err)
	}
}

func text(e *lupine.Error) string {
	if e == nil {
		return ""
	}
	return e.Message
}

func testDetails(t *testing.T, p pair) {
	ctx := limited(t)
	var details []*anypb.Any
	for _, m := range []proto.Message{
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.ErrorInfo{Reason: "QUOTA", Domain: "lupine.test", Metadata: map[string]string{"k": "v"}},
	} {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		details = append(details, a)
	}
	details = append(details, &anypb.Any{TypeUrl: "type.googleapis.com/nobody.knows.This", Value: []byte(allBytes)})
	want := func(t *testing.T, err error) {
		t.Helper()
		var e *lupine.Error
		if !errors.As(err, &e) || e.Code != lupine.ResourceExhausted || e.Message != "50% übrig" {
			t.Fatalf("error %v", err)
		}
		if len(e.Details) != len(details) {
			t.Fatalf("%d details, want %d", len(e.Details), len(details))
		}
		for i, d := range e.Details {
			if w := details[i]; d.Type != string(w.MessageName()) || !bytes.Equal(d.Value, w.Value) {
				t.Errorf("detail %d: %s %x, want %s %x", i, d.Type, d.Value, w.MessageName(), w.Value)
			}
		}
	}
	f := &peerpb.Failure{Code: 8, Message: "50% übrig", Details: details}
	_, out := p.say(ctx, &peerpb.Order{Fail: f}, options{})
	want(t, out.err)
	s, err := p.list(ctx, &peerpb.Order{Count: 1, Fail: f}, options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Recv()
	want(t, err)
}

func testUnimplemented(t *testing.T, p pair) {
	if err := p.absent(limited(t)); lupine.CodeOf(err) != lupine.Unimplemented {
		t.Errorf("a method that the server lacks: %v, want Unimplemented", err)
	}
}

func testDeadline(t *testing.T, p pair) {
	t.Run("seen", func(t *testing.T) {
		for _, d := range []time.Duration{time.Minute, 3 * time.Hour, 100 * 24 * time.Hour} {
			if p.longest > 0 && d > p.longest {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), d)
			r, out := p.say(ctx, &peerpb.Order{}, options{})
			cancel()
			// C-core rounds a long timeout up by about a percent.
			if out.err != nil || r.SecondsLeft > d.Seconds()*1.02+0.1 || r.SecondsLeft < d.Seconds()-30 {
				t.Errorf("deadline in %v: the handler sees %.3f s, %v", d, r.GetSecondsLeft(), out.err)
			}
		}
		if r, out := p.say(t.Context(), &peerpb.Order{}, options{}); out.err != nil || r.SecondsLeft != 0 {
			t.Errorf("no deadline: the handler sees %v s, %v", r.GetSecondsLeft(), out.err)
		}
	})
	unsent := false
	after := func(t *testing.T, f func(context.Context, *peerpb.Order) error) {
		const d = time.Second
		if _, out := p.say(limited(t), &peerpb.Order{}, options{}); out.err != nil {
			t.Fatal(out.err) // the deadline is not for making a connection
		}
		id, begin := newID(), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		err := f(ctx, &peerpb.Order{Id: id, Hold: true, Count: 1})
		took := time.Since(begin)
		if code := lupine.CodeOf(err); code != lupine.DeadlineExceeded && !(p.hasty && code == lupine.Canceled) {
			t.Errorf("after the deadline: %v, want DeadlineExceeded", err)
		}
		// How exact it is, is for benchmarks.
		if took < d-10*time.Millisecond || took > d+patience/2 {
			t.Errorf("deadline of %v came after %v", d, took)
		}
		if unsent {
			return // the machine was so busy that the handler never heard of this call
		}
		if end, err := p.watch(t.Context(), id); err != nil || end != "deadline" && end != "canceled" {
			t.Errorf("the handler's end: %q, %v; want deadline or canceled", end, err)
		}
	}
	t.Run("unary", func(t *testing.T) {
		after(t, func(ctx context.Context, o *peerpb.Order) error {
			_, out := p.say(ctx, o, options{})
			return out.err
		})
	})
	t.Run("list", func(t *testing.T) {
		after(t, func(ctx context.Context, o *peerpb.Order) error {
			s, err := p.list(ctx, o, options{})
			if err != nil {
				return err
			}
			_, err = s.Recv()
			return err
		})
	})
	t.Run("chat", func(t *testing.T) {
		after(t, func(ctx context.Context, o *peerpb.Order) error {
			s, err := p.chat(ctx, options{})
			if err != nil {
				return err
			}
			if err := s.Send(o); err == io.EOF {
				unsent = true // the deadline came first; Recv says so
			} else if err != nil {
				return err
			}
			_, err = s.Recv()
			return err
		})
	})
}

// A cancelled call ends at once, and its handler's context with it.
func testCancel(t *testing.T, p pair) {
	canceled := func(t *testing.T, id string, err error) {
		t.Helper()
		if lupine.CodeOf(err) != lupine.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("after cancel: %v, want Canceled", err)
		}
		if end, err := p.watch(t.Context(), id); err != nil || end != "canceled" && !(p.halfCloses && end == "returned") {
			t.Errorf("the handler's end: %q, %v; want canceled", end, err)
		}
	}
	t.Run("unary", func(t *testing.T) {
		ctx, cancel := context.WithCancel(limited(t))
		id := newID()
		go cancelHeld(t, p, id, cancel)
		_, out := p.say(ctx, &peerpb.Order{Id: id, Hold: true}, options{})
		canceled(t, id, out.err)
	})
	t.Run("list", func(t *testing.T) {
		ctx, cancel := context.WithCancel(limited(t))
		defer cancel()
		id := newID()
		s, err := p.list(ctx, &peerpb.Order{Id: id, Count: 1_000_000, ReplyBytes: 100, WaitMs: 1}, options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		for err == nil {
			_, err = s.Recv() // what had come before may still be read
		}
		canceled(t, id, err)
	})
	t.Run("sum", func(t *testing.T) {
		ctx, cancel := context.WithCancel(limited(t))
		defer cancel()
		id := newID()
		s, err := p.sum(ctx, options{header: []string{"header-first", "1"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(&peerpb.Order{Id: id, Hold: true}); err != nil {
			t.Fatal(err)
		}
		go cancelHeld(t, p, id, cancel)
		_, err = s.Recv()
		canceled(t, id, err)
	})
	t.Run("chat", func(t *testing.T) {
		ctx, cancel := context.WithCancel(limited(t))
		defer cancel()
		id := newID()
		s, err := p.chat(ctx, options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(&peerpb.Order{Id: id}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		_, err = s.Recv()
		canceled(t, id, err)
	})
}

// cancelHeld cancels a call once its handler holds it.
func cancelHeld(t *testing.T, p pair, id string, cancel func()) {
	defer cancel()
	if held, err := p.watch(limited(t), id+"/held"); held != "held" {
		t.Errorf("the handler did not begin: %q, %v", held, err)
	}
}

// The server ends a call while the caller is still sending.
func testEarlyEnd(t *testing.T, p pair) {
	fail := &peerpb.Order{Fail: &peerpb.Failure{Code: 10, Message: "enough"}, Payload: make([]byte, 10_000)}
	for _, kind := range []string{"sum", "chat"} {
		t.Run(kind, func(t *testing.T) {
			open := p.chat
			if kind == "sum" {
				open = p.sum
			}
			s, err := open(limited(t), options{})
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = s.Send(fail)
			}
			if err != io.EOF {
				t.Errorf("Send after the end: %v, want EOF", err)
			}
			if r, err := s.Recv(); lupine.CodeOf(err) != lupine.Aborted || text(lupine.AsError(err)) != "enough" {
				t.Errorf("Recv: %v, %v; want the handler's status", r, err)
			}
		})
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func testLarge(t *testing.T, p pair) {
	sizes := []int{1 << 20, 16 << 20}
	if p.slow || testing.Short() {
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		ctx := limited(t)
		payload := pattern(n)
		r, out := p.say(ctx, &peerpb.Order{Payload: payload}, options{raised: n > 4<<20})
		if out.err != nil || !bytes.Equal(r.Payload, payload) {
			t.Fatalf("Say of %d bytes: got %d, %v", n, len(r.GetPayload()), out.err)
		}
		if n > 4<<20 {
			continue
		}
		s, err := p.chat(ctx, options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := s.Send(&peerpb.Order{Payload: payload}); err != nil {
				t.Fatal(err)
			}
			if r, err := s.Recv(); err != nil || !bytes.Equal(r.Payload, payload) {
				t.Fatalf("Chat of %d bytes: got %d, %v", n, len(r.GetPayload()), err)
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		drain(t, s)
	}
}

// Over a limit, the call fails and the connection lives.
func testTooLarge(t *testing.T, p pair) {
	ctx := limited(t)
	const n = 5 << 20
	_, out := p.say(ctx, &peerpb.Order{ReplyBytes: n}, options{})
	if lupine.CodeOf(out.err) != lupine.ResourceExhausted {
		t.Errorf("a reply over the caller's limit: %v, want ResourceExhausted", out.err)
	}
	if p.small != nil {
		_, out = p.small.say(ctx, &peerpb.Order{Payload: make([]byte, n)}, options{raised: true})
		if lupine.CodeOf(out.err) != lupine.ResourceExhausted {
			t.Errorf("a request over the server's limit: %v, want ResourceExhausted", out.err)
		}
		if _, out = p.small.say(ctx, &peerpb.Order{}, options{}); out.err != nil {
			t.Errorf("a call after one over the server's limit: %v", out.err)
		}
	}
	if _, out = p.say(ctx, &peerpb.Order{}, options{}); out.err != nil {
		t.Errorf("a call after one over the caller's limit: %v", out.err)
	}
}

func testConcurrent(t *testing.T, p pair) {
	ctx := limited(t)
	callers, each := 50, 10
	if p.slow {
		callers, each = 10, 10
	}
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := range each {
				want := fmt.Sprint(g, "/", i)
				if i%5 == 0 {
					s, err := p.list(ctx, &peerpb.Order{Text: want, Count: 3}, options{})
					if err != nil {
						t.Error(err)
						return
					}
					for n := 0; ; n++ {
						r, err := s.Recv()
						if err == io.EOF && n == 3 {
							break
						}
						if err != nil || r.Text != want {
							t.Errorf("List %s, reply %d: %v, %v", want, n, r, err)
							return
						}
					}
					continue
				}
				r, out := p.say(ctx, &peerpb.Order{Text: want}, options{})
				if out.err != nil || r.Text != want {
					t.Errorf("Say %s: %v, %v", want, r, out.err)
					return
				}
			}
		})
	}
	wg.Wait()
}
