// Package engine is one session of RPC over UDP as a state machine. The
// protocol is docs/rudp.md; the numbers in the comments here are its sections.
//
// Codecs: packets (packet.go, clear.go) hold frames (frame.go, ack.go,
// stream.go); stream frames carry records (head.go, record.go, fields.go,
// status.go), whose paths and fields may be references into a dictionary (dict.go,
// define.go); parameters (params.go) and cookies (cookie.go) belong to the
// handshake.
//
// The session: Conn (conn.go, config.go, api.go) takes in packets (receive.go,
// came.go, loss.go), runs calls (caller.go, callee.go, slot.go), keeps what comes
// (intake.go, inflow.go, assemble.go, grant.go) and what goes (outflow.go), makes
// datagrams (send.go, contents.go, sent.go) and looks after itself (session.go,
// handshake.go, crypto.go, keys.go, path.go, mtu.go). Opener (open.go) opens
// datagrams without the session's lock; Front (front.go) is what a server does
// before there is a session.
//
// Nothing here does I/O, reads a clock, starts a goroutine or draws random
// numbers. Nothing is safe for concurrent use; the owner of a session has one
// lock for it. Parsed values are parts of the bytes that were parsed, and stay
// good only as long as those.
package engine
