// Package h2 is gRPC over HTTP/2, client and server, on an engine of its own.
//
//	srv.Serve(ctx, h2.Listen(":8443", h2.Config{TLS: config}))
//	conn, err := lupine.Dial(ctx, h2.To("guide.example:8443", h2.Config{TLS: config}))
//
// The nouns: a link is one connection with its engine (internal/engine, a state
// machine without I/O); a session is a client's link, a served a server's. Each
// has two roles that pass from goroutine to goroutine: the writer, who hands the
// kernel what everybody has queued, and the reader. docs/h2.md says who holds
// them when, lists every limit, and says what is on the wire.
//
// Cancelling a call's context ends the call at once at this end and resets its
// stream, which cancels the handler's context at the other.
//
// Limitations: a dead peer that is not Lupine is noticed within three seconds
// only while TCP can tell; server push, priorities and extended CONNECT are not
// supported; at-most-once calls and peer calls are not, since gRPC has no room for
// them.
package h2
