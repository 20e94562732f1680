// Package engine is one HTTP/2 connection (RFC 9113) as a state machine.
//
// A Conn is fed the bytes that came in (Next) and appends the bytes to go out
// to Out. It starts no goroutine, does no I/O, never reads the clock: now is an
// argument, in nanoseconds since any fixed moment. It is not safe for
// concurrent use; its owner holds a lock.
//
// The nouns: a Conn has Streams; an Event is what a piece of input means to
// them; a Head is a decoded header block. Everything the peer can feed is
// bounded by a field of Config or a constant of limits.go.
package engine
