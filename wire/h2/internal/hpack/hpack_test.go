package hpack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"
)

var wide = Limits{Bytes: 1 << 20, Fields: 1 << 16}

// TestStatic holds our static table against x/net's decoder.
func TestStatic(t *testing.T) {
	for i := range static {
		x := xhpack.NewDecoder(4096, nil)
		fs, err := x.DecodeFull(appendInt(nil, 0x80, 7, uint64(i+1)))
		if err != nil || len(fs) != 1 {
			t.Fatal(err)
		}
		if fs[0].Name != static[i].Name || fs[0].Value != static[i].Value {
			t.Errorf("entry %d is %+v, x/net says %+v", i+1, static[i], fs[0])
		}
		if n := staticName(static[i].Name); n > 0 && static[n-1].Name != static[i].Name {
			t.Errorf("staticName(%q) = %d", static[i].Name, n)
		}
		if n := staticPair(static[i].Name, static[i].Value); n > 0 && n != i+1 {
			t.Errorf("staticPair(%q, %q) = %d, want %d", static[i].Name, static[i].Value, n, i+1)
		}
	}
}

func randomPair(r *rand.Rand) Pair {
	names := []string{":path", ":method", "content-type", "te", "x-a", "x-bb", "grpc-timeout", "user-agent", "x-long"}
	p := Pair{Name: names[r.IntN(len(names))], Mode: Mode(r.IntN(4))}
	switch r.IntN(4) {
	case 0:
		p.Value = "POST"
	case 1:
		p.Value = fmt.Sprintf("v%d", r.IntN(30))
	case 2:
		p.Value = strings.Repeat("long value / ", r.IntN(30))
	}
	return p
}

// TestEncoderAgainstXnet sends random blocks, kept ones among them, through our
// encoder and both decoders, while the table's limit changes.
func TestEncoderAgainstXnet(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		enc := NewEncoder()
		dec := NewDecoder(4096)
		var got []xhpack.HeaderField
		x := xhpack.NewDecoder(4096, func(f xhpack.HeaderField) { got = append(got, f) })
		var blocks []*Block
		for range 4 {
			b := &Block{}
			for range r.IntN(6) {
				p := randomPair(r)
				p.Mode = Keep
				b.Fields = append(b.Fields, p)
			}
			blocks = append(blocks, b)
		}
		for step := range 60 {
			if r.IntN(12) == 0 {
				for range 1 + r.IntN(2) {
					n := uint32(r.IntN(5000))
					if r.IntN(4) == 0 {
						n = 0
					}
					enc.SetLimit(n)
					x.SetAllowedMaxDynamicTableSize(min(n, 4096))
					dec.SetLimit(min(n, 4096))
				}
			}
			var want []Pair
			var out []byte
			b := blocks[r.IntN(len(blocks))]
			out = enc.AppendBlock(out, b)
			want = append(want, b.Fields...)
			for range r.IntN(5) {
				p := randomPair(r)
				want = append(want, p)
				out = enc.Append(out, p)
			}
			got = got[:0]
			if _, err := x.Write(out); err != nil {
				t.Fatalf("seed %d step %d: x/net: %v", seed, step, err)
			}
			if err := x.Close(); err != nil {
				t.Fatalf("seed %d step %d: x/net: %v", seed, step, err)
			}
			ours, over, err := dec.Decode(nil, out, wide)
			if err != nil || over {
				t.Fatalf("seed %d step %d: ours: %v over=%v", seed, step, err, over)
			}
			if len(got) != len(want) || len(ours) != len(want) {
				t.Fatalf("seed %d step %d: %d fields in, %d from x/net, %d from ours", seed, step, len(want), len(got), len(ours))
			}
			for i, w := range want {
				if got[i].Name != w.Name || got[i].Value != w.Value || got[i].Sensitive != (w.Mode == Sensitive) {
					t.Fatalf("seed %d step %d field %d: sent %+v, x/net got %+v", seed, step, i, w, got[i])
				}
				if ours[i].Name != w.Name || ours[i].Value != w.Value || ours[i].Sensitive != (w.Mode == Sensitive) {
					t.Fatalf("seed %d step %d field %d: sent %+v, ours got %+v", seed, step, i, w, ours[i])
				}
			}
		}
	}
}

// TestDecoderAgainstXnet sends random blocks from x/net's encoder, which does
// evict, through our decoder.
func TestDecoderAgainstXnet(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		var buf bytes.Buffer
		x := xhpack.NewEncoder(&buf)
		dec := NewDecoder(4096)
		for step := range 80 {
			if r.IntN(20) == 0 {
				x.SetMaxDynamicTableSize(uint32(r.IntN(4096)))
			}
			buf.Reset()
			var want []xhpack.HeaderField
			for range r.IntN(8) {
				p := randomPair(r)
				f := xhpack.HeaderField{Name: p.Name, Value: p.Value, Sensitive: p.Mode == Sensitive}
				want = append(want, f)
				x.WriteField(f)
			}
			got, _, err := dec.Decode(nil, buf.Bytes(), wide)
			if err != nil {
				t.Fatalf("seed %d step %d: %v", seed, step, err)
			}
			if len(got) != len(want) {
				t.Fatalf("seed %d step %d: %d fields, want %d", seed, step, len(got), len(want))
			}
			for i := range want {
				if got[i].Name != want[i].Name || got[i].Value != want[i].Value {
					t.Fatalf("seed %d step %d: field %d is %+v, want %+v", seed, step, i, got[i], want[i])
				}
			}
		}
	}
}

func TestKeptBlockIsStable(t *testing.T) {
	enc := NewEncoder()
	b := &Block{Fields: []Pair{{":method", "POST", Keep}, {":path", "/a.B/C", Keep}, {"te", "trailers", Keep}}}
	first := enc.AppendBlock(nil, b)
	second := enc.AppendBlock(nil, b)
	if len(second) != 3 {
		t.Errorf("a repeated block of three fields takes %d bytes (first %d), want 3", len(second), len(first))
	}
	if n := testing.AllocsPerRun(100, func() { second = enc.AppendBlock(second[:0], b) }); n != 0 {
		t.Errorf("%v allocations for a kept block", n)
	}
	// Another insertion renumbers the entries.
	enc.Append(nil, Pair{"x-other", "v", Keep})
	dec := NewDecoder(4096)
	if _, _, err := dec.Decode(nil, first, wide); err != nil {
		t.Fatal(err)
	}
	third := enc.AppendBlock(nil, b)
	if bytes.Equal(second, third) {
		t.Error("a kept block was reused although the table changed")
	}
}

func TestLimits(t *testing.T) {
	enc := NewEncoder()
	big := Pair{"x-bomb", strings.Repeat("b", 3000), Keep}
	block := enc.Append(nil, big)
	for range 10000 {
		block = enc.Append(block, big)
	}
	fields, over, err := NewDecoder(4096).Decode(nil, block, Limits{Bytes: 8 << 10, Fields: 100})
	if err != nil || !over || len(fields) != 2 {
		t.Errorf("%d fields, over=%v, %v; want 2 fields and over", len(fields), over, err)
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		block []byte
		want  error
	}{
		{"index 0", []byte{0x80}, ErrIndex},
		{"index past the table", []byte{0xbe}, ErrIndex},
		{"literal name past the table", []byte{0x7e, 1, 'a'}, ErrIndex},
		{"ends in an integer", []byte{0xff, 0x80}, ErrTruncated},
		{"integer without end", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ErrInteger},
		{"ends in a string", []byte{0x40, 5, 'a'}, ErrTruncated},
		{"no value", []byte{0x40, 1, 'a'}, ErrTruncated},
		{"Huffman padding", []byte{0x40, 0x81, 0x00, 1, 'a'}, ErrHuffman},
		{"update too large", []byte{0x3f, 0xe2, 0x1f}, ErrTableSize},
		{"update after a field", []byte{0x82, 0x20}, ErrLateUpdate},
	} {
		if _, _, err := NewDecoder(4096).Decode(nil, c.block, wide); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	d := NewDecoder(4096)
	d.SetLimit(100)
	if _, _, err := d.Decode(nil, []byte{0x82}, wide); err != ErrNoUpdate {
		t.Errorf("missing update: %v", err)
	}
}

func TestMemo(t *testing.T) {
	enc, dec := NewEncoder(), NewDecoder(4096)
	p := Pair{":path", "/a.B/C", Keep}
	f, _, _ := dec.Decode(nil, enc.Append(nil, p), wide)
	f[0].Entry.SetMemo(7)
	f, _, _ = dec.Decode(f[:0], enc.Append(nil, p), wide)
	if f[0].Entry.Memo() != 7 {
		t.Error("the memo is lost")
	}
	f, _, _ = dec.Decode(f[:0], []byte{0x83}, wide)
	f[0].Entry.SetMemo(1)
	if f[0].Entry.Memo() != nil {
		t.Error("a memo was kept in the static table")
	}
}

// twoUpdates reports whether block begins with more than one size update, which
// is how a table that shrank and grew again is told (RFC 7541, 4.2).
func twoUpdates(block []byte) bool {
	if len(block) == 0 || block[0]&0xe0 != 0x20 {
		return false
	}
	_, rest, err := readInt(block, 5)
	return err == nil && len(rest) > 0 && rest[0]&0xe0 == 0x20
}

func TestTwoUpdates(t *testing.T) {
	d := NewDecoder(4096)
	if _, _, err := d.Decode(nil, []byte{0x40, 1, 'a', 1, 'b'}, wide); err != nil {
		t.Fatal(err)
	}
	f, _, err := d.Decode(nil, []byte{0x20, 0x3f, 0xe1, 0x1f, 0x82}, wide) // 0, then 4096
	if err != nil || len(f) != 1 || d.count != 0 || d.max != 4096 {
		t.Fatalf("%v %v; the table holds %d, at most %d bytes", f, err, d.count, d.max)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x82, 0x86, 0x84, 0x41, 0x0f, 'w', 'w', 'w'}, []byte{0x82})
	f.Add([]byte{0x40, 1, 'a', 1, 'b', 0xbe}, []byte{0xbe, 0x20})
	f.Add([]byte{0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff}, []byte{0x3f, 0x0a})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d := NewDecoder(4096)
		x := xhpack.NewDecoder(4096, nil)
		for _, block := range [][]byte{a, b} {
			got, over, err := d.Decode(nil, block, Limits{Bytes: 1 << 24, Fields: 1 << 20})
			want, xerr := x.DecodeFull(block)
			if err != nil || over {
				return // we are the stricter one
			}
			if twoUpdates(block) {
				return // x/net takes the second for a late one once its table holds something
			}
			if xerr != nil {
				t.Fatalf("x/net refuses what we take: %v", xerr)
			}
			if len(got) != len(want) {
				t.Fatalf("%d fields, x/net has %d", len(got), len(want))
			}
			for i := range got {
				if got[i].Name != want[i].Name || got[i].Value != want[i].Value {
					t.Fatalf("field %d is %+v, x/net has %+v", i, got[i], want[i])
				}
			}
			if d.size > d.max {
				t.Fatal("table over its size")
			}
		}
	})
}
