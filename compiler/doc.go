// Package compiler is Lupine's stub compiler: it reads .proto files and writes
// Go message types, a codec for them, and client and server stubs. It needs no
// protoc and no plugins.
//
// Three steps, each with one entry point. [Link] reads and links sources into
// descriptors. [Compile] does that and generates Go, and [Result.Write] puts
// the files where they belong. [RunPlugin] is the same generator as a protoc
// plugin, with another compiler's descriptors as its input.
//
// Everything that is wrong with a source comes back as one [Errors] value, in
// which every entry has a file, a line and a column. Nothing is written when
// there is an error.
//
// What the generator does not do: it runs no options as code, it generates
// nothing for files that are only imported, and it keeps no state between runs.
package compiler
