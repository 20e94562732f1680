package protobuf

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// slowly runs f without the instructions that gather bits.
func slowly(f func()) {
	defer func(was bool) { fastBits = was }(fastBits)
	fastBits = false
	f()
}

// samePacked fails unless src, a packed list, is read alike with and without
// them; what was read is then written again.
func samePacked(t *testing.T, src []byte) {
	t.Helper()
	field := binary.AppendUvarint(nil, uint64(len(src)))
	at := len(field)
	// More input may follow or not.
	for _, after := range []int{0, 1, 100} {
		input := slices.Concat(field, src, make([]byte, after))
		var fast, slow []uint64
		var fast32, slow32 []int32
		n := ReadPackedVarint(&fast, input, 0)
		n32 := ReadPackedVarint(&fast32, input, 0)
		slowly(func() {
			if m := ReadPackedVarint(&slow, input, 0); m < 0 != (n < 0) || n >= 0 && m != n {
				t.Fatalf("%x: read to %d, slowly to %d", src, n, m)
			}
			if m := ReadPackedVarint(&slow32, input, 0); m < 0 != (n32 < 0) {
				t.Fatalf("%x: read to %d, slowly to %d", src, n32, m)
			}
		})
		if n < 0 {
			continue
		}
		if n != at+len(src) || !slices.Equal(fast, slow) || !slices.Equal(fast32, slow32) {
			t.Fatalf("%x:\nread %v\nslowly %v", src, fast, slow)
		}
		var sints []int64
		for _, v := range fast {
			sints = append(sints, unzigzag(int64(v)))
		}
		for _, b := range [][]byte{nil, make([]byte, 0, 3*len(src)+50)} {
			x, z := AppendPackedVarint(b, 0x0a, fast), AppendPackedSint(nil, 0x0a, sints)
			slowly(func() {
				if y := AppendPackedVarint(nil, 0x0a, fast); !bytes.Equal(x, y) || !bytes.Equal(z, y) {
					t.Fatalf("%v:\nwrote %x\nand %x\nslowly %x", fast, x, z, y)
				}
			})
		}
	}
}

// numbers returns n numbers of random widths, and those at the widths' ends.
func numbers(r *rand.Rand, n int) []byte {
	var b []byte
	for range n {
		v := r.Uint64() >> r.IntN(64)
		if r.IntN(4) == 0 {
			v = 1<<r.IntN(64) - uint64(r.IntN(2))
		}
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func TestFastBits(t *testing.T) {
	if !fastBits {
		t.Skip("this processor does not have them")
	}
	r := rand.New(rand.NewPCG(1, 4))
	for n := range 400 {
		src := numbers(r, n)
		samePacked(t, src)
		for range 4 { // spoiled
			if len(src) > 0 {
				bad := bytes.Clone(src)
				i := r.IntN(len(bad))
				bad[i] ^= 0x80
				samePacked(t, bad)
				samePacked(t, src[:i])
			}
		}
	}
	for _, n := range []int{9, 10, 11, 63, 64, 65, 200} {
		samePacked(t, bytes.Repeat([]byte{0xff}, n))
		samePacked(t, append(bytes.Repeat([]byte{0x80}, n), make([]byte, 100)...))
	}
}

func FuzzFastBits(f *testing.F) {
	if !fastBits {
		f.Skip("this processor does not have them")
	}
	r := rand.New(rand.NewPCG(1, 5))
	for n := range 20 {
		f.Add(numbers(r, 5*n))
	}
	f.Fuzz(samePacked)
}
