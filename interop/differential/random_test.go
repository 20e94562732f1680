package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// dice makes scenarios. All that a scenario is made of is drawn before it runs,
// since it runs four times.
type dice struct{ *rand.Rand }

// generate is scenario i of a seed.
func generate(seed, i uint64) *scenario {
	d := dice{rand.New(rand.NewPCG(seed, i))}
	s := &scenario{name: fmt.Sprintf("seed %d scenario %d", seed, i), kind: kind(d.IntN(5))}
	s.options.header = d.metadata()
	if d.one(3) {
		s.options.timeout = time.Hour
	}
	if d.one(4) {
		s.options.compress = "gzip"
	}
	switch s.kind {
	case say, mirror:
		d.unary(s)
	case list:
		d.list(s)
	case sum:
		d.sum(s)
	case chat:
		d.chat(s)
	}
	return s
}

// one is true once in n times.
func (d dice) one(n int) bool { return d.IntN(n) == 0 }

// size is small most of the time.
func (d dice) size() int {
	switch d.IntN(10) {
	case 0:
		return 0
	case 1:
		return d.IntN(200_000)
	case 2, 3:
		return d.IntN(20_000)
	}
	return d.IntN(100)
}

func (d dice) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	if d.one(2) { // something that can be compressed
		clear(b[n/3:])
	}
	return b
}

var letters = []rune("abcdefghij 0123456789%%\"\\,;:=&\t\n\r\x00\x7féüß日本語\u2028\U0001F43A")

func (d dice) text(n int) string {
	var b strings.Builder
	for range n {
		b.WriteRune(letters[d.IntN(len(letters))])
	}
	return b.String()
}

// metadata is what every caller may send.
func (d dice) metadata() pairs {
	var p pairs
	for range d.IntN(5) {
		key := fmt.Sprintf("k%c", 'a'+rune(d.IntN(4)))
		if d.one(3) {
			p = append(p, key+"-bin", string(d.bytes(d.IntN(50))))
			continue
		}
		value := make([]byte, d.IntN(30))
		for i := range value {
			value[i] = byte('!' + d.IntN('~'-'!'+1))
		}
		p = append(p, key, string(value))
	}
	return p
}

func (d dice) request() *testpb.EchoRequest {
	return &testpb.EchoRequest{Text: d.text(d.IntN(20)), Payload: d.bytes(d.size()), Count: d.Uint32() >> d.IntN(32)}
}

func (d dice) reply() *testpb.EchoReply {
	return &testpb.EchoReply{Text: d.text(d.IntN(20)), Payload: d.bytes(d.size()), Count: d.Uint32() >> d.IntN(32)}
}

func (d dice) requests(n int) []*testpb.EchoRequest {
	all := make([]*testpb.EchoRequest, n)
	for i := range all {
		all[i] = d.request()
	}
	return all
}

func (d dice) replies(n int) []*testpb.EchoReply {
	all := make([]*testpb.EchoReply, n)
	for i := range all {
		all[i] = d.reply()
	}
	return all
}

// outcome is how a handler ends: nil most of the time.
func (d dice) outcome() error {
	if !d.one(3) {
		return nil
	}
	f := &failure{code: 1 + int32(d.IntN(16)), message: d.text(d.IntN(60))}
	for range d.IntN(3) {
		f.details = append(f.details, lupine.Detail{Type: "some.Type" + fmt.Sprint(d.IntN(9)), Value: d.bytes(d.IntN(200))})
	}
	return f
}

// frame wraps a handler with metadata of its own.
func (d dice) frame(inner func(*hand) error) func(*hand) error {
	header, trailer, first := d.metadata(), d.metadata(), d.one(3)
	return func(h *hand) error {
		h.setHeader(header)
		h.setTrailer(trailer)
		if first && h.sendHeader != nil {
			if err := h.sendHeader(); err != nil {
				return err
			}
		}
		return inner(h)
	}
}

func (d dice) unary(s *scenario) {
	end := d.outcome()
	if s.kind == mirror {
		m, back := new(testpb.Everything), new(testpb.Everything)
		d.fill(m.ProtoReflect(), 4)
		d.fill(back.ProtoReflect(), 4)
		s.request = m
		s.handler = d.frame(func(h *hand) error {
			got := new(testpb.Everything)
			h.recv(got)
			h.note("handler: received %s", digest(got))
			h.reply(back)
			return end
		})
		return
	}
	s.request = d.request()
	reply := d.reply()
	s.handler = d.frame(func(h *hand) error {
		h.receive()
		h.reply(reply)
		return end
	})
}

func (d dice) list(s *scenario) {
	s.request = d.request()
	replies, end := d.replies(d.IntN(20)), d.outcome()
	s.handler = d.frame(func(h *hand) error {
		h.receive()
		for _, r := range replies {
			h.reply(r)
		}
		return end
	})
	asks, some := d.one(2), 0
	if len(replies) > 0 {
		some = d.IntN(len(replies))
	}
	s.caller = func(c *call) {
		if asks {
			c.heads()
		}
		for range some {
			c.receives()
		}
	}
}

func (d dice) sum(s *scenario) {
	requests, reply, end := d.requests(d.IntN(20)), d.reply(), d.outcome()
	takes := -1 // all
	if len(requests) > 0 && d.one(3) {
		takes = d.IntN(len(requests))
	}
	s.caller = func(c *call) {
		for _, r := range requests {
			c.sends(r)
		}
	}
	s.handler = d.frame(func(h *hand) error {
		for i := 0; i != takes && h.receive() != nil; i++ {
		}
		h.reply(reply)
		return end
	})
}

// turn is a part of a dialogue: so many messages one way, then so many the other.
type turn struct {
	requests []*testpb.EchoRequest
	replies  []*testpb.EchoReply
}

func (d dice) chat(s *scenario) {
	var turns []turn
	for range d.IntN(6) {
		turns = append(turns, turn{d.requests(d.IntN(4)), d.replies(d.IntN(4))})
	}
	last, end := d.replies(d.IntN(3)), d.outcome()
	leaves := len(turns) // the handler leaves before this turn
	if len(turns) > 0 && end != nil && d.one(2) {
		leaves = d.IntN(len(turns))
	}
	s.caller = func(c *call) {
		for _, t := range turns {
			for _, r := range t.requests {
				if c.ended {
					return
				}
				c.sends(r)
			}
			for range t.replies {
				c.receives()
			}
		}
	}
	s.handler = d.frame(func(h *hand) error {
		for i, t := range turns {
			if i == leaves {
				return end
			}
			for range t.requests {
				h.receive()
			}
			for _, r := range t.replies {
				h.reply(r)
			}
		}
		for h.receive() != nil {
		}
		for _, r := range last {
			h.reply(r)
		}
		return end
	})
}

// fill sets about a third of m's fields to something.
func (d dice) fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !d.one(3) || depth == 0 && f.Message() != nil {
			continue
		}
		switch {
		case f.IsMap():
			entries := m.Mutable(f).Map()
			for range d.IntN(4) {
				k := d.scalar(f.MapKey()).MapKey()
				if f.MapValue().Message() != nil {
					d.fill(entries.Mutable(k).Message(), depth-1)
				} else {
					entries.Set(k, d.scalar(f.MapValue()))
				}
			}
		case f.IsList():
			items := m.Mutable(f).List()
			for range d.IntN(4) {
				if f.Message() != nil {
					d.fill(items.AppendMutable().Message(), depth-1)
				} else {
					items.Append(d.scalar(f))
				}
			}
		case f.Message() != nil:
			if strings.HasPrefix(string(f.Message().FullName()), "google.protobuf.Any") {
				continue // its value has to be a message
			}
			d.fill(m.Mutable(f).Message(), depth-1)
		default:
			m.Set(f, d.scalar(f))
		}
	}
}

func (d dice) scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	bits := d.Uint64() >> d.IntN(64)
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(bits&1 == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(bits & 3))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(bits))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(bits))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(bits))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(bits)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(d.NormFloat64()))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(d.NormFloat64())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(d.text(d.IntN(10)))
	default:
		return protoreflect.ValueOfBytes(d.bytes(d.IntN(20)))
	}
}
