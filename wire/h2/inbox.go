package h2

import (
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// inbox collects the messages of one direction of a stream as they come in. The
// link's lock guards it; the receiver takes whole messages out, all at once,
// and decodes them without the lock.
type inbox struct {
	buf   []byte // messages with their prefixes; the last one may be incomplete
	whole int    // complete messages in buf
	tail  int    // bytes of the incomplete message, prefix included
	need  int    // its size, prefix included; 0 until the prefix is whole
	own   *buffers.Buffer
}

// add appends a piece of DATA. A message larger than limit, or a bad prefix, is
// an error.
func (b *inbox) add(p []byte, limit int) error {
	if b.buf == nil {
		b.own = buffers.Get()
		b.buf = b.own.B[:0]
	}
	for len(p) > 0 {
		if b.need == 0 {
			k := min(grpcmsg.PrefixLen-b.tail, len(p))
			b.room(k)
			b.buf = append(b.buf, p[:k]...)
			b.tail += k
			p = p[k:]
			if b.tail < grpcmsg.PrefixLen {
				return nil
			}
			_, n, err := grpcmsg.ParsePrefix(b.buf[len(b.buf)-grpcmsg.PrefixLen:])
			if err != nil {
				return err
			}
			if err := grpcmsg.CheckReceive(n, limit); err != nil {
				return err
			}
			b.need = grpcmsg.PrefixLen + int(n)
		}
		k := min(b.need-b.tail, len(p))
		b.room(k)
		b.buf = append(b.buf, p[:k]...)
		b.tail += k
		p = p[k:]
		if b.tail == b.need {
			b.whole++
			b.tail, b.need = 0, 0
		}
	}
	return nil
}

// room makes room for k bytes more of the incomplete message: at most twice what
// has been received of it, whatever it announces.
func (b *inbox) room(k int) {
	if len(b.buf)+k <= cap(b.buf) {
		return
	}
	start := len(b.buf) - b.tail
	want := max(start+max(grpcmsg.GrowTo(b.tail+k, max(b.need, b.tail+k)), 512), 2*start)
	if want > buffers.MaxSmall {
		// A kept buffer that has room for the whole message costs nobody anything.
		if big := buffers.Kept(max(want, start+b.need)); big != nil {
			grown := append(big.B[:0], b.buf...)
			b.free()
			b.buf, b.own = grown, big
			return
		}
	}
	grown := make([]byte, len(b.buf), want)
	copy(grown, b.buf)
	b.buf = grown
}

// missing is how many bytes the incomplete message still needs, 0 if unknown.
func (b *inbox) missing() int {
	if b.need == 0 {
		return 0
	}
	return b.need - b.tail
}

// take moves the complete messages out, leaving spare, which may be nil, to
// collect in.
func (b *inbox) take(spare []byte) []byte {
	n := len(b.buf) - b.tail
	got := b.buf[:n]
	if b.tail == 0 {
		b.buf = spare[:0]
	} else {
		b.buf = append(spare[:0], b.buf[n:]...)
	}
	b.whole = 0
	b.own = nil // its bytes belong to the receiver now
	return got
}

// free gives the memory back. Nothing may point into it any more.
func (b *inbox) free() {
	if b.own != nil {
		b.own.B = b.buf
		b.own.Free()
	}
	b.buf, b.own = nil, nil
}

// next cuts the first message off taken, which holds only whole ones.
func next(taken []byte) (compressed bool, body, rest []byte) {
	compressed, n, _ := grpcmsg.ParsePrefix(taken)
	end := grpcmsg.PrefixLen + int(n)
	return compressed, taken[grpcmsg.PrefixLen:end], taken[end:]
}
