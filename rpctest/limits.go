package rpctest

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func limitBehaviours() []behaviour {
	return []behaviour{
		{"requestReceive", lupine.Capabilities{}, limRequestReceive},
		{"requestSend", lupine.Capabilities{}, limRequestSend},
		{"replyReceive", lupine.Capabilities{}, limReplyReceive},
		{"replySend", lupine.Capabilities{}, limReplySend},
		{"defaultReceive", lupine.Capabilities{}, limDefault},
		{"raised", lupine.Capabilities{}, limRaised},
		{"stream", duplex, limStream},
		{"compressed", lupine.Capabilities{}, limCompressed},
	}
}

// tooLarge checks the error of a message over limit, which names both numbers.
func (e *env) tooLarge(err error, limit, size int) *lupine.Error {
	e.Helper()
	le := e.failed(err, lupine.ResourceExhausted)
	// The size may be that of the encoding, a little more than the payload.
	named := false
	for n := size; n <= size+16; n++ {
		named = named || strings.Contains(le.Message, strconv.Itoa(n))
	}
	if !named || !strings.Contains(le.Message, strconv.Itoa(limit)) {
		e.Errorf("message %q names not both the limit %d and the size of about %d", le.Message, limit, size)
	}
	return le
}

// countRuns is a service whose Say counts its runs and answers with n bytes.
func countRuns(ran *int, n int) *service {
	return &service{say: func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		*ran++
		return &testpb.EchoReply{Text: req.Text, Payload: make([]byte, n)}, nil
	}}
}

func limRequestReceive(e *env) {
	ran := 0
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{MaxReceive: 1000}, countRuns(&ran, 0)).dial(lupine.DialConfig{}))
	for range 3 {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 5000)})
		if le := e.tooLarge(err, 1000, 5000); le.Executed != lupine.No {
			e.Errorf("Executed is %v, want no", le.Executed)
		}
	}
	if ran != 0 {
		e.Error("the handler ran")
	}
	e.works(c)
}

func limRequestSend(e *env) {
	ran := 0
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{}, countRuns(&ran, 0)).dial(lupine.DialConfig{MaxSend: 1000}))
	_, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 5000)})
	if le := e.tooLarge(err, 1000, 5000); le.Executed != lupine.No {
		e.Errorf("Executed is %v, want no", le.Executed)
	}
	_, err = c.StartSay(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 5000)}).Wait(e.ctx)
	if le := e.tooLarge(err, 1000, 5000); le.Executed != lupine.No {
		e.Errorf("Executed of a started call is %v, want no", le.Executed)
	}
	_, err = c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 500)}, lupine.MaxSend(100))
	e.tooLarge(err, 100, 500)
	if ran != 0 {
		e.Error("the handler ran")
	}
	_, err = c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 5000)}, lupine.MaxSend(-1))
	e.ok(err, "a request with the limit lifted for it")
	e.works(c)
}

func limReplyReceive(e *env) {
	ran := 0
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{}, countRuns(&ran, 5000)).dial(lupine.DialConfig{MaxReceive: 1000}))
	for range 3 {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		if le := e.tooLarge(err, 1000, 5000); le.Executed == lupine.No {
			e.Error("Executed is no, but the handler has run")
		}
	}
	_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.MaxReceive(10_000))
	e.ok(err, "a reply with the limit raised for it")
	_, err = c.Say(e.ctx, &testpb.EchoRequest{}, lupine.MaxReceive(-1))
	e.ok(err, "a reply with the limit lifted for it")
	_, err = c.Say(e.ctx, &testpb.EchoRequest{}, lupine.MaxReceive(100))
	e.tooLarge(err, 100, 5000)
	if ran != 6 {
		e.Errorf("the handler ran %d times, want 6", ran)
	}
}

func limReplySend(e *env) {
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{MaxSend: 1000}, &service{}).dial(lupine.DialConfig{}))
	_, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 5000)})
	if le := e.tooLarge(err, 1000, 5000); le.Executed == lupine.No {
		e.Error("Executed is no, but the handler has run")
	}
	e.works(c)
}

// limDefault: 4 MiB is the default on both sides.
func limDefault(e *env) {
	c := e.start(&service{})
	size := lupine.DefaultMaxReceive + 1
	_, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, size)})
	e.tooLarge(err, lupine.DefaultMaxReceive, size)
	e.works(c)
}

// limRaised: with the limits raised, larger messages pass.
func limRaised(e *env) {
	const size = 9 << 20
	if most := e.info.Capabilities.MaxMessage; most != 0 && most < size+100 {
		e.Skipf("the wire's largest message has %d bytes", most)
	}
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{MaxReceive: 10 << 20}, &service{}).dial(lupine.DialConfig{MaxReceive: -1}))
	r, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, size)})
	e.ok(err, "Say")
	if len(r.Payload) != size {
		e.Fatalf("%d of %d bytes came back", len(r.Payload), size)
	}
}

// limStream: a message too large within a stream fails that call only, on
// whichever side it is found.
func limStream(e *env) {
	s := e.serve(lupine.ServerConfig{MaxReceive: 2000}, &service{})
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{MaxReceive: 1000}))
	for _, size := range []int{1500, 5000} { // too large for the caller, for the handler
		st := c.Chat(e.ctx)
		e.ok(st.Send(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 100)}), "Send")
		_, err := st.Recv(e.ctx)
		e.ok(err, "Recv")
		if err := st.Send(e.ctx, &testpb.EchoRequest{Payload: make([]byte, size)}); err != nil && err != io.EOF {
			e.failed(err, lupine.ResourceExhausted)
		}
		_, err = st.Recv(e.ctx)
		limit := 1000
		if size > 2000 {
			limit = 2000
		}
		e.tooLarge(err, limit, size)
		_, again := st.Recv(e.ctx)
		e.failed(again, lupine.ResourceExhausted)
	}
	st := c.List(e.ctx, &testpb.EchoRequest{Count: 1, Payload: make([]byte, 5000)})
	_, err := st.Recv(e.ctx)
	if le := e.tooLarge(err, 2000, 5000); le.Executed != lupine.No {
		e.Errorf("the only request was refused with Executed %v, want no", le.Executed)
	}
	e.works(c)
}

// limCompressed: the limits are for the message, not for what is left of it on the
// way: a small packet must not become a large message.
func limCompressed(e *env) {
	ran := 0
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{MaxReceive: 100_000}, countRuns(&ran, 0)).dial(lupine.DialConfig{}))
	for _, name := range []string{"gzip", "zstd"} {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 3<<20)}, lupine.Compress(name))
		if le := e.failed(err, lupine.ResourceExhausted); !strings.Contains(le.Message, "100000") {
			e.Errorf("%s: message %q does not name the limit", name, le.Message)
		}
	}
	if ran != 0 {
		e.Error("the handler ran")
	}
	e.works(c)
}
