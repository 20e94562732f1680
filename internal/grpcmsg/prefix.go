package grpcmsg

import (
	"encoding/binary"
	"math"

	"github.com/lupine-rpc/lupine"
)

// PrefixLen is the number of bytes before each message: the compressed flag and
// four bytes of length (PROTOCOL-HTTP2, Length-Prefixed-Message).
const PrefixLen = 5

// minGrow is the least room a receiving buffer is given, in bytes.
const minGrow = 4 << 10

// ParsePrefix reads the prefix of a message from the first PrefixLen bytes of
// b, which must be there. It fails with Internal when the compressed flag is
// neither 0 nor 1.
func ParsePrefix(b []byte) (compressed bool, length uint32, err error) {
	_ = b[PrefixLen-1]
	if b[0] > 1 {
		return false, 0, fail(lupine.Internal, "the compressed flag before a message is %d; it is 0 or 1", b[0])
	}
	return b[0] == 1, binary.BigEndian.Uint32(b[1:PrefixLen]), nil
}

// PutPrefix writes a prefix over the first PrefixLen bytes of b, for a sender
// that leaves room and marshals behind it.
func PutPrefix(b []byte, compressed bool, length uint32) {
	_ = b[PrefixLen-1]
	b[0] = 0
	if compressed {
		b[0] = 1
	}
	binary.BigEndian.PutUint32(b[1:PrefixLen], length)
}

// AppendPrefix appends a prefix to dst.
func AppendPrefix(dst []byte, compressed bool, length uint32) []byte {
	var flag byte
	if compressed {
		flag = 1
	}
	return binary.BigEndian.AppendUint32(append(dst, flag), length)
}

// CheckReceive returns nil if a message of length bytes may be received under
// limit, else ResourceExhausted. A limit of zero is lupine.DefaultMaxReceive,
// a negative one is none. Call it before making room.
func CheckReceive(length uint32, limit int) error {
	if limit == 0 {
		limit = lupine.DefaultMaxReceive
	}
	if limit < 0 {
		limit = math.MaxInt - PrefixLen // what a 32-bit machine can address
	}
	if uint64(length) <= uint64(limit) {
		return nil
	}
	return fail(lupine.ResourceExhausted, "a message of %d bytes is larger than the receive limit of %d bytes; raise the limit or send less", length, limit)
}

// CheckSend returns nil if a message of length bytes may be sent under limit,
// else ResourceExhausted. A limit of zero or less is what the prefix can say,
// 4 GiB - 1.
func CheckSend(length, limit int) error {
	if limit <= 0 {
		if uint64(length) <= 1<<32-1 {
			return nil
		}
		return fail(lupine.ResourceExhausted, "a message of %d bytes is larger than gRPC can carry (4 GiB)", length)
	}
	if length <= limit {
		return nil
	}
	return fail(lupine.ResourceExhausted, "a message of %d bytes is larger than the send limit of %d bytes; raise the limit or send less", length, limit)
}

// GrowTo returns how large the buffer of a message may be made when received of
// its announced bytes have come: at most twice what was received, so that a
// peer which only announces costs nothing. It is never less than received, nor
// more than announced.
func GrowTo(received, announced int) int {
	if received > announced/2 {
		return max(announced, received) // and 2*received cannot overflow below
	}
	return min(max(2*received, minGrow), announced)
}
