package engine

import (
	"errors"

	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// Why a client cannot open a stream.
var (
	// ErrDraining: one end has said that it takes no more streams.
	ErrDraining = errors.New("the connection takes no more calls")
	// ErrFull: the peer's SETTINGS_MAX_CONCURRENT_STREAMS is reached.
	ErrFull = errors.New("the peer's limit on concurrent streams is reached")
	// ErrUsedUp: all stream ids have been used.
	ErrUsedUp = errors.New("the connection has used all its stream ids")
)

// CanOpen returns why Open would fail, or nil.
func (c *Conn) CanOpen() error {
	switch {
	case c.failed || c.goAwayGot || c.goAwaySent:
		return ErrDraining
	case c.nextID > maxStreamID:
		return ErrUsedUp
	case uint32(c.streams.n) >= c.peer.maxStreams:
		return ErrFull
	}
	return nil
}

// Room returns how many streams may be opened now.
func (c *Conn) Room() int {
	if c.CanOpen() != nil {
		return 0
	}
	return int(min(c.peer.maxStreams, 1<<30)) - c.streams.n
}

// Open begins a stream of a client. CanOpen must have allowed it. The request
// must follow at once: BeginHeaders, fields, EndHeaders.
func (c *Conn) Open(now int64, s *Stream) {
	if c.streams.n == 0 {
		// Silence before the first call is not the peer's.
		c.lastRead, c.pingSent = max(c.lastRead, now), 0
	}
	s.ID = c.nextID
	c.nextID += 2
	c.open(now, s)
}

// BeginHeaders starts a header block. The owner then appends fields to Out with
// Enc and calls EndHeaders, without anything between.
func (c *Conn) BeginHeaders() {
	c.headersAt = len(c.Out)
	c.Out = append(c.Out, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	c.Out = c.Enc.Begin(c.Out)
}

// EndHeaders ends a header block on s, and with end the stream.
func (c *Conn) EndHeaders(s *Stream, end bool) {
	flags := uint8(0)
	if end {
		flags = flagEndStream
	}
	at := c.headersAt
	n := len(c.Out) - at - frameHeaderLen
	most := int(c.peer.maxFrame)
	if n <= most {
		appendFrameHeader(c.Out[:at], n, frameHeaders, flags|flagEndHeaders, s.ID)
	} else {
		rest := append([]byte(nil), c.Out[at+frameHeaderLen+most:]...)
		appendFrameHeader(c.Out[:at], most, frameHeaders, flags, s.ID)
		c.Out = c.Out[:at+frameHeaderLen+most]
		for len(rest) > 0 {
			k := min(most, len(rest))
			f := uint8(0)
			if k == len(rest) {
				f = flagEndHeaders
			}
			c.Out = appendFrameHeader(c.Out, k, frameContinuation, f, s.ID)
			c.Out = append(c.Out, rest[:k]...)
			rest = rest[k:]
		}
	}
	if end {
		s.SentEnd = true
		c.answered++
		c.ended(s)
	}
}

// Send sends data on s, and with end ends the stream. What does not fit the
// windows, or Out below limit bytes, is kept by reference until Pump has sent
// it; Config.Drained tells when. The stream must not have Pending data.
func (c *Conn) Send(s *Stream, data []byte, end bool, limit int) {
	if s.Closed || s.SentEnd {
		return
	}
	if len(data) == 0 {
		if end {
			c.Out = appendFrameHeader(c.Out, 0, frameData, flagEndStream, s.ID)
			s.SentEnd = true
			c.ended(s)
		}
		return
	}
	n := int64(len(data))
	if n <= s.sendWindow && n <= c.sendWindow && n <= int64(c.peer.maxFrame) && n <= chunk && len(c.Out) < limit && c.readyFirst == nil {
		c.frameData(s, data, end)
		if end {
			c.ended(s)
		}
		return
	}
	s.pending, s.pendingEnd = data, end
	c.ready(s)
	if n < BurstMin {
		c.Pump(limit)
	}
}

// Finish sends a server's trailers on s, after its pending data: the fields of
// block, which may be nil, then more. They must not be changed until then.
func (c *Conn) Finish(s *Stream, block *hpack.Block, more []hpack.Pair) {
	if s.Closed || s.SentEnd {
		return
	}
	s.tailBlock, s.tail, s.hasTail = block, more, true
	if len(s.pending) == 0 {
		c.sendTail(s)
	}
}

func (c *Conn) sendTail(s *Stream) {
	c.BeginHeaders()
	if s.tailBlock != nil {
		c.Out = c.Enc.AppendBlock(c.Out, s.tailBlock)
	}
	for i := range s.tail {
		c.Out = c.Enc.Append(c.Out, s.tail[i])
	}
	s.tail, s.tailBlock, s.hasTail = nil, nil, false
	c.EndHeaders(s, true)
}

// ended closes s where that is due once we have sent END_STREAM.
func (c *Conn) ended(s *Stream) {
	if c.cfg.Server {
		if !s.RecvEnd {
			// The rest of the request is of no use (RFC 9113, 8.1).
			c.Out = appendRST(c.Out, s.ID, NoError)
			c.remember(s.ID)
			c.abandon(s)
			s.RecvEnd = true
		}
	}
	c.closeIfDone(s)
}

func (c *Conn) closeIfDone(s *Stream) {
	if s.SentEnd && s.RecvEnd && !s.Closed {
		c.resets.give(resetRefill)
		c.controls.give(controlRefill)
		c.remove(s)
	}
}

// frameData appends one DATA frame that fits all windows.
func (c *Conn) frameData(s *Stream, p []byte, end bool) {
	flags := uint8(0)
	if end {
		flags = flagEndStream
		s.SentEnd = true
	}
	c.Out = appendFrameHeader(c.Out, len(p), frameData, flags, s.ID)
	c.Out = append(c.Out, p...)
	s.sendWindow -= int64(len(p))
	c.sendWindow -= int64(len(p))
	c.controls.give(2 + int64(len(p)/updateBytes))
}

// ready puts s into the list of streams that can send, if it can.
func (c *Conn) ready(s *Stream) {
	if s.queued || s.bursting || len(s.pending) == 0 || s.sendWindow <= 0 {
		return
	}
	s.queued, s.nextReady = true, nil
	if c.readyLast != nil {
		c.readyLast.nextReady = s
	} else {
		c.readyFirst = s
	}
	c.readyLast = s
}

func (c *Conn) popReady() *Stream {
	s := c.readyFirst
	c.readyFirst = s.nextReady
	if c.readyFirst == nil {
		c.readyLast = nil
	}
	s.queued, s.nextReady = false, nil
	return s
}

// Pump moves pending data into Out, turn by turn, until Out has limit bytes or
// the windows are used up. It reports whether there is more that could be sent
// once Out has been taken.
func (c *Conn) Pump(limit int) (more bool) {
	var begun *Stream // whose message is almost through: a write for the rest costs more
	for c.readyFirst != nil && c.sendWindow > 0 {
		if len(c.Out) >= limit && c.readyFirst != begun {
			return true
		}
		begun = nil
		s := c.popReady()
		most := chunk
		if c.readyFirst == nil {
			most = soloChunk
		}
		n := min(int64(most), int64(len(s.pending)), s.sendWindow, c.sendWindow, int64(c.peer.maxFrame))
		if n <= 0 {
			continue // its window was taken back meanwhile
		}
		last := int(n) == len(s.pending)
		c.frameData(s, s.pending[:n], last && s.pendingEnd)
		s.pending = s.pending[n:]
		if !last {
			c.ready(s)
			if len(s.pending) <= chunk {
				begun = s
			}
			continue
		}
		s.pending = nil
		if s.SentEnd {
			c.ended(s)
		} else if s.hasTail {
			c.sendTail(s)
		}
		if c.cfg.Drained != nil {
			c.cfg.Drained(s)
		}
	}
	return false
}

// Idle reports whether there is nothing to write and nothing that could be sent.
func (c *Conn) Idle() bool {
	return len(c.Out) == 0 && (c.readyFirst == nil || c.sendWindow <= 0)
}

// Reset ends s with RST_STREAM. It does nothing on a Closed stream.
func (c *Conn) Reset(s *Stream, code Code) {
	if s.Closed {
		return
	}
	c.Out = appendRST(c.Out, s.ID, code)
	c.Stats.LocalResets++
	c.remember(s.ID)
	c.abandon(s)
	c.remove(s)
}

// remove takes s out of the Conn. Its pending data is dropped.
func (c *Conn) remove(s *Stream) {
	c.streams.remove(s)
	s.Closed = true
	if s.released {
		c.lingering--
	}
	if c.dataStream == s {
		c.dataStream = nil
	}
	if c.burst.s == s {
		c.burst.s = nil
	}
	c.Assembled(s)
	if s.queued {
		var prev *Stream
		for at := c.readyFirst; at != s; at = at.nextReady {
			prev = at
		}
		if prev != nil {
			prev.nextReady = s.nextReady
		} else {
			c.readyFirst = s.nextReady
		}
		if c.readyLast == s {
			c.readyLast = prev
		}
		s.queued, s.nextReady = false, nil
	}
	s.pending, s.tail, s.tailBlock, s.hasTail = nil, nil, nil, false
	if c.streams.n == 0 {
		c.pingSent = 0
	}
}

// Release frees the slot of a server's stream: its handler has returned. Until
// then it counts against MaxStreams even if it is Closed, and until it is Closed
// even if it is released: its reply may be waiting for the peer.
func (c *Conn) Release(now int64, s *Stream) {
	c.held--
	if !s.Closed {
		s.released = true
		c.lingering++
	}
	if s.peerReset && !s.refunded && now-s.Opened >= honestRun {
		s.refunded = true
		c.resets.give(1)
	}
}
