package engine

import (
	"encoding/binary"
	"fmt"
)

// Settings (RFC 9113, 6.5.2), and our own.
const (
	settingTableSize  = 0x1
	settingPush       = 0x2
	settingMaxStreams = 0x3
	settingWindow     = 0x4
	settingMaxFrame   = 0x5
	settingHeaderList = 0x6
	// settingLupine, with the value 1, says that the sender is Lupine. Others
	// must ignore it (RFC 9113, 6.5.2), and a proxy does not pass it on, which is
	// why it is not a header: it is about this connection's other end.
	settingLupine = 0x4c50
	lupineMark    = 1
)

// peerSettings is what the peer has told us, or the defaults.
type peerSettings struct {
	maxStreams uint32
	window     int32
	maxFrame   uint32
	headerList uint32
	lupine     bool
	seen       bool
}

func appendSetting(dst []byte, id uint16, v uint32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, id)
	return binary.BigEndian.AppendUint32(dst, v)
}

// start appends what we send first.
func (c *Conn) start() {
	if !c.cfg.Server {
		c.Out = append(c.Out, Preface...)
	}
	at := len(c.Out)
	c.Out = appendFrameHeader(c.Out, 0, frameSettings, 0, 0)
	if c.cfg.Server {
		c.Out = appendSetting(c.Out, settingMaxStreams, c.cfg.MaxStreams)
	} else {
		c.Out = appendSetting(c.Out, settingPush, 0)
	}
	if c.cfg.StreamWindow != defaultWindow {
		c.Out = appendSetting(c.Out, settingWindow, uint32(c.cfg.StreamWindow))
	}
	if c.cfg.MaxFrame != minMaxFrame {
		c.Out = appendSetting(c.Out, settingMaxFrame, c.cfg.MaxFrame)
	}
	c.Out = appendSetting(c.Out, settingHeaderList, uint32(c.cfg.MaxHeaderBytes))
	c.Out = appendSetting(c.Out, settingLupine, lupineMark)
	n := len(c.Out) - at - frameHeaderLen
	c.Out[at], c.Out[at+1], c.Out[at+2] = byte(n>>16), byte(n>>8), byte(n)
	c.settingsUnacked = true
	c.recvWindow = defaultWindow
	if c.cfg.ConnWindow > defaultWindow {
		c.Out = appendWindow(c.Out, 0, uint32(c.cfg.ConnWindow-defaultWindow))
		c.recvWindow = int64(c.cfg.ConnWindow)
	}
}

// settings handles a SETTINGS frame.
func (c *Conn) settings(now int64, h frameHeader, p []byte) *Error {
	if h.stream != 0 {
		return &Error{ProtocolError, "SETTINGS on a stream"}
	}
	if h.flags&flagAck != 0 {
		if len(p) != 0 {
			return &Error{FrameSizeError, "SETTINGS acknowledgement with a payload"}
		}
		c.settingsUnacked = false
		return c.control(now)
	}
	if len(p)%6 != 0 {
		return &Error{FrameSizeError, fmt.Sprintf("SETTINGS of %d bytes, not a multiple of 6", len(p))}
	}
	window := c.peer.window
	for ; len(p) > 0; p = p[6:] {
		if err := c.setting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:]), &window); err != nil {
			return err
		}
	}
	if window != c.peer.window {
		// Once a frame, however often the frame says it: every stream is touched.
		if err := c.initialWindow(window); err != nil {
			return err
		}
	}
	c.peer.seen = true
	c.Out = appendFrameHeader(c.Out, 0, frameSettings, flagAck, 0)
	if err := c.provoke(); err != nil {
		return err
	}
	return c.control(now)
}

func (c *Conn) setting(id uint16, v uint32, window *int32) *Error {
	switch id {
	case settingTableSize:
		c.Enc.SetLimit(v)
	case settingPush:
		if v > 1 || v == 1 && !c.cfg.Server {
			return &Error{ProtocolError, fmt.Sprintf("SETTINGS_ENABLE_PUSH is %d", v)}
		}
	case settingMaxStreams:
		c.peer.maxStreams = v
	case settingWindow:
		if v > maxWindow {
			return &Error{FlowControlError, fmt.Sprintf("SETTINGS_INITIAL_WINDOW_SIZE is %d", v)}
		}
		*window = int32(v)
	case settingMaxFrame:
		if v < minMaxFrame || v > maxMaxFrame {
			return &Error{ProtocolError, fmt.Sprintf("SETTINGS_MAX_FRAME_SIZE is %d", v)}
		}
		c.peer.maxFrame = v
	case settingHeaderList:
		c.peer.headerList = v
	case settingLupine:
		c.peer.lupine = v == lupineMark
	}
	return nil
}

// initialWindow changes the send window of every stream by the difference
// (RFC 9113, 6.9.2).
func (c *Conn) initialWindow(v int32) *Error {
	d := int64(v) - int64(c.peer.window)
	c.peer.window = v
	for s := c.streams.first; s != nil; s = s.nextStream {
		s.sendWindow += d
		if s.sendWindow > maxWindow {
			return &Error{FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE overflows a stream's window"}
		}
		c.ready(s)
	}
	return nil
}
