// Package hostile attacks Lupine over real connections: raw HTTP/2 frames, TLS and
// protobuf against a server process, and hostile servers against a client
// process, while bystanders call. Its tests measure what an attack costs and hold
// it against a bar; their counterparts see to it that an honest peer in the worst
// weather is never taken for an attacker.
//
//	make hostile                 # every attack, short
//	make hostile HOSTILE=full    # every attack at length
//	make hostile-doc             # the same, and puts the tables into docs/HOSTILE.md
//	make hostile-reference       # what costs memory, against grpc-go's server
//
// Everything runs on loopback and is bounded in count and in time.
package hostile
