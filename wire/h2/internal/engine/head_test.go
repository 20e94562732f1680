package engine

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// TestKeptHeads: a Conn that keeps what header blocks mean reads the same as one that
// decodes each of them, whatever the table does in between.
func TestKeptHeads(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		enc := hpack.NewEncoder()
		c, plain := New(testConfig(true), 1), New(testConfig(true), 1)
		kept := 0
		const blocks = 4000
		for i := range blocks {
			fields := append([]hpack.Pair(nil), requestBlock...)
			fields[r.IntN(len(fields))].Mode = hpack.Auto
			for j := range fields {
				if fields[j].Name == ":path" {
					fields[j].Value = fmt.Sprint("/a.B/", r.IntN(1+int(seed)))
				}
			}
			kind := headRequest
			switch r.IntN(200) {
			case 0:
				fields = append(fields, hpack.Pair{Name: "x", Value: fmt.Sprint(i), Mode: hpack.Keep})
			case 1, 2, 3:
				fields = append(fields, hpack.Pair{Name: "x", Value: fmt.Sprint(i), Mode: hpack.Literal})
			case 4:
				fields = append(fields, hpack.Pair{Name: "Bad", Value: "x", Mode: hpack.Keep})
			case 5:
				enc.SetLimit(uint32(r.IntN(4096)))
			case 6, 7:
				kind = headTrailers // what was fit for a request is not for trailers
			}
			block := enc.Begin(nil)
			for _, f := range fields {
				block = enc.Append(block, f)
			}
			plain.kept.blocks = 0 // never enough
			if err := plain.decode(block); err != nil {
				t.Fatal(err)
			}
			if err := c.decode(block); err != nil {
				t.Fatal(err)
			}
			want, got := plain.check(kind, block), c.check(kind, block)
			if got != want {
				t.Fatalf("seed %d, block %d: %q, want %q", seed, i, got, want)
			}
			if c.Head.Kept {
				kept++
			}
			if want != "" {
				continue
			}
			a, b := *plain.Head, *c.Head
			if !same(a.Fields, b.Fields) || !same(a.all, b.all) {
				t.Fatalf("seed %d, block %d: fields %v, want %v", seed, i, b.Fields, a.Fields)
			}
			a.PathEntry, a.Fields, a.all, a.Kept, a.kind = nil, nil, nil, false, 0
			b.PathEntry, b.Fields, b.all, b.Kept, b.kind = nil, nil, nil, false, 0
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d, block %d: %+v, want %+v", seed, i, b, a)
			}
		}
		if seed < 4 && kept < blocks/2 {
			t.Errorf("seed %d: %d of %d heads were kept", seed, kept, blocks)
		}
	}
}

// same compares fields but for their table entries, which belong to the decoder.
func same(a, b []hpack.Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value != b[i].Value || a[i].Sensitive != b[i].Sensitive {
			return false
		}
	}
	return true
}

// TestKeptHeadsCost: many methods on one connection do not make it keep and drop
// their heads in turn.
func TestKeptHeadsCost(t *testing.T) {
	enc := hpack.NewEncoder()
	c := New(testConfig(true), 1)
	var list [][]byte
	for range 3 { // until the table is filled and the blocks repeat
		list = nil
		for i := range 40 {
			block := enc.Begin(nil)
			for _, f := range requestBlock {
				if f.Name == ":path" {
					f.Value = fmt.Sprint("/a.B/", i)
				}
				block = enc.Append(block, f)
			}
			list = append(list, block)
			if err := c.decode(block); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := func() {
		for _, b := range list {
			if err := c.decode(b); err != nil {
				t.Fatal(err)
			}
			if why := c.check(headRequest, b); why != "" {
				t.Fatal(why)
			}
		}
	}
	for range 20 {
		all()
	}
	if n := testing.AllocsPerRun(100, all); n > 0 {
		t.Errorf("%v allocations for %d blocks that were all seen before", n, len(list))
	}
}
