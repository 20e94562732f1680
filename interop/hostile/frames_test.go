package hostile

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// until sends what f says, in bursts of n rounds, until the connection ends or
// most rounds have been sent. After each burst it waits for the server, so that
// the count of frames says when it was closed.
func (a *arena) until(most, n int, settings []http2.Setting, round func(f *foe)) fate {
	f := a.enemy(settings...)
	for i := 0; i < most && !f.over(); i++ {
		round(f)
		if i%n == n-1 && !f.sync() {
			break
		}
	}
	if f.broken != nil || len(f.out) > 0 {
		f.flush()
	}
	if f.over() {
		f.ended(5 * time.Second)
	}
	return f.fate()
}

// calm is how floods end.
var calm = []string{"ENHANCE_YOUR_CALM"}

// holding is a call whose handler waits for its end.
var holding = &peerpb.Order{Hold: true}

// flood is a row whose frames come one like the other.
func flood(rows, name, limit string, most int, round func(f *foe)) attack {
	return attack{rows: rows, name: name, closed: true, codes: calm, frames: most, limit: limit, run: func(a *arena) fate {
		return a.until(4*most, 50, nil, round)
	}}
}

// frameAttacks are about frames that cost the server more than the client.
var frameAttacks = []attack{
	// A reset is two frames, and each burst of 50 has a PING and its own.
	flood("1", "rapid reset: HEADERS, RST_STREAM", "resets", 2*1100+100, func(f *foe) {
		f.reset(f.call(false, request("Say")...))
	}),
	flood("1", "rapid reset of calls whose handlers run", "resets", 3*1100+100, func(f *foe) {
		f.reset(f.say(holding))
	}),
	{rows: "1", name: "rapid reset, 8 connections at full speed", closed: true, codes: calm, limit: "resets", run: func(a *arena) (sum fate) {
		for range 8 {
			f := a.enemy()
			for i := 0; i < 20_000 && !f.over(); i++ {
				f.reset(f.say(holding))
			}
			f.ended(5 * time.Second)
			sum.add(f.fate())
		}
		return sum
	}},
	flood("2", "provoked resets: WINDOW_UPDATE of 0 on a running call", "resets", 3*1100+100, func(f *foe) {
		f.windowUpdate(f.say(holding), 0)
	}),
	flood("2", "provoked resets: DATA after END_STREAM", "resets", 4*1100+100, func(f *foe) {
		f.data(f.say(holding), false, []byte{0})
	}),
	flood("2", "provoked resets: window past 2^31-1", "resets", 3*1100+100, func(f *foe) {
		f.windowUpdate(f.say(holding), 1<<31-1)
	}),
	flood("2, 7", "malformed requests, each answered with a reset", "resets", 1100+100, func(f *foe) {
		f.call(true, request("Say", "connection", "close")...)
	}),
	flood("7", "PRIORITY of a stream on itself", "resets", 1100+100, func(f *foe) {
		f.frame(http2.FramePriority, 0, f.next, []byte{byte(f.next >> 24), byte(f.next >> 16), byte(f.next >> 8), byte(f.next), 0})
		f.next += 2
	}),
	{rows: "3", name: "CONTINUATION without end", closed: true, codes: calm, frames: 12, limit: "continuation", run: func(a *arena) fate {
		f := a.enemy()
		f.frame(http2.FrameHeaders, 0, 1, f.head(request("Say")...))
		for i := 0; i < 100 && !f.over(); i++ {
			f.frame(http2.FrameContinuation, 0, 1, f.head("x", "y"))
			f.flush()
			f.ended(5 * time.Millisecond)
		}
		f.ended(5 * time.Second)
		return f.fate()
	}},
	{rows: "3, 9", name: "empty CONTINUATION without end", closed: true, codes: calm, frames: 12, limit: "continuation", run: func(a *arena) fate {
		f := a.enemy()
		f.frame(http2.FrameHeaders, 0, 1, nil)
		for i := 0; i < 100 && !f.over(); i++ {
			f.frame(http2.FrameContinuation, 0, 1, nil)
			f.flush()
			f.ended(5 * time.Millisecond)
		}
		f.ended(5 * time.Second)
		return f.fate()
	}},
	{rows: "3", name: "CONTINUATION frames of 16 KiB", closed: true, codes: calm, frames: 12, limit: "header-block", run: func(a *arena) fate {
		f := a.enemy()
		f.frame(http2.FrameHeaders, 0, 1, make([]byte, 16<<10))
		for i := 0; i < 8; i++ {
			f.frame(http2.FrameContinuation, 0, 1, make([]byte, 16<<10))
		}
		f.ended(5 * time.Second)
		return f.fate()
	}},
	{rows: "4", name: "HPACK bomb: a 4 KB field named 15,000 times a block", answers: []string{"grpc 8", "HTTP 431"}, limit: "header-list", run: hpackBomb},
	{rows: "4", name: "HPACK table refilled with every block", answers: []string{"grpc 8", "grpc 12", "HTTP 431"}, run: hpackChurn},
	flood("5", "PING", "control-frames", 5000, func(f *foe) { f.ping(false) }),
	flood("5", "PING acknowledgements that nobody asked for", "control-frames", 5000, func(f *foe) { f.ping(true) }),
	{rows: "5", name: "PING by a client that does not read", closed: true, limit: "control-frames|answers", run: func(a *arena) fate {
		return a.unheard(func(f *foe) { f.ping(false) })
	}},
	flood("6", "SETTINGS", "control-frames", 5000, func(f *foe) { f.settings() }),
	flood("6", "SETTINGS acknowledgements", "control-frames", 5000, func(f *foe) { f.frame(http2.FrameSettings, http2.FlagSettingsAck, 0, nil) }),
	{rows: "6", name: "SETTINGS that move 250 windows 680 times a frame", closed: true, limit: "control-frames", run: windowJuggling},
	flood("8", "PRIORITY", "control-frames", 5000, func(f *foe) { f.frame(http2.FramePriority, 0, 1, []byte{0, 0, 0, 3, 0}) }),
	flood("8", "frames of unknown types", "control-frames", 5000, func(f *foe) { f.frame(0xbe, 0, 0, []byte("what?")) }),
	flood("9", "GOAWAY", "control-frames", 5000, func(f *foe) { f.frame(http2.FrameGoAway, 0, 0, make([]byte, 8)) }),
	{rows: "9", name: "empty DATA", closed: true, codes: calm, frames: 5000, limit: "control-frames", run: func(a *arena) fate {
		id := uint32(0)
		return a.until(20_000, 50, nil, func(f *foe) {
			if id == 0 {
				id = f.call(false, request("Sum")...)
			}
			f.frame(http2.FrameData, 0, id, nil)
		})
	}},
	{rows: "9", name: "DATA that is all padding", closed: true, codes: calm, frames: 5000, limit: "control-frames", run: func(a *arena) fate {
		id, pad := uint32(0), make([]byte, 256)
		pad[0] = 255
		return a.until(20_000, 50, nil, func(f *foe) {
			if id == 0 {
				id = f.call(false, request("Sum")...)
			}
			f.frame(http2.FrameData, http2.FlagDataPadded, id, pad)
		})
	}},
	flood("9", "empty header blocks", "resets", 1100+100, func(f *foe) {
		f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, f.next, nil)
		f.next += 2
	}),
	{rows: "9", name: "DATA for a call that was reset", closed: true, limit: "late-data", run: func(a *arena) fate {
		id, one := uint32(0), make([]byte, 1000)
		return a.until(20_000, 50, nil, func(f *foe) {
			if id == 0 {
				id = f.say(holding)
				f.windowUpdate(id, 0)
			}
			f.frame(http2.FrameData, 0, id, one)
		})
	}},
	flood("10", "WINDOW_UPDATE of the connection", "control-frames", 5000, func(f *foe) { f.windowUpdate(0, 1) }),
	{rows: "10", name: "WINDOW_UPDATE of a call", closed: true, codes: calm, frames: 5000, limit: "control-frames", run: func(a *arena) fate {
		id := uint32(0)
		return a.until(20_000, 50, nil, func(f *foe) {
			if id == 0 {
				id = f.say(holding)
			}
			f.windowUpdate(id, 1)
		})
	}},
	{rows: "10", name: "the connection's window past 2^31-1", closed: true, codes: []string{"FLOW_CONTROL_ERROR"}, frames: 4, limit: "protocol", run: func(a *arena) fate {
		f := a.enemy()
		f.windowUpdate(0, 1<<31-1)
		f.ended(5 * time.Second)
		return f.fate()
	}},
	{rows: "10", name: "SETTINGS that lift a call's window past 2^31-1", closed: true, codes: []string{"FLOW_CONTROL_ERROR"}, frames: 6, limit: "protocol", run: func(a *arena) fate {
		f := a.enemy()
		f.windowUpdate(f.say(holding), 1<<30)
		f.settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		f.ended(5 * time.Second)
		return f.fate()
	}},
	{rows: "10", name: "DATA beyond the call's window", answers: []string{"FLOW_CONTROL_ERROR"}, run: func(a *arena) fate {
		f := a.enemy()
		id := f.call(false, request("Sum")...)
		f.data(id, false, prefixed(0, encode(holding)))
		f.data(id, false, bytes.Repeat(prefixed(0, make([]byte, 995)), 80)[:80_000])
		f.collect(1, 5*time.Second)
		return f.fate()
	}},
}

func TestFrames(t *testing.T) { run(t, frameAttacks) }

func run(t *testing.T, attacks []attack) {
	beside(t)
	for i := range attacks {
		x := &attacks[i]
		t.Run(x.name, x.test)
	}
}

// unheard sends for ever on a connection that nobody reads.
func (a *arena) unheard(round func(f *foe)) fate {
	f := a.deaf()
	late := time.Now().Add(a.stall + 10*time.Second)
	for f.broken == nil && time.Now().Before(late) {
		round(f)
	}
	closed := f.broken != nil
	x := f.fate()
	if closed && !strings.Contains(f.broken.Error(), "timeout") {
		x.Closed = 1
	}
	return x
}

// hpackBomb puts a field of 4 KB into the server's table and names it as often
// as a block can hold: 16 KB that stand for 60 MB.
func hpackBomb(a *arena) fate {
	n := scaled(100, 1000)
	f := a.enemy()
	big := strings.Repeat("b", 4000)
	for i := range n {
		head := f.head(request("Say")...)
		if i == 0 {
			head = append(head, f.head("bomb", big)...)
		} else {
			head = append(head, f.head("bomb", big)...)
		}
		ref := f.head("bomb", big)
		if len(ref) != 1 {
			a.t.Fatalf("the field is %d bytes, want a reference", len(ref))
		}
		for len(head) < 15<<10 {
			head = append(head, ref[0])
		}
		id := f.next
		f.next += 2
		f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, id, head)
		if i%50 == 49 {
			f.collect(i+1, 10*time.Second)
		}
	}
	f.collect(n, 10*time.Second)
	return f.fate()
}

// hpackChurn sends blocks of fields that are all new to the table.
func hpackChurn(a *arena) fate {
	n := scaled(200, 3000)
	f := a.enemy()
	for i := range n {
		var block []byte
		block = append(block, f.head(request("Say")...)...)
		for len(block) < 15<<10 {
			// Literal with incremental indexing, both strings in clear.
			block = append(block, 0x40, 3, 'a'+byte(i%26), 'a'+byte(len(block)%26), 'a'+byte(len(block)/26%26), 2, 'y', byte('0'+i%10))
		}
		// The table is not what f.enc believes any more: begin anew.
		block = append([]byte{0x20, 0x3f, 0xe1, 0x1f}, block...)
		f.block.Reset()
		f.enc = hpack.NewEncoder(&f.block)
		f.frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, f.next, block)
		f.next += 2
		if i%50 == 49 {
			f.collect(i+1, 10*time.Second)
		}
	}
	f.collect(n, 10*time.Second)
	return f.fate()
}

// windowJuggling changes the windows of many calls as often as a SETTINGS frame
// has room for.
func windowJuggling(a *arena) fate {
	f := a.enemy()
	for range 250 {
		f.say(holding)
	}
	var many []http2.Setting
	for i := range 680 {
		many = append(many, http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(i%2) * 100})
	}
	for i := 0; i < 8000 && !f.over(); i++ {
		f.settings(many...)
		if i%20 == 19 && !f.sync() {
			break
		}
	}
	if f.over() {
		f.ended(5 * time.Second)
	}
	return f.fate()
}
