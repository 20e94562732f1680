package engine

import "encoding/binary"

// frameHeaderLen is the size of a frame's header (RFC 9113, 4.1).
const frameHeaderLen = 9

// Preface is what a client sends first (RFC 9113, 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frameType is a frame's type (RFC 9113, 6).
type frameType uint8

const (
	frameData         frameType = 0x0
	frameHeaders      frameType = 0x1
	framePriority     frameType = 0x2
	frameRST          frameType = 0x3
	frameSettings     frameType = 0x4
	framePush         frameType = 0x5
	framePing         frameType = 0x6
	frameGoAway       frameType = 0x7
	frameWindow       frameType = 0x8
	frameContinuation frameType = 0x9
)

// Frame flags. ACK and END_STREAM share a bit.
const (
	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// frameHeader is a decoded frame header.
type frameHeader struct {
	length uint32
	typ    frameType
	flags  uint8
	stream uint32
}

// parseFrameHeader reads the nine bytes at the start of b. The reserved bit is
// ignored, as RFC 9113, 4.1 asks.
func parseFrameHeader(b []byte) frameHeader {
	_ = b[8]
	return frameHeader{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		typ:    frameType(b[3]),
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1),
	}
}

func appendFrameHeader(dst []byte, length int, t frameType, flags uint8, stream uint32) []byte {
	return append(dst, byte(length>>16), byte(length>>8), byte(length), byte(t), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

func appendRST(dst []byte, stream uint32, code Code) []byte {
	dst = appendFrameHeader(dst, 4, frameRST, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindow(dst []byte, stream, n uint32) []byte {
	dst = appendFrameHeader(dst, 4, frameWindow, 0, stream)
	return binary.BigEndian.AppendUint32(dst, n)
}

func appendPing(dst []byte, flags uint8, payload uint64) []byte {
	dst = appendFrameHeader(dst, 8, framePing, flags, 0)
	return binary.BigEndian.AppendUint64(dst, payload)
}

func appendGoAway(dst []byte, last uint32, code Code, debug string) []byte {
	dst = appendFrameHeader(dst, 8+len(debug), frameGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, debug...)
}

// unpad strips the padding of a HEADERS payload (RFC 9113, 6.2).
func unpad(p []byte) ([]byte, bool) {
	if len(p) < 1 || int(p[0]) > len(p)-1 {
		return nil, false
	}
	return p[1 : len(p)-int(p[0])], true
}
