package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// systemPython is where Debian's packages install to; another python3 earlier in
// PATH would not see them.
const systemPython = "/usr/bin/python3"

// python starts testdata/peer.py; it ends with the test.
func python(t *testing.T, args ...string) (in io.Writer, out *bufio.Reader) {
	t.Helper()
	check := exec.Command(systemPython, "-c", "import grpc, google.protobuf")
	need(t, "Python's grpcio", check.Run(), "apt-get install python3-grpcio python3-protobuf")
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
	cmd := exec.Command(systemPython, append([]string{"testdata/peer.py", descriptors}, args...)...)
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
			t.Errorf("peer.py %s: %v", args, err)
		}
	})
	return stdin, bufio.NewReaderSize(stdout, 1<<20)
}

// startPython serves a Peer with Python's grpcio and returns its address.
func startPython(t *testing.T) string {
	t.Helper()
	_, out := python(t, "serve")
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("peer.py serve: no port: %v", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

// pyCaller calls a Peer through a Python process.
type pyCaller struct {
	t *testing.T

	mu      sync.Mutex
	in      io.Writer
	n       int
	waiting map[int]chan pyAnswer
}

type pyCommand struct {
	N        int      `json:"n"`
	Op       string   `json:"op"`
	Call     int      `json:"call"`
	Method   string   `json:"method,omitempty"`
	Message  []byte   `json:"message"`
	Header   [][2]any `json:"header,omitempty"`
	Timeout  float64  `json:"timeout,omitempty"`
	Compress string   `json:"compress,omitempty"`
	Raised   bool     `json:"raised,omitempty"`
}

type pyAnswer struct {
	N       int         `json:"n"`
	Message []byte      `json:"message"`
	EOF     bool        `json:"eof"`
	Code    lupine.Code `json:"code"`
	Text    string      `json:"text"`
	Header  []pyPair    `json:"header"`
	Trailer []pyPair    `json:"trailer"`
	Broken  string      `json:"broken"` // what went wrong in peer.py itself
}

// pyPair is a key and a value in base64.
type pyPair struct{ k, v string }

func (p *pyPair) UnmarshalJSON(b []byte) error {
	var parts [2]json.RawMessage
	var value []byte
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	err := errors.Join(json.Unmarshal(parts[0], &p.k), json.Unmarshal(parts[1], &value))
	p.v = string(value)
	return err
}

func pyMetadata(pairs []pyPair) md {
	m := md{}
	for _, p := range pairs {
		m[p.k] = append(m[p.k], p.v)
	}
	return m
}

func dialPython(t *testing.T, address string) *pyCaller {
	t.Helper()
	in, out := python(t, "call", address)
	c := &pyCaller{t: t, in: in, waiting: make(map[int]chan pyAnswer)}
	go func() {
		answers := json.NewDecoder(out)
		for {
			var a pyAnswer
			err := answers.Decode(&a)
			c.mu.Lock()
			if err != nil {
				for _, w := range c.waiting {
					w <- pyAnswer{Broken: "peer.py ended: " + err.Error()}
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

// do runs one command and returns its answer.
func (c *pyCaller) do(cmd pyCommand) pyAnswer {
	answer := make(chan pyAnswer, 1)
	c.mu.Lock()
	if c.waiting == nil {
		c.mu.Unlock()
		c.t.Error("peer.py has ended")
		return pyAnswer{Code: lupine.Internal, Text: "peer.py has ended"}
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
		c.t.Error(err)
		return pyAnswer{Code: lupine.Internal}
	}
	a := <-answer
	if a.Broken != "" {
		c.t.Errorf("peer.py, %s: %s", cmd.Op, a.Broken)
		a.Code, a.Text = lupine.Internal, a.Broken
	}
	return a
}

func (a pyAnswer) err() error {
	if a.EOF {
		return io.EOF
	}
	if a.Code == lupine.OK {
		return nil
	}
	e := &lupine.Error{Code: a.Code, Message: a.Text}
	for _, raw := range pyMetadata(a.Trailer)["grpc-status-details-bin"] {
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
func (c *pyCaller) open(ctx context.Context, method string, m proto.Message, o options) (*pyStream, error) {
	cmd := pyCommand{Op: "open", Method: method, Compress: o.compress, Raised: o.raised}
	if m != nil {
		b, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		cmd.Message = b
	}
	for i := 0; i < len(o.header); i += 2 {
		cmd.Header = append(cmd.Header, [2]any{o.header[i], []byte(o.header[i+1])})
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
	s := &pyStream{c: c, call: cmd.Call}
	context.AfterFunc(ctx, func() {
		// Python keeps the deadline by itself.
		if ctx.Err() == context.Canceled && c.t.Context().Err() == nil {
			c.do(pyCommand{Op: "cancel", Call: s.call})
		}
	})
	return s, nil
}

func (c *pyCaller) say(ctx context.Context, o *peerpb.Order, with options) (*peerpb.Result, outcome) {
	s, err := c.open(ctx, "Say", o, with)
	if err != nil {
		return nil, outcome{err: err}
	}
	a := s.do("one", nil)
	r, err := a.result()
	return r, outcome{pyMetadata(a.Header), pyMetadata(a.Trailer), err}
}

func (c *pyCaller) absent(ctx context.Context) error {
	s, err := c.open(ctx, "Absent", new(peerpb.Order), options{})
	if err != nil {
		return err
	}
	return s.do("one", nil).err()
}

func (c *pyCaller) watch(ctx context.Context, id string) (string, error) {
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

func (c *pyCaller) list(ctx context.Context, o *peerpb.Order, with options) (stream, error) {
	return c.open(ctx, "List", o, with)
}

func (c *pyCaller) sum(ctx context.Context, with options) (stream, error) {
	s, err := c.open(ctx, "Sum", nil, with)
	if err != nil {
		return nil, err
	}
	s.single = true
	return s, nil
}

func (c *pyCaller) chat(ctx context.Context, with options) (stream, error) {
	return c.open(ctx, "Chat", nil, with)
}

// pyStream is a call of the Python process.
type pyStream struct {
	c       *pyCaller
	call    int
	single  bool // one reply
	header  md
	trailer md
}

func (s *pyStream) do(op string, message []byte) pyAnswer {
	return s.c.do(pyCommand{Op: op, Call: s.call, Message: message})
}

func (a pyAnswer) result() (*peerpb.Result, error) {
	if err := a.err(); err != nil {
		return nil, err
	}
	r := new(peerpb.Result)
	return r, proto.Unmarshal(a.Message, r)
}

func (s *pyStream) Send(o *peerpb.Order) error {
	b, err := proto.Marshal(o)
	if err != nil {
		return err
	}
	return s.do("send", b).err()
}

func (s *pyStream) CloseSend() error { return s.do("close_send", nil).err() }

func (s *pyStream) Recv() (*peerpb.Result, error) {
	op := "recv"
	if s.single {
		op = "one"
	}
	a := s.do(op, nil)
	if s.single {
		s.header = pyMetadata(a.Header)
	}
	s.trailer = pyMetadata(a.Trailer)
	return a.result()
}

func (s *pyStream) Header() (md, error) {
	if s.header != nil {
		return s.header, nil
	}
	a := s.do("header", nil)
	return pyMetadata(a.Header), a.err()
}

func (s *pyStream) Trailer() md { return s.trailer }

// Python with grpc-go: what peer.py does is what gRPC does.
func TestPythonControl(t *testing.T) {
	t.Parallel()
	big := listen(t)
	startGRPC(t, big, grpc.MaxRecvMsgSize(maxRaised), grpc.MaxSendMsgSize(maxRaised))
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		// C-core takes grpc-go's reset at the deadline for a cancel, now and then.
		runSuite(t, pair{caller: dialPython(t, big.Addr().String()), server: "grpc-go", slow: true, hasty: true})
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		runSuite(t, pair{caller: dialGRPC(t, startPython(t)), server: "python", slow: true})
	})
}
