package engine

import "fmt"

// beginData reads the header of a DATA frame (RFC 9113, 6.1).
func (c *Conn) beginData(now int64, h frameHeader, ev *Event) *Error {
	if h.stream == 0 {
		return &Error{ProtocolError, "DATA on stream 0"}
	}
	if c.idle(h.stream) {
		return &Error{ProtocolError, "DATA on a stream that was never opened"}
	}
	if h.flags&flagPadded != 0 && h.length == 0 {
		return &Error{FrameSizeError, "padded DATA without a padding length"}
	}
	n := int64(h.length)
	c.recvWindow -= n
	if c.recvWindow < 0 {
		return &Error{FlowControlError, "DATA beyond the connection's window"}
	}
	c.bdp.bytes += n
	// The connection's window is given back at once: what one stream does not
	// read must not stop the others. Streams' own windows bound memory.
	c.creditConn()

	c.inData, c.dataStream = true, nil
	c.dataLeft = h.length
	c.dataPadded = h.flags&flagPadded != 0
	c.dataEnd = h.flags&flagEndStream != 0

	s := c.streams.get(h.stream)
	if s == nil || s.RecvEnd {
		if s == nil && c.isLate(h.stream) {
			if n == 0 {
				return c.control(now)
			}
			// Whole windows of small frames may have been on their way, but no more.
			if c.late -= n; c.late < 0 {
				c.hit(LimitLate)
				return &Error{FlowControlError, "DATA for streams that are gone, beyond their windows"}
			}
			return nil
		}
		return c.streamError(now, h.stream, StreamClosed, "DATA after the end of the stream", ev)
	}
	if !s.gotHeaders {
		return c.streamError(now, h.stream, ProtocolError, "DATA before the response's headers", ev)
	}
	s.recvWindow -= n
	if s.recvWindow < 0 && n > 0 {
		return c.streamError(now, h.stream, FlowControlError, "DATA beyond the stream's window", ev)
	}
	s.unread += n
	c.dataStream = s
	c.heard(now)
	if c.bdp.due {
		c.bdp.due = false
		c.sample(now, n)
	}
	if n == 0 {
		c.inData = false
		if !c.dataEnd {
			return c.control(now)
		}
		return c.endData(now, s, 0, ev)
	}
	if !c.dataPadded {
		c.controls.give(1)
	}
	return nil
}

// data delivers a part of the DATA frame being read. ev is set if there is
// something to tell.
func (c *Conn) data(now int64, p []byte, ev *Event) (n int, err *Error) {
	s := c.dataStream
	if c.dataPadded {
		c.dataPadded = false
		pad := uint32(p[0])
		n, p = 1, p[1:]
		c.dataLeft--
		if pad > c.dataLeft {
			return n, &Error{ProtocolError, "DATA with more padding than payload"}
		}
		// The payload comes first; the padding is skipped behind it.
		c.dataLeft -= pad
		c.padLeft = pad
		if s != nil {
			c.consumed(s, int64(pad)+1) // padding is read at once
		}
		if c.dataLeft > 0 {
			c.controls.give(1)
		} else if !c.dataEnd {
			if err := c.control(now); err != nil {
				return n, err
			}
		}
		if c.dataLeft > 0 && len(p) == 0 {
			return n, nil
		}
	}
	k := min(int(c.dataLeft), len(p))
	c.dataLeft -= uint32(k)
	n += k
	last := c.dataLeft == 0
	if last {
		c.inData, c.dataStream = false, nil
		c.skip, c.padLeft = c.padLeft, 0
	}
	switch {
	case s == nil:
	case last && c.dataEnd:
		ev.Data = p[:k]
		err = c.endData(now, s, k, ev)
	case k > 0:
		if err = c.counted(now, s, k, ev); err == nil && ev.Kind == EventNone {
			ev.Kind, ev.Stream, ev.Data = EventData, s, p[:k]
		}
	}
	return n, err
}

// counted holds k bytes of payload against content-length (RFC 9113, 8.1.1).
func (c *Conn) counted(now int64, s *Stream, k int, ev *Event) *Error {
	if s.contentLength < 0 {
		return nil
	}
	s.contentLength -= int64(k)
	if s.contentLength >= 0 {
		return nil
	}
	return c.streamError(now, s.ID, ProtocolError, "more DATA than content-length says", ev)
}

// endData delivers the last DATA of a stream.
func (c *Conn) endData(now int64, s *Stream, k int, ev *Event) *Error {
	if err := c.counted(now, s, k, ev); err != nil || ev.Kind != EventNone {
		return err
	}
	if s.contentLength > 0 {
		return c.streamError(now, s.ID, ProtocolError, fmt.Sprintf("DATA ends %d bytes before content-length says", s.contentLength), ev)
	}
	s.RecvEnd = true
	ev.Kind, ev.Stream, ev.End = EventData, s, true
	c.closeIfDone(s)
	return nil
}

// Consumed says that the owner has read n bytes of a stream's data and kept
// none of them.
func (c *Conn) Consumed(s *Stream, n int) {
	c.consumed(s, int64(n))
}

func (c *Conn) consumed(s *Stream, n int64) {
	s.unread -= n
	if s.Closed || s.RecvEnd {
		return
	}
	if s.target < c.streamTarget {
		s.target = c.streamTarget // only streams that are read from grow
	}
	c.creditStream(s)
}

// creditStream opens the stream's window when a good part of it is used up. A
// message with a grant has exactly the window that it needs: what padding took
// of that is given back at once, or the message would never be whole.
func (c *Conn) creditStream(s *Stream) {
	credit := s.target + s.grant - s.unread - s.recvWindow
	if credit < s.target/2 && s.grant == 0 {
		return
	}
	credit = min(credit, maxWindow-s.recvWindow)
	if credit <= 0 {
		return
	}
	s.recvWindow += credit
	c.Out = appendWindow(c.Out, s.ID, uint32(credit))
	c.bdp.due = true // a larger window might help
}

// creditConn opens the connection's window when half of it is used up.
func (c *Conn) creditConn() {
	credit := c.recvTarget - c.recvWindow
	if credit < c.recvTarget/2 {
		return
	}
	c.recvWindow += credit
	c.Out = appendWindow(c.Out, 0, uint32(credit))
}

// Want says that a message on s needs n more bytes than have come, and that
// the owner will read them: if the stream's window is too small for that, it
// is opened, now or when other such messages are done. The grant ends with
// Assembled.
func (c *Conn) Want(s *Stream, n int) {
	if s.Closed || s.RecvEnd || s.inWant || int64(n) <= s.recvWindow {
		return
	}
	s.wanted = min(int64(n), maxWindow) - s.recvWindow
	if s.wanted <= 0 {
		return
	}
	if c.wantFirst != nil || !c.grant(s) {
		s.inWant = true
		if c.wantLast != nil {
			c.wantLast.nextWant = s
		} else {
			c.wantFirst = s
		}
		c.wantLast = s
	}
}

// grant gives s what it wanted if there is room.
func (c *Conn) grant(s *Stream) bool {
	if c.assembling > 0 && c.assembling+s.wanted > c.cfg.Assembly {
		return false
	}
	c.assembling += s.wanted
	s.grant += s.wanted
	s.recvWindow += s.wanted
	c.Out = appendWindow(c.Out, s.ID, uint32(s.wanted))
	s.wanted = 0
	c.creditStream(s) // what padding took while it waited
	return true
}

// Assembled ends the grant of Want: the message is whole, or will never be.
func (c *Conn) Assembled(s *Stream) {
	if s.inWant {
		c.unwant(s)
	}
	if s.grant == 0 {
		return
	}
	c.assembling -= s.grant
	s.grant = 0
	for c.wantFirst != nil && c.grant(c.wantFirst) {
		c.unwant(c.wantFirst)
	}
}

// unwant takes s out of the list of streams that wait for a grant.
func (c *Conn) unwant(s *Stream) {
	var prev *Stream
	for at := c.wantFirst; at != nil; prev, at = at, at.nextWant {
		if at != s {
			continue
		}
		if prev != nil {
			prev.nextWant = s.nextWant
		} else {
			c.wantFirst = s.nextWant
		}
		if c.wantLast == s {
			c.wantLast = prev
		}
		break
	}
	s.nextWant, s.inWant, s.wanted = nil, false, 0
}
