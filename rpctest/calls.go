package rpctest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

var (
	streams = lupine.Capabilities{Streams: true}
	duplex  = lupine.Capabilities{Streams: true, FullDuplex: true}
)

func callBehaviours() []behaviour {
	return []behaviour{
		{"unary", lupine.Capabilities{}, unary},
		{"empty", lupine.Capabilities{}, empty},
		{"everything", lupine.Capabilities{}, everything},
		{"serverStream", streams, serverStream},
		{"clientStream", streams, clientStream},
		{"bidi", duplex, bidi},
		{"bidiIndependent", duplex, bidiIndependent},
		{"halfClose", duplex, halfClose},
		{"earlyFinish", streams, earlyFinish},
		{"large", lupine.Capabilities{}, large},
		{"largeStream", duplex, largeStream},
		{"requestIsFree", lupine.Capabilities{}, requestIsFree},
		{"compressed", lupine.Capabilities{}, compressed},
		{"unknownCompressor", lupine.Capabilities{}, unknownCompressor},
		{"sendAfterClose", streams, sendAfterClose},
	}
}

// unary: what is sent comes back, whatever its size and characters.
func unary(e *env) {
	c := e.start(&service{})
	for _, n := range []int{0, 1, 100, 4095, 4096, 16384, 65535, 65536, 300_000} {
		req := &testpb.EchoRequest{Text: strings.Repeat("é", n/10), Payload: pattern(n)}
		r, err := c.Say(e.ctx, req)
		e.ok(err, fmt.Sprintf("%d bytes", n))
		if r.Text != req.Text || !bytes.Equal(r.Payload, req.Payload) {
			e.Fatalf("%d bytes came back changed", n)
		}
	}
}

// pattern returns n bytes that would show if some were lost or swapped.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func empty(e *env) {
	c := e.start(&service{})
	if _, err := c.Ping(e.ctx, &emptypb.Empty{}); err != nil {
		e.Fatalf("Ping: %v", err)
	}
	r, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.ok(err, "Say")
	if r.Text != "" || len(r.Payload) != 0 {
		e.Fatalf("an empty message came back as %v", r)
	}
}

// everything: each type of field survives.
func everything(e *env) {
	c := e.start(&service{})
	inner := &testpb.Everything_Inner{Name: "a", Children: []*testpb.Everything_Inner{{Name: "b"}, {}}}
	packed, err := anypb.New(&testpb.EchoRequest{Text: "in any"})
	e.ok(err, "anypb")
	st, err := structpb.NewStruct(map[string]any{"x": 1.5, "y": []any{"z", nil, true}})
	e.ok(err, "structpb")
	m := &testpb.Everything{
		FDouble: math.Inf(-1), FFloat: math.SmallestNonzeroFloat32, FInt32: math.MinInt32, FInt64: math.MinInt64,
		FUint32: math.MaxUint32, FUint64: math.MaxUint64, FSint32: -1, FSint64: math.MinInt64, FFixed32: 1, FFixed64: math.MaxUint64,
		FSfixed32: math.MinInt32, FSfixed64: -2, FBool: true, FString: "日本語 \x00 end", FBytes: []byte{0, 255}, FEnum: testpb.Colour_COLOUR_BLUE,
		FMessage: &testpb.Everything{FString: "nested"},
		OInt32:   proto.Int32(0), OString: proto.String(""), OBool: proto.Bool(false), OEnum: testpb.Colour_COLOUR_RED.Enum(),
		RInt32: []int32{0, -1, 1 << 30}, RSint64: []int64{-5, 5}, RFixed32: []uint32{7}, RDouble: []float64{0, math.Pi},
		RBool: []bool{true, false}, RString: []string{"", "x"}, RBytes: [][]byte{{}, {1}}, REnum: []testpb.Colour{0, 3},
		RMessage: []*testpb.Everything_Inner{inner, {}}, RUnpacked: []int32{1, 2, 3},
		MString: map[string]string{"k": "v", "": ""}, MMessage: map[int32]*testpb.Everything_Inner{-1: inner},
		MBytes: map[bool][]byte{true: {1, 2}}, MEnum: map[uint64]testpb.Colour{math.MaxUint64: 2},
		Choice:     &testpb.Everything_CMessage{CMessage: inner},
		WTimestamp: timestamppb.New(time.Unix(1, 2)), WDuration: durationpb.New(-time.Second), WAny: packed, WStruct: st,
		WString: wrapperspb.String("wrapped"),
	}
	r, err := c.Mirror(e.ctx, m)
	e.ok(err, "Mirror")
	if !proto.Equal(m, r) {
		e.Fatalf("came back changed:\n got %v\nwant %v", r, m)
	}
}

// serverStream: every reply, in order, then the end; also when there is none.
func serverStream(e *env) {
	c := e.start(&service{})
	for _, n := range []uint32{0, 1, 1000} {
		got := uint32(0)
		for r, err := range c.List(e.ctx, &testpb.EchoRequest{Text: "x", Count: n}).All() {
			e.ok(err, "All")
			if r.Count != got || r.Text != "x" {
				e.Fatalf("reply %d of %d is %v", got, n, r)
			}
			got++
		}
		if got != n {
			e.Fatalf("got %d replies, want %d", got, n)
		}
	}
	s := c.List(e.ctx, &testpb.EchoRequest{Count: 1})
	_, err := s.Recv(e.ctx)
	e.ok(err, "Recv")
	for range 2 { // the end stays the end
		_, err = s.Recv(e.ctx)
		e.eof(err, "Recv after the last reply")
	}
}

// clientStream: every request, in order; also when there is none.
func clientStream(e *env) {
	c := e.start(&service{})
	for _, n := range []int{0, 1, 1000} {
		s := c.Sum(e.ctx)
		var want strings.Builder
		for i := range n {
			text := fmt.Sprint(i, ";")
			want.WriteString(text)
			e.ok(s.Send(e.ctx, &testpb.EchoRequest{Text: text}), "Send")
		}
		r, err := s.CloseAndRecv(e.ctx)
		e.ok(err, "CloseAndRecv")
		if int(r.Count) != n || r.Text != want.String() {
			e.Fatalf("%d requests were summed up as %d with %d bytes of text", n, r.Count, len(r.Text))
		}
	}
}

// bidi: question and answer in turn.
func bidi(e *env) {
	c := e.start(&service{})
	s := c.Chat(e.ctx)
	for i := range uint32(200) {
		text := fmt.Sprint("q", i)
		e.ok(s.Send(e.ctx, &testpb.EchoRequest{Text: text}), "Send")
		r, err := s.Recv(e.ctx)
		e.ok(err, "Recv")
		if r.Text != text || r.Count != i {
			e.Fatalf("answer %d is %v", i, r)
		}
	}
	e.ok(s.CloseSend(e.ctx), "CloseSend")
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv at the end")
}

// bidiIndependent: neither direction waits for the other. The handler speaks
// first, and caller and handler send from one goroutine while another receives.
func bidiIndependent(e *env) {
	const n = 500
	c := e.start(&service{chat: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
		sent := make(chan error, 1)
		go func() {
			for i := range uint32(n) {
				if err := out.Send(ctx, &testpb.EchoReply{Count: i}); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		want := uint32(0)
		for req, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			if req.Count != want {
				return lupine.Errorf(lupine.DataLoss, "request %d came as number %d", req.Count, want)
			}
			want++
		}
		if want != n {
			return lupine.Errorf(lupine.DataLoss, "%d requests came", want)
		}
		return <-sent
	}})
	s := c.Chat(e.ctx)
	r, err := s.Recv(e.ctx) // before anything was sent
	e.ok(err, "the handler's first word")
	if r.Count != 0 {
		e.Fatalf("the handler's first word is number %d", r.Count)
	}
	sent := make(chan error, 1)
	go func() {
		for i := range uint32(n) {
			if err := s.Send(e.ctx, &testpb.EchoRequest{Count: i}); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend(e.ctx)
	}()
	for want := uint32(1); ; want++ {
		r, err := s.Recv(e.ctx)
		if err == io.EOF && want == n {
			break
		}
		e.ok(err, "Recv")
		if r.Count != want {
			e.Fatalf("reply %d came as number %d", r.Count, want)
		}
	}
	e.ok(<-sent, "Send")
}

// halfClose: after CloseSend the handler sees the end, and can still reply.
func halfClose(e *env) {
	c := e.start(&service{chat: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
		n := uint32(0)
		for _, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			n++
		}
		if _, err := in.Recv(ctx); err != io.EOF {
			return lupine.Errorf(lupine.Internal, "Recv after the end: %v", err)
		}
		for i := range n {
			if err := out.Send(ctx, &testpb.EchoReply{Count: i}); err != nil {
				return err
			}
		}
		return nil
	}})
	for _, n := range []uint32{0, 1, 10} {
		s := c.Chat(e.ctx)
		for range n {
			e.ok(s.Send(e.ctx, &testpb.EchoRequest{}), "Send")
		}
		e.ok(s.CloseSend(e.ctx), "CloseSend")
		got := uint32(0)
		for _, err := range s.All() {
			e.ok(err, "All")
			got++
		}
		if got != n {
			e.Fatalf("%d replies after half-close, want %d", got, n)
		}
	}
}

// earlyFinish: a handler may end before its caller has sent everything. Send then
// says io.EOF, and the end of the call says why.
func earlyFinish(e *env) {
	c := e.start(&service{sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		req, err := in.Recv(ctx)
		if err != nil {
			return nil, err
		}
		if req.FailCode != 0 {
			return nil, lupine.Errorf(lupine.Code(req.FailCode), "enough")
		}
		return &testpb.EchoReply{Text: "enough"}, nil
	}})
	for _, code := range []lupine.Code{lupine.OK, lupine.FailedPrecondition} {
		s := c.Sum(e.ctx)
		req := &testpb.EchoRequest{FailCode: int32(code), Payload: make([]byte, 10_000)}
		var err error
		for err == nil {
			if err = s.Send(e.ctx, req); e.ctx.Err() != nil {
				e.Fatal("Send goes on after the handler has returned")
			}
		}
		e.eof(err, "Send after the handler has returned")
		r, err := s.CloseAndRecv(e.ctx)
		if code != lupine.OK {
			e.failedAs(err, code, lupine.Yes)
			continue
		}
		e.ok(err, "CloseAndRecv")
		if r.Text != "enough" {
			e.Fatalf("got %v", r)
		}
	}
	e.works(c)
}

// large: nearly as much as the default limit allows.
func large(e *env) {
	if most := e.info.Capabilities.MaxMessage; most != 0 && most < lupine.DefaultMaxReceive {
		e.Skipf("the wire's largest message has %d bytes", most)
	}
	c := e.start(&service{})
	req := &testpb.EchoRequest{Payload: pattern(lupine.DefaultMaxReceive - 100)}
	for range 3 {
		r, err := c.Say(e.ctx, req)
		e.ok(err, "Say")
		if !bytes.Equal(r.Payload, req.Payload) {
			e.Fatal("came back changed")
		}
	}
}

func largeStream(e *env) {
	if most := e.info.Capabilities.MaxMessage; most != 0 && most < 1<<20 {
		e.Skipf("the wire's largest message has %d bytes", most)
	}
	c := e.start(&service{})
	s := c.Chat(e.ctx)
	sent := make(chan error, 1)
	payload := pattern(1 << 20)
	go func() {
		for range 10 {
			if err := s.Send(e.ctx, &testpb.EchoRequest{Payload: payload}); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend(e.ctx)
	}()
	n := 0
	for r, err := range s.All() {
		e.ok(err, "All")
		if !bytes.Equal(r.Payload, payload) {
			e.Fatalf("message %d came back changed", n)
		}
		n++
	}
	e.ok(<-sent, "Send")
	if n != 10 {
		e.Fatalf("%d of 10 messages came back", n)
	}
}

// requestIsFree: what the caller does to its request after the call, and to the
// reply, the handler does not see; and the reverse.
func requestIsFree(e *env) {
	kept := make(chan *testpb.EchoRequest, 1)
	c := e.start(&service{say: func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		r := &testpb.EchoReply{Payload: bytes.Clone(req.Payload)}
		kept <- req
		return r, nil
	}})
	req := &testpb.EchoRequest{Payload: []byte("before")}
	r, err := c.Say(e.ctx, req)
	e.ok(err, "Say")
	copy(req.Payload, "AFTER!")
	had := <-kept
	copy(had.Payload, "THERE!")
	if string(had.Payload) != "THERE!" || string(req.Payload) != "AFTER!" || string(r.Payload) != "before" {
		e.Fatalf("caller and handler share memory: %q, %q, %q", had.Payload, req.Payload, r.Payload)
	}
}

// compressed: asking for compression changes no message. A wire that has none, or
// not this one, sends them as they are.
func compressed(e *env) {
	c := e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		lupine.ServerCallFrom(ctx).Compressor = req.Text
		return &testpb.EchoReply{Payload: req.Payload}, nil
	}})
	for _, name := range []string{"gzip", "zstd"} {
		for _, payload := range [][]byte{nil, []byte("x"), make([]byte, 1<<20), pattern(100_000)} {
			r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: name, Payload: payload}, lupine.Compress(name))
			e.ok(err, name)
			if !bytes.Equal(r.Payload, payload) {
				e.Fatalf("%s: %d bytes came back changed", name, len(payload))
			}
		}
		if e.info.Capabilities.Streams {
			s := c.Sum(e.ctx, lupine.Compress(name))
			for range 10 {
				e.ok(s.Send(e.ctx, &testpb.EchoRequest{Text: "0123456789"}), "Send")
			}
			r, err := s.CloseAndRecv(e.ctx)
			e.ok(err, name)
			if r.Text != strings.Repeat("0123456789", 10) {
				e.Fatalf("%s: got %q", name, r.Text)
			}
		}
	}
}

// sendAfterClose: a Send after CloseSend is a mistake of the program. It fails, and
// the call is none the worse for it.
func sendAfterClose(e *env) {
	release := make(chan struct{})
	conn := e.serve(lupine.ServerConfig{}, &service{list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return out.Send(ctx, &testpb.EchoReply{Text: "reply"})
	}}).dial(lupine.DialConfig{})
	s := lupine.CallBidi[lupine.Raw, lupine.Raw](e.ctx, conn, as("List", lupine.Bidi), nil)
	e.ok(s.Send(e.ctx, &lupine.Raw{}), "Send")
	e.ok(s.CloseSend(e.ctx), "CloseSend")
	if err := s.CloseSend(e.ctx); err != nil {
		e.Errorf("a second CloseSend: %v", err)
	}
	if err := s.Send(e.ctx, &lupine.Raw{}); err == nil {
		e.Error("Send after CloseSend succeeded")
	}
	close(release)
	_, err := s.Recv(e.ctx)
	e.ok(err, "Recv")
	_, err = s.Recv(e.ctx)
	e.eof(err, "Recv")
	e.works(testpb.NewEchoClient(conn))
}
