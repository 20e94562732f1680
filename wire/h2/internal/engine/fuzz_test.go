package engine

import (
	"bytes"
	"testing"

	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// FuzzNext feeds any bytes to a server and to a client with a call under way:
// nothing panics, memory stays bounded, and how the bytes are cut makes no
// difference.
func FuzzNext(f *testing.F) {
	f.Add(rawClient().request(1, false).data(1, true, 10).buf.Bytes(), uint8(3))
	f.Add(rawClient().request(1, true).frame(frameRST, 0, 1, 0, 0, 0, 8).request(3, true).buf.Bytes(), uint8(1))
	f.Add(rawClient().frame(frameHeaders, 0, 1, 0x82).frame(frameContinuation, flagEndHeaders, 1, 0x86).buf.Bytes(), uint8(7))
	f.Add(newRaw().frame(frameSettings, 0, 0).request(1, false, ":status", "200").data(1, false, 5).request(1, true, "grpc-status", "0").buf.Bytes(), uint8(2))
	f.Add(newRaw().frame(frameSettings, 0, 0, 0, 4, 0, 0, 0, 0).frame(frameGoAway, 0, 0, make([]byte, 12)...).frame(framePing, 0, 0, make([]byte, 8)...).buf.Bytes(), uint8(200))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		for _, server := range []bool{true, false} {
			whole, err1 := fuzzOne(t, server, in, len(in)+1)
			pieces, err2 := fuzzOne(t, server, in, int(step)+1)
			if !bytes.Equal(whole, pieces) || (err1 == nil) != (err2 == nil) {
				t.Errorf("server=%v: cut differently, it goes otherwise: %v and %v", server, err1, err2)
			}
		}
	})
}

// fuzzOne returns a digest of the events.
func fuzzOne(t *testing.T, server bool, in []byte, step int) (digest []byte, err error) {
	c := New(testConfig(server), 1)
	if !server {
		c.testOpen(1, true)
	}
	end := 0
	for at := 0; ; {
		ev, n, err := c.Next(2, in[at:end])
		at += n
		if err != nil {
			return digest, err
		}
		if len(c.Out) > 1<<20 {
			t.Fatalf("%d bytes to send for %d bytes received", len(c.Out), at)
		}
		if c.streams.n > 256 || c.held > 256 {
			t.Fatalf("%d streams, %d slots", c.streams.n, c.held)
		}
		switch ev.Kind {
		case EventNone:
			if end == len(in) {
				return digest, nil
			}
			end = min(len(in), end+step)
			continue
		case EventData:
			digest = append(digest, ev.Data...)
			c.Consumed(ev.Stream, len(ev.Data))
			if len(ev.Data) == 0 && !ev.End {
				t.Fatal("an event of no data")
			}
		default:
			digest = append(digest, byte(ev.Kind), byte(ev.Code))
		}
		if ev.End {
			digest = append(digest, 0xee)
			if server {
				c.Finish(ev.Stream, nil, []hpack.Pair{{Name: "grpc-status", Value: "0"}})
				c.Release(2, ev.Stream)
			}
		} else if ev.Kind == EventReset && server {
			c.Release(2, ev.Stream)
		}
	}
}

// FuzzProgram runs a program of calls, writes, resets, reads and shutdowns on two
// engines joined by a lossless pipe, and checks that every byte comes out as it
// went in, that windows are kept, and that nothing is left when all have ended.
func FuzzProgram(f *testing.F) {
	f.Add([]byte{0, 10, 1, 20, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0, 255, 0, 255, 0, 255, 4, 1, 4, 1, 3, 0, 6, 2, 0, 5, 7, 7, 7})
	f.Add([]byte{0, 1, 9, 0, 1, 4, 4, 4, 4, 2, 1, 1, 8, 0, 3, 3, 3})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 400 {
			return
		}
		runProgram(t, program)
	})
}

// progCall is one call of a program, at both ends.
type progCall struct {
	client, server       *Stream
	sent, got            []byte // what the client has sent, and the server has got
	back, returned       []byte
	clientEnd, serverEnd bool
	held                 int // bytes the server has not consumed
	over                 bool
}

func runProgram(t *testing.T, program []byte) {
	p := newPair(t, uint64(len(program)))
	byClient, byServer := map[*Stream]*progCall{}, map[*Stream]*progCall{}
	byID := map[uint32]*progCall{}
	var calls []*progCall
	onServer := func(ev Event) {
		switch ev.Kind {
		case EventHeaders:
			c := byID[ev.Stream.ID]
			c.server = ev.Stream
			byServer[ev.Stream] = c
			p.server.BeginHeaders()
			p.server.Out = p.server.Enc.Append(p.server.Out, hpack.Pair{Name: ":status", Value: "200"})
			p.server.EndHeaders(ev.Stream, false)
		case EventData:
			c := byServer[ev.Stream]
			c.got = append(c.got, ev.Data...)
			c.held += len(ev.Data)
		case EventReset:
			if c := byServer[ev.Stream]; !c.serverEnd {
				c.serverEnd = true
				p.server.Release(p.now, ev.Stream)
			}
		}
	}
	onClient := func(ev Event) {
		c := byClient[ev.Stream]
		switch ev.Kind {
		case EventData:
			c.returned = append(c.returned, ev.Data...)
			p.client.Consumed(ev.Stream, len(ev.Data))
		case EventReset:
			c.over = true
		}
		if ev.Stream != nil && ev.End {
			c.over = true
			if !bytes.Equal(c.returned, c.back) {
				t.Fatalf("%d bytes sent back, %d came", len(c.back), len(c.returned))
			}
			if !c.client.SentEnd {
				p.client.Reset(ev.Stream, Cancel)
			}
		}
	}
	finish := func(c *progCall) {
		if c.server != nil && !c.serverEnd {
			c.serverEnd = true
			p.server.Finish(c.server, nil, []hpack.Pair{{Name: "grpc-status", Value: "0", Mode: hpack.Keep}})
			p.server.Release(p.now, c.server)
		}
	}
	p.run(onServer, onClient)
	for i := 0; i+1 < len(program); i += 2 {
		op, arg := program[i]%10, int(program[i+1])
		if op == 0 {
			if p.client.CanOpen() == nil {
				c := &progCall{}
				c.client = p.client.testOpen(p.now, false)
				byClient[c.client], byID[c.client.ID] = c, c
				calls = append(calls, c)
			}
			continue
		}
		if len(calls) == 0 {
			continue
		}
		c := calls[arg%len(calls)]
		data := bytes.Repeat([]byte{byte(i)}, arg*arg*3)
		switch op {
		case 1, 2:
			if !c.client.Closed && !c.client.SentEnd && !c.clientEnd && !c.client.Pending() {
				c.sent = append(c.sent, data...)
				c.clientEnd = op == 2
				p.client.Send(c.client, data, op == 2, 32<<10)
			}
		case 3:
			p.run(onServer, onClient)
		case 4:
			if c.server != nil && !c.serverEnd && !c.server.Closed && !c.server.Pending() {
				c.back = append(c.back, data...)
				p.server.Send(c.server, data, false, 32<<10)
			}
		case 5:
			finish(c)
		case 6:
			c.over = true
			p.client.Reset(c.client, Cancel)
		case 7:
			if c.server != nil {
				p.server.Consumed(c.server, c.held)
				c.held = 0
			}
		case 8:
			p.server.Drain()
		case 9:
			if c.server != nil && !c.server.Closed {
				p.server.Want(c.server, arg*10000)
				p.server.Assembled(c.server)
			}
		}
	}
	for range 200 { // let all end: the server reads, then answers
		p.run(onServer, onClient)
		for _, c := range calls {
			if c.server != nil {
				p.server.Consumed(c.server, c.held)
				c.held = 0
			}
			if !c.client.Closed && !c.clientEnd && !c.client.Pending() {
				c.clientEnd = true
				p.client.Send(c.client, nil, true, 32<<10)
			}
		}
	}
	for _, c := range calls {
		if c.clientEnd && !c.over && c.server != nil && !c.server.Closed && !bytes.Equal(c.got, c.sent) {
			t.Fatalf("%d bytes sent, %d came", len(c.sent), len(c.got))
		}
		finish(c)
	}
	p.run(onServer, onClient)
	for _, c := range calls {
		if c.server != nil && !c.over {
			t.Fatalf("stream %d did not end", c.client.ID)
		}
	}
	if p.server.Streams() != 0 || p.server.Held() != 0 || p.server.assembling != 0 || p.client.Streams() != 0 {
		t.Fatalf("left over: %d streams, %d slots, %d bytes granted, %d streams of the client", p.server.Streams(), p.server.Held(), p.server.assembling, p.client.Streams())
	}
}
