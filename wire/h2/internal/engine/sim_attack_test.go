package engine

import "strconv"

func itoa(v uint32) string { return strconv.FormatUint(uint64(v), 10) }

// attack is a way to break the protocol that a side's engine must stop.
type attack struct {
	name     string
	byServer bool
	byClient bool
	code     Code // how the connection must end; NoError: it must go on
	frames   func(n *node) []byte
}

func rawFrame(t frameType, flags uint8, stream uint32, p ...byte) func(*node) []byte {
	return func(*node) []byte {
		return append(appendFrameHeader(nil, len(p), t, flags, stream), p...)
	}
}

func repeat(n int, frame []byte) (b []byte) {
	for range n {
		b = append(b, frame...)
	}
	return b
}

var attacks = []attack{
	{"CONTINUATION without end", false, true, EnhanceYourCalm, func(n *node) []byte {
		b := append(appendFrameHeader(nil, 1, frameHeaders, 0, n.eng.nextID), 0x88)
		return append(b, repeat(2*maxContinuations, appendFrameHeader(nil, 0, frameContinuation, 0, n.eng.nextID))...)
	}},
	{"a header block that is too long", false, true, EnhanceYourCalm, func(n *node) []byte {
		b := appendFrameHeader(nil, 0, frameHeaders, 0, n.eng.nextID)
		one := append(appendFrameHeader(nil, minMaxFrame, frameContinuation, 0, n.eng.nextID), make([]byte, minMaxFrame)...)
		return append(b, repeat(n.peer.eng.blockLimit()/minMaxFrame+1, one)...)
	}},
	{"WINDOW_UPDATE of 0", true, true, ProtocolError, func(*node) []byte { return appendWindow(nil, 0, 0) }},
	{"WINDOW_UPDATE past 2^31-1", true, true, FlowControlError, func(*node) []byte { return repeat(2, appendWindow(nil, 0, maxWindow)) }},
	{"PING of 7 bytes", true, true, FrameSizeError, rawFrame(framePing, 0, 0, 1, 2, 3, 4, 5, 6, 7)},
	{"PING flood", true, true, EnhanceYourCalm, func(*node) []byte { return repeat(3*controlBurst, appendPing(nil, 0, 1)) }},
	{"SETTINGS flood", true, true, EnhanceYourCalm, func(*node) []byte {
		return repeat(3*controlBurst, appendFrameHeader(nil, 0, frameSettings, 0, 0))
	}},
	{"DATA on an idle stream", true, true, ProtocolError, rawFrame(frameData, 0, maxStreamID-1, 1)},
	{"HEADERS on an even stream", true, true, ProtocolError, rawFrame(frameHeaders, flagEndHeaders, 2, 0x88)},
	{"RST_STREAM on an idle stream", true, true, ProtocolError, rawFrame(frameRST, 0, maxStreamID-1, 0, 0, 0, 8)},
	{"SETTINGS_INITIAL_WINDOW_SIZE of 2^31", true, true, FlowControlError, rawFrame(frameSettings, 0, 0, 0, settingWindow, 0x80, 0, 0, 0)},
	{"SETTINGS on a stream", true, true, ProtocolError, rawFrame(frameSettings, 0, 1)},
	{"a bad index in a header block", false, true, CompressionError, func(n *node) []byte {
		return append(appendFrameHeader(nil, 2, frameHeaders, flagEndHeaders, n.eng.nextID), 0xff, 0x7f)
	}},
	{"a frame above SETTINGS_MAX_FRAME_SIZE", true, true, FrameSizeError, func(n *node) []byte {
		return appendFrameHeader(nil, maxMaxFrame, frameData, 0, 1)
	}},
	{"CONTINUATION alone", true, true, ProtocolError, rawFrame(frameContinuation, flagEndHeaders, 1, 0x88)},
	{"PUSH_PROMISE", true, false, ProtocolError, rawFrame(framePush, flagEndHeaders, 1, 0, 0, 0, 2, 0x88)},
	{"DATA after the end of a stream", false, true, NoError, func(n *node) []byte {
		id, first := n.eng.nextID-2, uint32(1)
		if n.eng.nextID > 1000 {
			first = n.eng.nextID - 100 // they began near the end
		}
		for ; id > first && id <= maxStreamID; id -= 2 {
			_, reset := n.peer.eng.recent[id]
			if id <= n.peer.eng.maxPeer && !reset && n.eng.streams.get(id) == nil && n.peer.eng.streams.get(id) == nil {
				break // both know of its end
			}
		}
		if id <= first || id > maxStreamID || n.eng.sendWindow < 5 {
			return nil // not the moment
		}
		n.eng.sendWindow -= 5
		return append(appendFrameHeader(nil, 5, frameData, 0, id), 1, 2, 3, 4, 5)
	}},
}

// attackOf returns the attack of a step.
func attackOf(st step) *attack {
	var fit []*attack
	for i := range attacks {
		if a := &attacks[i]; a.byServer && st.server || a.byClient && !st.server {
			fit = append(fit, a)
		}
	}
	return fit[st.value%int64(len(fit))]
}

// attack has n send an attack.
func (n *node) attack(a *attack) {
	c := n.c
	if c.attacker != nil || !n.greeted || !n.peer.greeted {
		return
	}
	n.flush() // whole frames before it
	if n.dead || len(n.eng.Out) > 0 {
		return // the network has no room
	}
	b := a.frames(n)
	if b == nil {
		return
	}
	c.w.did("attack: " + a.name)
	c.attacker = n
	if a.code != NoError {
		c.onTrial, c.faulty = a, true
	}
	n.out.Write(b)
}
