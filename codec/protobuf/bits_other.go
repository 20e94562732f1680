//go:build !amd64

package protobuf

const fastBits = false

func packWords(*byte, *[block]uint64, int) int { panic("not for this processor") }

func unpackBlock(*[block]uint64, *byte, int) (n, next int) { panic("not for this processor") }
