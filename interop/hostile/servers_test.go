package hostile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// villain is a hostile server.
type villain struct {
	rows, name string
	// greet says the first frames; nil is an empty SETTINGS.
	greet func(f *foe)
	// call is what it does to a call.
	call func(f *foe, id uint32)
	// codes are how calls may end; empty is any failure.
	codes []string
	limit string
}

var okHead = []string{":status", "200", "content-type", "application/grpc"}

// begin sends the header of a reply.
func (f *foe) begin(id uint32, more ...string) {
	f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, id, f.head(append(slices.Clone(okHead), more...)...))
}

// finish sends the trailers of a reply.
func (f *foe) finish(id uint32) {
	f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, id, f.head("grpc-status", "0"))
}

// forever repeats until the client has closed the connection, n times at most.
func (f *foe) forever(n int, round func(i int)) {
	for i := 0; i < n && !f.over(); i++ {
		round(i)
	}
	f.flush()
}

func greetWith(s ...http2.Setting) func(*foe) { return func(f *foe) { f.settings(s...) } }

// gone is how calls end whose connection the client has closed.
var gone = []string{"UNAVAILABLE", "DEADLINE_EXCEEDED"}

// abused is how calls may end that the server broke the protocol on: after some
// thousand of them the client closes the connection.
var abused = []string{"INTERNAL", "UNAVAILABLE"}

var villains = []villain{
	{rows: "15", name: "MAX_FRAME_SIZE 0", greet: greetWith(http2.Setting{ID: http2.SettingMaxFrameSize}), codes: gone, limit: "protocol"},
	{rows: "15", name: "a window of 2^31", greet: greetWith(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}), codes: gone, limit: "protocol"},
	{rows: "15", name: "no call allowed", greet: greetWith(http2.Setting{ID: http2.SettingMaxConcurrentStreams}), codes: gone},
	{rows: "15", name: "no window for requests", greet: greetWith(http2.Setting{ID: http2.SettingInitialWindowSize}), codes: []string{"DEADLINE_EXCEEDED"}},
	{rows: "15", name: "no SETTINGS", greet: func(*foe) {}, codes: gone},
	{rows: "15", name: "noise", greet: func(f *foe) { f.out = append(f.out, strings.Repeat("\xfa\x00\xff", 1000)...) }, codes: gone},
	{rows: "16", name: "1xx without end", codes: []string{"INTERNAL", "UNAVAILABLE"}, limit: "informational", call: func(f *foe, id uint32) {
		f.forever(1000, func(int) {
			f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, id, f.head(":status", "102"))
		})
	}},
	{rows: "16", name: "trailers without end", codes: []string{"INTERNAL", "UNAVAILABLE"}, call: func(f *foe, id uint32) {
		f.begin(id)
		f.forever(1000, func(int) { f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, id, f.head("a", "b")) })
	}},
	{rows: "16", name: "push", codes: gone, limit: "protocol", call: func(f *foe, id uint32) {
		f.frame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, id, append([]byte{0, 0, 0, 2}, f.head(request("Say")...)...))
	}},
	{rows: "3", name: "CONTINUATION without end", codes: gone, limit: "continuation", call: func(f *foe, id uint32) {
		f.frame(http2.FrameHeaders, 0, id, f.head(okHead...))
		f.forever(1000, func(int) { f.frame(http2.FrameContinuation, 0, id, f.head("a", "b")) })
	}},
	{rows: "4", name: "HPACK bomb in the header", codes: []string{"RESOURCE_EXHAUSTED"}, limit: "header-list", call: func(f *foe, id uint32) {
		f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, id, f.bombed(okHead))
	}},
	{rows: "4", name: "HPACK bomb in the trailers", codes: []string{"RESOURCE_EXHAUSTED"}, limit: "header-list", call: func(f *foe, id uint32) {
		f.begin(id)
		f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, id, f.bombed([]string{"grpc-status", "0"}))
	}},
	{rows: "5", name: "PING flood", codes: append([]string{"RESOURCE_EXHAUSTED"}, gone...), limit: "control-frames", call: func(f *foe, id uint32) { f.forever(20_000, func(int) { f.ping(false) }) }},
	{rows: "6", name: "SETTINGS flood", codes: append([]string{"RESOURCE_EXHAUSTED"}, gone...), limit: "control-frames", call: func(f *foe, id uint32) { f.forever(20_000, func(int) { f.settings() }) }},
	{rows: "8", name: "PRIORITY flood", codes: gone, limit: "control-frames", call: func(f *foe, id uint32) {
		f.forever(20_000, func(int) { f.frame(http2.FramePriority, 0, id, []byte{0, 0, 0, 0, 0}) })
	}},
	{rows: "9", name: "empty DATA", codes: gone, limit: "control-frames", call: func(f *foe, id uint32) {
		f.begin(id)
		f.forever(20_000, func(int) { f.frame(http2.FrameData, 0, id, nil) })
	}},
	{rows: "10", name: "WINDOW_UPDATE flood", codes: gone, limit: "control-frames", call: func(f *foe, id uint32) { f.forever(20_000, func(int) { f.windowUpdate(0, 1) }) }},
	{rows: "10", name: "WINDOW_UPDATE past 2^31-1", codes: gone, limit: "protocol", call: func(f *foe, id uint32) { f.windowUpdate(0, 1<<31-1) }},
	{rows: "10", name: "WINDOW_UPDATE of a call past 2^31-1", codes: abused, call: func(f *foe, id uint32) { f.windowUpdate(id, 1<<31-1) }},
	{rows: "10", name: "DATA beyond the window", codes: append([]string{"INTERNAL", "UNIMPLEMENTED"}, gone...), call: func(f *foe, id uint32) {
		f.begin(id)
		f.forever(200, func(int) { f.data(id, false, prefixed(0, make([]byte, 16<<10))) })
	}},
	{rows: "1", name: "a reset before the header", codes: []string{"UNAVAILABLE", "CANCELED"}, call: func(f *foe, id uint32) { f.reset(id) }},
	{rows: "1", name: "a refusal of every call", codes: gone, call: func(f *foe, id uint32) {
		f.frame(http2.FrameRSTStream, 0, id, []byte{0, 0, 0, byte(http2.ErrCodeRefusedStream)})
	}},
	{rows: "1", name: "a reset after the header", codes: []string{"CANCELED"}, call: func(f *foe, id uint32) { f.begin(id); f.reset(id) }},
	{rows: "1", name: "a reset within a message", codes: []string{"CANCELED"}, call: func(f *foe, id uint32) {
		f.begin(id)
		f.data(id, false, prefixed(0, make([]byte, 100))[:50])
		f.reset(id)
	}},
	{rows: "1", name: "a reset after the message", codes: []string{"CANCELED"}, call: func(f *foe, id uint32) {
		f.begin(id)
		f.data(id, false, prefixed(0, nil))
		f.reset(id)
	}},
	{rows: "faults", name: "GOAWAY that disowns every call", codes: gone, call: func(f *foe, id uint32) {
		f.frame(http2.FrameGoAway, 0, 0, make([]byte, 8))
	}},
	{rows: "faults", name: "GOAWAY that says nothing of the calls, then silence", codes: gone, call: func(f *foe, id uint32) {
		f.frame(http2.FrameGoAway, 0, 0, append([]byte{0x7f, 0xff, 0xff, 0xff}, 0, 0, 0, 0))
	}},
	{rows: "faults", name: "GOAWAY flood with growing last streams", codes: gone, call: func(f *foe, id uint32) {
		f.forever(20_000, func(i int) {
			f.frame(http2.FrameGoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(2*i+1)), 0))
		})
	}},
	{rows: "14", name: "a header and then silence", codes: []string{"DEADLINE_EXCEEDED"}, call: func(f *foe, id uint32) { f.begin(id) }},
	{rows: "14", name: "messages without end", codes: []string{"DEADLINE_EXCEEDED", "UNIMPLEMENTED"}, call: func(f *foe, id uint32) {
		f.begin(id)
		msg := bytes.Repeat(prefixed(0, encode(&peerpb.Result{Payload: make([]byte, 100)})), 100)
		f.pour(id, msg)
	}},
	{rows: "11", name: "messages without end in DATA of 1 byte", codes: []string{"DEADLINE_EXCEEDED", "UNIMPLEMENTED"}, call: func(f *foe, id uint32) {
		f.begin(id)
		msg := prefixed(0, encode(&peerpb.Result{Payload: make([]byte, 10)}))
		for i := 0; i < 20_000 && !f.done(id); i++ {
			f.data(id, false, msg[i%len(msg):][:1])
		}
	}},
	{rows: "18", name: "a message that claims to be 4 GB", codes: []string{"RESOURCE_EXHAUSTED"}, limit: "message-size", call: func(f *foe, id uint32) {
		f.begin(id)
		f.data(id, false, []byte{0, 0xff, 0xff, 0xff, 0xff})
	}},
	{rows: "18", name: "a message that claims to be 4 MB and stops", codes: []string{"DEADLINE_EXCEEDED"}, call: func(f *foe, id uint32) {
		f.begin(id)
		f.data(id, false, prefixed(0, make([]byte, maxRecv))[:60_000])
	}},
	{rows: "19", name: "gzip bomb", codes: []string{"RESOURCE_EXHAUSTED"}, limit: "", call: func(f *foe, id uint32) {
		f.begin(id, "grpc-encoding", "gzip")
		f.data(id, false, prefixed(1, sixteen()))
		f.finish(id)
	}},
	{rows: "20", name: "messages nested 100,000 deep", codes: []string{"INTERNAL"}, call: func(f *foe, id uint32) {
		f.begin(id)
		deep := bytes.Repeat([]byte{0xf3, 0x3e}, 30_000) // start of group 1006
		f.data(id, false, prefixed(0, deep))
		f.finish(id)
	}},
	{rows: "26", name: "fields that gRPC does not allow", codes: []string{"INTERNAL"}, call: func(f *foe, id uint32) { f.begin(id, "x", "caf\xc3\xa9") }},
	{rows: "26", name: "CR and LF in a field", codes: abused, call: func(f *foe, id uint32) { f.begin(id, "x", "a\r\nb: c") }},
	{rows: "26", name: "-bin that is no base64", codes: []string{"INTERNAL"}, call: func(f *foe, id uint32) { f.begin(id, "x-bin", "!!!") }},
}

var sixteen = sync.OnceValue(func() []byte { return gzipped(16 << 20) })

// bombed is a header block that names a field of 4 KB again and again.
func (f *foe) bombed(fields []string) []byte {
	big := strings.Repeat("b", 3900)
	block := f.head(append(slices.Clone(fields), "bomb", big)...)
	ref := f.head("bomb", big)
	for len(block) < 15<<10 {
		block = append(block, ref...)
	}
	return block
}

// done reports whether the client has ended a call, or the connection.
func (f *foe) done(id uint32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken != nil || f.dropped[id]
}

// pour sends msg within the windows, as fast as they open, until the call ends.
func (f *foe) pour(id uint32, msg []byte) {
	for i := 0; i < 100_000 && !f.done(id); i++ {
		f.mu.Lock()
		for f.credit[id] < len(msg) || f.credit[0] < len(msg) {
			if f.dropped[id] || f.hungUp {
				f.mu.Unlock()
				return
			}
			f.opened.Wait()
		}
		f.credit[id] -= len(msg)
		f.credit[0] -= len(msg)
		f.mu.Unlock()
		f.data(id, false, msg)
		f.flush()
	}
}

// lair is where a villain serves.
type lair struct {
	t     *testing.T
	v     *villain
	conns atomic.Int64
	mu    sync.Mutex
	live  []net.Conn
}

func (l *lair) listen() net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			l.conns.Add(1)
			l.mu.Lock()
			l.live = append(l.live, c)
			l.mu.Unlock()
			go l.serve(c)
		}
	}()
	return ln
}

// serve plays the villain on one connection.
func (l *lair) serve(c net.Conn) {
	defer c.Close()
	f := newFoe(l.t, c)
	f.dropped, f.credit, f.opened = make(map[uint32]bool), map[uint32]int{0: 65535}, sync.NewCond(&f.mu)
	defer func() {
		f.mu.Lock()
		f.hungUp = true
		f.mu.Unlock()
		f.opened.Broadcast()
		close(f.closed)
	}()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	if l.v.greet != nil {
		l.v.greet(f)
	} else {
		f.settings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100})
		f.windowUpdate(0, 1<<20)
	}
	f.flush()
	fr := http2.NewFramer(io.Discard, c)
	fr.SetMaxReadFrameSize(1<<24 - 1)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	play := make(chan uint32, 1000)
	defer close(play)
	go func() {
		for id := range play {
			if l.v.call != nil && !f.over() {
				l.v.call(f, id)
				f.flush()
			}
		}
	}()
	for {
		in, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch in := in.(type) {
		case *http2.MetaHeadersFrame:
			f.mu.Lock()
			f.credit[in.StreamID] = 65535
			f.mu.Unlock()
			select {
			case play <- in.StreamID:
			default:
			}
		case *http2.RSTStreamFrame:
			f.mu.Lock()
			f.dropped[in.StreamID] = true
			f.mu.Unlock()
			f.opened.Broadcast()
		case *http2.WindowUpdateFrame:
			f.mu.Lock()
			f.credit[in.StreamID] += int(in.Increment)
			f.mu.Unlock()
			f.opened.Broadcast()
		case *http2.PingFrame:
			if !in.IsAck() {
				f.pong(in.Data[:])
			}
		}
	}
}

func TestServers(t *testing.T) {
	beside(t)
	for i := range villains {
		v := &villains[i]
		t.Run(v.name, v.test)
	}
}

func (v *villain) test(t *testing.T) {
	server := startChild(t, "server", spec{})
	l := &lair{t: t, v: v}
	evil := l.listen()
	client := startChild(t, "client", spec{Addr: server.line(), Evil: evil.Addr().String(), Handshake: scaled(300, 0)})
	says := func(word string) (r clientReport) { client.ask(word, &r); return r }
	quiet := scaledTime(70, 400)
	time.Sleep(quiet) // a sample, not a wait
	says("look")
	m := measure(t, client.cmd.Process.Pid)
	time.Sleep(quiet) // a sample, not a wait
	base := says("look")
	m.start()
	says("attack")
	time.Sleep(scaledTime(200, 3000)) // how long the attack lasts
	during := says("look")
	m.stop()
	conns := int(l.conns.Load())
	rest := says("rest")
	l.mu.Lock()
	for _, c := range l.live {
		c.Close()
	}
	l.mu.Unlock()
	began := time.Now()
	for {
		in := says("look").Inside
		if in.Goroutines <= base.Inside.Goroutines+4 && in.Files <= base.Inside.Files {
			break
		}
		if time.Since(began) > barCleanUp+500*time.Millisecond {
			t.Errorf("%d goroutines and %d descriptors are left of %d and %d", in.Goroutines, in.Files, base.Inside.Goroutines, base.Inside.Files)
			break
		}
		time.Sleep(20 * time.Millisecond) // between looks
	}
	if during.Good.Failures > 0 || during.Good.Calls == 0 {
		t.Errorf("calls to the good server: %v", during.Good)
	}
	if n := during.Late + rest.Late; n > 0 {
		t.Errorf("%d calls ended more than %v after their deadline", n, evilLate)
	}
	codes := during.Evil.Codes
	if codes == nil {
		codes = make(map[string]int)
	}
	for k, n := range rest.Evil.Codes {
		codes[k] += n
	}
	first := during.Evil.First
	if first == "" {
		first = rest.Evil.First
	}
	for code := range codes {
		if v.codes != nil && !slices.Contains(v.codes, code) {
			t.Errorf("calls ended with %v (%s), want %v", codes, first, v.codes)
		}
	}
	if len(codes) == 0 {
		t.Error("no call to the hostile server has ended")
	}
	if v.limit != "" && rest.Inside.Limits[v.limit] == 0 {
		t.Errorf("the counter of limit %q has not moved: %v", v.limit, rest.Inside.Limits)
	}
	if m.grown > barMemory {
		t.Errorf("resident memory grew by %.1f MB", float64(m.grown)/(1<<20))
	}
	cpu := m.cpu / time.Duration(max(conns, 1))
	if cpu > barCPU && conns > 4 {
		t.Errorf("%v of CPU for each of %d connections", cpu, conns)
	}
	t.Logf("%v over %d connections (%s); RSS %+.1f MB, CPU %v each; others %v; %v", codes, conns, first, float64(m.grown)/(1<<20), cpu, during.Good, rest.Inside.Limits)
	addClient(clientRow{v.rows, v.name, outcome(codes, conns), m.grown, cpu, base.Good, during.Good, t.Failed()})
}

func scaledTime(few, n int) time.Duration { return time.Duration(scaled(few, n)) * time.Millisecond }

func outcome(codes map[string]int, conns int) string {
	var parts []string
	for code, n := range codes {
		parts = append(parts, fmt.Sprintf("%d %s", n, code))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ") + " over " + plural(conns, "connection")
}
