package engine

import (
	"encoding/binary"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// style rewrites the frames that leave n as another implementation might send
// them: padded, cut up, with frames between them that mean nothing. All of it is
// legal, and what padding takes off the windows is taken off ours.
func (n *node) style(b []byte) []byte {
	w := n.c.w
	out := n.styled[:0]
	if !n.server && !n.greeted {
		out = append(out, b[:len(Preface)]...)
		b = b[len(Preface):]
	}
	n.acksAhead = 0
	for q := b; len(q) > 0; {
		h := parseFrameHeader(q)
		if h.typ == frameSettings && h.flags&flagAck != 0 {
			n.acksAhead++
		}
		q = q[frameHeaderLen+int(h.length):]
	}
	for len(b) > 0 {
		h := parseFrameHeader(b)
		if h.typ == frameSettings && h.flags&flagAck != 0 {
			n.acksAhead--
		}
		p := b[frameHeaderLen : frameHeaderLen+int(h.length)]
		b = b[frameHeaderLen+int(h.length):]
		if w.bug.frame != nil && w.bug.frame(n, &h, p) {
			continue
		}
		n.checkFrame(h, p)
		if w.trace.Log != nil {
			n.logFrame(h, p)
		}
		out = n.restyle(out, h, p)
	}
	n.greeted = true
	n.styled = out
	return out
}

func (n *node) restyle(out []byte, h frameHeader, p []byte) []byte {
	c, w := n.cfg, n.c.w
	r := w.rand
	if h.typ != frameContinuation && n.greeted && r.Chance(c.junk) {
		out = n.junk(out, h)
	}
	switch h.typ {
	case frameSettings:
		if !n.greeted && c.foreign {
			for q := p; len(q) >= 6; q = q[6:] {
				if binary.BigEndian.Uint16(q) == settingLupine {
					q[1]++ // a setting that nobody knows
				}
			}
		}
	case frameGoAway, frameWindow:
		if c.reserved {
			p[0] |= 0x80
		}
	case frameHeaders:
		if n.server && h.flags&flagEndStream == 0 {
			for len(p) > 0 && p[0]&0xe0 != 0x20 && r.Chance(c.inform) { // a change of the table's size comes first
				w.did("1xx responses")
				out = appendFrameHeader(out, 5, frameHeaders, flagEndHeaders, h.stream)
				out = append(out, 0x08, 3, '1', '0', '3') // :status by the static table's name
			}
		}
		return n.restyleHeaders(out, h, p)
	case frameData:
		return n.restyleData(out, h, p)
	}
	return n.put(out, h, nil, p, 0)
}

// put appends one frame, with padding if pad is above 0.
func (n *node) put(out []byte, h frameHeader, front, p []byte, pad int) []byte {
	size := len(front) + len(p) + pad
	if pad > 0 {
		h.flags |= flagPadded
	}
	at := len(out)
	out = appendFrameHeader(out, size, h.typ, h.flags, h.stream)
	if n.cfg.reserved {
		out[at+5] |= 0x80
	}
	if pad > 0 {
		out = append(out, byte(pad-1))
	}
	out = append(out, front...)
	out = append(out, p...)
	if pad > 0 {
		out = append(out, make([]byte, pad-1)...)
	}
	return out
}

func (n *node) restyleHeaders(out []byte, h frameHeader, p []byte) []byte {
	c, r, w := n.cfg, n.c.w.rand, n.c.w
	var front []byte
	if r.Chance(c.junk) && !n.server && len(p)+5 <= minMaxFrame {
		h.flags |= flagPriority
		front = []byte{0x80, 0, 0, 0, 200}
	}
	if h.flags&flagEndHeaders == 0 {
		w.did("header blocks above one frame")
	}
	pad := 0
	if r.Chance(c.pad) && len(p)+len(front)+256 < minMaxFrame {
		w.did("padded HEADERS")
		pad = 1 + r.IntN(256)
	}
	if h.flags&flagEndHeaders == 0 || !r.Chance(c.split) {
		return n.put(out, h, front, p, pad)
	}
	w.did("split HEADERS")
	h.flags &^= flagEndHeaders
	cut := r.IntN(len(p) + 1)
	out = n.put(out, h, front, p[:cut], pad)
	p = p[cut:]
	next := frameHeader{typ: frameContinuation, stream: h.stream}
	for k := r.IntN(3); k > 0; k-- {
		cut = r.IntN(len(p) + 1)
		out = n.put(out, next, nil, p[:cut], 0)
		p = p[cut:]
	}
	next.flags = flagEndHeaders
	return n.put(out, next, nil, p, 0)
}

func (n *node) restyleData(out []byte, h frameHeader, p []byte) []byte {
	c, r, w := n.cfg, n.c.w.rand, n.c.w
	if len(p) > 1 && r.Chance(c.split) {
		w.did("split DATA")
		cut := 1 + r.IntN(len(p)-1)
		first := h
		first.flags &^= flagEndStream
		if w.bug.loseEnd {
			h.flags = first.flags
		}
		out = n.put(out, first, nil, p[:cut], n.padding(h, cut))
		p = p[cut:]
	}
	return n.put(out, h, nil, p, n.padding(h, len(p)))
}

// padding chooses how much padding a DATA frame gets and takes it off the
// windows, as if the engine had added it.
func (n *node) padding(h frameHeader, size int) int {
	w := n.c.w
	if !w.rand.Chance(n.cfg.pad) {
		return 0
	}
	s := n.eng.streams.get(h.stream)
	if s == nil || n.acksAhead > 0 {
		// It has ended at this side, so that its window is not known; or SETTINGS
		// changed the window after this frame was made.
		return 0
	}
	pad := sim.Pick(w.rand, 1, 1+w.rand.IntN(256))
	if int64(pad) > min(s.sendWindow, n.eng.sendWindow) || size+pad > int(n.eng.peer.maxFrame) || size+pad > minMaxFrame {
		return 0
	}
	w.did("padded DATA")
	if w.bug.padTwice {
		n.eng.sendWindow -= int64(pad)
	}
	s.sendWindow -= int64(pad)
	n.eng.sendWindow -= int64(pad)
	return pad
}

// junk appends a frame that means nothing.
func (n *node) junk(out []byte, h frameHeader) []byte {
	r := n.c.w.rand
	n.c.w.did("frames without meaning")
	switch r.IntN(4) {
	case 0:
		return append(appendFrameHeader(out, 5, framePriority, 0, 1+2*uint32(r.IntN(50))), 0, 0, 0, 0, 10)
	case 1:
		return appendPing(out, flagAck, r.Uint64())
	case 2:
		if h.typ == frameData {
			return appendFrameHeader(out, 0, frameData, 0, h.stream)
		}
	}
	k := r.IntN(50)
	out = appendFrameHeader(out, k, frameType(0x20+r.IntN(200)), uint8(r.Uint32()), r.Uint32()&maxStreamID)
	return append(out, make([]byte, k)...)
}

var frameNames = [...]string{"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"}

func (n *node) logFrame(h frameHeader, p []byte) {
	more := ""
	switch h.typ {
	case frameWindow, frameRST:
		more = " " + itoa(binary.BigEndian.Uint32(p))
	case frameGoAway:
		more = " last " + itoa(binary.BigEndian.Uint32(p)) + " code " + itoa(binary.BigEndian.Uint32(p[4:]))
	}
	if h.flags&flagEndStream != 0 {
		if h.typ == frameData || h.typ == frameHeaders {
			more += " END_STREAM"
		} else {
			more += " ACK"
		}
	}
	n.c.w.logf("  %v sends %s on stream %d, %d bytes%s", n, frameNames[h.typ], h.stream, len(p), more)
}
