package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lupine-rpc/lupine/interop/peerpb"
)

const (
	streams   = 256     // h2.DefaultMaxStreams
	maxRecv   = 4 << 20 // lupine.DefaultMaxReceive
	ofPayload = 3       // Order.payload
	ofFail    = 8       // Order.fail, and Failure.details of it
	ofDetails = 3
)

// shutWindow lets the server send nothing.
var shutWindow = http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}

// memoryAttacks are about what the server must hold.
var memoryAttacks = []attack{
	{rows: "11", name: "a message in DATA frames of 1 byte", answers: []string{"grpc 0"}, run: func(a *arena) fate {
		f := a.enemy()
		body := prefixed(0, encode(&peerpb.Order{Payload: make([]byte, scaled(60_000, 1<<20)), ReplyBytes: 1}))
		id := f.call(false, request("Say")...)
		for i := range body {
			f.data(id, i == len(body)-1, body[i:i+1])
			if i%60_000 == 59_999 && !f.sync() { // the window is not waited for otherwise
				break
			}
		}
		f.collect(1, 20*time.Second)
		return f.fate()
	}},
	{rows: "12", name: "replies of 64 KB for windows that stay shut", closed: true, limit: "stall", run: func(a *arena) fate {
		f := a.enemy(shutWindow)
		f.windowUpdate(0, 1<<30)
		for i := range 4 * streams {
			f.say(&peerpb.Order{ReplyBytes: 64 << 10})
			if i%64 == 63 && !f.sync() {
				break
			}
		}
		f.ended(a.stall + 5*time.Second)
		return f.fate()
	}},
	{rows: "12", name: "small replies for windows that stay shut", closed: true, limit: "stall", run: func(a *arena) fate {
		f := a.enemy(shutWindow)
		for i := range 20 * streams {
			f.say(&peerpb.Order{ReplyBytes: 100})
			if i%64 == 63 && !f.sync() {
				break
			}
		}
		f.ended(a.stall + 5*time.Second)
		return f.fate()
	}},
	{rows: "12", name: "streams of replies that are not read", closed: true, limit: "stall", run: func(a *arena) fate {
		f := a.deaf(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		f.windowUpdate(0, 1<<30)
		for range 64 {
			id := f.call(false, request("List")...)
			f.data(id, true, prefixed(0, encode(&peerpb.Order{Count: 1 << 30, ReplyBytes: 64 << 10})))
		}
		return f.unread(a)
	}},
	{rows: "12", name: "small calls without end whose replies are not read", closed: true, run: func(a *arena) fate {
		return a.unheard(func(f *foe) { f.say(&peerpb.Order{ReplyBytes: 10}) })
	}},
	{rows: "12", name: "failing calls without end whose replies are not read", closed: true, run: func(a *arena) fate {
		return a.unheard(func(f *foe) { f.call(true, request("Nothing")...) })
	}},
	{rows: "13", name: "connections that say nothing", memory: perConn(12 << 10), closed: true, limit: "handshake", run: func(a *arena) fate {
		return a.crowd(func(f *foe) {})
	}},
	{rows: "13", name: "connections that say half a preface", memory: perConn(12 << 10), closed: true, limit: "handshake", run: func(a *arena) fate {
		return a.crowd(func(f *foe) { f.out = append(f.out, "PRI * HTTP/2.0\r\n"...) })
	}},
	{rows: "13", name: "connections without SETTINGS", memory: perConn(12 << 10), closed: true, limit: "handshake", run: func(a *arena) fate {
		return a.crowd(func(f *foe) { f.out = append(f.out, http2.ClientPreface...) })
	}},
	{rows: "14", name: "requests that trickle in, on every stream", closed: false, answers: []string{"grpc 4"}, limit: "slow-request", run: func(a *arena) fate {
		return a.trickle("Say")
	}},
	{rows: "14", name: "messages of streams that trickle in", closed: false, answers: []string{"grpc 4"}, limit: "slow-request", run: func(a *arena) fate {
		return a.trickle("Sum")
	}},
	{rows: "14", name: "messages of 4 MB that stop one byte short", answers: []string{"grpc 4"}, limit: "slow-request", run: func(a *arena) fate {
		f := a.enemy()
		body := prefixed(0, make([]byte, maxRecv))
		for range streams {
			f.data(f.call(false, request("Say")...), false, body[:65_535])
		}
		f.collect(streams, a.stall+10*time.Second)
		return f.fate()
	}},
	{rows: "18", name: "1,000 messages that claim to be 4 MB", memory: 20 << 20, run: func(a *arena) (sum fate) {
		claim := binary.BigEndian.AppendUint32([]byte{0}, maxRecv)
		for range 4 {
			f := a.enemy()
			for range 250 {
				f.data(f.call(false, request("Sum")...), false, claim)
			}
			f.sync()
			sum.add(f.fate())
		}
		return sum
	}},
	{rows: "18", name: "messages that claim to be 4 GB", answers: []string{"grpc 8"}, limit: "message-size", run: func(a *arena) fate {
		f := a.enemy()
		for range 200 {
			f.data(f.call(false, request("Say")...), false, []byte{0, 0xff, 0xff, 0xff, 0xff})
		}
		f.collect(200, 5*time.Second)
		return f.fate()
	}},
	amplified(bomb("gzip", "4 KB for 4 MB, within the limit", "grpc 0", gzipped, maxRecv-1<<10), 40, 112),
	amplified(bomb("gzip", "beyond the limit", "grpc 8", gzipped, 16<<20), 32, 48),
	amplified(bomb("zstd", "a few bytes for 4 MB, within the limit", "grpc 0", zstandard, maxRecv-1<<10), 40, 64),
	bomb("zstd", "beyond the limit", "grpc 8", zstandard, 64<<20),
	message("20", "messages nested 100,000 deep", "grpc 13", nested),
	message("20", "unknown groups nested 100,000 deep", "grpc 13", func() []byte {
		return bytes.Repeat(protowire.AppendTag(nil, 999, protowire.StartGroupType), 100_000)
	}),
	message("21", "a million unknown fields", "grpc 0", func() []byte { return bytes.Repeat([]byte{0xf8, 0x3e, 0}, 1<<20) }),
	message("21", "unknown packed fields", "grpc 0", func() []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, 999, protowire.BytesType), make([]byte, 3<<20))
	}),
	amplified(message("21", "half a million empty messages in a list", "grpc 0", emptyDetails), 112, 112),
	message("21", "lengths beyond the message", "grpc 13", func() []byte { return []byte{0x1a, 0xff, 0xff, 0xff, 0xff, 0x07, 1} }),
}

func TestMemory(t *testing.T) { run(t, memoryAttacks) }

// unread waits, reading nothing, until the server has closed the connection.
func (f *foe) unread(a *arena) fate {
	f.flush()
	late := time.Now().Add(a.stall + 10*time.Second)
	for f.broken == nil && time.Now().Before(late) {
		f.ping(true)
		f.flush()
		time.Sleep(10 * time.Millisecond) // a pace
	}
	x := f.fate()
	if f.broken != nil && !strings.Contains(f.broken.Error(), "timeout") {
		x.Closed = 1
	}
	return x
}

// crowdSize is how many connections a crowd is.
func crowdSize() int { return scaled(1000, 8000) }

// perConn is the bar of a crowd: so many bytes for each connection while it is in its
// handshake, or the common bar if that is more.
func perConn(bytes int) int { return max(barMemory, bytes*crowdSize()) }

// crowd opens many connections, has each say its piece, and waits for the server
// to close them.
func (a *arena) crowd(piece func(f *foe)) (sum fate) {
	all := make([]*foe, crowdSize())
	for i := range all {
		all[i] = newFoe(a.t, a.dial())
		piece(all[i])
		all[i].flush()
		go all[i].read()
	}
	began := time.Now()
	for _, f := range all {
		f.ended(time.Until(began.Add(a.handshake + 5*time.Second)))
		sum.add(f.fate())
	}
	return sum
}

// trickle begins a request on every stream and then sends a byte of each now and
// then.
func (a *arena) trickle(method string) fate {
	f := a.enemy()
	body := prefixed(0, make([]byte, 1<<20))
	var ids []uint32
	for range streams {
		id := f.call(false, request(method)...)
		f.data(id, false, body[:100])
		ids = append(ids, id)
	}
	for late := time.Now().Add(a.stall + 5*time.Second); time.Now().Before(late) && !f.over(); {
		if f.collect(streams, a.stall/5) {
			break
		}
		for _, id := range ids {
			f.data(id, false, body[:1])
		}
	}
	return f.fate()
}

func gzipped(n int) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(payloadOf(n))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // into memory: it cannot fail
	}
	return b.Bytes()
}

func zstandard(n int) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		panic(err) // the options are constants
	}
	return w.EncodeAll(payloadOf(n), nil)
}

// payloadOf is an Order of n bytes that asks for a short reply.
func payloadOf(n int) []byte {
	b := encode(&peerpb.Order{ReplyBytes: 1})
	b = protowire.AppendTag(b, ofPayload, protowire.BytesType)
	return protowire.AppendBytes(b, make([]byte, n-len(b)-8))
}

// bomb is many compressed messages at once on four connections.
func bomb(encoding, what, answer string, pack func(int) []byte, n int) attack {
	x := attack{rows: "19", name: fmt.Sprintf("%s bombs on 4 x 250 calls: %s", encoding, what), answers: []string{answer}}
	x.run = func(a *arena) (sum fate) {
		body := prefixed(1, pack(n))
		var foes []*foe
		calls := scaled(40, 250)
		for range 4 {
			f := a.enemy()
			foes = append(foes, f)
			for range calls {
				f.data(f.call(false, request("Say", "grpc-encoding", encoding)...), true, body)
			}
			f.flush()
		}
		for _, f := range foes {
			f.collect(calls, 60*time.Second)
			sum.add(f.fate())
		}
		return sum
	}
	return x
}

// amplified raises the bar of an attack that makes live data of the order of the
// bar by what is allowed: a message of 4 MB in full, decompressed and decoded, with
// what waits behind it; a million bytes that decode to 44 MB of Go structs. Go's
// collector lets a heap grow to twice its live data (GOGC), and to more while it
// runs, so that the growth seen is two to three times that. The bar is in MiB, in the
// short run and at length.
func amplified(x attack, few, n int) attack {
	x.memory = scaled(few, n) << 20
	return x
}

// message is one message, again and again. Its bytes are made in the attacker alone:
// this binary is the server too, and Go's collector leaves twice lying of whatever
// a process keeps.
func message(rows, name, answer string, make func() []byte) attack {
	x := attack{rows: rows, name: name, answers: []string{answer}}
	x.run = func(a *arena) fate {
		f := a.enemy()
		body := make()
		n := scaled(4, 40)
		for i := range n {
			id := f.call(false, request("Say")...)
			msg := prefixed(0, body)
			for len(msg) > 0 && !f.over() {
				k := min(len(msg), 48<<10)
				f.data(id, k == len(msg), msg[:k])
				if msg = msg[k:]; len(msg) > 0 {
					f.sync()
				}
			}
			if !f.collect(i+1, 10*time.Second) {
				break
			}
		}
		return f.fate()
	}
	return x
}

// nested is an Order whose failure's details hold messages within messages: an
// Any's value is bytes, so that the nesting is in unknown fields of groups and in
// the length-delimited fields that are known.
func nested() []byte {
	var b []byte
	for range 100_000 {
		b = protowire.AppendTag(b, 998, protowire.StartGroupType)
	}
	for range 100_000 {
		b = protowire.AppendTag(b, 998, protowire.EndGroupType)
	}
	fail := protowire.AppendBytes(protowire.AppendTag(nil, ofFail, protowire.BytesType), b)
	return fail
}

// emptyDetails is a list of empty Anys: two bytes each.
func emptyDetails() []byte {
	const n = 500_000
	list := bytes.Repeat([]byte{ofDetails<<3 | 2, 0}, n)
	return protowire.AppendBytes(protowire.AppendTag(nil, ofFail, protowire.BytesType), list)
}
