package differential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// table is the scenarios made by hand.
func table() []*scenario {
	var all []*scenario
	for _, part := range [][]*scenario{unaryTable(), statusTable(), metadataTable(), streamTable(), endTable(), limitTable()} {
		all = append(all, part...)
	}
	return all
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// echo is a unary handler that returns what it got.
func echo(h *hand) error {
	req := h.receive()
	h.reply(&testpb.EchoReply{Text: req.Text, Payload: req.Payload, Count: req.Count})
	return nil
}

func unaryTable() []*scenario {
	var all []*scenario
	for _, n := range []int{0, 1, 100, 16 << 10, 65_535, 100_000, 3 << 20} {
		for _, compress := range []string{"", "gzip"} {
			all = append(all, &scenario{
				name: fmt.Sprint(n, " bytes ", compress), kind: say, options: options{compress: compress},
				request: &testpb.EchoRequest{Text: "grüße \x00 世界", Payload: bytesOf(n), Count: uint32(n)}, handler: echo,
			})
		}
	}
	everything := &testpb.Everything{
		FDouble: 1.5, FString: "日本語", FBytes: []byte{0, 255}, RInt32: []int32{1, -1}, MString: map[string]string{"a": "b", "": ""},
		FMessage: &testpb.Everything{OInt32: proto.Int32(0)}, Choice: &testpb.Everything_CString{CString: ""},
	}
	return append(all, &scenario{name: "everything", kind: mirror, request: everything, handler: func(h *hand) error {
		m := new(testpb.Everything)
		h.recv(m)
		h.reply(m)
		return nil
	}}, &scenario{name: "deadline is seen", kind: say, options: options{timeout: time.Hour}, request: &testpb.EchoRequest{}, handler: echo})
}

// statusTexts are messages that have to be encoded to travel.
var statusTexts = []string{
	"", "plain", "two\nlines\r\n", "100% sure %41 %zz %", "naïve 日本語 \U0001F43A", "tab\tand \x00 nul \x7f", " padded ", "ends in a colon: ",
	strings.Repeat("long ", 600), `"quoted", comma; \back`,
}

func statusTable() []*scenario {
	fails := func(name string, k kind, err error) *scenario {
		return &scenario{name: name, kind: k, request: new(testpb.EchoRequest), handler: func(h *hand) error {
			if k == list {
				h.reply(&testpb.EchoReply{Text: "before"})
			}
			h.setTrailer(pairs{"t", "1"})
			return err
		}}
	}
	var all []*scenario
	for _, k := range []kind{say, list, sum, chat} {
		for code := int32(1); code <= 16; code++ {
			f := &failure{code: code, message: fmt.Sprint("code ", code)}
			all = append(all, fails(f.message, k, f))
		}
		f := &failure{code: 8, message: "details", details: []lupine.Detail{
			{Type: "google.rpc.RetryInfo", Value: []byte{0x0a, 0x02, 0x08, 0x05}}, {Type: "a.b.Empty"}, {Type: "a.b.Large", Value: bytesOf(1000)},
		}}
		all = append(all, fails("details", k, f))
		all = append(all,
			fails("an error of no kind", k, errors.New("some text")),
			fails("EOF", k, io.EOF),
			fails("a context's error", k, context.DeadlineExceeded),
			fails("another", k, context.Canceled))
	}
	for i, text := range statusTexts {
		for _, k := range []kind{say, list} {
			all = append(all, fails(fmt.Sprint("text ", i), k, &failure{code: 9, message: text}))
		}
	}
	return all
}

var someMetadata = pairs{
	"plain", "a value", "twice", "1", "twice", "2", "blob-bin", string(bytesOf(256)), "blob-bin", "\x00", "empty", "", "empty-bin", "",
	"punct", `!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`, "a.b_c-1", "x", "long", strings.Repeat("long ", 500) + ".",
}

func metadataTable() []*scenario {
	var all []*scenario
	for _, fail := range []bool{false, true} {
		end := func() error {
			if fail {
				return &failure{code: 5, message: "no"}
			}
			return nil
		}
		name := "both ways"
		if fail {
			name += ", failing"
		}
		set := func(h *hand) {
			h.setHeader(someMetadata[:6])
			h.setHeader(someMetadata[6:])
			h.setTrailer(append(pairs{"trailing", "1"}, someMetadata...))
			h.setTrailer(pairs{"trailing", "2"})
		}
		heads := func(c *call) { c.heads() }
		all = append(all,
			&scenario{name: name, kind: say, options: options{header: someMetadata}, request: new(testpb.EchoRequest), handler: func(h *hand) error {
				set(h)
				h.reply(&testpb.EchoReply{Text: "x"})
				return end()
			}},
			&scenario{name: name, kind: list, options: options{header: someMetadata}, request: new(testpb.EchoRequest), caller: heads, handler: func(h *hand) error {
				set(h)
				h.reply(&testpb.EchoReply{Text: "x"})
				return end()
			}},
			&scenario{name: name + ", nothing sent", kind: list, request: new(testpb.EchoRequest), caller: heads, handler: func(h *hand) error {
				set(h)
				return end()
			}},
			&scenario{name: name + ", header first", kind: chat, options: options{header: someMetadata}, handler: func(h *hand) error {
				set(h)
				if err := h.sendHeader(); err != nil {
					return err
				}
				for h.receive() != nil {
				}
				return end()
			}, caller: func(c *call) {
				c.heads()
				c.sends(&testpb.EchoRequest{Text: "after the header"})
			}})
	}
	return all
}

func streamTable() []*scenario {
	var all []*scenario
	for _, n := range []int{0, 1, 2, 500} {
		all = append(all,
			&scenario{name: fmt.Sprint(n), kind: list, request: &testpb.EchoRequest{Text: "x"}, handler: func(h *hand) error {
				for i := range n {
					h.reply(&testpb.EchoReply{Count: uint32(i), Payload: bytesOf(i * 10)})
				}
				return nil
			}},
			&scenario{name: fmt.Sprint(n), kind: sum, caller: func(c *call) {
				for i := range n {
					c.sends(&testpb.EchoRequest{Count: uint32(i), Payload: bytesOf(i * 10)})
				}
			}, handler: func(h *hand) error {
				for h.receive() != nil {
				}
				h.reply(&testpb.EchoReply{Text: "all"})
				return nil
			}},
			&scenario{name: fmt.Sprint(n, " in turn"), kind: chat, options: options{compress: "gzip"}, caller: func(c *call) {
				for i := range n {
					c.sends(&testpb.EchoRequest{Count: uint32(i), Payload: bytesOf(i * 10)})
					c.receives()
				}
			}, handler: func(h *hand) error {
				for {
					m := h.receive()
					if m == nil {
						return nil
					}
					h.reply(&testpb.EchoReply{Count: m.Count, Payload: m.Payload})
				}
			}},
			&scenario{name: fmt.Sprint(n, " after half-close"), kind: chat, caller: func(c *call) {
				for i := range n {
					c.sends(&testpb.EchoRequest{Count: uint32(i)})
				}
			}, handler: func(h *hand) error {
				got := 0
				for h.receive() != nil {
					got++
				}
				for range got {
					h.reply(&testpb.EchoReply{Count: uint32(got)})
				}
				return nil
			}},
		)
	}
	return append(all, &scenario{name: "the handler speaks first", kind: chat, caller: func(c *call) {
		c.receives()
		c.sends(&testpb.EchoRequest{Text: "and I"})
	}, handler: func(h *hand) error {
		h.reply(&testpb.EchoReply{Text: "I first"})
		for h.receive() != nil {
		}
		return nil
	}})
}

// endTable are calls that one side ends early.
func endTable() []*scenario {
	cancel := func(c *call) {
		c.untilHeld()
		c.cancel()
	}
	hold := func(h *hand) error { return h.hold() }
	sendMany := func(c *call) {
		for i := range 1000 {
			c.sends(&testpb.EchoRequest{Count: uint32(i), Payload: make([]byte, 1000)})
		}
	}
	short := options{timeout: 100 * time.Millisecond}
	return []*scenario{
		{name: "cancel", kind: say, request: new(testpb.EchoRequest), caller: cancel, handler: hold, ownText: true},
		{name: "cancel", kind: list, request: new(testpb.EchoRequest), caller: cancel, handler: hold, ownText: true},
		{name: "cancel after replies", kind: list, request: new(testpb.EchoRequest), caller: func(c *call) {
			for range 3 {
				c.receives()
			}
			cancel(c)
		}, handler: func(h *hand) error {
			for i := range 3 {
				h.reply(&testpb.EchoReply{Count: uint32(i)})
			}
			return h.hold()
		}, ownText: true},
		{name: "cancel after requests", kind: sum, caller: func(c *call) {
			for i := range 3 {
				c.sends(&testpb.EchoRequest{Count: uint32(i)})
			}
			cancel(c)
		}, handler: func(h *hand) error {
			for range 3 {
				h.receive()
			}
			return h.hold()
		}, ownText: true},
		{name: "cancel in a dialogue", kind: chat, caller: func(c *call) {
			c.sends(&testpb.EchoRequest{Text: "one"})
			c.receives()
			cancel(c)
		}, handler: func(h *hand) error {
			h.receive()
			h.reply(&testpb.EchoReply{Text: "two"})
			return h.hold()
		}, ownText: true},
		{name: "cancel while the handler receives", kind: chat, caller: func(c *call) {
			c.sends(&testpb.EchoRequest{Text: "one"})
			c.receives()
			c.cancel()
			c.receives()
		}, handler: func(h *hand) error {
			h.receive()
			h.reply(&testpb.EchoReply{Text: "two"})
			if h.receive() != nil {
				h.note("handler: received after the end")
			}
			return h.hold()
		}, ownText: true},
		{name: "deadline", kind: say, options: short, request: new(testpb.EchoRequest), handler: hold, ownText: true},
		{name: "deadline", kind: list, options: short, request: new(testpb.EchoRequest), handler: hold, ownText: true},
		{name: "deadline", kind: sum, options: short, handler: hold, ownText: true},
		{name: "deadline", kind: chat, options: short, handler: hold, ownText: true},
		{name: "deadline has passed", kind: say, options: options{timeout: time.Nanosecond}, request: new(testpb.EchoRequest), ownText: true},
		{name: "the handler has enough", kind: sum, caller: sendMany, handler: func(h *hand) error {
			h.receive()
			h.reply(&testpb.EchoReply{Text: "enough"})
			return nil
		}},
		{name: "the handler fails early", kind: sum, caller: sendMany, handler: func(h *hand) error {
			h.receive()
			return &failure{code: 9, message: "enough"}
		}},
		{name: "the handler leaves a dialogue", kind: chat, caller: sendMany, handler: func(h *hand) error {
			h.receive()
			h.reply(&testpb.EchoReply{Text: "goodbye"})
			return nil
		}},
		{name: "the handler fails in a dialogue", kind: chat, caller: sendMany, handler: func(h *hand) error {
			h.receive()
			h.reply(&testpb.EchoReply{Text: "goodbye"})
			return &failure{code: 10, message: "no more"}
		}},
	}
}

// limitTable are messages and methods that one side does not take.
func limitTable() []*scenario {
	large := func(h *hand) error {
		h.reply(&testpb.EchoReply{Payload: make([]byte, 5000)})
		return nil
	}
	badText := func(h *hand) error {
		h.reply(&testpb.EchoReply{Text: "\xff"})
		return nil
	}
	return []*scenario{
		{name: "no such method", kind: absent, ownText: true},
		{name: "request over the server's limit", kind: say, request: &testpb.EchoRequest{Payload: make([]byte, 5<<20)}, ownText: true},
		{name: "request over the server's limit, compressed", kind: say, options: options{compress: "gzip"}, request: &testpb.EchoRequest{Payload: make([]byte, 5<<20)}, ownText: true},
		{name: "request over the server's limit", kind: list, request: &testpb.EchoRequest{Payload: make([]byte, 5<<20)}, ownText: true},
		{name: "reply over the caller's limit", kind: say, options: options{maxRecv: 1000}, request: new(testpb.EchoRequest), handler: large, ownText: true},
		{name: "reply over the caller's limit", kind: list, options: options{maxRecv: 1000}, request: new(testpb.EchoRequest), handler: large, ownText: true, unordered: true},
		{name: "request that is not UTF-8", kind: say, request: &testpb.EchoRequest{Text: "\xff"}, ownText: true},
		{name: "reply that is not UTF-8", kind: say, request: new(testpb.EchoRequest), handler: badText, ownText: true},
	}
}
