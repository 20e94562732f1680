package codec

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine/bench/codec/shapepb"
	"github.com/lupine-rpc/lupine/bench/codec/vtpb"
	"github.com/lupine-rpc/lupine/bench/codec/vtpoolpb"
)

// vtMessage is what vtprotobuf adds to a message.
type vtMessage interface {
	proto.Message
	MarshalVT() ([]byte, error)
	MarshalToSizedBufferVT([]byte) (int, error)
	SizeVT() int
	UnmarshalVT([]byte) error
	UnmarshalVTUnsafe([]byte) error
}

// vtPooled is what vtprotobuf adds to a message that it pools.
type vtPooled interface {
	proto.Message
	UnmarshalVT([]byte) error
	ReturnToVTPool()
}

// shape is one message to measure with, in the types of each codec.
type shape struct {
	name     string
	message  proto.Message // ours and Google's
	empty    func() proto.Message
	vt       vtMessage
	vtEmpty  func() vtMessage
	vtPooled func() vtPooled
	bytes    []byte // encoded
}

// MessageNames returns the names of the messages, in order.
func MessageNames() []string {
	return []string{"small", "strings", "ints", "wide", "traces"}
}

// shapes makes the messages. They are the same on every run and machine.
func shapes() ([]*shape, error) {
	list := []*shape{
		{message: small(), empty: func() proto.Message { return new(shapepb.Small) },
			vt: new(vtpb.Small), vtEmpty: func() vtMessage { return new(vtpb.Small) }, vtPooled: func() vtPooled { return vtpoolpb.SmallFromVTPool() }},
		{message: texts(), empty: func() proto.Message { return new(shapepb.Strings) },
			vt: new(vtpb.Strings), vtEmpty: func() vtMessage { return new(vtpb.Strings) }, vtPooled: func() vtPooled { return vtpoolpb.StringsFromVTPool() }},
		{message: ints(), empty: func() proto.Message { return new(shapepb.Ints) },
			vt: new(vtpb.Ints), vtEmpty: func() vtMessage { return new(vtpb.Ints) }, vtPooled: func() vtPooled { return vtpoolpb.IntsFromVTPool() }},
		{message: wide(), empty: func() proto.Message { return new(shapepb.Wide) },
			vt: new(vtpb.Wide), vtEmpty: func() vtMessage { return new(vtpb.Wide) }, vtPooled: func() vtPooled { return vtpoolpb.WideFromVTPool() }},
		{message: traces(), empty: func() proto.Message { return new(shapepb.Traces) },
			vt: new(vtpb.Traces), vtEmpty: func() vtMessage { return new(vtpb.Traces) }, vtPooled: func() vtPooled { return vtpoolpb.TracesFromVTPool() }},
	}
	for i, s := range list {
		s.name = MessageNames()[i]
		var err error
		if s.bytes, err = (proto.MarshalOptions{Deterministic: true}).Marshal(s.message); err != nil {
			return nil, err
		}
		// The messages that are marshalled are as if they had been received.
		s.message = s.empty()
		for _, m := range []proto.Message{s.message, s.vt} {
			if err := proto.Unmarshal(s.bytes, m); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// maker makes values from a fixed seed.
type maker struct{ *rand.Rand }

func seeded(n uint64) maker { return maker{rand.New(rand.NewPCG(n, 20_26))} }

var words = strings.Fields(`account address archive balance branch buffer cache channel client cluster commit
	config cursor customer dataset deadline delivery device digest domain editor element engine entry event export
	filter folder gateway grant handler header history image import index invoice journal kernel label ledger
	library limit listing lock machine manifest marker member message method metric mirror model module network
	notice object offer option order origin output owner packet parcel partner password payment period pipeline
	policy profile project provider queue quota record region release report request resource response result
	router sample schedule schema search section segment sensor server service session shard signal snapshot
	source station status storage stream subject summary switch symbol system table tenant ticket token topic`)

func (m maker) word() string { return words[m.IntN(len(words))] }

// text returns words, about n bytes.
func (m maker) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(m.word())
	}
	return b.String()
}

func (m maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

// wideInt returns a number whose width in bits is random up to n.
func (m maker) wideInt(n int) uint64 { return m.Uint64() >> (64 - 1 - m.IntN(n)) }

func small() *shapepb.Small {
	return &shapepb.Small{Id: 8_231_907, Name: "order confirmed", Active: true, Score: 0.9713, Kind: 3, UpdatedAt: 1_790_000_123}
}

func texts() *shapepb.Strings {
	m := seeded(1)
	s := &shapepb.Strings{
		Title: m.text(24), Author: m.text(18), Street: m.text(22), City: m.word(), Country: m.word(),
		Email: m.word() + "@" + m.word() + ".example", Url: "https://" + m.word() + ".example/" + m.word() + "/" + m.word(),
		Summary: m.text(120), Body: m.text(480),
	}
	for range 12 {
		s.Tags = append(s.Tags, m.text(6))
	}
	return s
}

func ints() *shapepb.Ints {
	m := seeded(2)
	x := &shapepb.Ints{
		A: int32(m.wideInt(31)), B: int64(m.wideInt(63)), C: uint32(m.wideInt(32)), D: m.wideInt(64),
		E: -int32(m.wideInt(31)), F: -int64(m.wideInt(63)), G: -1, H: int64(m.wideInt(63)), I: uint32(m.wideInt(32)),
		J: m.wideInt(64), K: int32(m.wideInt(31)), L: int64(m.wideInt(63)),
	}
	for range 128 {
		x.Ids = append(x.Ids, m.wideInt(64))
		up, down := int64(m.wideInt(40)), int64(m.wideInt(40))
		x.Deltas = append(x.Deltas, up-down)
		x.Counts = append(x.Counts, int32(m.wideInt(20)))
	}
	return x
}

func wide() *shapepb.Wide {
	m := seeded(3)
	w := &shapepb.Wide{
		Name: m.text(16), Namespace: m.word(), Uid: m.bytes(16), Generation: 42, Paused: true, Weight: 1.5, Ratio: 0.25,
		Checksum: m.Uint32(), Stamp: m.Uint64(), Offset: -17, Skew: -90_000, State: shapepb.Wide_RUNNING,
		Labels: map[string]string{}, Annotations: map[string]string{}, Nodes: map[int32]*shapepb.Wide_Node{}, Quotas: map[string]int64{},
		Root: node(m, 3), Comment: proto.String(m.text(40)), Priority: proto.Int32(7), Source: &shapepb.Wide_Tree{Tree: node(m, 1)},
	}
	for i := range 8 {
		w.Labels[fmt.Sprintf("%s/%d", m.word(), i)] = m.word()
		w.Annotations[fmt.Sprintf("%s.example/%d", m.word(), i)] = m.text(30)
		w.Nodes[int32(i*100)] = node(m, 0)
		w.Quotas[fmt.Sprintf("%s-%d", m.word(), i)] = int64(m.wideInt(40))
		w.List = append(w.List, node(m, 0))
		w.History = append(w.History, shapepb.Wide_State(i%4))
		w.Samples = append(w.Samples, m.Float64())
	}
	return w
}

// node returns a tree, three wide and so many levels deep below it.
func node(m maker, depth int) *shapepb.Wide_Node {
	n := &shapepb.Wide_Node{Name: m.text(10), Port: int32(1024 + m.IntN(60_000)), Ready: m.IntN(2) == 0}
	for range 2 {
		n.Addresses = append(n.Addresses, fmt.Sprintf("10.%d.%d.%d", m.IntN(256), m.IntN(256), m.IntN(256)))
	}
	if depth > 0 {
		for range 3 {
			n.Children = append(n.Children, node(m, depth-1))
		}
	}
	return n
}

// traces returns one resource's batch of 100 spans in 4 scopes.
func traces() *shapepb.Traces {
	m := seeded(4)
	resource := &shapepb.Traces_ResourceSpans{Resource: &shapepb.Traces_Resource{}, SchemaUrl: "https://schemas.example/1.37.0"}
	for range 9 {
		resource.Resource.Attributes = append(resource.Resource.Attributes, attribute(m, 0))
	}
	for range 4 {
		scope := &shapepb.Traces_ScopeSpans{Scope: &shapepb.Traces_Scope{Name: m.word() + "/" + m.word(), Version: "1.4.2"}}
		for range 25 {
			scope.Spans = append(scope.Spans, span(m))
		}
		resource.ScopeSpans = append(resource.ScopeSpans, scope)
	}
	return &shapepb.Traces{ResourceSpans: []*shapepb.Traces_ResourceSpans{resource}}
}

func span(m maker) *shapepb.Traces_Span {
	start := 1_790_000_000_000_000_000 + m.Uint64N(1_000_000_000)
	s := &shapepb.Traces_Span{
		TraceId: m.bytes(16), SpanId: m.bytes(8), ParentSpanId: m.bytes(8), Name: "GET /" + m.word() + "/{" + m.word() + "}",
		Kind: shapepb.Traces_Kind(1 + m.IntN(3)), StartTimeUnixNano: start, EndTimeUnixNano: start + m.Uint64N(50_000_000), Flags: 1,
		Status: &shapepb.Traces_Status{},
	}
	for i := range 6 {
		s.Attributes = append(s.Attributes, attribute(m, i))
	}
	if m.IntN(4) == 0 {
		s.Events = append(s.Events, &shapepb.Traces_Event{TimeUnixNano: start + 1000, Name: m.word(), Attributes: []*shapepb.Traces_KeyValue{attribute(m, 0), attribute(m, 3)}})
	}
	if m.IntN(10) == 0 {
		s.Links = append(s.Links, &shapepb.Traces_Link{TraceId: m.bytes(16), SpanId: m.bytes(8)})
		s.Status = &shapepb.Traces_Status{Code: 2, Message: m.text(30)}
	}
	return s
}

// attribute returns a pair whose value is mostly a string.
func attribute(m maker, i int) *shapepb.Traces_KeyValue {
	v := &shapepb.Traces_AnyValue{}
	switch i % 6 {
	case 3:
		v.Value = &shapepb.Traces_AnyValue_IntValue{IntValue: int64(m.IntN(100_000))}
	case 4:
		v.Value = &shapepb.Traces_AnyValue_BoolValue{BoolValue: true}
	case 5:
		if m.IntN(8) == 0 {
			list := &shapepb.Traces_ArrayValue{}
			for range 3 {
				list.Values = append(list.Values, &shapepb.Traces_AnyValue{Value: &shapepb.Traces_AnyValue_StringValue{StringValue: m.word()}})
			}
			v.Value = &shapepb.Traces_AnyValue_ArrayValue{ArrayValue: list}
			break
		}
		v.Value = &shapepb.Traces_AnyValue_DoubleValue{DoubleValue: m.Float64()}
	default:
		v.Value = &shapepb.Traces_AnyValue_StringValue{StringValue: m.text(4 + m.IntN(30))}
	}
	return &shapepb.Traces_KeyValue{Key: m.word() + "." + m.word(), Value: v}
}
