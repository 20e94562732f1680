package protobuf_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lupine-rpc/lupine/codec/protobuf"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/bench"
	"github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/test3"
	"github.com/lupine-rpc/lupine/internal/race"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// arenas are used again by many tests, so that each finds what others left.
var arenas = sync.Pool{New: func() any {
	return &[3]*protobuf.Arena{{}, {Alias: true}, {Poison: true}}
}}

// sameArena fails unless decoding src into arenas gives what plain decoding
// gave: want and wantErr.
func sameArena(t testing.TB, mt protoreflect.MessageType, src []byte, c protobuf.Codec, want proto.Message, wantErr error) {
	t.Helper()
	set := arenas.Get().(*[3]*protobuf.Arena)
	defer arenas.Put(set)
	for _, a := range set {
		given := bytes.Clone(src)
		first, second := mt.New().Interface(), mt.New().Interface()
		for _, m := range []proto.Message{first, second} {
			if err := a.Decode(c, given, m); fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%T: decode %x in an arena: error %v, not %v", want, src, err, wantErr)
			}
		}
		if !bytes.Equal(given, src) {
			t.Fatalf("%T: decode %x in an arena changed the input", want, src)
		}
		if !a.Alias {
			clear(given)
		}
		for _, m := range []proto.Message{first, second} {
			if wantErr == nil && !sameBytes(m, want) {
				t.Fatalf("%T: decode %x in an arena:\n got %v\nwant %v", want, src, m, want)
			}
		}
		a.Release()
	}
}

// sameBytes compares as the wire does, under which NaN equals itself.
func sameBytes(x, y proto.Message) bool {
	o := proto.MarshalOptions{Deterministic: true}
	a, errA := o.Marshal(x)
	b, errB := o.Marshal(y)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// Every round finds the arena as new, whatever the last one left in it.
func TestArenaReuse(t *testing.T) {
	for _, a := range []*protobuf.Arena{{}, {Alias: true}, {Poison: true}} {
		for i := range 12 {
			for _, want := range []*bench.Traces{traces(1+i%4, 3*i), traces(1, 1), {}} {
				src, err := proto.Marshal(want)
				if err != nil {
					t.Fatal(err)
				}
				got := &bench.Traces{}
				if err := a.Decode(protobuf.Codec{}, src, got); err != nil || !proto.Equal(got, want) {
					t.Fatalf("round %d: decoded otherwise: %v", i, err)
				}
			}
			a.Release()
		}
	}
}

// Once an arena has seen messages like it, a message takes no memory.
func TestArenaAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	src, err := proto.Marshal(traces(4, 20))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*protobuf.Arena{{}, {Alias: true}} {
		m := &bench.Traces{}
		round := func() {
			if err := a.Decode(protobuf.Codec{}, src, m); err != nil {
				t.Error(err)
			}
			a.Release()
		}
		for range 4 { // until all fits into one chunk of each type
			round()
		}
		if got := testing.AllocsPerRun(20, round); got > 0 {
			t.Errorf("alias %t: %v allocations", a.Alias, got)
		}
	}
}

// After Release, a poisoned arena shows who kept something.
func TestArenaPoison(t *testing.T) {
	src, err := proto.Marshal(&bench.Traces{ResourceSpans: []*bench.ResourceSpans{{
		SchemaUrl: "https://example.com/schema",
		ScopeSpans: []*bench.ScopeSpans{{
			Spans: []*bench.Span{{Name: "a name", TraceId: []byte("0123456789abcdef"), StartTimeUnixNano: 7}, {Kind: 2}},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, alias := range []bool{false, true} {
		a := &protobuf.Arena{Poison: true, Alias: alias}
		m := &bench.Traces{}
		if err := a.Decode(protobuf.Codec{}, src, m); err != nil {
			t.Fatal(err)
		}
		spans := m.ResourceSpans[0].ScopeSpans[0].Spans
		span, name, id := spans[0], spans[0].Name, spans[0].TraceId
		url := m.ResourceSpans[0].SchemaUrl
		a.Release()
		if want := strings.Repeat(string([]byte{protobuf.Poisoned}), len(name)); name != want {
			t.Errorf("a string kept is still %q", name)
		}
		if string(id) == "0123456789abcdef" || strings.HasPrefix(url, "https") {
			t.Errorf("bytes kept are still %q, a string %q", id, url)
		}
		if span.StartTimeUnixNano == 7 || span.Name == "a name" {
			t.Errorf("a message kept is still %v", span)
		}
		if spans[0] != nil {
			t.Error("a list kept still has its elements")
		}
		// What comes next is not affected, nor does it repair what was kept.
		if err := a.Decode(protobuf.Codec{}, src, m); err != nil || m.ResourceSpans[0].ScopeSpans[0].Spans[0].Name != "a name" {
			t.Errorf("decoded again: %v, %v", m, err)
		}
		if name == "a name" || span.Name == "a name" {
			t.Error("memory was used again")
		}
	}
}

// Neighbours in an arena are apart, and lists that grow move out of it.
func TestArenaApart(t *testing.T) {
	want := &test3.Lists{
		Bytes: [][]byte{[]byte("one"), []byte("two")}, String_: []string{"text", "more"},
		Scalars: []*test3.Scalars{{I32: 1}, {I32: 2}},
	}
	src := sameEncode(t, want)
	a := &protobuf.Arena{}
	var x, y test3.Lists
	for _, m := range []*test3.Lists{&x, &y} {
		if err := a.Decode(protobuf.Codec{}, src, m); err != nil {
			t.Fatal(err)
		}
	}
	x.Bytes[0] = append(x.Bytes[0], "ABCDEFGH"...)
	x.Bytes[0][0] = 'X'
	x.Bytes = append(x.Bytes, nil)
	x.String_ = append(x.String_, "other")
	x.Scalars = append(x.Scalars, nil)
	if string(x.Bytes[1]) != "two" || !proto.Equal(&y, want) {
		t.Errorf("got %v and %v", &x, &y)
	}
	a.Release()
}

// An arena does not keep what one huge message took.
func TestArenaKeeps(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	huge := &bench.Strings{Values: []string{strings.Repeat("x", 8<<20)}}
	for range 200_000 {
		huge.Values = append(huge.Values, "y")
	}
	src, err := proto.Marshal(huge)
	if err != nil {
		t.Fatal(err)
	}
	before := inUse()
	a, m := &protobuf.Arena{}, &bench.Strings{}
	if err := a.Decode(protobuf.Codec{}, src, m); err != nil || !proto.Equal(m, huge) {
		t.Fatal("decoded otherwise", err)
	}
	m.Reset()
	a.Release()
	if got := inUse() - before; got > 3*protobuf.MaxKept {
		t.Errorf("an arena at rest holds %d bytes", got)
	}
	if err := a.Decode(protobuf.Codec{}, src, m); err != nil || !proto.Equal(m, huge) {
		t.Fatal("decoded otherwise the second time", err)
	}
}

// Many read what one goroutine has decoded; each has its own arena.
func TestArenaConcurrent(t *testing.T) {
	want := traces(2, 5)
	src, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			a, m := &protobuf.Arena{Alias: true}, &bench.Traces{}
			for range 10 {
				if err := a.Decode(protobuf.Codec{}, src, m); err != nil {
					t.Error(err)
				}
				var readers sync.WaitGroup
				for range 2 {
					readers.Go(func() {
						if !proto.Equal(m, want) {
							t.Error("decoded otherwise")
						}
					})
				}
				readers.Wait()
				a.Release()
			}
		})
	}
	all.Wait()
}
