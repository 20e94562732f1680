package engine

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// testDicts returns a dictionary at both ends, acked: 1 is the path "/a/b", 2
// the field k: v1.
func testDicts(t testing.TB) (*WriteDict, *ReadDict) {
	w, r := NewWriteDict(10, 1000), NewReadDict(10, 1000)
	var uses Uses
	w.method("/a/b", &uses)
	w.field("k", "v1", &uses)
	w.field("k", "v1", &uses)
	fs := ParseFrames(LevelData, w.AppendDefines(nil, &uses, 0))
	var f Frame
	for {
		ok, err := fs.Next(&f)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if err := r.Define(f.ID, f.Data); err != nil {
			t.Fatal(err)
		}
		w.Acked(f.ID)
	}
	if len(uses.IDs()) != 2 {
		t.Fatal(uses)
	}
	return w, r
}

var testServer = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// headVectors use the dictionary of testDicts.
var headVectors = []struct {
	hex  string
	head Head
}{
	{"00 00 04 2f732f4d", Head{Path: "/s/M"}},
	{"04 01 804c4b40", Head{Path: "/a/b", Timed: true, Timeout: 5_000_000}},
	{"05 01 00", Head{Kind: lupine.ClientStreaming, Path: "/a/b", Timed: true}},
	{"08 01 05 03 00000000000000000000000000000000", Head{Path: "/a/b", ID: lupine.CallID{Seq: 5, Unsettled: 3}}},
	{"12 01 01 02", Head{Kind: lupine.ServerStreaming, Path: "/a/b", Metadata: lupine.Metadata{{Key: "k", Value: "v1"}}}},
	{"3f 00 04 2f732f4d 0a 4401 07 0102030405060708090a0b0c0d0e0f10 02 02 00 01 78 02 7979", Head{
		Kind: lupine.Bidi, Path: "/s/M", Timed: true, Timeout: 10,
		ID:       lupine.CallID{Seq: 1025, Unsettled: 7, Repeat: true, Server: testServer},
		Metadata: lupine.Metadata{{Key: "k", Value: "v1"}, {Key: "x", Value: "yy"}},
	}},
	{"10 00 00 01 00 00 00", Head{Metadata: lupine.Metadata{{}}}},
}

// given returns h as its caller would have given it.
func (h *HeadIn) given(d *ReadDict) Head {
	path := string(h.Path)
	if h.Method != nil {
		path = h.Method.Bytes
	}
	return Head{h.Kind, path, h.Timed, h.Timeout, h.ID, h.Fields.Append(nil, d)}
}

func TestHeads(t *testing.T) {
	w, r := testDicts(t)
	for _, v := range headVectors {
		b := unhex(t, v.hex)
		var h HeadIn
		n, err := ParseHead(append(b[:len(b):len(b)], 0xaa), r, 8192, &h)
		if got := h.given(r); n != len(b) || err != nil || fmt.Sprint(got) != fmt.Sprint(v.head) {
			t.Errorf("%s: %d bytes, %v, %+v, want %+v", v.hex, n, err, got, v.head)
		}
		if got, err := AppendHead([]byte("before"), &v.head, w, nil); err != nil || string(got) != "before"+string(b) {
			t.Errorf("%+v: %v, appended as %x, want %x", v.head, err, got, b)
		}
		for n := range b {
			if _, err := ParseHead(b[:n], r, 8192, &h); err != ErrShort {
				t.Errorf("%s, %d bytes: %v", v.hex, n, err)
			}
		}
	}
	if err := Ended(ErrShort, "head"); err.Error() != "PROTOCOL: head: the stream ends within it" {
		t.Error(err)
	}
	if err := Ended(nil, "head"); err != nil {
		t.Error(err)
	}
}

func TestHeadErrors(t *testing.T) {
	_, r := testDicts(t)
	server := strings.Repeat("00", 16)
	for _, c := range []struct{ hex, want string }{
		{"40 01", "PROTOCOL: head: flags: 0x40 has reserved bits"},
		{"80 01", "PROTOCOL: head: flags: 0x80 has reserved bits"},
		{"20 01", "PROTOCOL: head: flags: 0x20 is a repeat without identity"},
		{"00 03", "PROTOCOL: head: method: id 3 is not defined"},
		{"00 ffffffffffffffff", "PROTOCOL: head: method: id 4611686018427387903 is not defined"},
		{"08 01 00 00" + server, "PROTOCOL: head: identity: seq is 0 and unsettled is 0; seq is from 1, unsettled not above it"},
		{"08 01 04 05" + server, "PROTOCOL: head: identity: seq is 4 and unsettled is 5; seq is from 1, unsettled not above it"},
		{"10 01 01 03", "PROTOCOL: head: field: id 3 is not defined"},
		{"10 01 01 01", "PROTOCOL: head: field: the id names no field"}, // "/a/b" is no field: "/" says 47 bytes
		{"10 01 4065", "metadata is over the limit (MaxHeaderFields: 100)"},
		{"10 01 01 00 ffffffffffffffff", "metadata is over the limit (MaxHeaderBytes: 100)"},
		{"10 01 01 00 01 61 4044", "metadata is over the limit (MaxHeaderBytes: 100)"}, // 1 + 68 + 32
		{"10 01 03 02 02 02", "metadata is over the limit (MaxHeaderBytes: 100)"},      // 3 x 35
		{"00 00 80004001", "head is over the limit (LeastCredit: 16384)"},
	} {
		var h HeadIn
		_, err := ParseHead(unhex(t, c.hex), r, 100, &h)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.hex, err, c.want)
		}
		var large *TooLarge
		if errors.As(err, &large) != !strings.HasPrefix(c.want, "PROTOCOL") {
			t.Errorf("%s: %T", c.hex, err)
		}
	}
	// What is over the limit for metadata still says whose call it is.
	var h HeadIn
	if _, err := ParseHead(unhex(t, "12 01 4065"), r, 100, &h); err == nil || h.Method != r.Get(1) || h.Kind != lupine.ServerStreaming {
		t.Errorf("%v %+v", err, h)
	}
}

// A head of LeastCredit is taken, whole or late; one byte more is not, and that
// is known without waiting for its end.
func TestHeadTooLong(t *testing.T) {
	r := NewReadDict(0, 0)
	head := Head{Path: strings.Repeat("p", LeastCredit-4)}
	b, err := AppendHead(nil, &head, nil, nil)
	if err != nil || len(b) != LeastCredit {
		t.Fatal(len(b), err)
	}
	var h HeadIn
	if n, err := ParseHead(append(b, 1, 2, 3), r, 0, &h); n != len(b) || err != nil {
		t.Fatal(n, err)
	}
	if _, err := ParseHead(b[:LeastCredit-1], r, 0, &h); err != ErrShort {
		t.Fatal(err)
	}
	head.Path += "p"
	var large *TooLarge
	if got, err := AppendHead([]byte("before"), &head, nil, nil); !errors.As(err, &large) || string(got) != "before" {
		t.Fatal(len(got), err)
	}
	b = append(unhex(t, "00 00 7ffd"), make([]byte, LeastCredit-4)...) // one byte of it is missing
	if _, err := ParseHead(b, r, 0, &h); !errors.As(err, &large) {
		t.Fatal(err)
	}
	for _, id := range []lupine.CallID{{Seq: 1 << 62}, {Seq: 1, Unsettled: 2}} {
		if b, err := AppendHead(nil, &Head{ID: id}, nil, nil); err == nil || len(b) != 0 {
			t.Errorf("%+v: %x %v", id, b, err)
		}
	}
}

var (
	testTrailer = lupine.Metadata{{Key: "k", Value: "v1"}}
	notFound    = lupine.Error{Code: lupine.NotFound, Executed: lupine.Yes, Message: "no", Details: []lupine.Detail{{Type: "t.T", Value: []byte{8, 1}}}}
	refused     = lupine.Error{Code: lupine.Unavailable, Executed: lupine.No}
)

// recordVectors use the dictionary of testDicts.
var recordVectors = []struct {
	hex    string
	text   string
	append func(b []byte, w *WriteDict) []byte
}{
	{"00 00", "HEADER []", func(b []byte, w *WriteDict) []byte { return AppendHeaderRecord(b, nil, w, nil) }},
	{"00 02 02 00 01 78 00", "HEADER [{k v1} {x }]", func(b []byte, w *WriteDict) []byte {
		return AppendHeaderRecord(b, lupine.Metadata{{Key: "k", Value: "v1"}, {Key: "x"}}, w, nil)
	}},
	{"00 01 00 01 6b 02 7631", "HEADER [{k v1}]", func(b []byte, _ *WriteDict) []byte {
		return AppendHeaderRecord(b, testTrailer, nil, nil)
	}},
	{"01 05 9a71bb4c", "MESSAGE compression 0 length 5 crc 9a71bb4c", func(b []byte, _ *WriteDict) []byte {
		buf := append(make([]byte, MessageRoom), "hello"...)
		return append(b, bytes.TrimSuffix(SealMessage(buf, CompressionNone), []byte("hello"))...)
	}},
	{"05 00 00000000", "MESSAGE compression 1 length 0 crc 00000000", func(b []byte, _ *WriteDict) []byte {
		return append(b, SealMessage(make([]byte, MessageRoom), CompressionGzip)...)
	}},
	{"02 00 02 00 00 01 02", "STATUS OK executed yes \"\" [] [{k v1}]", func(b []byte, w *WriteDict) []byte {
		return AppendStatus(b, nil, testTrailer, w, nil)
	}},
	{"02 05 02 02 6e6f 01 03 742e54 02 0801 00", "STATUS NOT_FOUND executed yes \"no\" [{t.T [8 1]}] []", func(b []byte, w *WriteDict) []byte {
		return AppendStatus(b, &notFound, nil, w, nil)
	}},
	{"02 0e 01 00 00 00", "STATUS UNAVAILABLE executed no \"\" [] []", func(b []byte, w *WriteDict) []byte {
		return AppendStatus(b, &refused, nil, w, nil)
	}},
}

func showRecord(r *Record, d *ReadDict) string {
	switch r.Kind {
	case RecordHeader:
		return fmt.Sprintf("HEADER %v", r.Fields.Append(nil, d))
	case RecordMessage:
		return fmt.Sprintf("MESSAGE compression %d length %d crc %08x", r.Compression, r.Length, r.CRC)
	}
	s := &r.Status
	return fmt.Sprintf("STATUS %s executed %s %q %v %v", s.Code, s.Executed, s.Text, s.AppendDetails(nil), r.Fields.Append(nil, d))
}

func TestRecords(t *testing.T) {
	w, d := testDicts(t)
	for _, v := range recordVectors {
		b := unhex(t, v.hex)
		var r Record
		n, err := ParseRecord(append(b[:len(b):len(b)], 0xaa), true, d, 8192, &r)
		if n != len(b) || err != nil || showRecord(&r, d) != v.text {
			t.Errorf("%s: %d bytes, %v, %s, want %s", v.hex, n, err, showRecord(&r, d), v.text)
		}
		if got := v.append([]byte("before"), w); string(got) != "before"+string(b) {
			t.Errorf("%s: appended as %x, want %x", v.text, got[6:], b)
		}
		for n := range b {
			if _, err := ParseRecord(b[:n], true, d, 8192, &r); err != ErrShort {
				t.Errorf("%s, %d bytes: %v", v.hex, n, err)
			}
		}
		_, err = ParseRecord(b, false, d, 8192, &r)
		want := fmt.Sprintf("PROTOCOL: record: kind: %#x in a request", b[0])
		if isMessage := b[0]&3 == 1; isMessage != (err == nil) || !isMessage && err.Error() != want {
			t.Errorf("%s in a request: %v", v.hex, err)
		}
	}
}

func TestRecordErrors(t *testing.T) {
	_, d := testDicts(t)
	for _, c := range []struct{ hex, want string }{
		{"03", "PROTOCOL: record: kind: 0x3 is unknown"},
		{"04", "PROTOCOL: record: kind: 0x4 is unknown"},
		{"06", "PROTOCOL: record: kind: 0x6 is unknown"},
		{"0d", "PROTOCOL: record: kind: 0xd is unknown"},
		{"81", "PROTOCOL: record: kind: 0x81 is unknown"},
		{"00 4065", "metadata is over the limit (MaxHeaderFields: 100)"},
		{"00 01 00 00 4045", "metadata is over the limit (MaxHeaderBytes: 100)"},
		{"00 01 07", "PROTOCOL: HEADER: field: id 7 is not defined"},
		{"02 c000000100000000", "PROTOCOL: STATUS: code: 4294967296 is above 2^32-1"},
		{"02 05 03", "PROTOCOL: STATUS: executed: is 3; it is 0 maybe, 1 no or 2 yes"},
		{"02 05 02 80008000", "PROTOCOL: STATUS: text: 32768 bytes, more than 32765 (limit StatusBytes)"},
		{"02 05 02 01 ff", "PROTOCOL: STATUS: text: is not UTF-8"},
		{"02 05 02 00 4081", "PROTOCOL: STATUS: count of details: 129, more than 128 (limit MaxDetails)"},
		{"02 05 02 00 01 01 ff", "PROTOCOL: STATUS: type of a detail: is not UTF-8"},
		{"02 05 02 00 01 00 80008000", "PROTOCOL: STATUS: value of a detail: 32768 bytes, more than 32762 (limit StatusBytes)"},
		{"02 05 02 00 00 01 01", "PROTOCOL: STATUS: field: the id names no field"},
	} {
		var r Record
		if _, err := ParseRecord(unhex(t, c.hex), true, d, 100, &r); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.hex, err, c.want)
		}
	}
	// Many details that are within the limit each, but not together.
	b := unhex(t, "02 05 02 00 02 00 80007ff0")
	b = append(b, make([]byte, 0x7ff0)...)
	b = append(b, unhex(t, "00 05 0102030405 00")...)
	var r Record
	if _, err := ParseRecord(b, true, d, 100, &r); err == nil || !strings.Contains(err.Error(), "limit StatusBytes") {
		t.Error(err)
	}
	// With no room left a length that lies is not waited for.
	b = append(unhex(t, "02 05 02 80007ff8"), make([]byte, 0x7ff8)...)
	b = append(b, unhex(t, "01 00 7fff")...)
	if _, err := ParseRecord(b, true, d, 100, &r); err == nil || !strings.Contains(err.Error(), "value of a detail: 16383 bytes, more than 0") {
		t.Error(err)
	}
	// A trailer over the limit leaves the status good.
	if _, err := ParseRecord(unhex(t, "02 05 02 02 6e6f 00 4065"), true, d, 100, &r); err == nil || r.Status.Code != lupine.NotFound || string(r.Status.Text) != "no" {
		t.Errorf("%v %+v", err, r.Status)
	}
}

// The longest lengths move the prefix to the left by what they need.
func TestSealMessage(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 16383, 16384, 100000} {
		buf := bytes.Repeat([]byte{7}, MessageRoom+size)
		record := SealMessage(buf, CompressionZstd)
		var r Record
		n, err := ParseRecord(record, false, nil, 0, &r)
		p := record[n:]
		if err != nil || r.Compression != CompressionZstd || r.Length != uint64(size) || len(p) != size || r.CRC != Checksum(p) || n != 5+SizeVarint(uint64(size)) {
			t.Errorf("%d bytes: %v %+v, prefix %d", size, err, r, n)
		}
		if size > 0 && &p[0] != &buf[MessageRoom] {
			t.Errorf("%d bytes were moved", size)
		}
	}
}

// What is sent keeps to StatusBytes: the last details go, then the text is cut.
func TestStatusCut(t *testing.T) {
	d := NewReadDict(0, 0)
	detail := func(n int) lupine.Detail { return lupine.Detail{Type: "t.T", Value: make([]byte, n)} }
	small := make([]lupine.Detail, MaxDetails+5)
	for _, c := range []struct {
		name          string
		e             lupine.Error
		details, text int
	}{
		{"fits", lupine.Error{Message: "no", Details: []lupine.Detail{detail(30000), detail(2000)}}, 2, 2},
		{"last detail", lupine.Error{Message: "no", Details: []lupine.Detail{detail(30000), detail(4000)}}, 1, 2},
		{"all details", lupine.Error{Message: "no", Details: []lupine.Detail{detail(40000), detail(1)}}, 0, 2},
		{"text", lupine.Error{Message: strings.Repeat("ü", 20000), Details: []lupine.Detail{detail(1)}}, 0, StatusBytes - 16},
		{"text, not UTF-8", lupine.Error{Message: strings.Repeat("\xff", 20000), Details: []lupine.Detail{detail(1)}}, 1, StatusBytes - 16 - 14},
		{"count", lupine.Error{Details: small}, MaxDetails, 0},
		{"type, not UTF-8", lupine.Error{Details: []lupine.Detail{{Type: "\xff"}}}, 1, 0},
	} {
		c.e.Code = 1<<32 - 1
		b := AppendStatus(nil, &c.e, nil, nil, nil)
		var r Record
		n, err := ParseRecord(b, true, d, 0, &r)
		if n != len(b) || err != nil || r.Status.Details != c.details || len(r.Status.Text) != c.text {
			if c.name == "text, not UTF-8" && err == nil && len(r.Status.Text) > StatusBytes-20 {
				continue // U+FFFD has three bytes, so a byte or two stay free
			}
			t.Errorf("%s: %v, %d details, %d bytes of text", c.name, err, r.Status.Details, len(r.Status.Text))
		}
	}
}

func TestCheckFields(t *testing.T) {
	md := lupine.Pairs("key", "value")
	if err := CheckFields(md, 40); err != nil {
		t.Error(err)
	}
	if err := CheckFields(nil, 0); err != nil {
		t.Error(err)
	}
	if err := CheckFields(md, 39); err == nil || err.Error() != "metadata is over the limit (the peer's max_header: 39)" {
		t.Error(err)
	}
	if err := CheckFields(make(lupine.Metadata, 101), 1<<20); err == nil || err.Error() != "metadata is over the limit (MaxHeaderFields: 100)" {
		t.Error(err)
	}
}

func TestRecordsAllocateNothing(t *testing.T) {
	w, d := testDicts(t)
	buf := make([]byte, 0, 256)
	for _, v := range headVectors {
		b := unhex(t, v.hex)
		var h HeadIn
		if n := testing.AllocsPerRun(100, func() {
			if _, err := ParseHead(b, d, 8192, &h); err != nil {
				t.Fatal(err)
			}
			buf, _ = AppendHead(buf[:0], &v.head, w, nil)
		}); n != 0 {
			t.Errorf("head %s: %v allocations", v.hex, n)
		}
	}
	for _, v := range recordVectors {
		b := unhex(t, v.hex)
		var r Record
		if n := testing.AllocsPerRun(100, func() {
			if _, err := ParseRecord(b, true, d, 8192, &r); err != nil {
				t.Fatal(err)
			}
			if _, err := ParseRecord(b[:len(b)-1], true, d, 8192, &r); err != ErrShort {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("parsing %s: %v allocations", v.text, n)
		}
		if r.Kind == RecordMessage {
			continue // its vector makes a buffer
		}
		if n := testing.AllocsPerRun(100, func() { buf = v.append(buf[:0], w) }); n != 0 {
			t.Errorf("appending %s: %v allocations", v.text, n)
		}
	}
	message := append(make([]byte, MessageRoom), "hello"...)
	if n := testing.AllocsPerRun(100, func() { SealMessage(message, CompressionNone) }); n != 0 {
		t.Errorf("SealMessage: %v allocations", n)
	}
}

// A small call's two datagrams have the lengths that section 6 counts with.
func TestSizesOfSmallCall(t *testing.T) {
	w, _ := testDicts(t)
	seal := &gcm{aead: testAEAD(t)}
	record := SealMessage(make([]byte, MessageRoom+64), CompressionNone)
	packet := func(bits Type, stream []byte) int {
		b := AppendHeader(nil, Header{KindData0, 1, 1000})
		b = AppendAck(b, 500, []AckRange{{1000, 1000}})
		b = AppendStream(b, bits|StreamFin, CallName{0, 1000}, 0, stream)
		return len(seal.Seal(b, 0, 1000))
	}
	head, err := AppendHead(nil, &Head{Path: "/a/b", Timed: true, Timeout: 5_000_000}, w, nil)
	if err != nil {
		t.Fatal(err)
	}
	request, reply := packet(0, append(head, record...)), packet(StreamReply, record)
	if request != 117 || reply != 111 {
		t.Errorf("CALL %d, REPLY %d bytes; section 6 says 117 and 111", request, reply)
	}
}
