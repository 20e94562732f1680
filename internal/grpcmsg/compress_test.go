package grpcmsg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/lupine-rpc/lupine"
)

func compressors() []Compressor { return []Compressor{Gzip(), Zstd()} }

// noise returns n bytes that compress to about half.
func noise(n int) []byte {
	r := rand.New(rand.NewSource(int64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[r.Intn(16)]
	}
	return b
}

func compress(t testing.TB, c Compressor, src []byte) []byte {
	t.Helper()
	out, err := c.Compress(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompressBothWays(t *testing.T) {
	for _, c := range compressors() {
		for _, size := range []int{0, 1, 100, 4096, 65536, 300000, 1 << 20} {
			for _, src := range [][]byte{noise(size), make([]byte, size)} {
				out, err := c.Compress([]byte("before"), src)
				if err != nil || !bytes.HasPrefix(out, []byte("before")) {
					t.Fatalf("%s: %d bytes: %v", c.Name(), size, err)
				}
				p, err := Decompress(context.Background(), c, out[len("before"):], size, NewBudget(0)) // exactly at the limit
				if size == 0 {
					p, err = Decompress(context.Background(), c, out[len("before"):], 1, NewBudget(0))
				}
				if err != nil || !bytes.Equal(p.Bytes(), src) {
					t.Fatalf("%s: %d bytes did not come back: %v", c.Name(), size, err)
				}
				p.Release()
			}
		}
	}
}

func TestDecompressLimit(t *testing.T) {
	for _, c := range compressors() {
		for _, size := range []int{2, 100, 5000, 70000, 4<<20 + 1} {
			for _, src := range [][]byte{noise(size), make([]byte, size)} {
				b := NewBudget(0)
				_, err := Decompress(context.Background(), c, compress(t, c, src), size-1, b)
				if lupine.CodeOf(err) != lupine.ResourceExhausted || !strings.Contains(err.Error(), "receive limit") {
					t.Errorf("%s: %d bytes under a limit of %d: %v", c.Name(), size, size-1, err)
				}
				if b.Used() != 0 {
					t.Errorf("%s: %d bytes of budget were not given back", c.Name(), b.Used())
				}
			}
		}
	}
}

// streamed returns src as zstd without its size in the frame header.
func streamed(t testing.TB, src []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	// In two parts, with a flush, so that the encoder cannot know the size.
	if _, err := w.Write(src[:len(src)/2]); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(src[len(src)/2:]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, exact, err := zstdSize(out.Bytes()); exact || err != nil {
		t.Fatalf("the frame has its size: %v", err)
	}
	return out.Bytes()
}

func TestZstdWithoutSize(t *testing.T) {
	for _, size := range []int{2, 1000, 200000, 3 << 20} {
		for _, src := range [][]byte{noise(size), make([]byte, size)} {
			z := streamed(t, src)
			for _, limit := range []int{size, size + 1, size + 100000, -1} {
				p, err := Decompress(context.Background(), Zstd(), z, limit, NewBudget(0))
				if err != nil || !bytes.Equal(p.Bytes(), src) {
					t.Fatalf("%d bytes under a limit of %d: %v", size, limit, err)
				}
				p.Release()
			}
			if _, err := Decompress(context.Background(), Zstd(), z, size-1, NewBudget(0)); lupine.CodeOf(err) != lupine.ResourceExhausted {
				t.Errorf("%d bytes under a limit of %d: %v", size, size-1, err)
			}
		}
	}
}

func TestSeveralFrames(t *testing.T) {
	a, b := noise(5000), make([]byte, 70000)
	both := append(append([]byte(nil), a...), b...)
	for _, c := range compressors() {
		src := append(compress(t, c, a), compress(t, c, b)...)
		p, err := Decompress(context.Background(), c, src, len(both), nil)
		if err != nil || !bytes.Equal(p.Bytes(), both) {
			t.Fatalf("%s: %v", c.Name(), err)
		}
		p.Release()
		if _, err := Decompress(context.Background(), c, src, len(both)-1, nil); lupine.CodeOf(err) != lupine.ResourceExhausted {
			t.Errorf("%s: one byte over the limit: %v", c.Name(), err)
		}
	}
}

func TestDecompressGarbage(t *testing.T) {
	src := noise(3000)
	for _, c := range compressors() {
		good := compress(t, c, src)
		for n := range len(good) {
			p, err := Decompress(context.Background(), c, good[:n], 0, nil)
			if err == nil {
				if n > 0 || len(p.Bytes()) > 0 {
					t.Errorf("%s: the first %d of %d bytes were accepted", c.Name(), n, len(good))
				}
				p.Release()
			} else if code := lupine.CodeOf(err); code != lupine.Internal {
				t.Errorf("%s: the first %d of %d bytes: %v; want Internal", c.Name(), n, len(good), err)
			}
		}
		if _, err := Decompress(context.Background(), c, append(good[:len(good):len(good)], "trailing garbage"...), 0, nil); lupine.CodeOf(err) != lupine.Internal {
			t.Errorf("%s: garbage after the end: %v; want Internal", c.Name(), err)
		}
		if _, err := Decompress(context.Background(), c, []byte("not compressed at all"), 0, nil); lupine.CodeOf(err) != lupine.Internal || !strings.Contains(err.Error(), c.Name()) {
			t.Errorf("%s: %v; want Internal that names it", c.Name(), err)
		}
	}
}

// zstdFrame builds a frame: an announced size (or -1) and blocks given by type,
// size and content.
func zstdFrame(announced int64, blocks ...func(last uint32) []byte) []byte {
	f := []byte{0x28, 0xb5, 0x2f, 0xfd}
	if announced < 0 {
		f = append(f, 0x00, 0x50) // no size, a window of 1 MiB
	} else {
		f = append(f, 0xe0) // eight bytes of size, single segment
		f = binary.LittleEndian.AppendUint64(f, uint64(announced))
	}
	for i, b := range blocks {
		last := uint32(0)
		if i == len(blocks)-1 {
			last = 1
		}
		f = append(f, b(last)...)
	}
	return f
}

func zstdBlockOf(typ, size uint32, content ...byte) func(uint32) []byte {
	return func(last uint32) []byte {
		h := size<<3 | typ<<1 | last
		return append([]byte{byte(h), byte(h >> 8), byte(h >> 16)}, content...)
	}
}

func TestZstdLies(t *testing.T) {
	empty := func(n int) (all []func(uint32) []byte) {
		for range n {
			all = append(all, zstdBlockOf(zstdRaw, 0))
		}
		return all
	}
	for name, src := range map[string][]byte{
		"4 MiB announced, 1 byte there":  zstdFrame(4<<20, zstdBlockOf(zstdRaw, 1, 'x')),
		"2^63 announced":                 zstdFrame(1<<62, zstdBlockOf(zstdRLE, 1000, 'x')),
		"a block over 128 KiB":           zstdFrame(-1, zstdBlockOf(zstdRLE, 128<<10+1, 'x')),
		"a reserved block":               zstdFrame(-1, zstdBlockOf(3, 1, 'x')),
		"no last block":                  zstdFrame(-1, zstdBlockOf(zstdRaw, 9, 'x')),
		"100,000 empty blocks":           zstdFrame(-1, empty(100000)...),
		"a skippable frame past the end": {0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f, 1},
	} {
		b := NewBudget(0)
		_, err := Decompress(context.Background(), Zstd(), src, 0, b)
		if lupine.CodeOf(err) != lupine.Internal {
			t.Errorf("%s: %v; want Internal", name, err)
		}
		if b.Refused() != 0 || b.Used() != 0 {
			t.Errorf("%s: budget %d used, %d refused", name, b.Used(), b.Refused())
		}
	}
	// What a frame without a size may hold is not an error as long as it does not.
	src := zstdFrame(-1, zstdBlockOf(zstdRLE, 100, 'x'), zstdBlockOf(zstdRaw, 2, 'y', 'z'))
	p, err := Decompress(context.Background(), Zstd(), src, 102, nil)
	if err != nil || string(p.Bytes()) != strings.Repeat("x", 100)+"yz" {
		t.Fatalf("a built frame: %v", err)
	}
	p.Release()
}

func TestDecompressBudget(t *testing.T) {
	const size = 100 << 10
	for _, c := range compressors() {
		src := compress(t, c, make([]byte, size))
		b := NewBudget(6 * size)
		var held []*Plain
		for {
			p, err := Decompress(context.Background(), c, src, 0, b)
			if err != nil {
				if lupine.CodeOf(err) != lupine.ResourceExhausted || !strings.Contains(err.Error(), "budget") {
					t.Fatalf("%s: %v", c.Name(), err)
				}
				break
			}
			held = append(held, p)
			if len(held) > 5 {
				t.Fatalf("%s: more than the budget was handed out", c.Name())
			}
		}
		if len(held) < 2 || b.Used() > b.Limit() || b.Refused() != 1 {
			t.Errorf("%s: %d messages fit; %d of %d used, %d refused", c.Name(), len(held), b.Used(), b.Limit(), b.Refused())
		}
		for _, p := range held {
			if len(p.Bytes()) != size {
				t.Errorf("%s: %d bytes", c.Name(), len(p.Bytes()))
			}
			p.Release()
		}
		if b.Used() != 0 {
			t.Errorf("%s: %d bytes stay in use", c.Name(), b.Used())
		}
		if p, err := Decompress(context.Background(), c, src, 0, b); err != nil {
			t.Errorf("%s: after all was released: %v", c.Name(), err)
		} else {
			p.Release()
		}
	}
	if NewBudget(0).Limit() != DefaultDecompressBudget || NewBudget(-1).Limit() != -1 {
		t.Error("the defaults are not what is documented")
	}
}

func TestCompressConcurrently(t *testing.T) {
	b := NewBudget(0)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				src := noise(1000*i + j)
				for _, c := range compressors() {
					out, err := c.Compress(nil, src)
					if err != nil {
						t.Error(err)
						return
					}
					p, err := Decompress(context.Background(), c, out, 0, b)
					if err != nil || !bytes.Equal(p.Bytes(), src) {
						t.Errorf("%s: %d bytes did not come back: %v", c.Name(), len(src), err)
						return
					}
					p.Release()
				}
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d bytes of budget stay in use", b.Used())
	}
}

// upper is a compressor of a user's own, which writes byte by byte.
type upper struct{ name string }

func (u upper) Name() string { return u.name }
func (upper) Compress(dst, src []byte) ([]byte, error) {
	return append(dst, bytes.ToUpper(src)...), nil
}
func (upper) Decompress(dst *Plain, src []byte) error {
	for _, b := range bytes.ToLower(src) {
		if _, err := dst.Write([]byte{b}); err != nil {
			return err
		}
	}
	return nil
}

func TestOwnCompressor(t *testing.T) {
	src := bytes.Repeat([]byte("ABC"), 3000)
	p, err := Decompress(context.Background(), upper{"up"}, src, len(src), nil)
	if err != nil || !bytes.Equal(p.Bytes(), bytes.ToLower(src)) {
		t.Fatal(err)
	}
	p.Release()
	if _, err := Decompress(context.Background(), upper{"up"}, src, len(src)-1, nil); lupine.CodeOf(err) != lupine.ResourceExhausted {
		t.Errorf("one byte over the limit: %v", err)
	}
}

func TestEncodings(t *testing.T) {
	set, err := NewEncodings(Zstd(), Gzip())
	if err != nil || set.Names() != "zstd,gzip" {
		t.Fatalf("%q, %v", set.Names(), err)
	}
	for accept, want := range map[string]string{
		"": "", "identity": "", "gzip": "gzip", "identity,gzip": "gzip", "gzip, zstd": "zstd", " zstd ,x": "zstd", "gzipx": "", "deflate,,gzip": "gzip",
	} {
		got := ""
		if c := set.Choose(accept); c != nil {
			got = c.Name()
		}
		if got != want {
			t.Errorf("Choose(%q) = %q; want %q", accept, got, want)
		}
	}
	for _, name := range []string{"", "identity"} {
		if c, err := set.ForRequest(name); c != nil || err != nil {
			t.Errorf("ForRequest(%q) = %v, %v", name, c, err)
		}
	}
	if c, err := set.ForRequest("gzip"); c != Gzip() || err != nil {
		t.Errorf("ForRequest(gzip) = %v, %v", c, err)
	}
	if _, err := set.ForRequest("br\x00"); lupine.CodeOf(err) != lupine.Unimplemented || !strings.Contains(err.Error(), "zstd,gzip") || strings.Contains(err.Error(), "\x00") {
		t.Errorf("an unknown request encoding: %v", err)
	}
	if _, err := set.ForResponse("br"); lupine.CodeOf(err) != lupine.Internal {
		t.Errorf("an unknown response encoding: %v", err)
	}
	var none *Encodings
	if _, err := none.ForRequest("gzip"); lupine.CodeOf(err) != lupine.Unimplemented || none.Names() != "" || none.Choose("gzip") != nil {
		t.Errorf("the empty set: %v", err)
	}
	for _, bad := range [][]Compressor{{upper{""}}, {upper{"identity"}}, {upper{"a,b"}}, {upper{"a"}, upper{"a"}}} {
		if _, err := NewEncodings(bad...); lupine.CodeOf(err) != lupine.InvalidArgument {
			t.Errorf("NewEncodings(%q) = %v", bad, err)
		}
	}
	if e := ErrCompressedFlag(); e.Code != lupine.Internal {
		t.Error(e)
	}
	if n := testing.AllocsPerRun(100, func() { set.Choose("identity, gzip, zstd") }); n != 0 {
		t.Errorf("Choose makes %v allocations", n)
	}
}

func FuzzDecompress(f *testing.F) {
	for _, src := range [][]byte{nil, noise(40), make([]byte, 5000)} {
		for _, c := range compressors() {
			f.Add(compress(f, c, src))
		}
	}
	f.Add(zstdFrame(-1, zstdBlockOf(zstdRLE, 100, 'x')))
	f.Add(zstdFrame(1<<40, zstdBlockOf(zstdRaw, 1, 'x')))
	const limit = 1 << 16
	plain, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		b := NewBudget(0)
		for _, c := range compressors() {
			var want []byte
			var wantErr error
			if c.Name() == "gzip" {
				r, err := gzip.NewReader(bytes.NewReader(src))
				if wantErr = err; err == nil {
					want, wantErr = io.ReadAll(io.LimitReader(r, limit+1))
				}
			} else if most, _, err := zstdSize(src); err == nil && most < 1<<24 {
				want, wantErr = plain.DecodeAll(src, nil)
			} else {
				wantErr = errors.New("skipped")
			}
			p, err := Decompress(context.Background(), c, src, limit, b)
			if err != nil {
				if wantErr == nil && len(want) <= limit {
					t.Fatalf("%s refused what is %d bytes: %v", c.Name(), len(want), err)
				}
				continue
			}
			if wantErr != nil || !bytes.Equal(p.Bytes(), want) {
				t.Fatalf("%s gave %d bytes; want %d, %v", c.Name(), len(p.Bytes()), len(want), wantErr)
			}
			p.Release()
		}
		if b.Used() != 0 {
			t.Fatalf("%d bytes of budget stay in use", b.Used())
		}
	})
}

// records returns about n bytes of text such as services send.
func records(n int) []byte {
	r := rand.New(rand.NewSource(1))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"name":"feature %x","lat":%.5f,"tags":["a","park"]},`, r.Intn(1e6), r.Int31(), r.Float64()*90)
	}
	return b.Bytes()
}

func BenchmarkCompress(b *testing.B) {
	src := records(4096)
	for _, c := range compressors() {
		b.Run(c.Name(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			var buf []byte
			for b.Loop() {
				buf, _ = c.Compress(buf[:0], src)
			}
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	for _, c := range compressors() {
		plain := records(4096)
		src := compress(b, c, plain)
		b.Run(c.Name(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				p, err := Decompress(context.Background(), c, src, 0, nil)
				if err != nil {
					b.Fatal(err)
				}
				p.Release()
			}
		})
	}
}
