package h2

import (
	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// What a server sends back. All functions here are called with the link's lock
// held, and append to the engine's Out without flushing it.

// sendHeader sends the response's header unless that was done.
func (c *serverCall) sendHeader() {
	if c.headed {
		return
	}
	md, _ := c.TakeHeader()
	c.writeHeader(md)
}

func (c *serverCall) writeHeader(md lupine.Metadata) {
	c.headed = true
	e := c.sv.eng
	if c.stream.Closed {
		return
	}
	e.BeginHeaders()
	out := e.Enc.AppendBlock(e.Out, c.sv.head(c.content))
	if comp := c.replyComp(); comp != nil {
		out = e.Enc.Append(out, hpack.Pair{Name: grpcmsg.HeaderEncoding, Value: comp.Name(), Mode: hpack.Keep})
	}
	if len(md) > 0 {
		out, c.sv.scratch = appendMetadata(e.Enc, out, md, c.sv.scratch)
	}
	e.Out = out
	e.EndHeaders(&c.stream, false)
}

// sendEnd sends the only reply of a direct call, if b is not nil, and ends the
// call with OK. It takes b.
func (c *serverCall) sendEnd(b *buffers.Buffer) {
	e := c.sv.eng
	c.sendHeader()
	if b != nil {
		c.out = b
		e.Send(&c.stream, b.B, false, outLimit)
		if !c.stream.Pending() && c.out == b {
			c.out = nil
			b.Free()
		}
	}
	e.Finish(&c.stream, &c.sv.okBlock, c.trailerPairs(c.Trailer(), nil))
}

// sendStatus ends the call with an error. Without a header so far it is the only
// header block ("Trailers-Only" in PROTOCOL-HTTP2).
func (c *serverCall) sendStatus(err *lupine.Error) {
	e := c.sv.eng
	if c.stream.Closed || c.stream.SentEnd {
		return
	}
	// What the status shares its block with, and a margin.
	limit := int(min(e.PeerHeaderList(), 1<<20)) - 256
	trailer := sendable(c.Trailer(), err.Metadata)
	limit -= headerSize(trailer)
	status := grpcmsg.AppendStatus(nil, err, max(limit, 128))
	if !c.headed {
		if md, _ := c.TakeHeader(); len(md) > 0 {
			c.writeHeader(md)
		}
	}
	if !c.headed {
		c.headed = true
		e.BeginHeaders()
		out := e.Enc.AppendBlock(e.Out, c.sv.head(c.content))
		for _, p := range c.trailerPairs(trailer, status) {
			out = e.Enc.Append(out, p)
		}
		e.Out = out
		e.EndHeaders(&c.stream, true)
		return
	}
	e.Finish(&c.stream, nil, c.trailerPairs(trailer, status))
}

// trailerPairs is status and metadata as the encoder takes them.
func (c *serverCall) trailerPairs(md, status lupine.Metadata) []hpack.Pair {
	if len(md)+len(status) == 0 {
		return nil
	}
	pairs := make([]hpack.Pair, 0, len(md)+len(status))
	for _, p := range status {
		pairs = append(pairs, hpack.Pair{Name: p.Key, Value: p.Value})
	}
	for _, p := range md {
		pairs = append(pairs, hpack.Pair{Name: p.Key, Value: string(grpcmsg.AppendValue(nil, p.Key, p.Value))})
	}
	return pairs
}

// sendable is trailer and what of more may travel: an error's metadata may come
// from anywhere, and what no wire can carry is left out.
func sendable(trailer, more lupine.Metadata) lupine.Metadata {
	for i := range more {
		if more[i:i+1].Check() == nil {
			trailer = append(trailer[:len(trailer):len(trailer)], more[i])
		}
	}
	return trailer
}
