// Package differential runs one closure at a caller and one at a handler through
// grpc-go and through Lupine, in all four combinations of client and server, and
// wants the same from each: what either side received, in which order, how the call
// ended, with which text, details and metadata. The messages are those of
// internal/testpb, so that there is one registry and no second copy of a type:
// grpc-go's client goes through ClientConn.Invoke and NewStream, its server is
// registered by hand.
//
// There is a table of scenarios by hand and a generator of scenarios from a seed;
// go test -seed N -scenarios M runs others. What is meant to differ stands in
// differences, each with the reason, and is tested to differ in that way.
package differential
