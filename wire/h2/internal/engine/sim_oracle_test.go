package engine

import "encoding/binary"

// quiet reports whether nothing is under way on a connection that lives.
func (c *simConn) quiet() bool {
	if c.client.dead || c.server.dead || c.hung || c.cut || c.up.Len()+c.down.Len() > 0 {
		return false
	}
	return len(c.client.eng.Out) == 0 && len(c.server.eng.Out) == 0
}

// conserved checks a quiet connection: what one side may send is what the other
// side will take, stream by stream, and both know of the same streams.
func (c *simConn) conserved() {
	w := c.w
	w.did("books compared")
	if c.onTrial != nil {
		w.fail(badAttack, "conn %d: %s did nothing", c.n, c.onTrial.name)
		return
	}
	for _, n := range []*node{c.client, c.server} {
		n.checkSelf()
		if n.eng.sendWindow != n.peer.eng.recvWindow {
			w.fail(badWindow, "%v may send %d bytes on the connection, its peer takes %d", n, n.eng.sendWindow, n.peer.eng.recvWindow)
		}
		n.checkSettings()
	}
	a, b := c.client.eng, c.server.eng
	for s, t := a.streams.first, b.streams.first; s != nil || t != nil; s, t = s.nextStream, t.nextStream {
		if s == nil || t == nil || s.ID != t.ID {
			w.fail(badTable, "conn %d: client has %d streams, server %d; they differ from %v and %v on", c.n, a.Streams(), b.Streams(), idOf(s), idOf(t))
			return
		}
		if s.sendWindow != t.recvWindow || t.sendWindow != s.recvWindow {
			w.fail(badWindow, "conn %d, stream %d: client may send %d, server takes %d; server may send %d, client takes %d",
				c.n, s.ID, s.sendWindow, t.recvWindow, t.sendWindow, s.recvWindow)
		}
		if s.SentEnd != t.RecvEnd || t.SentEnd != s.RecvEnd {
			w.fail(badEnd, "conn %d, stream %d: sent and received END_STREAM differ", c.n, s.ID)
		}
	}
}

func idOf(s *Stream) uint32 {
	if s == nil {
		return 0
	}
	return s.ID
}

// checkSelf checks one engine of a quiet connection.
func (n *node) checkSelf() {
	w, e := n.c.w, n.eng
	switch {
	case len(n.in) > 0:
		w.fail(badOrder, "%v: %d bytes are left over", n, len(n.in))
	case e.inData && e.dataLeft > 0 || e.skip > 0 || e.blockStream != 0:
		w.fail(badOrder, "%v: within a frame, and nothing is under way", n)
	case e.readyFirst != nil && e.sendWindow > 0:
		w.fail(badLiveness, "%v: stream %d could send and does not", n, e.readyFirst.ID)
	case e.Held() != n.live:
		w.fail(badTable, "%v holds %d streams for %d handlers", n, e.Held(), n.live)
	case 2*e.recvWindow <= int64(e.cfg.ConnWindow): // the target may have grown since
		w.fail(badWindow, "%v takes only %d bytes on the connection, and owes the peer %d", n, e.recvWindow, e.recvTarget-e.recvWindow)
	}
	grants, wants := int64(0), 0
	for s := e.streams.first; s != nil; s = s.nextStream {
		grants += s.grant
		wants += int(flag(s.inWant))
		owed := s.target + s.grant - s.unread - s.recvWindow
		switch {
		case s.Closed:
			w.fail(badTable, "%v, stream %d: closed, and in the table", n, s.ID)
		case s.unread < 0:
			w.fail(badWindow, "%v, stream %d: %d bytes unread", n, s.ID, s.unread)
		case !s.RecvEnd && owed > 0 && 2*owed >= s.target:
			w.fail(badWindow, "%v, stream %d: the peer is owed %d bytes", n, s.ID, owed)
		case len(s.pending) > 0 && s.sendWindow > 0 && !s.queued:
			w.fail(badLiveness, "%v, stream %d: data is pending, and the stream in no queue", n, s.ID)
		}
	}
	k := 0
	for s := e.wantFirst; s != nil; s = s.nextWant {
		k++
	}
	if grants != e.assembling || wants != k {
		w.fail(badWindow, "%v: grants of %d are held for %d; %d streams want, %d are listed", n, grants, e.assembling, wants, k)
	}
	if k > 0 {
		w.did("message waits for its grant")
	}
}

// checkSettings checks that the peer goes by our settings.
func (n *node) checkSettings() {
	w, e, p := n.c.w, n.eng, &n.peer.eng.peer
	switch {
	case len(n.changes) > 0:
		w.fail(badLiveness, "%v: %d SETTINGS were not acknowledged", n, len(n.changes))
	case p.window != e.cfg.StreamWindow || p.maxFrame != e.cfg.MaxFrame || n.server && p.maxStreams != e.cfg.MaxStreams:
		w.fail(badWindow, "%v: its peer goes by other settings: %+v", n, *p)
	case p.lupine == n.cfg.foreign:
		w.fail(badConn, "%v: the mark was taken wrongly", n)
	}
}

// checkMemory checks what an engine keeps.
func (n *node) checkMemory() {
	e := n.eng
	switch {
	case len(e.Out) > maxOutput:
		n.c.w.fail(badMemory, "%v: %d bytes wait to be written", n, len(e.Out))
	case len(e.recent) > e.recentSize:
		n.c.w.fail(badMemory, "%v: %d ids are remembered", n, len(e.recent))
	case len(e.block) > e.blockLimit():
		n.c.w.fail(badMemory, "%v: a header block of %d bytes is kept", n, len(e.block))
	case len(n.in) > e.Need()+64<<10+maxOutput:
		n.c.w.fail(badMemory, "%v: %d bytes wait to be read", n, len(n.in))
	}
}

// finished checks a connection after the last call has ended.
func (c *simConn) finished() {
	if c.client.dead || c.server.dead {
		return
	}
	w := c.w
	if !c.quiet() {
		w.fail(badLiveness, "conn %d: bytes are under way, and nothing is left to do", c.n)
		return
	}
	c.conserved()
	for _, n := range []*node{c.client, c.server} {
		e := n.eng
		if e.Streams() != 0 || e.Held() != 0 || e.assembling != 0 || e.wantFirst != nil || e.readyFirst != nil || len(e.streams.overflow) != 0 {
			w.fail(badTable, "%v at the end: %d streams, %d held, grants of %d", n, e.Streams(), e.Held(), e.assembling)
		}
		if e.bdp.under || e.drainPing {
			w.fail(badLiveness, "%v at the end: a PING was not answered", n)
		}
	}
}

// checkFrame checks a frame that an engine sends to an honest peer.
func (n *node) checkFrame(h frameHeader, p []byte) {
	if h.typ != frameRST || n.c.attacker != nil {
		return
	}
	switch code := Code(binary.BigEndian.Uint32(p)); code {
	case NoError, Cancel, InternalError, RefusedStream: // a driver's own
	default:
		n.c.w.fail(badConn, "%v resets stream %d with %v", n, h.stream, code)
	}
}

// pinged counts a keepalive PING, when the engine makes it: the network may take
// it much later.
func (n *node) pinged() {
	if at := n.eng.lastData; at != n.dataAt {
		n.dataAt, n.pings = at, 0
	}
	if n.pings++; n.pings > maxForeignPings && n.peer.cfg.foreign {
		n.c.w.fail(badConn, "%v sends PING %d to a foreign peer that has sent nothing", n, n.pings)
	}
}
