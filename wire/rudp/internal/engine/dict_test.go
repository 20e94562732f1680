package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

func TestReadDict(t *testing.T) {
	d := NewReadDict(4, 20)
	for _, c := range []struct {
		id    uint64
		bytes string
		want  string
	}{
		{2, "/a/b", ""}, // a later id first: the other packet is late
		{1, "\x01kv1", ""},
		{1, "\x01kv1", ""},
		{1, "\x01kv2", "PROTOCOL: DEFINE: bytes: id 1 means something else already"},
		{0, "x", "PROTOCOL: DEFINE: id: 0 is not among 1 to 4 (limit dict_entries)"},
		{5, "x", "PROTOCOL: DEFINE: id: 5 is not among 1 to 4 (limit dict_entries)"},
		{1 << 61, "x", "PROTOCOL: DEFINE: id: 2305843009213693952 is not among 1 to 4 (limit dict_entries)"},
		{3, strings.Repeat("x", 13), "PROTOCOL: DEFINE: length: 13 bytes with 12 left (limit dict_bytes)"},
		{4, strings.Repeat("x", 12), ""},
		{3, "x", "PROTOCOL: DEFINE: length: 1 bytes with 0 left (limit dict_bytes)"},
	} {
		got := ""
		if err := d.Define(c.id, []byte(c.bytes)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("DEFINE %d %q: %q, want %q", c.id, c.bytes, got, c.want)
		}
	}
	if e := d.Get(1); e == nil || !e.IsField || e.Name != "k" || e.Value != "v1" {
		t.Errorf("%+v", e)
	}
	lies := NewReadDict(1, 20)
	if err := lies.Define(1, []byte("\x05abcd")); err != nil || lies.Get(1).IsField {
		t.Errorf("a name longer than all: %v %+v", err, lies.Get(1))
	}
	if e := d.Get(2); e == nil || e.IsField || e.Bytes != "/a/b" {
		t.Errorf("%+v", e)
	}
	for _, id := range []uint64{0, 3, 5, 1 << 61} {
		if e := d.Get(id); e != nil {
			t.Errorf("%d: %+v", id, e)
		}
	}
	if err := NewReadDict(0, 0).Define(1, []byte("x")); err == nil {
		t.Error("a dictionary without room takes an entry")
	}
}

// A path is defined at once, a field at its second use, secrets and long
// strings never.
func TestWriteDictDefines(t *testing.T) {
	d := NewWriteDict(100, 10_000)
	id := func(name, value string) uint64 { return d.field(name, value, new(Uses)) }
	if got := d.method("/a/b", new(Uses)); got != 1 {
		t.Errorf("a path at first: %d", got)
	}
	if first, second := id("k", "v"), id("k", "v"); first != 0 || second != 2 {
		t.Errorf("a field: %d, %d", first, second)
	}
	for range 3 {
		if id("authorization", "x") != 0 || id("blob-bin", strings.Repeat("x", 256)) != 0 ||
			d.method(strings.Repeat("x", DefineBytes+1), new(Uses)) != 0 || d.method("", new(Uses)) != 0 {
			t.Error("defined, and should not be")
		}
	}
	if d.method(strings.Repeat("x", DefineBytes), new(Uses)) != 3 {
		t.Error("DefineBytes is too long")
	}
	var none *WriteDict
	if none.method("/a/b", new(Uses)) != 0 || none.field("k", "v", nil) != 0 {
		t.Error("no dictionary has ids")
	}
}

// Not acked, an id is used only where its DEFINE can go along.
func TestWriteDictAcked(t *testing.T) {
	d := NewWriteDict(100, 10_000)
	var uses Uses
	for range 2 {
		if id := d.method("/a/b", &uses); id != 1 || !slices.Equal(uses.IDs(), []uint32{1}) {
			t.Fatal(id, uses)
		}
	}
	if d.method("/a/b", nil) != 0 {
		t.Error("used before it was acked")
	}
	size := d.SizeDefines(&uses, 7)
	if got := fmt.Sprintf("%x", d.AppendDefines(nil, &uses, 7)); got != "1201042f612f62" || size != 7 {
		t.Errorf("%s, %d bytes", got, size)
	}
	if got := d.AppendDefines(nil, &uses, 7); len(got) != 0 || d.SizeDefines(&uses, 7) != 0 {
		t.Errorf("twice in a packet: %x", got)
	}
	if got := d.AppendDefine(nil, 1, 8); len(got) != 7 {
		t.Errorf("not in the next packet: %x", got)
	}
	d.Acked(1)
	if got := d.AppendDefines(nil, &uses, 9); len(got) != 0 || d.SizeDefines(&uses, 9) != 0 {
		t.Errorf("defined after it was acked: %x", got)
	}
	if d.method("/a/b", nil) != 1 {
		t.Error("not used, though it was acked")
	}
	uses = Uses{}
	for i := range PacketDefines + 1 {
		want := uint64(i + 2)
		if i == PacketDefines {
			want = 0
		}
		if got := d.method(fmt.Sprint("/c/", i), &uses); got != want {
			t.Errorf("id %d of one packet: %d", i, got)
		}
	}
}

// With no room left to note an id, even one that is defined is not used.
func TestUsesFull(t *testing.T) {
	d := NewWriteDict(100, 10_000)
	d.method("/known", new(Uses))
	var uses Uses
	for i := range PacketDefines {
		d.method(fmt.Sprint("/c/", i), &uses)
	}
	if got := d.method("/known", &uses); got != 0 {
		t.Errorf("id %d is used and cannot go along", got)
	}
	if got := d.method("/c/0", &uses); got != 2 {
		t.Errorf("id %d for one that goes along already", got)
	}
}

// All DEFINEs of one opening frame fit a datagram, and leave room for a frame.
func TestDefinesFit(t *testing.T) {
	d := NewWriteDict(DictEntries, DictBytes)
	var uses Uses
	for i := range PacketDefines {
		d.method(fmt.Sprint(i, strings.Repeat("x", DefineBytes-1)), &uses)
	}
	n := d.SizeDefines(&uses, 0)
	if n != len(d.AppendDefines(nil, &uses, 0)) || n < PacketDefines*DefineBytes || n > BaseMTU-HeaderBytes-16-200 {
		t.Errorf("%d bytes", n)
	}
}

// A sender keeps to its peer's limits and to its own.
func TestWriteDictLimits(t *testing.T) {
	for _, c := range []struct {
		entries, bytes uint64
		paths          int
	}{{0, 1000, 0}, {3, 1000, 3}, {1000, 40, 4}, {1 << 40, 1 << 40, DictEntries}} {
		d := NewWriteDict(c.entries, c.bytes)
		r := NewReadDict(int(min(c.entries, DictEntries)), int(min(c.bytes, DictBytes)))
		n := 0
		for i := range 2 * DictEntries {
			var uses Uses
			if d.method(fmt.Sprintf("/path/%03d", i), &uses) != 0 {
				n++
			}
			b := d.AppendDefines(nil, &uses, uint64(i))
			if f := (Frame{}); len(b) > 0 {
				fs := ParseFrames(LevelData, b)
				if ok, err := fs.Next(&f); !ok {
					t.Fatal(err)
				}
				if err := r.Define(f.ID, f.Data); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n != c.paths {
			t.Errorf("%d entries, %d bytes: %d paths defined, want %d", c.entries, c.bytes, n, c.paths)
		}
	}
}

// dictLink is a sender and a receiver of calls, and packets between them that may
// be lost, late or repeated.
type dictLink struct {
	t       testing.TB
	w       *WriteDict
	r       *ReadDict
	packet  uint64
	calls   []dictCall
	flying  []dictPacket
	unacked []uint32 // ids whose DEFINEs arrived
}

type dictCall struct {
	head   []byte // encoded
	want   Head
	uses   Uses
	opened bool
}

type dictPacket struct {
	b    []byte
	call int
}

// send puts a call's opening, with what it needs, into a new packet.
func (l *dictLink) send(i int) {
	c := &l.calls[i]
	l.packet++
	b := l.w.AppendDefines(nil, &c.uses, l.packet)
	b = AppendStream(b, StreamFin, CallName{0, uint64(i + 1)}, 0, c.head)
	l.flying = append(l.flying, dictPacket{b, i})
}

// arrive gives a packet to the receiver, which must understand it.
func (l *dictLink) arrive(i int) {
	p := l.flying[i]
	fs := ParseFrames(LevelData, p.b)
	for {
		var f Frame
		ok, err := fs.Next(&f)
		if err != nil {
			l.t.Fatal(err)
		}
		if !ok {
			return
		}
		if f.Type == TypeDefine {
			if err := l.r.Define(f.ID, f.Data); err != nil {
				l.t.Fatal(err)
			}
			l.unacked = append(l.unacked, uint32(f.ID))
			continue
		}
		var h HeadIn
		if n, err := ParseHead(f.Data, l.r, 1<<20, &h); err != nil || n != len(f.Data) {
			l.t.Fatalf("call %d: %v, %d bytes of %d", p.call, err, n, len(f.Data))
		}
		l.calls[p.call].opened = true
		if got := h.given(l.r); fmt.Sprint(got) != fmt.Sprint(l.calls[p.call].want) {
			l.t.Fatalf("call %d: %+v, want %+v", p.call, got, l.calls[p.call].want)
		}
	}
}

// late checks that a record encoded after the opening is understood as soon as
// the opening has arrived, whatever else is lost.
func (l *dictLink) late(i int, md lupine.Metadata) {
	b := AppendHeaderRecord(nil, md, l.w, nil)
	if !l.calls[i].opened {
		return
	}
	var r Record
	if _, err := ParseRecord(b, true, l.r, 1<<20, &r); err != nil {
		l.t.Fatal(err)
	}
	if got := r.Fields.Append(nil, l.r); fmt.Sprint(got) != fmt.Sprint(md) {
		l.t.Fatalf("%v, want %v", got, md)
	}
}

// runDict runs a program: each two bytes are an operation and its argument.
func runDict(t testing.TB, entries, bytes uint64, program []byte) {
	l := &dictLink{t: t, w: NewWriteDict(entries, bytes), r: NewReadDict(int(min(entries, DictEntries)), int(min(bytes, DictBytes)))}
	for ; len(program) >= 2; program = program[2:] {
		arg := int(program[1])
		md := lupine.Metadata{{Key: fmt.Sprint("k", arg%5), Value: fmt.Sprint(arg % 3)}, {Key: "x", Value: strings.Repeat("y", arg)}}
		switch op := program[0] % 6; {
		case op == 0:
			c := dictCall{want: Head{Path: fmt.Sprint("/s/", arg%16), Metadata: md[:arg%3]}}
			if arg%3 == 0 {
				c.want.Metadata = nil
			}
			var err error
			if c.head, err = AppendHead(nil, &c.want, l.w, &c.uses); err != nil {
				t.Fatal(err)
			}
			l.calls = append(l.calls, c)
			l.send(len(l.calls) - 1)
		case op == 1 && len(l.calls) > 0:
			l.send(arg % len(l.calls))
		case op == 2 && len(l.flying) > 0:
			l.arrive(arg % len(l.flying))
		case op == 3 && len(l.flying) > 0: // lost
			l.flying = slices.Delete(l.flying, arg%len(l.flying), arg%len(l.flying)+1)
		case op == 4 && len(l.unacked) > 0:
			l.w.Acked(uint64(l.unacked[arg%len(l.unacked)]))
		case op == 5 && len(l.calls) > 0:
			l.late(arg%len(l.calls), md)
		}
	}
}

func TestDictLossy(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		program := make([]byte, 600)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		runDict(t, uint64(seed%40), 2000, program)
	}
}

func TestDictAllocatesNothing(t *testing.T) {
	w, _ := testDicts(t)
	long := NewWriteDict(10, 1000)
	buf := make([]byte, 0, 256)
	var kept Uses
	long.method("/not/acked", &kept)
	if n := testing.AllocsPerRun(100, func() {
		var uses Uses
		w.method("/a/b", nil)
		w.field("k", "v1", nil)
		w.field("k", "other", nil)
		long.method("/not/acked", &uses)
		buf = long.AppendDefines(buf[:0], &uses, 5)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
