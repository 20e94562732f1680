package engine

import (
	"encoding/binary"
	"fmt"
)

// EventKind says what a piece of input means.
type EventKind uint8

// The events that Next returns.
const (
	// EventNone: all input is used up, or more is needed.
	EventNone EventKind = iota
	// EventHeaders: Conn.Head is a request (at a server), a response or trailers.
	EventHeaders
	// EventData: Data belongs to Stream. The owner must call Consumed for it.
	EventData
	// EventReset: the stream is over. Code says why; Remote whether the peer did
	// it. The stream is Closed.
	EventReset
	// EventGoAway: the peer takes no streams above Last.
	EventGoAway
	// EventSettings: the peer's SETTINGS came.
	EventSettings
	// EventDrained: the peer has seen the first GOAWAY of Drain.
	EventDrained
)

// Event is what a piece of input means to the streams.
type Event struct {
	Kind     EventKind
	End      bool // END_STREAM came with it
	Trailers bool // EventHeaders: it is not the first block of the stream
	Remote   bool
	Code     Code
	Last     uint32
	Stream   *Stream
	Data     []byte // part of the input; or GOAWAY's debug data
	Err      *Error // EventReset by us: why
}

// Next reads one event's worth of in. It returns how many bytes it used; the
// rest must be offered again, with more behind it if the event is EventNone.
// An error ends the connection: Out then holds what is left to say.
func (c *Conn) Next(now int64, in []byte) (ev Event, n int, err error) {
	if c.failed {
		return ev, len(in), nil
	}
	for {
		p := in[n:]
		switch {
		case len(p) == 0:
			return ev, n, nil
		case c.preface > 0:
			k := min(c.preface, len(p))
			at := len(Preface) - c.preface
			if string(p[:k]) != Preface[at:at+k] {
				return ev, n, c.fail(&Error{ProtocolError, "the connection does not begin with HTTP/2's preface"})
			}
			c.preface -= k
			n += k
			continue
		case c.skip > 0:
			k := min(int(c.skip), len(p))
			c.skip -= uint32(k)
			n += k
			continue
		case c.inData:
			k, e := c.data(now, p, &ev)
			n += k
			if e != nil {
				return ev, n, c.fail(e)
			}
			if ev.Kind != EventNone {
				return ev, n, nil
			}
			continue
		case len(p) < frameHeaderLen:
			return ev, n, nil
		}
		h := parseFrameHeader(p)
		if e := c.admit(now, h); e != nil {
			return ev, n, c.fail(e)
		}
		if h.typ == frameData {
			n += frameHeaderLen
			if e := c.beginData(now, h, &ev); e != nil {
				return ev, n, c.fail(e)
			}
			if ev.Kind != EventNone {
				return ev, n, nil
			}
			continue
		}
		if h.typ > frameContinuation {
			n += frameHeaderLen
			c.skip = h.length
			continue
		}
		if len(p) < frameHeaderLen+int(h.length) {
			return ev, n, nil
		}
		n += frameHeaderLen + int(h.length)
		if e := c.frame(now, h, p[frameHeaderLen:frameHeaderLen+int(h.length)], &ev); e != nil {
			return ev, n, c.fail(e)
		}
		if ev.Kind != EventNone {
			return ev, n, nil
		}
	}
}

// Need returns how large a buffer must be for Next to make progress.
func (c *Conn) Need() int { return frameHeaderLen + max(maxControl, c.headerFrame()) }

// headerFrame is the longest HEADERS or CONTINUATION frame that is read.
func (c *Conn) headerFrame() int {
	return min(int(c.cfg.MaxFrame), max(minMaxFrame, c.cfg.MaxHeaderBytes))
}

// blockLimit bounds a header block before it is decoded.
func (c *Conn) blockLimit() int { return max(minMaxFrame, 2*c.cfg.MaxHeaderBytes) }

// admit checks what holds for all frames, before the payload is here.
func (c *Conn) admit(now int64, h frameHeader) *Error {
	if h.length > c.cfg.MaxFrame {
		return &Error{FrameSizeError, fmt.Sprintf("frame of %d bytes, above the %d that SETTINGS_MAX_FRAME_SIZE allows", h.length, c.cfg.MaxFrame)}
	}
	if !c.peer.seen && (h.typ != frameSettings || h.flags&flagAck != 0) {
		return &Error{ProtocolError, "the first frame is not SETTINGS"}
	}
	if c.blockStream != 0 && (h.typ != frameContinuation || h.stream != c.blockStream) {
		return &Error{ProtocolError, "a header block is interrupted by another frame"}
	}
	switch h.typ {
	case frameData, frameHeaders, frameContinuation, frameRST:
	default:
		if h.typ > frameContinuation {
			return c.control(now)
		}
		if h.length > maxControl {
			return &Error{EnhanceYourCalm, fmt.Sprintf("frame of type %d is %d bytes, above the limit of %d", h.typ, h.length, maxControl)}
		}
	}
	if (h.typ == frameHeaders || h.typ == frameContinuation) && int(h.length) > c.headerFrame() {
		return &Error{EnhanceYourCalm, fmt.Sprintf("header frame of %d bytes, above the limit of %d", h.length, c.headerFrame())}
	}
	return nil
}

// frame handles a whole frame other than DATA.
func (c *Conn) frame(now int64, h frameHeader, p []byte, ev *Event) *Error {
	switch h.typ {
	case frameHeaders:
		return c.headers(now, h, p, ev)
	case frameContinuation:
		return c.continuation(now, h, p, ev)
	case framePriority:
		return c.priority(now, h, p, ev)
	case frameRST:
		return c.rst(now, h, p, ev)
	case frameSettings:
		if err := c.settings(now, h, p); err != nil {
			return err
		}
		if h.flags&flagAck == 0 {
			ev.Kind = EventSettings
		}
		return nil
	case framePing:
		return c.ping(now, h, p, ev)
	case frameGoAway:
		if err := c.control(now); err != nil {
			return err
		}
		return c.goAway(h, p, ev)
	case frameWindow:
		return c.windowUpdate(now, h, p, ev)
	}
	return &Error{ProtocolError, "PUSH_PROMISE, which we have not allowed"}
}

// priority reads a PRIORITY frame, which means nothing any more (RFC 9113, 5.3.2).
func (c *Conn) priority(now int64, h frameHeader, p []byte, ev *Event) *Error {
	if h.stream == 0 {
		return &Error{ProtocolError, "PRIORITY on stream 0"}
	}
	if err := c.control(now); err != nil {
		return err
	}
	if len(p) != 5 {
		return c.streamError(now, h.stream, FrameSizeError, "PRIORITY is not 5 bytes", ev)
	}
	if binary.BigEndian.Uint32(p)&(1<<31-1) == h.stream {
		return c.streamError(now, h.stream, ProtocolError, "a stream depends on itself", ev)
	}
	return nil
}

func (c *Conn) rst(now int64, h frameHeader, p []byte, ev *Event) *Error {
	if h.stream == 0 {
		return &Error{ProtocolError, "RST_STREAM on stream 0"}
	}
	if len(p) != 4 {
		return &Error{FrameSizeError, "RST_STREAM is not 4 bytes"}
	}
	s := c.streams.get(h.stream)
	if s == nil {
		if c.idle(h.stream) {
			return &Error{ProtocolError, "RST_STREAM on a stream that was never opened"}
		}
		delete(c.recent, h.stream) // nothing may be on its way any more
		return c.control(now)
	}
	c.Stats.PeerResets++
	if c.cfg.Server {
		if err := c.abused(now); err != nil {
			return err // s is still open, so that its owner hears of the end
		}
	}
	ev.Kind, ev.Stream, ev.Remote = EventReset, s, true
	ev.Code = Code(binary.BigEndian.Uint32(p))
	s.peerReset = true
	c.remove(s)
	return nil
}

func (c *Conn) goAway(h frameHeader, p []byte, ev *Event) *Error {
	if h.stream != 0 {
		return &Error{ProtocolError, "GOAWAY on a stream"}
	}
	if len(p) < 8 {
		return &Error{FrameSizeError, "GOAWAY is shorter than 8 bytes"}
	}
	c.goAwayGot = true
	ev.Kind = EventGoAway
	ev.Last = binary.BigEndian.Uint32(p) & maxStreamID
	ev.Code = Code(binary.BigEndian.Uint32(p[4:]))
	ev.Data = p[8:]
	return nil
}

// idle reports whether a stream id has never been used.
func (c *Conn) idle(id uint32) bool {
	if c.cfg.Server {
		return id&1 == 0 || id > c.maxPeer
	}
	return id&1 == 0 || id >= c.nextID
}

// streamError resets a stream because of what the peer did.
func (c *Conn) streamError(now int64, id uint32, code Code, reason string, ev *Event) *Error {
	s := c.streams.get(id)
	if s == nil && c.cfg.Server && id&1 == 1 {
		c.maxPeer = max(c.maxPeer, id) // a reset ends the stream, so it is not idle any more
		c.late += c.firstWindow()
	}
	c.Out = appendRST(c.Out, id, code)
	c.Stats.LocalResets++
	c.remember(id)
	if err := c.provoke(); err != nil {
		return err
	}
	if err := c.abused(now); err != nil {
		return err // s is still open, so that its owner hears of the end
	}
	if s != nil {
		c.abandon(s)
		ev.Kind, ev.Stream, ev.Code = EventReset, s, code
		ev.Err = &Error{code, reason}
		c.remove(s)
	}
	return nil
}

// abandon notes what may still be on its way for a stream that we end: its
// window, and one window more, since exactness is not needed.
func (c *Conn) abandon(s *Stream) {
	if !s.RecvEnd {
		c.late += max(s.recvWindow, 0) + max(s.target, defaultWindow)
	}
}

// firstWindow is what a peer may send on a stream before it hears of us.
func (c *Conn) firstWindow() int64 { return int64(max(c.cfg.StreamWindow, defaultWindow)) }

// isLate reports whether a frame on a stream that is gone may be passed over: it
// was on its way when we ended the stream.
func (c *Conn) isLate(id uint32) bool {
	if !c.cfg.Server {
		return true // a client forgets calls; the server cannot know when
	}
	_, ok := c.recent[id]
	return ok
}

// remember notes that we reset a stream whose frames may still be coming.
func (c *Conn) remember(id uint32) {
	if !c.cfg.Server {
		return // isLate needs none of it
	}
	if c.recent == nil {
		c.recent = make(map[uint32]struct{})
		c.recentRing = make([]uint32, c.recentSize)
	}
	if _, ok := c.recent[id]; ok {
		return
	}
	if old := c.recentRing[c.recentAt]; old != 0 {
		delete(c.recent, old)
	}
	c.recentRing[c.recentAt] = id
	c.recentAt = (c.recentAt + 1) % len(c.recentRing)
	c.recent[id] = struct{}{}
}

// Received tells the Conn that bytes came in.
func (c *Conn) Received(now int64) { c.lastRead = now }
