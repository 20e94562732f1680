package protobuf_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine/codec/protobuf"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/bench"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/edition"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/edition24"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/foreign"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/hybrid"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/opaque"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/test2"
	_ "github.com/lupine-rpc/lupine/codec/protobuf/internal/testpb/test3"
	"github.com/lupine-rpc/lupine/internal/race"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// messageTypes returns every message type of the test packages and of the
// well-known types, in a fixed order.
func messageTypes() []protoreflect.MessageType {
	var types []protoreflect.MessageType
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		name := string(mt.Descriptor().FullName())
		known := strings.HasPrefix(name, "google.protobuf.") && !strings.Contains(mt.Descriptor().ParentFile().Path(), "descriptor")
		if strings.HasPrefix(name, "lupine.testpb.") || known {
			if !mt.Descriptor().IsMapEntry() {
				types = append(types, mt)
			}
		}
		return true
	})
	slices.SortFunc(types, func(a, b protoreflect.MessageType) int {
		return strings.Compare(string(a.Descriptor().FullName()), string(b.Descriptor().FullName()))
	})
	return types
}

// filler makes random messages.
type filler struct {
	*rand.Rand
	// sloppy leaves required fields unset and strings invalid now and then, and
	// puts nil where a message could be.
	sloppy bool
}

func (r *filler) message(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	chance := 2 + r.IntN(4)
	for i := range fields.Len() {
		fd := fields.Get(i)
		required := fd.Cardinality() == protoreflect.Required && (!r.sloppy || r.IntN(8) > 0)
		if !required && r.IntN(chance) != 0 || depth <= 0 && fd.Message() != nil && !required {
			continue
		}
		r.field(m, fd, depth)
	}
	if ranges := m.Descriptor().ExtensionRanges(); ranges.Len() > 0 {
		protoregistry.GlobalTypes.RangeExtensionsByMessage(m.Descriptor().FullName(), func(xt protoreflect.ExtensionType) bool {
			if r.IntN(3) == 0 && depth > 0 {
				r.field(m, xt.TypeDescriptor(), depth)
			}
			return true
		})
	}
	if r.IntN(6) == 0 {
		m.SetUnknown(r.unknown(m.Descriptor()))
	}
}

func (r *filler) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	switch {
	case fd.IsMap():
		mp := m.Mutable(fd).Map()
		for range r.IntN(4) {
			k := r.scalar(fd.MapKey()).MapKey()
			v := mp.NewValue()
			if fd.MapValue().Message() != nil {
				r.message(v.Message(), depth-1)
			} else {
				v = r.scalar(fd.MapValue())
			}
			mp.Set(k, v)
		}
	case fd.IsList():
		list := m.Mutable(fd).List()
		for range r.IntN(5) {
			if fd.Message() != nil {
				r.message(list.AppendMutable().Message(), depth-1)
			} else {
				list.Append(r.scalar(fd))
			}
		}
	case fd.Message() != nil:
		r.message(m.Mutable(fd).Message(), depth-1)
	default:
		m.Set(fd, r.scalar(fd))
	}
}

func (r *filler) scalar(fd protoreflect.FieldDescriptor) protoreflect.Value {
	n := r.number()
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n&1 == 0)
	case protoreflect.EnumKind:
		if values := fd.Enum().Values(); r.IntN(3) > 0 {
			return protoreflect.ValueOfEnum(values.Get(r.IntN(values.Len())).Number())
		}
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(int32(n)))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(n)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(r.float()))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(r.float())
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(r.text(true)))
	}
	return protoreflect.ValueOfString(r.text(r.sloppy && r.IntN(16) == 0))
}

func (r *filler) number() uint64 {
	n := r.Uint64() >> r.IntN(64)
	switch r.IntN(6) {
	case 0:
		return -n
	case 1:
		return []uint64{0, 1, 127, 128, 1<<14 - 1, 1 << 14, math.MaxInt32, 1 << 31, math.MaxUint32, 1<<56 - 1, 1 << 56, math.MaxInt64, 1 << 63, math.MaxUint64}[r.IntN(14)]
	}
	return n
}

func (r *filler) float() float64 {
	switch r.IntN(8) {
	case 0:
		return 0
	case 1:
		return math.Copysign(0, -1)
	case 2:
		return math.NaN()
	case 3:
		return math.Inf(1 - 2*r.IntN(2))
	}
	return r.NormFloat64()
}

func (r *filler) text(raw bool) string {
	n := r.IntN(12)
	switch r.IntN(20) {
	case 0:
		n = 120 + r.IntN(20)
	case 1:
		n = r.IntN(9000)
	}
	b := make([]byte, 0, n)
	for len(b) < n {
		switch {
		case raw:
			b = append(b, byte(r.Uint32()))
		case r.IntN(8) == 0:
			b = append(b, string([]rune{'é', '世', '🌲', 0}[r.IntN(4)])...)
		default:
			b = append(b, byte('a'+r.IntN(26)))
		}
	}
	return string(b)
}

// unknown makes fields whose numbers the message does not have.
func (r *filler) unknown(md protoreflect.MessageDescriptor) []byte {
	var b []byte
	for range 1 + r.IntN(3) {
		num := protowire.Number(1 + r.IntN(1<<uint(2+r.IntN(26))))
		if md.Fields().ByNumber(num) != nil || md.ExtensionRanges().Has(num) {
			continue
		}
		switch r.IntN(5) {
		case 0:
			b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), r.number())
		case 1:
			b = protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), r.Uint32())
		case 2:
			b = protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), r.Uint64())
		case 3:
			b = protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), r.text(true))
		case 4:
			b = protowire.AppendTag(b, num, protowire.StartGroupType)
			b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), r.number())
			b = protowire.AppendTag(b, num, protowire.EndGroupType)
		}
	}
	return b
}

// sameEncode fails unless both libraries encode m alike.
func sameEncode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	want, wantErr := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	got, err := protobuf.Codec{Deterministic: true}.Append([]byte("before"), m)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%T: encode: error %v, google.golang.org/protobuf's %v", m, err, wantErr)
	}
	if !bytes.HasPrefix(got, []byte("before")) {
		t.Fatalf("%T: encode lost what was in the buffer", m)
	}
	got = got[len("before"):]
	if err != nil {
		if len(got) != 0 {
			t.Fatalf("%T: failed encode left %d bytes", m, len(got))
		}
		return nil
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%T: encode:\n got %x\nwant %x\n%s", m, got, want, prototext.Format(m))
	}
	loose, err := protobuf.Codec{}.Append(nil, m)
	if err != nil || len(loose) != len(want) {
		t.Fatalf("%T: encode in any order: %d bytes, %v; want %d", m, len(loose), err, len(want))
	}
	return want
}

// sameDecode fails unless both libraries make the same of src.
func sameDecode(t testing.TB, mt protoreflect.MessageType, src []byte, depth int) error {
	t.Helper()
	got, want := mt.New().Interface(), mt.New().Interface()
	given := bytes.Clone(src)
	err := protobuf.Codec{MaxDepth: depth}.Decode(given, got)
	if !bytes.Equal(given, src) {
		t.Fatalf("%T: decode changed its input", got)
	}
	clear(given) // nothing may refer to it
	sameArena(t, mt, src, protobuf.Codec{MaxDepth: depth}, got, err)
	limit := depth
	if limit == 0 {
		limit = protobuf.DefaultMaxDepth
	}
	// The library forgets about required fields within lazy ones and within
	// all but the first field of a oneof.
	wantErr := proto.UnmarshalOptions{RecursionLimit: limit, NoLazyDecoding: true}.Unmarshal(src, want)
	if wantErr == nil {
		wantErr = proto.CheckInitialized(want)
	}
	if (err == nil) != (wantErr == nil) {
		if fmt.Sprint(err) != "" && strings.Contains(fmt.Sprint(err), protobuf.ErrDepth.Error()) {
			return err // unknown groups count here, see the package comment
		}
		t.Fatalf("%T: decode %x: error %v, google.golang.org/protobuf's %v", got, src, err, wantErr)
	}
	if err != nil {
		return err
	}
	if !proto.Equal(got, want) {
		t.Fatalf("%T: decode %x:\n got %s\nwant %s", got, src, prototext.Format(got), prototext.Format(want))
	}
	o := proto.MarshalOptions{Deterministic: true}
	a, errA := o.Marshal(got)
	b, errB := o.Marshal(want)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Fatalf("%T: decode %x: marshals as\n     %x (%v)\nnot as %x (%v)", got, src, a, errA, b, errB)
	}
	return nil
}

// mutate spoils b in one of several ways.
func (r *filler) mutate(b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return append(b, byte(r.Uint32()))
		}
		i := r.IntN(len(b))
		switch r.IntN(7) {
		case 0:
			b = b[:i]
		case 1:
			b[i] ^= 1 << r.IntN(8)
		case 2:
			b[i] = byte(r.Uint32())
		case 3:
			b = slices.Insert(b, i, byte(r.Uint32()))
		case 4:
			b = slices.Delete(b, i, i+1)
		case 5:
			j := i + r.IntN(len(b)-i)
			b = append(b, b[i:j]...)
		case 6:
			b = slices.Insert(b, i, 0x80)
		}
	}
	return b
}

func TestDifferential(t *testing.T) {
	rounds := 150
	if testing.Short() || race.Enabled {
		rounds = 30
	}
	for _, mt := range messageTypes() {
		t.Run(string(mt.Descriptor().FullName()), func(t *testing.T) {
			t.Parallel()
			for seed := range rounds {
				r := &filler{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), sloppy: seed%4 == 3}
				m := mt.New()
				r.message(m, 4)
				src := sameEncode(t, m.Interface())
				if err := sameDecode(t, mt, src, 0); err != nil && !r.sloppy {
					t.Fatalf("own encoding refused: %v", err)
				}
				// Twice over: everything is merged.
				sameDecode(t, mt, append(bytes.Clone(src), src...), 0)
				if !strings.HasSuffix(string(mt.Descriptor().Name()), "Lazy") {
					// The library counts levels differently in lazy fields.
					sameDecode(t, mt, src, 1+r.IntN(4))
				}
				for range 8 {
					sameDecode(t, mt, r.mutate(src), 0)
				}
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	types := messageTypes()
	for i, mt := range types {
		r := &filler{Rand: rand.New(rand.NewPCG(uint64(i), 2))}
		m := mt.New()
		r.message(m, 2)
		if b, err := proto.Marshal(m.Interface()); err == nil && len(b) < 200 {
			f.Add(uint(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which uint, src []byte) {
		mt := types[which%uint(len(types))]
		if sameDecode(t, mt, src, 0) == nil {
			m := mt.New().Interface()
			if err := proto.Unmarshal(src, m); err == nil {
				sameEncode(t, m)
			}
		}
	})
}

func FuzzEncode(f *testing.F) {
	types := messageTypes()
	for i := range types {
		f.Add(uint(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, which uint, seed uint64) {
		mt := types[which%uint(len(types))]
		r := &filler{Rand: rand.New(rand.NewPCG(seed, 3)), sloppy: seed%2 == 0}
		m := mt.New()
		r.message(m, 4)
		if src := sameEncode(t, m.Interface()); src != nil {
			sameDecode(t, mt, src, 0)
			sameDecode(t, mt, r.mutate(src), 0)
		}
	})
}
