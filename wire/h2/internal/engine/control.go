package engine

import "encoding/binary"

// PING payloads of ours.
const (
	pingKeepAlive = 0x6c7570696e656b61 // "lupineka"
	pingDrain     = 0x6c7570696e656472 // "lupinedr"
	pingBDP       = 0x6c7570696e656264 // "lupinebd"
)

// ping reads a PING frame (RFC 9113, 6.7).
func (c *Conn) ping(now int64, h frameHeader, p []byte, ev *Event) *Error {
	if h.stream != 0 {
		return &Error{ProtocolError, "PING on a stream"}
	}
	if len(p) != 8 {
		return &Error{FrameSizeError, "PING is not 8 bytes"}
	}
	c.Stats.Pings++
	v := binary.BigEndian.Uint64(p)
	if h.flags&flagAck != 0 {
		if (v == pingKeepAlive || v == pingBDP) && c.pingsOut > 0 {
			c.pingsOut--
		}
		switch {
		case v == pingKeepAlive && c.pingSent != 0:
			c.pingSent = 0
			return nil
		case v == pingDrain && c.drainPing:
			c.drainPing = false
			ev.Kind = EventDrained
			return nil
		case v == pingBDP && c.bdp.under:
			c.sampled(now)
			return nil
		}
		return c.control(now)
	}
	c.Out = appendPing(c.Out, flagAck, v)
	if err := c.provoke(); err != nil {
		return err
	}
	return c.control(now)
}

// windowUpdate reads a WINDOW_UPDATE frame (RFC 9113, 6.9).
func (c *Conn) windowUpdate(now int64, h frameHeader, p []byte, ev *Event) *Error {
	if len(p) != 4 {
		return &Error{FrameSizeError, "WINDOW_UPDATE is not 4 bytes"}
	}
	if err := c.control(now); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint32(p) & maxWindow)
	if h.stream == 0 {
		if n == 0 {
			return &Error{ProtocolError, "WINDOW_UPDATE of 0"}
		}
		c.sendWindow += n
		if c.sendWindow > maxWindow {
			return &Error{FlowControlError, "WINDOW_UPDATE overflows the connection's window"}
		}
		return nil
	}
	if c.idle(h.stream) {
		return &Error{ProtocolError, "WINDOW_UPDATE on a stream that was never opened"}
	}
	s := c.streams.get(h.stream)
	if s == nil {
		return nil // it has just ended
	}
	if n == 0 {
		return c.streamError(now, h.stream, ProtocolError, "WINDOW_UPDATE of 0", ev)
	}
	s.sendWindow += n
	if s.sendWindow > maxWindow {
		return c.streamError(now, h.stream, FlowControlError, "WINDOW_UPDATE overflows the stream's window", ev)
	}
	c.ready(s)
	return nil
}

// bdp estimates how many bytes are on the path at once: what comes in between a
// PING and its acknowledgement. Streams' receive windows follow it.
type bdp struct {
	due   bool  // a stream has used up half of its window
	bytes int64 // since the PING
	sent  int64
	under bool
	best  int64 // highest rate seen, bytes a second
}

// sample sends the PING, when a stream's window has just been opened again and a frame
// of n bytes has begun to come: the first that counts, since it may fill the window.
func (c *Conn) sample(now, n int64) {
	if c.bdp.under || c.streamTarget >= int64(c.cfg.MaxWindow) || !c.mayPing() {
		return
	}
	c.bdp.under, c.bdp.bytes, c.bdp.sent = true, n, now
	c.pingsInQuiet++
	c.pingsOut++
	c.Out = appendPing(c.Out, 0, pingBDP)
}

// sampled takes the acknowledgement: if the window was nearly full within one
// round trip, it was what held the peer back.
func (c *Conn) sampled(now int64) {
	c.bdp.under = false
	took := max(now-c.bdp.sent, 1)
	rate := c.bdp.bytes * 1e9 / took
	if c.bdp.bytes*3 < c.streamTarget*2 || rate <= c.bdp.best {
		return
	}
	c.bdp.best = rate
	c.streamTarget = max(c.streamTarget, min(2*c.bdp.bytes, int64(c.cfg.MaxWindow)))
}

// heard notes HEADERS or DATA of the peer. They may have been sent before the PINGs
// came there whose acknowledgements have not come back: those still count.
func (c *Conn) heard(now int64) {
	c.lastData, c.pingsInQuiet = now, c.pingsOut
}

// mayPing reports whether the peer will not hold another PING against us.
func (c *Conn) mayPing() bool {
	return c.peer.lupine || c.pingsInQuiet < maxForeignPings
}

// Tick does what is due by the clock. It returns when to call it again, or 0 if
// nothing is running, and whether the peer must be taken for dead.
func (c *Conn) Tick(now int64) (next int64, dead bool) {
	if c.cfg.KeepAlive <= 0 || c.streams.n == 0 || c.failed {
		return 0, false
	}
	if c.pingSent != 0 {
		if c.lastRead > c.pingSent {
			c.pingSent = 0 // it lives, if too busy to answer
		} else if now-c.pingSent >= c.cfg.KeepAliveTimeout {
			return 0, true
		} else {
			return c.pingSent + c.cfg.KeepAliveTimeout, false
		}
	}
	if due := c.lastRead + c.cfg.KeepAlive; now < due {
		return due, false
	}
	if !c.mayPing() {
		return now + c.cfg.KeepAlive, false
	}
	c.pingSent = now
	c.pingsInQuiet++
	c.pingsOut++
	c.Out = appendPing(c.Out, 0, pingKeepAlive)
	return now + c.cfg.KeepAliveTimeout, false
}

// Silence is how long nothing has come from the peer, in nanoseconds.
func (c *Conn) Silence(now int64) int64 { return now - c.lastRead }

// Drain begins a graceful shutdown (RFC 9113, 6.8). A server's first GOAWAY
// leaves room for the streams that are on their way; EventDrained, or the
// owner's clock, then calls for DrainNow. A client is done at once.
func (c *Conn) Drain() {
	if c.drainStarted || c.failed {
		return
	}
	c.drainStarted = true
	if !c.cfg.Server {
		c.goAwaySent = true
		c.Out = appendGoAway(c.Out, 0, NoError, "")
		return
	}
	c.drainPing = true
	c.Out = appendGoAway(c.Out, maxStreamID, NoError, "")
	c.Out = appendPing(c.Out, 0, pingDrain)
}

// DrainNow sends a server's final GOAWAY: streams above the last one that came
// will not be looked at.
func (c *Conn) DrainNow() {
	if c.goAwaySent || c.failed {
		return
	}
	c.goAwaySent, c.goAwayLast = true, c.maxPeer
	c.Out = appendGoAway(c.Out, c.maxPeer, NoError, "")
}

// GoneAway reports whether the final GOAWAY has been sent.
func (c *Conn) GoneAway() bool { return c.goAwaySent }
