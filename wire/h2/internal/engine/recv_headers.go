package engine

import (
	"encoding/binary"
	"fmt"
)

// headers reads a HEADERS frame (RFC 9113, 6.2).
func (c *Conn) headers(now int64, h frameHeader, p []byte, ev *Event) *Error {
	if h.stream == 0 || h.stream&1 == 0 {
		return &Error{ProtocolError, fmt.Sprintf("HEADERS on stream %d", h.stream)}
	}
	if h.flags&flagPadded != 0 {
		var ok bool
		if p, ok = unpad(p); !ok {
			return &Error{ProtocolError, "HEADERS with more padding than payload"}
		}
	}
	c.blockSelfDep = false
	if h.flags&flagPriority != 0 {
		if len(p) < 5 {
			return &Error{FrameSizeError, "HEADERS too short for its priority"}
		}
		c.blockSelfDep = binary.BigEndian.Uint32(p)&(1<<31-1) == h.stream
		p = p[5:]
	}
	c.blockEnd = h.flags&flagEndStream != 0
	if h.flags&flagEndHeaders != 0 {
		return c.headerBlock(now, h.stream, p, ev)
	}
	c.blockStream, c.continuations = h.stream, 0
	c.block = append(c.block[:0], p...)
	return nil
}

func (c *Conn) continuation(now int64, h frameHeader, p []byte, ev *Event) *Error {
	if c.blockStream == 0 {
		return &Error{ProtocolError, "CONTINUATION without HEADERS"}
	}
	c.continuations++
	if c.continuations > maxContinuations {
		return c.calm(LimitContinuation, "more than %d CONTINUATION frames in a header block", maxContinuations)
	}
	if len(c.block)+len(p) > c.blockLimit() {
		return c.calm(LimitHeaderBlock, "header block above the limit of %d bytes", c.blockLimit())
	}
	c.block = append(c.block, p...)
	if h.flags&flagEndHeaders == 0 {
		return nil
	}
	id := c.blockStream
	c.blockStream = 0
	return c.headerBlock(now, id, c.block, ev)
}

// headerBlock handles a whole header block.
func (c *Conn) headerBlock(now int64, id uint32, block []byte, ev *Event) *Error {
	if err := c.decode(block); err != nil {
		return &Error{CompressionError, err.Error()}
	}
	if c.Head.TooLarge {
		c.hit(LimitHeaderList)
	}
	s := c.streams.get(id)
	if s == nil {
		if c.cfg.Server && id > c.maxPeer {
			return c.request(now, id, block, ev)
		}
		if c.idle(id) {
			return &Error{ProtocolError, "HEADERS on a stream that was never opened"}
		}
		if c.isLate(id) {
			return c.control(now)
		}
		return &Error{StreamClosed, "HEADERS after the end of the stream"}
	}
	c.heard(now)
	if s.RecvEnd {
		return c.streamError(now, id, StreamClosed, "HEADERS after the end of the stream", ev)
	}
	if c.blockSelfDep {
		return c.streamError(now, id, ProtocolError, "a stream depends on itself", ev)
	}
	if !s.gotHeaders {
		return c.response(now, s, block, ev)
	}
	// Trailers (RFC 9113, 8.1).
	if !c.blockEnd {
		return c.streamError(now, id, ProtocolError, "a second header block without END_STREAM", ev)
	}
	if why := c.check(headTrailers, block); why != "" {
		return c.streamError(now, id, ProtocolError, why, ev)
	}
	if s.contentLength > 0 {
		return c.streamError(now, id, ProtocolError, "DATA ends before content-length says", ev)
	}
	s.RecvEnd = true
	ev.Kind, ev.Stream, ev.End, ev.Trailers = EventHeaders, s, true, true
	c.closeIfDone(s)
	return nil
}

// request begins a stream that a client opened.
func (c *Conn) request(now int64, id uint32, block []byte, ev *Event) *Error {
	if c.goAwaySent && id > c.goAwayLast {
		c.maxPeer = id
		c.remember(id)
		c.late += c.firstWindow()
		return c.control(now) // the client knows by GOAWAY that it was not looked at
	}
	c.maxPeer = id
	if c.blockSelfDep {
		return c.streamError(now, id, ProtocolError, "a stream depends on itself", ev)
	}
	if c.held+c.lingering >= c.cfg.MaxStreams {
		c.Stats.Refused++
		c.hit(LimitStreams)
		c.Out = appendRST(c.Out, id, RefusedStream)
		c.remember(id)
		c.late += c.firstWindow()
		return c.provoke()
	}
	// Who waits for an answer has at most MaxStreams requests under way.
	if c.answered > max(maxProvoked, 2*int(min(c.cfg.MaxStreams, 1<<20))) {
		return c.calm(LimitAnswers, "%d answered calls wait for a peer that does not read", c.answered)
	}
	if why := c.check(headRequest, block); why != "" {
		return c.streamError(now, id, ProtocolError, why, ev)
	}
	if c.blockEnd && c.Head.ContentLength > 0 {
		return c.streamError(now, id, ProtocolError, "content-length without DATA", ev)
	}
	s := c.cfg.NewStream()
	s.ID = id
	c.open(now, s)
	c.held++
	s.gotHeaders = true
	s.RecvEnd = c.blockEnd
	s.contentLength = c.Head.ContentLength
	ev.Kind, ev.Stream, ev.End = EventHeaders, s, c.blockEnd
	c.heard(now)
	return nil
}

// response handles the first header block that a server sends.
func (c *Conn) response(now int64, s *Stream, block []byte, ev *Event) *Error {
	if why := c.check(headResponse, block); why != "" {
		return c.streamError(now, s.ID, ProtocolError, why, ev)
	}
	if c.Head.Status < 200 {
		s.info++
		if c.blockEnd || c.Head.Status == 101 || s.info > maxInformational {
			if s.info > maxInformational {
				c.hit(LimitInformational)
			}
			return c.streamError(now, s.ID, ProtocolError, fmt.Sprintf("informational response %d out of place", c.Head.Status), ev)
		}
		return c.control(now)
	}
	s.gotHeaders = true
	s.contentLength = c.Head.ContentLength
	s.RecvEnd = c.blockEnd
	ev.Kind, ev.Stream, ev.End = EventHeaders, s, c.blockEnd
	c.closeIfDone(s)
	return nil
}

// open puts s, whose ID is set, into the Conn.
func (c *Conn) open(now int64, s *Stream) {
	s.Opened = now
	s.sendWindow = int64(c.peer.window)
	s.recvWindow = int64(c.cfg.StreamWindow)
	s.target = int64(c.cfg.StreamWindow)
	s.contentLength = -1
	c.streams.add(s)
	c.Stats.Opened++
}
