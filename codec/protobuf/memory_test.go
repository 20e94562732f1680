package protobuf_test

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lupine-rpc/lupine/codec/protobuf"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/bench"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/test2"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/test3"
	"github.com/lupine-rpc/lupine/internal/race"
	"google.golang.org/protobuf/proto"
)

// allocated returns how many bytes f allocates in all, freed ones included.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// inUse returns how many bytes are reachable.
func inUse() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// What a Decode allocates is bounded by the bytes that are there, whatever
// they announce.
func TestMemoryBound(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	const size = 1 << 20
	fill := func(unit ...byte) []byte { return bytes.Repeat(unit, size/len(unit)) }
	packed := func(tag byte, unit ...byte) []byte {
		body := fill(unit...)
		return append(append([]byte{tag}, varint(len(body))...), body...)
	}
	for _, c := range []struct {
		name   string
		msg    proto.Message
		src    []byte
		factor int // of the input's length
	}{
		{"packed varints", &test3.Lists{}, packed(0x12, 0), 9},
		{"packed bools", &test3.Lists{}, packed(0x6a, 1), 2},
		{"packed doubles", &test3.Lists{}, packed(0x62, 0, 0, 0, 0, 0, 0, 0, 0), 2},
		{"many packed lists", &test3.Lists{}, fill(0x12, 1, 0), 17}, // growing by append
		{"loose varints", &test3.Lists{}, fill(0x10, 0), 5},
		{"unknown varints", &test3.Lists{}, fill(0xc8, 0x3e, 1), 7},
		{"unknown bytes", &test3.Lists{}, append(append([]byte{0xca, 0x3e}, varint(size)...), fill(0)...), 3},
		{"empty strings", &test3.Lists{}, fill(0x72, 0), 9},
		{"short strings", &test3.Lists{}, fill(0x72, 1, 'x'), 8},
		{"empty bytes", &test3.Lists{}, fill(0x7a, 0), 14},
		{"long string", &test3.Scalars{}, append(append([]byte{0x72}, varint(size)...), fill('x')...), 2},
		{"one map entry again and again", &test3.Maps{}, fill(0x0a, 0), 2},
		{"fields of a oneof", &test3.Oneofs{}, fill(0x0a, 1, 'x'), 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := allocated(func() {
				if err := (protobuf.Codec{}).Decode(c.src, c.msg); err != nil {
					t.Error(err)
				}
			})
			t.Logf("%.1f times the input", float64(got)/float64(len(c.src)))
			if got > c.factor*len(c.src)+64<<10 {
				t.Errorf("decoding %d bytes allocated %d", len(c.src), got)
			}
		})
	}
	for name, src := range map[string][]byte{
		"string":  {0x72, 0xff, 0xff, 0xff, 0xff, 0x07},
		"bytes":   {0x7a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"packed":  {0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 1, 1},
		"message": {0x8a, 0x01, 0xff, 0xff, 0xff, 0xff, 0x07, 1},
		"unknown": {0xca, 0x3e, 0xff, 0xff, 0xff, 0xff, 0x07, 1},
	} {
		var err error
		if got := allocated(func() { err = protobuf.Codec{}.Decode(src, &test3.Lists{}) }); got > 16<<10 || !errors.Is(err, protobuf.ErrTruncated) {
			t.Errorf("%s: a length without content allocated %d bytes; %v", name, got, err)
		}
	}
}

// A repeated message costs what its Go type costs: at most twice what the
// library allocates for it.
func TestMessageMemory(t *testing.T) {
	for name, src := range map[string][]byte{
		"list":   bytes.Repeat([]byte{0x1a, 0}, 1<<17),
		"nested": bytes.Repeat([]byte{0x1a, 6, 0x1a, 0, 0x0a, 0, 0x12, 0}, 1<<14),
	} {
		want := allocated(func() { proto.Unmarshal(src, &test2.Tree{}) })
		got := allocated(func() { protobuf.Codec{}.Decode(src, &test2.Tree{}) })
		t.Logf("%s: %d bytes, the library %d", name, got, want)
		if got > 2*want {
			t.Errorf("%s: allocated %d bytes, the library %d", name, got, want)
		}
	}
}

// Byte fields share memory with their neighbours, but nobody can tell.
func TestBytesAreApart(t *testing.T) {
	src := sameEncode(t, &test3.Lists{Bytes: [][]byte{[]byte("one"), []byte("two")}, String_: []string{"text"}})
	var m test3.Lists
	if err := (protobuf.Codec{}).Decode(src, &m); err != nil {
		t.Fatal(err)
	}
	m.Bytes[0] = append(m.Bytes[0], "ABCDEFGH"...)
	m.Bytes[0][0] = 'X'
	if string(m.Bytes[1]) != "two" || m.String_[0] != "text" || string(m.Bytes[0]) != "XneABCDEFGH" {
		t.Errorf("got %q, %q", m.Bytes, m.String_)
	}
}

// Values that span the regions and their growth.
func TestRegions(t *testing.T) {
	m := &test3.Lists{}
	for i := range 3000 {
		m.String_ = append(m.String_, strings.Repeat("é", i%90), strings.Repeat("x", i%13))
		m.Bytes = append(m.Bytes, bytes.Repeat([]byte{byte(i)}, i%5000))
		m.Scalars = append(m.Scalars, &test3.Scalars{String_: strings.Repeat("y", i%300), Ostring: proto.String("o")})
	}
	sameDecode(t, m.ProtoReflect().Type(), sameEncode(t, m), 0)
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	c := protobuf.Codec{}
	strs := &bench.Strings{}
	for range 100 {
		strs.Values = append(strs.Values, "a string of some length")
	}
	src := sameEncode(t, strs)
	for name, want := range map[string]struct {
		most float64
		f    func(buf []byte) []byte
	}{
		"encode":              {0, func(buf []byte) []byte { b, _ := c.Append(buf[:0], wideMessage); return b }},
		"encode into nothing": {1, func(buf []byte) []byte { c.Append(nil, wideMessage); return buf }},
		// The list and one copy for all strings.
		"decode strings": {2, func(buf []byte) []byte { c.Decode(src, strs); return buf }},
	} {
		buf := make([]byte, 0, 4096)
		if got := testing.AllocsPerRun(100, func() { buf = want.f(buf) }); got > want.most {
			t.Errorf("%s: %v allocations, want %v", name, got, want.most)
		}
	}
}

var wideMessage = wide()

// A Codec and a message being marshalled may be used by many goroutines.
func TestConcurrent(t *testing.T) {
	m := traces(1, 3)
	want := sameEncode(t, m)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				got, err := protobuf.Codec{Deterministic: true}.Append(nil, m)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				var back bench.Traces
				if err := (protobuf.Codec{}).Decode(want, &back); err != nil || !proto.Equal(&back, m) {
					t.Errorf("decoded otherwise: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// The bookkeeping of a Decode goes from one to the next, whatever their messages'
// types, which use the same slots; memory of messages does not.
func TestDecodesAreApart(t *testing.T) {
	tree := &test2.Tree{Value: proto.Int64(1)}
	for i := range 40 {
		tree = &test2.Tree{Left: tree, More: []*test2.Tree{{Value: proto.Int64(int64(i))}, {}}}
	}
	kept := []proto.Message{traces(1, 3), tree, wide(), traces(2, 5)}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var got []proto.Message
			for range 5 {
				for _, m := range kept {
					src, err := proto.Marshal(m)
					if err != nil {
						t.Error(err)
					}
					back := m.ProtoReflect().New().Interface()
					if err := (protobuf.Codec{}).Decode(src, back); err != nil {
						t.Error(err)
					}
					got = append(got, back)
				}
				// What failed half-way leaves nothing behind either.
				src, _ := proto.Marshal(kept[0])
				_ = protobuf.Codec{}.Decode(src[:len(src)-1], new(bench.Traces))
				if !protobuf.IdleSlotsAreEmpty() {
					t.Error("memory of a message is held on to")
				}
			}
			for i, m := range got {
				if !proto.Equal(m, kept[i%len(kept)]) {
					t.Errorf("message %d, a %T, is not what was encoded", i, m)
				}
			}
		})
	}
	wg.Wait()
}

// What lies behind the input in its buffer is not read, so that it may be
// written meanwhile: the race detector watches.
func TestDecodeReadsNoFurther(t *testing.T) {
	want := &bench.Strings{Values: []string{"one", "two", "a string of some length"}}
	src := sameEncode(t, want)
	numbers := sameEncode(t, &bench.Ints{Values: slices.Repeat([]int64{300, -1, 7}, 200)})
	for _, in := range [][]byte{src, numbers} {
		buf := append(bytes.Clone(in), make([]byte, 100)...)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 100 {
				rest := buf[len(in):]
				for i := range rest {
					rest[i]++
				}
			}
		})
		for range 100 {
			var strs bench.Strings
			var ints bench.Ints
			a := protobuf.Arena{Alias: true}
			for _, m := range []proto.Message{&strs, &ints} {
				// One of the two is not what was encoded, which is as well.
				_ = protobuf.Codec{}.Decode(buf[:len(in)], m)
				_ = a.Decode(protobuf.Codec{}, buf[:len(in)], m)
			}
		}
		wg.Wait()
	}
}

func TestDeterministic(t *testing.T) {
	m := &test3.Maps{String_: map[string]string{}, Maps: map[bool]*test3.Maps{true: {}, false: {}}}
	for _, k := range "shuffled keys, all of them" {
		m.String_[string(k)] = "v"
	}
	want := sameEncode(t, m)
	for range 20 {
		if got, err := (protobuf.Codec{Deterministic: true}).Append(nil, m); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %x, %v", got, err)
		}
	}
}

// The state of a call lives on the stack, which moves when it grows; the
// collector must never meet a stale pointer to it.
func TestStackGrowth(t *testing.T) {
	deep := &test2.Tree{}
	for range 1500 {
		deep = &test2.Tree{Left: deep, Named: map[string]*test2.Tree{"name": {}}, Value: proto.Int64(1)}
	}
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(deep)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { // each on a small stack
			for range 2 {
				m := &test2.Tree{}
				if err := (protobuf.Codec{MaxDepth: 4000}).Decode(want, m); err != nil {
					t.Error(err)
				}
				runtime.GC()
				got, err := protobuf.Codec{Deterministic: true}.Append(nil, m)
				if err != nil || len(got) < len(want) {
					t.Errorf("got %d bytes, want %d; %v", len(got), len(want), err)
				}
				if err := proto.Unmarshal(got, m); err != nil || !proto.Equal(m, deep) {
					t.Errorf("not what was encoded: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// Long byte fields are copied in pieces, whatever room there is.
func TestLongBytes(t *testing.T) {
	for _, n := range []int{1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 5} {
		long := make([]byte, n)
		for i := range long {
			long[i] = byte(i ^ i>>8 ^ i>>16)
		}
		m := &test3.Lists{Bytes: [][]byte{long, []byte("short")}}
		want, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, room := range []int{0, 16, n / 2, n + 100} {
			got, err := protobuf.Codec{}.Append(make([]byte, 0, room), m)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes in %d: other bytes than the library's, error %v", n, room, err)
			}
		}
	}
}
