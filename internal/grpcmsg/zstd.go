package grpcmsg

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The block layer of a zstd frame (RFC 8878, section 3.1.1.2).
const (
	zstdMaxBlock        = 128 << 10 // most bytes that one block decompresses to
	zstdBlockHeader     = 3
	zstdChecksum        = 4
	zstdRaw             = 0
	zstdRLE             = 1
	zstdCompressedBlock = 2

	// zstdSlack is room that lets the decoder copy eight bytes at a time at the
	// end of its output.
	zstdSlack = 16

	// zstdMaxBlocks is the most frames and blocks in one message. Each costs
	// microseconds whatever its size; full ones would make 8 GiB.
	zstdMaxBlocks = 1 << 16
)

var (
	errZstdTruncated = errors.New("the data ends within a frame")
	errZstdBlock     = errors.New("a block is of a reserved type or too large")
	errZstdSize      = errors.New("a frame announces more than its blocks can hold")
	errZstdBlocks    = errors.New("the data has more than 65536 blocks (limit zstdMaxBlocks)")
)

// zstdCompressor is zstd (RFC 8878). Encoder and decoder are made when first
// used: each holds megabytes.
type zstdCompressor struct {
	encoder func() *zstd.Encoder
	decoder func() *zstd.Decoder
}

var theZstd = &zstdCompressor{
	encoder: sync.OnceValue(newZstdEncoder),
	decoder: sync.OnceValue(newZstdDecoder),
}

// Zstd returns the zstd Compressor (RFC 8878), at its fastest level. There is
// one in a process, since its working memory is shared.
func Zstd() Compressor { return theZstd }

func newZstdEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithAllLitEntropyCompression(true), // else text without repeats is stored as it is
		zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("grpcmsg: " + err.Error()) // the options are constants
	}
	return e
}

func newZstdDecoder() *zstd.Decoder {
	// The capacity of the output is the limit: see Decompress. Decoding all at
	// once takes the output as its window, so a large window costs nothing.
	d, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic("grpcmsg: " + err.Error()) // the options are constants
	}
	return d
}

// Name returns "zstd".
func (*zstdCompressor) Name() string { return "zstd" }

// Compress implements Compressor.
func (z *zstdCompressor) Compress(dst, src []byte) ([]byte, error) {
	return z.encoder().EncodeAll(src, dst), nil
}

// Decompress implements Compressor. The size that a frame announces is not
// believed: the blocks that came bound what is made room for.
func (z *zstdCompressor) Decompress(dst *Plain, src []byte) error {
	most, exact, err := zstdSize(src)
	if err != nil {
		return err
	}
	if dst.limit >= 0 && most > int64(dst.limit) {
		if exact {
			return dst.tooLarge()
		}
		most = int64(dst.limit) + 1
	}
	if most > int64(^uint(0)>>1)-zstdSlack {
		return dst.tooLarge()
	}
	if err := dst.grow(int(most) + zstdSlack); err != nil {
		return err
	}
	// With the capacity as the limit the output stays in this buffer. A pooled
	// one may be larger than this message may become.
	room := dst.buf[:0:min(cap(dst.buf), int(most)+zstdSlack)]
	out, err := z.decoder().DecodeAll(src, room)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || err == nil && dst.limit >= 0 && len(out) > dst.limit {
		return dst.tooLarge()
	}
	if err != nil {
		return err
	}
	dst.buf = dst.buf[:len(out)]
	return nil
}

// zstdSize walks the frames and block headers of src, decoding nothing, and
// returns the most that they can decompress to. The number is exact when every
// frame announces its size.
func zstdSize(src []byte) (most int64, exact bool, err error) {
	exact = true
	for count := 0; len(src) > 0; {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, false, err
		}
		if count++; count > zstdMaxBlocks {
			return 0, false, errZstdBlocks
		}
		if h.Skippable {
			skip := int64(h.HeaderSize) + int64(h.SkippableSize)
			if skip > int64(len(src)) {
				return 0, false, errZstdTruncated
			}
			src = src[skip:]
			continue
		}
		src = src[h.HeaderSize:]
		frame := int64(0)
		for last := false; !last; {
			var holds int
			if holds, last, src, err = zstdBlock(src); err != nil {
				return 0, false, err
			}
			frame += int64(holds)
			if count++; count > zstdMaxBlocks {
				return 0, false, errZstdBlocks
			}
		}
		if h.HasCheckSum {
			if len(src) < zstdChecksum {
				return 0, false, errZstdTruncated
			}
			src = src[zstdChecksum:]
		}
		if h.HasFCS {
			if h.FrameContentSize > uint64(frame) {
				return 0, false, errZstdSize
			}
			frame = int64(h.FrameContentSize)
		} else {
			exact = false
		}
		most += frame
	}
	return most, exact, nil
}

// zstdBlock steps over one block and returns the most that it can hold.
func zstdBlock(src []byte) (holds int, last bool, rest []byte, err error) {
	if len(src) < zstdBlockHeader {
		return 0, false, nil, errZstdTruncated
	}
	h := uint32(binary.LittleEndian.Uint16(src)) | uint32(src[2])<<16
	src = src[zstdBlockHeader:]
	size := int(h >> 3)
	if size > zstdMaxBlock {
		return 0, false, nil, errZstdBlock
	}
	stored := size
	switch h >> 1 & 3 {
	case zstdRaw:
		holds = size
	case zstdRLE:
		holds, stored = size, 1
	case zstdCompressedBlock:
		holds = zstdMaxBlock
	default:
		return 0, false, nil, errZstdBlock
	}
	if stored > len(src) {
		return 0, false, nil, errZstdTruncated
	}
	return holds, h&1 != 0, src[stored:], nil
}
