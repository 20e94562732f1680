// Package protobuf is Lupine's codec for Protocol Buffers messages.
//
// [Codec] is what a program uses. It has three roads, tried in this order:
//
//   - methods that Lupine's stub compiler wrote beside the message type
//     ([Message]): no reflection;
//   - built-in fast paths for Google's well-known types (Timestamp, Duration,
//     Any, Empty, Struct, FieldMask, the wrappers);
//   - google.golang.org/protobuf for every other message, so that types which
//     were generated elsewhere simply work.
//
// All three give the same bytes and the same verdicts: what this package
// accepts, refuses and writes is what google.golang.org/protobuf accepts,
// refuses and writes (so unknown values of closed enums stay in their fields).
// The exceptions:
//
//   - the limit on nesting is lower ([DefaultMaxDepth]) and also counts unknown
//     groups;
//   - a required field missing in a field with the lazy option, or in any but
//     the first field of a oneof, is noticed here;
//   - a message of more than 4 KiB that lies inside more than 15 others of
//     types that can contain themselves has a length of five bytes, so that
//     encoding takes linear time.
//
// # Memory
//
// A decoded message never refers to the bytes it was decoded from. Its strings
// and byte fields share a few copies of the input (one for inputs up to 4 KiB),
// and the elements of a repeated message field are allocated together. A
// long-lived string therefore keeps at most [MaxRegion] bytes of its
// neighbours alive; strings.Clone sets it free.
//
// Whoever reads many messages, one at a time, and keeps none of them can opt into
// memory that is used again, and into strings that point into the input: see
// [Arena].
//
// Nothing is allocated because a peer announced it: every count comes from
// bytes that have arrived.
//
// # For generated code
//
// All names other than Codec, its limits and the error values are called by
// generated code only. Functions named Append write a field always, Put unless
// it is zero, Opt unless it is nil; Read functions take a buffer and the index
// of a value in it and return the index after the value, or a negative number
// when the input is bad. None of them is safe for concurrent use with one
// Encoder or Decoder.
//
// The wire format is described at https://protobuf.dev/programming-guides/encoding/.
package protobuf
