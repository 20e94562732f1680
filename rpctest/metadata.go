package rpctest

import (
	"context"
	"slices"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

var (
	metadata     = lupine.Capabilities{Metadata: true}
	trailers     = lupine.Capabilities{Metadata: true, Trailers: true}
	metadataBoth = lupine.Capabilities{Metadata: true, Trailers: true, Streams: true}
	metadataBidi = lupine.Capabilities{Metadata: true, Trailers: true, Streams: true, FullDuplex: true}
	allBytes     = string(pattern(256))
	sentMetadata = lupine.Pairs("plain", "a value", "Upper", "CASE stays", "twice", "1", "twice", "2", "blob-bin", allBytes, "blob-bin", "\x00", "empty", "", "empty-bin", "", "punct", `!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`, "a.b_c-1", "x")
	sentHeader   = lupine.Pairs("h-plain", "header", "h-twice", "1", "h-twice", "2", "h-blob-bin", allBytes)
	sentTrailer  = lupine.Pairs("t-plain", "trailer", "t-twice", "1", "t-twice", "2", "t-blob-bin", allBytes)
	longValue    = strings.Repeat("long ", 800) + "."
	notSendable  = []lupine.Metadata{
		{{Key: "", Value: "x"}},
		{{Key: "UPPER", Value: "x"}},
		{{Key: "sp ace", Value: "x"}},
		{{Key: "grpc-timeout", Value: "1S"}},
		{{Key: "lupine-executed", Value: "no"}},
		{{Key: "x", Value: "é"}},
		{{Key: "x", Value: "new\nline"}},
		{{Key: "x", Value: " padded"}},
		{{Key: "x", Value: "padded "}},
		{{Key: ":path", Value: "/"}},
		{{Key: "te", Value: "x"}},
	}
	headerOnce    = "SetHeader after the header was sent must fail"
	headerWanted  = "the reply's header"
	trailerWanted = "the trailer"
)

func metadataBehaviours() []behaviour {
	return []behaviour{
		{"request", metadata, mdRequest},
		{"reply", trailers, mdReply},
		{"replyStreams", metadataBidi, mdReplyStreams},
		{"headerFirst", metadataBidi, mdHeaderFirst},
		{"headerOnEmptyStream", metadataBoth, mdEmptyStream},
		{"onError", trailers, mdOnError},
		{"onErrorStream", metadataBoth, mdOnErrorStream},
		{"long", trailers, mdLong},
		{"notSendable", metadata, mdNotSendable},
	}
}

// pairs checks that got has every pair of want, in order for each key.
func (e *env) pairs(what string, got, want lupine.Metadata) {
	e.Helper()
	for _, p := range want {
		g, w := slices.Collect(got.Values(p.Key)), slices.Collect(want.Values(p.Key))
		if !slices.Equal(g, w) {
			e.Fatalf("%s: key %q has %q, want %q", what, p.Key, g, w)
		}
	}
}

func mdRequest(e *env) {
	got := make(chan lupine.Metadata, 1)
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		got <- lupine.ServerCallFrom(ctx).Header
		return &testpb.EchoReply{}, nil
	}})
	for range 3 { // again, since header blocks may be cached
		_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithHeader(sentMetadata[:3]), lupine.WithHeader(sentMetadata[3:]))
		e.ok(err, "Say")
		md := <-got
		e.pairs("request metadata", md, sentMetadata)
		_, err = c.Say(e.ctx, &testpb.EchoRequest{})
		e.ok(err, "Say")
		if md := <-got; md.Has("plain") || md.Has("blob-bin") {
			e.Fatalf("metadata of one call showed in the next: %q", md)
		}
	}
	// What does not belong to the user must not look as if it did.
	for _, p := range func() lupine.Metadata {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		e.ok(err, "Say")
		return <-got
	}() {
		if lupine.ReservedKey(p.Key) {
			e.Errorf("the handler sees the protocol's key %q", p.Key)
		}
	}
}

// setBoth sets a header and a trailer in two steps each.
func setBoth(ctx context.Context) error {
	call := lupine.ServerCallFrom(ctx)
	for _, err := range []error{
		call.SetHeader(sentHeader[:1]), call.SetHeader(sentHeader[1:]),
		call.SetTrailer(sentTrailer[:1]), call.SetTrailer(sentTrailer[1:]),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func mdReply(e *env) {
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		return &testpb.EchoReply{}, setBoth(ctx)
	}})
	for range 3 {
		var header, trailer lupine.Metadata
		_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
		e.ok(err, "Say")
		e.pairs(headerWanted, header, sentHeader)
		e.pairs(trailerWanted, trailer, sentTrailer)
		if header.Has("t-plain") || trailer.Has("h-plain") {
			e.Fatalf("header %q and trailer %q are mixed up", header, trailer)
		}
		for _, p := range append(header.Clone(), trailer...) {
			if lupine.ReservedKey(p.Key) {
				e.Errorf("the caller sees the protocol's key %q", p.Key)
			}
		}
	}
}

func mdReplyStreams(e *env) {
	c := e.start(&service{
		list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
			if err := setBoth(ctx); err != nil {
				return err
			}
			if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
				return err
			}
			if lupine.ServerCallFrom(ctx).SetHeader(sentHeader) == nil {
				return lupine.Errorf(lupine.Internal, "%s", headerOnce)
			}
			return nil
		},
		sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
			_, err := in.Recv(ctx)
			if err == nil {
				err = setBoth(ctx)
			}
			return &testpb.EchoReply{}, err
		},
	})
	var header, trailer lupine.Metadata
	s := c.List(e.ctx, &testpb.EchoRequest{}, lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	for _, err := range s.All() {
		e.ok(err, "List")
	}
	e.pairs("the reply's header by option", header, sentHeader)
	e.pairs("the trailer by option", trailer, sentTrailer)
	e.pairs(trailerWanted, s.Trailer(), sentTrailer)
	md, err := s.Header(e.ctx)
	e.ok(err, "Header after the end")
	e.pairs(headerWanted, md, sentHeader)

	sum := c.Sum(e.ctx, lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	header, trailer = nil, nil
	e.ok(sum.Send(e.ctx, &testpb.EchoRequest{}), "Send")
	_, err = sum.CloseAndRecv(e.ctx)
	e.ok(err, "CloseAndRecv")
	e.pairs("the reply's header by option", header, sentHeader)
	e.pairs("the trailer by option", trailer, sentTrailer)
}

// mdHeaderFirst: a header travels when it is sent, not with the first message.
func mdHeaderFirst(e *env) {
	c := e.start(&service{chat: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
		if err := setBoth(ctx); err != nil {
			return err
		}
		if err := out.SendHeader(ctx); err != nil {
			return err
		}
		if out.SendHeader(ctx) == nil || lupine.ServerCallFrom(ctx).SetHeader(sentHeader) == nil {
			return lupine.Errorf(lupine.Internal, "%s", headerOnce)
		}
		// The caller sends only once it has the header.
		if _, err := in.Recv(ctx); err != nil {
			return err
		}
		return out.Send(ctx, &testpb.EchoReply{})
	}})
	s := c.Chat(e.ctx)
	md, err := s.Header(e.ctx)
	e.ok(err, "Header")
	e.pairs(headerWanted, md, sentHeader)
	e.ok(s.Send(e.ctx, &testpb.EchoRequest{}), "Send")
	_, err = s.Recv(e.ctx)
	e.ok(err, "Recv")
	_, err = s.Recv(e.ctx)
	e.eof(err, "Recv")
	e.pairs(trailerWanted, s.Trailer(), sentTrailer)
}

func mdEmptyStream(e *env) {
	c := e.start(&service{list: func(ctx context.Context, _ *testpb.EchoRequest, _ *lupine.Sender[testpb.EchoReply]) error {
		return setBoth(ctx)
	}})
	s := c.List(e.ctx, &testpb.EchoRequest{})
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv")
	md, err := s.Header(e.ctx)
	e.ok(err, "Header")
	e.pairs(headerWanted, md, sentHeader)
	e.pairs(trailerWanted, s.Trailer(), sentTrailer)
}

// mdOnError: the trailer comes with a failure too, and what the handler's error
// carries is part of it.
func mdOnError(e *env) {
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if err := setBoth(ctx); err != nil {
			return nil, err
		}
		err := lupine.Errorf(lupine.NotFound, "no")
		err.Metadata = lupine.Pairs("in-error", "1", "in-error-bin", allBytes)
		return nil, err
	}})
	var header, trailer lupine.Metadata
	_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	le := e.failedAs(err, lupine.NotFound, lupine.Yes)
	want := append(sentTrailer.Clone(), lupine.Pairs("in-error", "1", "in-error-bin", allBytes)...)
	e.pairs("the error's metadata", le.Metadata, want)
	e.pairs(trailerWanted, trailer, want)
	e.pairs(headerWanted, header, sentHeader)
}

func mdOnErrorStream(e *env) {
	c := e.start(&service{list: func(ctx context.Context, req *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		if err := setBoth(ctx); err != nil {
			return err
		}
		for range req.Count {
			if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
				return err
			}
		}
		return lupine.Errorf(lupine.DataLoss, "gone")
	}})
	for _, n := range []uint32{0, 3} {
		s := c.List(e.ctx, &testpb.EchoRequest{Count: n})
		for range n {
			_, err := s.Recv(e.ctx)
			e.ok(err, "Recv")
		}
		_, err := s.Recv(e.ctx)
		le := e.failedAs(err, lupine.DataLoss, lupine.Yes)
		e.pairs("the error's metadata", le.Metadata, sentTrailer)
		e.pairs(trailerWanted, s.Trailer(), sentTrailer)
		md, err := s.Header(e.ctx)
		e.ok(err, "Header of a call that failed after it")
		e.pairs(headerWanted, md, sentHeader)
		if _, again := s.Recv(e.ctx); again != err && e.failed(again, lupine.DataLoss) == nil {
			e.Fatal("the error did not stay")
		}
	}
}

// mdLong: a value of 4 KB each way, and many pairs.
func mdLong(e *env) {
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		call := lupine.ServerCallFrom(ctx)
		md := lupine.Pairs("got", call.Header.Get("long"))
		for v := range call.Header.Values("many") {
			md.Add("many", v)
		}
		if err := call.SetHeader(md); err != nil {
			return nil, err
		}
		return &testpb.EchoReply{}, call.SetTrailer(md)
	}})
	md := lupine.Pairs("long", longValue)
	want := lupine.Pairs("got", longValue)
	for i := range 50 {
		md.Add("many", strings.Repeat("x", i))
		want.Add("many", strings.Repeat("x", i))
	}
	var header, trailer lupine.Metadata
	_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithHeader(md), lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	e.ok(err, "Say")
	e.pairs(headerWanted, header, want)
	e.pairs(trailerWanted, trailer, want)
}

// mdNotSendable: what cannot travel is refused before anything is sent, on both
// sides, and hurts nobody else.
func mdNotSendable(e *env) {
	c := e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text == "set" {
			for _, md := range notSendable {
				call := lupine.ServerCallFrom(ctx)
				if call.SetHeader(md) == nil || call.SetTrailer(md) == nil {
					return nil, lupine.Errorf(lupine.Internal, "SetHeader or SetTrailer took %q", md)
				}
			}
			// In an error it may have come from elsewhere, and is left out.
			err := lupine.Errorf(lupine.NotFound, "no")
			for _, md := range notSendable {
				err.Metadata = append(err.Metadata, md...)
			}
			err.Metadata.Add("fine", "1")
			return nil, err
		}
		return &testpb.EchoReply{Text: req.Text}, nil
	}})
	for _, md := range notSendable {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithHeader(md))
		e.failedAs(err, lupine.InvalidArgument, lupine.No)
	}
	if e.info.Capabilities.Streams {
		s := c.List(e.ctx, &testpb.EchoRequest{}, lupine.WithHeader(notSendable[0]))
		_, err := s.Recv(e.ctx)
		e.failedAs(err, lupine.InvalidArgument, lupine.No)
	}
	_, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "set"})
	le := e.failedAs(err, lupine.NotFound, lupine.Yes)
	if e.info.Capabilities.Trailers {
		e.pairs("the error's metadata", le.Metadata, lupine.Pairs("fine", "1"))
	}
	if le.Metadata.Has("x") {
		e.Fatalf("the error's metadata has what cannot travel: %q", le.Metadata)
	}
	e.works(c)
}
