package codec

import (
	"bytes"
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine/bench/codec/shapepb"
	"github.com/lupine-rpc/lupine/codec/protobuf"
)

// The sizes were committed before anything was made faster; a change makes old
// figures worthless.
func TestSizes(t *testing.T) {
	want := map[string]int{"small": 41, "strings": 892, "ints": 1467, "wide": 4122, "traces": 33123}
	list, err := shapes()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if got := len(s.bytes); got != want[s.name] {
			t.Errorf("%s has %d bytes, want %d", s.name, got, want[s.name])
		}
	}
}

// Whoever is compared must do the same work.
func TestSame(t *testing.T) {
	list, err := shapes()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		ours := s.empty()
		if err := (protobuf.Codec{}).Decode(s.bytes, ours); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(ours, s.message) {
			t.Errorf("%s: Lupine decodes another message", s.name)
		}
		for _, a := range []*protobuf.Arena{{}, {Alias: true}} {
			pooled := s.empty()
			if err := a.Decode(protobuf.Codec{}, s.bytes, pooled); err != nil || !proto.Equal(pooled, s.message) {
				t.Errorf("%s: Lupine decodes another message into an arena: %v", s.name, err)
			}
		}
		for name, m := range map[string]proto.Message{"vt": s.vtEmpty(), "vtpool": s.vtPooled()} {
			if err := m.(interface{ UnmarshalVT([]byte) error }).UnmarshalVT(s.bytes); err != nil {
				t.Fatal(err)
			}
			again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, s.bytes) {
				t.Errorf("%s: %s decodes another message", s.name, name)
			}
		}
		encoded, err := (protobuf.Codec{}).Append(nil, s.message)
		if err != nil {
			t.Fatal(err)
		}
		vt, err := s.vt.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"Lupine": encoded, "vtprotobuf": vt} {
			back := s.empty()
			if err := proto.Unmarshal(b, back); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(back, s.message) {
				t.Errorf("%s: %s encodes another message", s.name, name)
			}
		}
	}
}

// Every contender runs, and every goal's names are measured.
func TestRun(t *testing.T) {
	r, err := Run(context.Background(), Plan{Rounds: 1, Sample: 100 * time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range MessageNames() {
		for _, c := range []struct {
			op Op
			by string
		}{{Marshal, VTReused}, {Marshal, OursReused}, {Unmarshal, VT}, {Unmarshal, Ours}, {Unmarshal, OursPooled}, {Unmarshal, OursAliased}, {Unmarshal, HyperPB}, {Size, VT}} {
			if checked && c.by == HyperPB {
				continue
			}
			if x, ok := r.Get(m, c.op, c.by); !ok || x.Nanos <= 0 {
				t.Errorf("%s %s by %s: got %+v", c.op, m, c.by, x)
			}
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	list, err := shapes()
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range list {
		for _, c := range contenders() {
			run := c.make(s)
			if run == nil {
				continue
			}
			b.Run(string(c.op)+"/"+s.name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(s.bytes)))
				if err := run(b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkFloor allocates what a safe decode of traces does, in 46 pieces, and
// nothing else: the floor under unmarshalling into new memory.
func BenchmarkFloor(b *testing.B) {
	type pieces struct {
		slabs [40][]shapepb.Traces_KeyValue
		text  [6][]byte
	}
	b.ReportAllocs()
	for b.Loop() {
		p := new(pieces)
		for i := range p.slabs {
			p.slabs[i] = make([]shapepb.Traces_KeyValue, 56)
		}
		for i := range p.text {
			p.text[i] = make([]byte, 33123/len(p.text))
		}
		floor = p
	}
}

var floor any // where what is allocated escapes to
