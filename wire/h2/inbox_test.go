package h2

import (
	"bytes"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// FuzzInbox cuts messages into pieces and takes them out at any time: each comes
// out as it went in, and never is there more memory than twice what has come.
func FuzzInbox(f *testing.F) {
	f.Add([]byte{3, 200, 0, 9}, []byte{1, 4, 90})
	f.Add([]byte{0, 0, 0}, []byte{255})
	f.Add([]byte{255, 255}, []byte{7, 7, 250})
	f.Fuzz(func(t *testing.T, sizes, cuts []byte) {
		if len(sizes) > 50 || len(cuts) == 0 {
			return
		}
		var in []byte
		var want [][]byte
		for i, n := range sizes {
			m := bytes.Repeat([]byte{byte(i)}, int(n)*int(n)/3)
			want = append(want, m)
			in = append(grpcmsg.AppendPrefix(in, false, uint32(len(m))), m...)
		}
		var b inbox
		var got [][]byte
		var spare []byte
		came := 0 // a buffer that held an earlier message may be collected in again
		for i := 0; len(in) > 0; i++ {
			k := min(int(cuts[i%len(cuts)])*3+1, len(in))
			if err := b.add(in[:k], 1<<20); err != nil {
				t.Fatal(err)
			}
			in = in[k:]
			came += k
			if c := cap(b.buf); b.own == nil && c > 2*came+8<<10 {
				t.Fatalf("room for %d bytes when %d have come", c, came)
			}
			if i%3 == 2 && b.whole > 0 {
				taken := b.take(spare)
				spare = taken
				for len(taken) > 0 {
					var m []byte
					_, m, taken = next(taken)
					got = append(got, bytes.Clone(m))
				}
			}
		}
		taken := b.take(nil)
		for len(taken) > 0 {
			var m []byte
			_, m, taken = next(taken)
			got = append(got, bytes.Clone(m))
		}
		if len(got) != len(want) || b.tail != 0 {
			t.Fatalf("%d messages in, %d out, %d bytes left", len(want), len(got), b.tail)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("message %d: %d bytes, want %d", i, len(got[i]), len(want[i]))
			}
		}
	})
}

func TestInboxErrors(t *testing.T) {
	var b inbox
	if err := b.add([]byte{0, 0, 0, 1, 0}, 255); lupine.CodeOf(err) != lupine.ResourceExhausted {
		t.Errorf("a message above the limit: %v", err)
	}
	b = inbox{}
	if err := b.add([]byte{2, 0, 0, 0, 0}, 255); lupine.CodeOf(err) != lupine.Internal {
		t.Errorf("a bad flag: %v", err)
	}
	// A prefix that promises much costs nothing.
	b = inbox{}
	if err := b.add([]byte{0, 0, 0x3f, 0xff, 0xff, 1}, 4<<20); err != nil || cap(b.buf) > buffers.MaxSmall || b.missing() != 0x3fffff-1 {
		t.Errorf("%v, room for %d", err, cap(b.buf))
	}
}
