//go:build race

package protobuf_test

// The race detector allocates too.
func init() { racing = true }
