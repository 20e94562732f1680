package engine

// change is a SETTINGS frame in the middle of a connection. Our engine never
// sends one, but must follow other implementations' that do. The sender's part,
// to hold the peer to the new value from its acknowledgement on (RFC 9113,
// 6.5.3), is here.
type change struct {
	id      uint16
	value   uint32
	delta   int64  // of the initial window
	streams uint32 // client: streams from this id on began with the new window
}

// change sends SETTINGS.
func (n *node) change(id uint16, v uint32) {
	if n.dead {
		return
	}
	e := n.eng
	ch := change{id: id, value: v, streams: e.nextID}
	switch id {
	case settingWindow:
		for _, c := range n.changes {
			if c.id == settingWindow { // one at a time: streams that come between two would have no one window
				n.postponed = &ch
				return
			}
		}
		ch.delta = int64(v) - int64(e.cfg.StreamWindow)
		if !n.server {
			e.cfg.StreamWindow = int32(v) // the server will have read it before the next request
		}
		if ch.delta > 0 {
			n.moveWindows(ch) // the peer may use it before we hear that it knows
		}
	case settingMaxStreams:
		e.cfg.MaxStreams = v
	case settingMaxFrame:
		e.cfg.MaxFrame = max(e.cfg.MaxFrame, v) // either, until it is acknowledged
	}
	n.changes = append(n.changes, ch)
	e.Out = appendFrameHeader(e.Out, 6, frameSettings, 0, 0)
	e.Out = appendSetting(e.Out, id, v)
}

// acknowledged takes the acknowledgement of the first change, or of the
// engine's own SETTINGS.
func (n *node) acknowledged() {
	ch := n.changes[0]
	n.changes = n.changes[1:]
	e := n.eng
	switch ch.id {
	case settingTableSize:
		e.dec.SetLimit(ch.value)
	case settingMaxFrame:
		e.cfg.MaxFrame = ch.value
		for _, c := range n.changes {
			if c.id == settingMaxFrame {
				e.cfg.MaxFrame = max(e.cfg.MaxFrame, c.value)
			}
		}
	case settingWindow:
		if ch.delta <= 0 {
			n.moveWindows(ch)
		}
		if ch := n.postponed; ch != nil {
			n.postponed = nil
			n.change(ch.id, ch.value)
		}
	}
}

// moveWindows changes the receive windows of open streams, as the peer does or
// has done, and gives what messages need that are being put together.
func (n *node) moveWindows(ch change) {
	e := n.eng
	if n.server {
		e.cfg.StreamWindow = int32(ch.value)
	}
	e.streamTarget = int64(ch.value)
	for s := e.streams.first; s != nil; s = s.nextStream {
		if n.server || s.ID < ch.streams {
			s.recvWindow += ch.delta
		}
		if s.grant == 0 && !s.inWant { // else the message could not be whole
			// What a WINDOW_UPDATE has given cannot be asked back.
			s.target = max(int64(ch.value), s.recvWindow+s.unread)
		}
		if !s.RecvEnd {
			e.creditStream(s)
			n.wantAgain(s)
		}
	}
}

// restore sends what lets all calls end that a change keeps from it.
func (c *simConn) restore() {
	if c.client.dead || c.server.dead || c.hung {
		return
	}
	for _, n := range []*node{c.client, c.server} {
		n.change(settingWindow, defaultWindow)
		n.change(settingTableSize, 4096)
		if n.server {
			n.change(settingMaxStreams, max(n.eng.cfg.MaxStreams, 4))
		}
	}
}

// wantAgain asks for what a message needs whose window was taken back.
func (n *node) wantAgain(s *Stream) {
	var in *inflow
	switch o := s.Owner.(type) {
	case *clientCall:
		in = &o.in
	case *serverCall:
		in = &o.in
	}
	if k := in.missing(); in.whole == 0 && k > 0 {
		n.eng.Want(s, k)
	}
}
