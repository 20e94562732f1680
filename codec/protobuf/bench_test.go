package protobuf_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lupine-rpc/lupine/codec/protobuf"
	pb "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/bench"
	"google.golang.org/protobuf/proto"
)

// The benchmarks print ours beside google.golang.org/protobuf's; compare two
// lines of one run:
//
//	go test ./codec/protobuf -run - -bench .

type benchCase struct {
	name string
	msg  proto.Message
	make func() proto.Message
}

func benchCases() []benchCase {
	r := rand.New(rand.NewPCG(1, 1))
	ints := &pb.Ints{}
	for range 1000 {
		ints.Values = append(ints.Values, int64(r.Uint64()>>r.IntN(64)))
	}
	few := &pb.Ints{}
	for range 1000 {
		few.Values = append(few.Values, r.Int64N(100))
	}
	strs := &pb.Strings{}
	for i := range 200 {
		strs.Values = append(strs.Values, fmt.Sprintf("a string, number %d", i))
	}
	return []benchCase{
		{"small", small(), func() proto.Message { return new(pb.Small) }},
		{"wide", wide(), func() proto.Message { return new(pb.Wide) }},
		{"nested", traces(4, 20), func() proto.Message { return new(pb.Traces) }},
		{"ints", ints, func() proto.Message { return new(pb.Ints) }},
		{"smallints", few, func() proto.Message { return new(pb.Ints) }},
		{"strings", strs, func() proto.Message { return new(pb.Strings) }},
		{"blob64K", &pb.Blob{Status: 1, Payload: &pb.Payload{Body: make([]byte, 64<<10)}}, func() proto.Message { return new(pb.Blob) }},
	}
}

func small() *pb.Small {
	return &pb.Small{Name: "a small message", Id: 123456, Active: true, Score: 0.5}
}

func wide() *pb.Wide {
	return &pb.Wide{
		A1: 1, A2: 20000, A3: -1, A4: 1 << 40, A5: 77, A6: 1 << 50, A7: -5, A8: 500, A9: true,
		A10: 1.5, A11: 2.5, A12: 3, A13: 4, A14: "fourteen", A15: "fifteen and some more", A16: []byte("sixteen"),
		A17: proto.Int32(17), A18: proto.Int64(18), A19: proto.String("nineteen"), A20: proto.Float64(20), A21: proto.Bool(true),
		A22: "twenty-two", A23: 23, A24: 24, A25: small(), A26: []int32{1, 2, 3, 1000, 100000},
		A27: []string{"one", "two", "three"}, A28: map[string]string{"key": "value", "other": "thing"},
		One: &pb.Wide_A30{A30: "thirty"},
	}
}

func attributes(n int) (list []*pb.KeyValue) {
	for i := range n {
		kv := &pb.KeyValue{Key: fmt.Sprintf("attribute.key.%d", i)}
		switch i % 3 {
		case 0:
			kv.Value = &pb.AnyValue{Value: &pb.AnyValue_StringValue{StringValue: "some value"}}
		case 1:
			kv.Value = &pb.AnyValue{Value: &pb.AnyValue_IntValue{IntValue: int64(i) * 1000}}
		case 2:
			kv.Value = &pb.AnyValue{Value: &pb.AnyValue_BoolValue{BoolValue: true}}
		}
		list = append(list, kv)
	}
	return list
}

func traces(scopes, spans int) *pb.Traces {
	rs := &pb.ResourceSpans{Resource: &pb.Resource{Attributes: attributes(5)}, SchemaUrl: "https://example.com/schema"}
	for i := range scopes {
		ss := &pb.ScopeSpans{Scope: &pb.Scope{Name: fmt.Sprintf("scope%d", i), Version: "1.0"}}
		for j := range spans {
			ss.Spans = append(ss.Spans, &pb.Span{
				TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), ParentSpanId: []byte("76543210"),
				Name: fmt.Sprintf("GET /path/%d", j), Kind: 2, StartTimeUnixNano: 1 << 60, EndTimeUnixNano: 1<<60 + 1000,
				Attributes: attributes(6), Status: &pb.Status{Code: 1},
				Events: []*pb.Event{{TimeUnixNano: 1 << 60, Name: "event", Attributes: attributes(2)}},
			})
		}
		rs.ScopeSpans = append(rs.ScopeSpans, ss)
	}
	return &pb.Traces{ResourceSpans: []*pb.ResourceSpans{rs}}
}

func BenchmarkMarshal(b *testing.B) {
	for _, c := range benchCases() {
		size := int64(proto.Size(c.msg))
		b.Run(c.name+"/google", func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				if _, err := proto.Marshal(c.msg); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/google-reuse", func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			defer reportCPU(b)()
			var buf []byte
			for b.Loop() {
				var err error
				if buf, err = (proto.MarshalOptions{}).MarshalAppend(buf[:0], c.msg); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/lupine-reuse", func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			defer reportCPU(b)()
			var buf []byte
			for b.Loop() {
				var err error
				if buf, err = (protobuf.Codec{}).Append(buf[:0], c.msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	for _, c := range benchCases() {
		src, err := proto.Marshal(c.msg)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name+"/google", func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				if err := proto.Unmarshal(src, c.make()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/lupine", func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				if err := (protobuf.Codec{}).Decode(src, c.make()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
