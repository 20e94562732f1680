// Package hostile attacks Lupine over real connections: raw HTTP/2 frames, TLS and
// protobuf against a server process, and hostile servers against a client
// process, while bystanders call. Its tests measure what an attack costs and hold
// it against a bar; their counterparts see to it that an honest peer in the worst
// weather is never taken for an attacker.
//
//	go test ./hostile     # every attack, short
//	make hostile          # every attack at length; writes docs/HOSTILE.md
//
// Everything runs on loopback and is bounded in count and in time.
package hostile
