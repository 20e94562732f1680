package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// program is a Peer in another language. Its arguments are a file of descriptors
// and either "serve", which prints a port and serves until stdin ends, or "call"
// with an address, which reads programCommands and writes programAnswers, a line
// of JSON each.
type program struct {
	name string
	argv []string
}

// start runs the program; it ends with the test.
func (p program) start(t *testing.T, args ...string) (in io.Writer, out *bufio.Reader) {
	t.Helper()
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(anypb.File_google_protobuf_any_proto),
		protodesc.ToFileDescriptorProto(peerpb.File_peerpb_peer_proto),
	}})
	if err != nil {
		t.Fatal(err)
	}
	descriptors := filepath.Join(t.TempDir(), "peer.binpb")
	if err := os.WriteFile(descriptors, set, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p.argv[0], append(append(p.argv[1:len(p.argv):len(p.argv)], descriptors), args...)...)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s %s: %v", p.name, args, err)
		}
	})
	return stdin, bufio.NewReaderSize(stdout, 1<<20)
}

// serve starts the program as a server and returns its address.
func (p program) serve(t *testing.T) string {
	t.Helper()
	_, out := p.start(t, "serve")
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("%s serve: no port: %v", p.name, err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

// dial starts the program as a client.
func (p program) dial(t *testing.T, address string) *programCaller {
	t.Helper()
	in, out := p.start(t, "call", address)
	c := &programCaller{t: t, name: p.name, in: in, waiting: make(map[int]chan programAnswer)}
	go func() {
		answers := json.NewDecoder(out)
		for {
			var a programAnswer
			err := answers.Decode(&a)
			c.mu.Lock()
			if err != nil {
				for _, w := range c.waiting {
					w <- programAnswer{Broken: p.name + " ended: " + err.Error()}
				}
				c.waiting = nil
				c.mu.Unlock()
				return
			}
			if w := c.waiting[a.N]; w != nil {
				w <- a
			}
			delete(c.waiting, a.N)
			c.mu.Unlock()
		}
	}()
	return c
}

// programCaller calls a Peer through a process of a program.
type programCaller struct {
	t    *testing.T
	name string

	mu      sync.Mutex
	in      io.Writer
	n       int
	waiting map[int]chan programAnswer
}

type programCommand struct {
	N        int           `json:"n"`
	Op       string        `json:"op"`
	Call     int           `json:"call"`
	Method   string        `json:"method,omitempty"`
	Message  []byte        `json:"message"`
	Header   []programPair `json:"header,omitempty"`
	Timeout  float64       `json:"timeout,omitempty"`
	Compress string        `json:"compress,omitempty"`
	Raised   bool          `json:"raised,omitempty"`
}

type programAnswer struct {
	N       int           `json:"n"`
	Message []byte        `json:"message"`
	EOF     bool          `json:"eof"`
	Code    lupine.Code   `json:"code"`
	Text    string        `json:"text"`
	Header  []programPair `json:"header"`
	Trailer []programPair `json:"trailer"`
	Broken  string        `json:"broken"` // what went wrong in the program itself
}

type programPair struct {
	K string `json:"k"`
	V []byte `json:"v"`
}

func programMetadata(pairs []programPair) md {
	m := md{}
	for _, p := range pairs {
		m[p.K] = append(m[p.K], string(p.V))
	}
	return m
}

// do runs one command and returns its answer.
func (c *programCaller) do(cmd programCommand) programAnswer {
	answer := make(chan programAnswer, 1)
	c.mu.Lock()
	if c.waiting == nil {
		c.mu.Unlock()
		if cmd.Op == "cancel" {
			return programAnswer{Code: lupine.Internal}
		}
		c.t.Errorf("%s has ended", c.name)
		return programAnswer{Code: lupine.Internal, Text: c.name + " has ended"}
	}
	c.n++
	cmd.N = c.n
	c.waiting[cmd.N] = answer
	line, err := json.Marshal(cmd)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	c.mu.Unlock()
	if err != nil {
		if cmd.Op != "cancel" { // which may come as the test ends, or later
			c.t.Error(err)
		}
		return programAnswer{Code: lupine.Internal}
	}
	a := <-answer
	if a.Broken != "" && cmd.Op != "cancel" {
		c.t.Errorf("%s, %s: %s", c.name, cmd.Op, a.Broken)
		a.Code, a.Text = lupine.Internal, a.Broken
	}
	return a
}

func (a programAnswer) err() error {
	if a.EOF {
		return io.EOF
	}
	if a.Code == lupine.OK {
		return nil
	}
	e := &lupine.Error{Code: a.Code, Message: a.Text}
	for _, raw := range programMetadata(a.Trailer)["grpc-status-details-bin"] {
		var s status.Status
		if err := proto.Unmarshal([]byte(raw), &s); err != nil {
			return err
		}
		for _, d := range s.Details {
			e.Details = append(e.Details, lupine.Detail{Type: typeName(d.TypeUrl), Value: d.Value})
		}
	}
	return e
}

// open starts a call, which ctx ends.
func (c *programCaller) open(ctx context.Context, method string, m proto.Message, o options) (*programStream, error) {
	cmd := programCommand{Op: "open", Method: method, Compress: o.compress, Raised: o.raised}
	if m != nil {
		b, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		cmd.Message = b
	}
	for i := 0; i < len(o.header); i += 2 {
		cmd.Header = append(cmd.Header, programPair{o.header[i], []byte(o.header[i+1])})
	}
	if d, ok := ctx.Deadline(); ok {
		cmd.Timeout = time.Until(d).Seconds()
	}
	c.mu.Lock()
	c.n++
	cmd.Call = c.n
	c.mu.Unlock()
	if err := c.do(cmd).err(); err != nil {
		return nil, err
	}
	s := &programStream{c: c, call: cmd.Call}
	context.AfterFunc(ctx, func() {
		// Programs keep the deadline by themselves.
		if ctx.Err() == context.Canceled && c.t.Context().Err() == nil {
			c.do(programCommand{Op: "cancel", Call: s.call})
		}
	})
	return s, nil
}

func (c *programCaller) say(ctx context.Context, o *peerpb.Order, with options) (*peerpb.Result, outcome) {
	s, err := c.open(ctx, "Say", o, with)
	if err != nil {
		return nil, outcome{err: err}
	}
	a := s.do("one", nil)
	r, err := a.result()
	return r, outcome{programMetadata(a.Header), programMetadata(a.Trailer), err}
}

func (c *programCaller) absent(ctx context.Context) error {
	s, err := c.open(ctx, "Absent", new(peerpb.Order), options{})
	if err != nil {
		return err
	}
	return s.do("one", nil).err()
}

func (c *programCaller) watch(ctx context.Context, id string) (string, error) {
	s, err := c.open(ctx, "Watch", &peerpb.Watched{Id: id}, options{})
	if err != nil {
		return "", err
	}
	a := s.do("one", nil)
	var f peerpb.Fate
	if err := a.err(); err != nil {
		return "", err
	}
	err = proto.Unmarshal(a.Message, &f)
	return f.End, err
}

func (c *programCaller) list(ctx context.Context, o *peerpb.Order, with options) (stream, error) {
	return c.open(ctx, "List", o, with)
}

func (c *programCaller) sum(ctx context.Context, with options) (stream, error) {
	s, err := c.open(ctx, "Sum", nil, with)
	if err != nil {
		return nil, err
	}
	s.single = true
	return s, nil
}

func (c *programCaller) chat(ctx context.Context, with options) (stream, error) {
	return c.open(ctx, "Chat", nil, with)
}

// programStream is a call of the process.
type programStream struct {
	c       *programCaller
	call    int
	single  bool // one reply
	header  md
	trailer md
}

func (s *programStream) do(op string, message []byte) programAnswer {
	return s.c.do(programCommand{Op: op, Call: s.call, Message: message})
}

func (a programAnswer) result() (*peerpb.Result, error) {
	if err := a.err(); err != nil {
		return nil, err
	}
	r := new(peerpb.Result)
	return r, proto.Unmarshal(a.Message, r)
}

func (s *programStream) Send(o *peerpb.Order) error {
	b, err := proto.Marshal(o)
	if err != nil {
		return err
	}
	return s.do("send", b).err()
}

func (s *programStream) CloseSend() error { return s.do("close_send", nil).err() }

func (s *programStream) Recv() (*peerpb.Result, error) {
	op := "recv"
	if s.single {
		op = "one"
	}
	a := s.do(op, nil)
	if s.single {
		s.header = programMetadata(a.Header)
	}
	s.trailer = programMetadata(a.Trailer)
	return a.result()
}

func (s *programStream) Header() (md, error) {
	if s.header != nil {
		return s.header, nil
	}
	a := s.do("header", nil)
	return programMetadata(a.Header), a.err()
}

func (s *programStream) Trailer() md { return s.trailer }
