// Package routeguide is the example service: messages and stubs that lupine gen
// made of routeguide.proto, and their sources, for the demo to compile again in
// front of the reader.
package routeguide

import "embed"

//go:generate go run github.com/lupine-rpc/lupine/cmd/lupine gen -q -I ../.. routeguide.proto

// Proto is the import name that routeguide.proto was compiled under.
const Proto = "examples/routeguide/routeguide.proto"

// Source holds routeguide.proto and the files that lupine gen made of it.
//
//go:embed routeguide.proto routeguide.pb.go routeguide_lupine.go
var Source embed.FS
