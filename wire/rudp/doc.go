// Package rudp is RPC over UDP: two datagrams for a small call, at most one run of
// it whatever is lost, and TLS 1.3 around all.
//
//	srv.Serve(ctx, rudp.Listen(":8443", rudp.Config{TLS: config}))
//	conn, err := lupine.Dial(ctx, rudp.To("guide.example:8443", rudp.Config{TLS: config}))
//
// docs/rudp.md is the protocol, with every limit and what a caller is promised when
// datagrams, paths or processes fail. This package is its driver: internal/engine is
// the state machine, internal/udp the sockets.
//
// A session has one lock and its engine. Two roles pass from goroutine to goroutine:
// the sender, who seals and sends what everybody has queued, and the reader. At a
// client, a lone caller reads for itself; at a listener one goroutine reads for all
// sessions, and runs quick handlers itself.
package rudp
