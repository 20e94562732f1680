package h2

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// pieces is a connection whose reads bring a few bytes or many, as they come.
type pieces struct {
	net.Conn
	rest []byte
	rand *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	most := 1 + p.rand.IntN(7)
	if p.rand.IntN(2) == 0 {
		most = 1 + p.rand.IntN(40<<10)
	}
	n := copy(b[:min(most, len(b))], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// TestRecords: whatever the pieces are that records come in, all bytes come out, no
// read goes beyond a record, and one that is not to wait does not.
func TestRecords(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var all []byte
		var ends []int
		for range 40 {
			n := r.IntN(50)
			if r.IntN(4) == 0 {
				n = r.IntN(16<<10 + 256)
			}
			all = append(all, 23, 3, 3)
			all = binary.BigEndian.AppendUint16(all, uint16(n))
			for range n {
				all = append(all, byte(r.Uint32()))
			}
			ends = append(ends, len(all))
		}
		first := r.IntN(3)
		rec := newRecords(&pieces{rest: all[first:], rand: r}, all[:first])
		var got []byte
		buf := make([]byte, 20<<10)
		for {
			whole, atEnd := rec.whole(), len(got) == 0 || len(ends) > 0 && rec.left == 0
			rec.only = atEnd && r.IntN(2) == 0
			n, err := rec.Read(buf[:1+r.IntN(len(buf)-1)])
			if rec.only && !whole {
				if n != 0 || err != errNoRecord {
					t.Fatalf("seed %d: %d bytes, %v, with no whole record there", seed, n, err)
				}
				rec.only = false
				continue
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			got = append(got, buf[:n]...)
			if len(got) > ends[0] {
				t.Fatalf("seed %d: a read went beyond the end of a record at %d, to %d", seed, ends[0], len(got))
			}
			if len(got) == ends[0] {
				ends = ends[1:]
			}
		}
		if !bytes.Equal(got, all) {
			t.Fatalf("seed %d: %d bytes came of %d, or others", seed, len(got), len(all))
		}
	}
}
