package grpcmsg

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/lupine-rpc/lupine"
)

// Identity is the name of no compression (PROTOCOL-HTTP2, Content-Coding).
const Identity = "identity"

// Compressor compresses single messages. It is safe for concurrent use.
type Compressor interface {
	// Name is the name in grpc-encoding: "gzip".
	Name() string
	// Compress appends the compressed src to dst.
	Compress(dst, src []byte) ([]byte, error)
	// Decompress writes the decompressed src to dst. It stops at the first error
	// of dst, which enforces the limits, and returns it.
	Decompress(dst *Plain, src []byte) error
}

// maxPooled is the largest buffer that is kept for another message, in bytes.
const maxPooled = 256 << 10

// maxPooledLarge is the same for messages that have a turn.
const maxPooledLarge = lupine.DefaultMaxReceive + 1<<10

// Plain is one decompressed message. It is not safe for concurrent use.
type Plain struct {
	buf     []byte
	limit   int // -1: none
	budget  *Budget
	charged int64
	turn    bool // it has one of the budget's
}

var plainPool = sync.Pool{New: func() any { return new(Plain) }}

// Decompress decompresses one message of at most limit bytes; zero is
// lupine.DefaultMaxReceive and a negative number no limit. A message that is larger
// fails with ResourceExhausted after at most limit+1 bytes were made, one for
// which budget (nil: the one of [Bounded], or the process's) has no room likewise, and one that is not
// what c understands with Internal. A large message waits for its turn; if ctx
// ends first the error is ctx's own. The caller must Release the result once it has been decoded.
func Decompress(ctx context.Context, c Compressor, src []byte, limit int, budget *Budget) (*Plain, error) {
	if limit == 0 {
		limit = lupine.DefaultMaxReceive
	}
	if own, ok := c.(*bounded); ok && budget == nil {
		budget = own.budget
	}
	if budget == nil {
		budget = processBudget
	}
	p := plainPool.Get().(*Plain)
	p.limit, p.budget = max(limit, -1), budget
	err := p.from(c, src)
	if errors.Is(err, errLarge) {
		// Who waits for a turn holds nothing meanwhile, and begins anew.
		p.Release()
		if p, err = budget.turn(ctx); err != nil {
			return nil, err
		}
		p.limit, p.budget, p.turn = max(limit, -1), budget, true
		err = p.from(c, src)
	}
	if err == nil {
		return p, nil
	}
	p.Release()
	if _, ours := err.(*lupine.Error); ours {
		return nil, err
	}
	return nil, fail(lupine.Internal, "decompressing a message as %s: %v", c.Name(), err)
}

// errLarge says that a message needs a turn.
var errLarge = errors.New("a message larger than largeMessage needs a turn")

// from fills p, whose buffer is not charged yet.
func (p *Plain) from(c Compressor, src []byte) error {
	if !p.budget.take(int64(cap(p.buf))) {
		p.buf = nil
		return p.noBudget(0)
	}
	p.charged = int64(cap(p.buf))
	return c.Decompress(p, src)
}

// Bytes returns the message. It is valid until Release.
func (p *Plain) Bytes() []byte { return p.buf }

// Release gives the memory back. The Plain must not be used afterwards.
func (p *Plain) Release() {
	budget := p.budget
	budget.give(p.charged)
	p.charged, p.budget = 0, nil
	if p.turn {
		p.turn = false
		p.buf = p.buf[:0]
		budget.done(p)
		return
	}
	if cap(p.buf) > maxPooled {
		p.buf = nil
	}
	p.buf = p.buf[:0]
	plainPool.Put(p)
}

func (p *Plain) tooLarge() error {
	return fail(lupine.ResourceExhausted, "a compressed message is larger than the receive limit of %d bytes once decompressed; raise the limit or send less", p.limit)
}

func (p *Plain) noBudget(n int) error {
	return fail(lupine.ResourceExhausted, "decompressing a message needs %d bytes and the budget of %d bytes for decompressed messages is in use; try again later or raise the budget", n, p.budget.limit)
}

// grow makes the buffer's capacity at least n bytes, charging the budget first.
func (p *Plain) grow(n int) error {
	if n <= cap(p.buf) {
		return nil
	}
	if n > largeMessage && !p.turn {
		return errLarge
	}
	if !p.budget.take(int64(n)) {
		return p.noBudget(n)
	}
	old := p.charged
	p.charged = int64(n)
	p.buf = append(make([]byte, 0, n), p.buf...)
	p.budget.give(old)
	return nil
}

// room makes space for at least one byte more, at most doubling what is there
// and at most one byte beyond the limit.
func (p *Plain) room() error {
	if len(p.buf) < cap(p.buf) {
		return nil
	}
	n := max(2*len(p.buf), minGrow)
	if p.limit >= 0 {
		n = max(min(n, p.limit+1), len(p.buf)+1)
	}
	return p.grow(n)
}

// Write appends b. It fails, having written nothing, when the limit or the
// budget is exceeded.
func (p *Plain) Write(b []byte) (int, error) {
	if p.limit >= 0 && len(b) > p.limit-len(p.buf) {
		return 0, p.tooLarge()
	}
	if need := len(p.buf) + len(b); need > cap(p.buf) {
		// Doubling keeps many small writes linear.
		if err := p.grow(max(need, min(2*len(p.buf), p.most()))); err != nil {
			return 0, err
		}
	}
	p.buf = append(p.buf, b...)
	return len(b), nil
}

// most is the largest buffer that is of use.
func (p *Plain) most() int {
	if p.limit < 0 {
		return int(^uint(0) >> 1)
	}
	return p.limit + 1
}

// ReadFrom appends all that r has. It fails once the limit is passed by one
// byte, or the budget is exceeded.
func (p *Plain) ReadFrom(r io.Reader) (int64, error) {
	start := len(p.buf)
	for {
		if err := p.room(); err != nil {
			return int64(len(p.buf) - start), err
		}
		n, err := r.Read(p.buf[len(p.buf):cap(p.buf)])
		p.buf = p.buf[:len(p.buf)+n]
		if p.limit >= 0 && len(p.buf) > p.limit {
			return int64(len(p.buf) - start), p.tooLarge()
		}
		if err == io.EOF {
			return int64(len(p.buf) - start), nil
		}
		if err != nil {
			return int64(len(p.buf) - start), err
		}
	}
}

// Encodings is the set of compressions that one side offers, in order of
// preference. It never changes and is safe for concurrent use. The nil set
// offers none.
type Encodings struct {
	list  []Compressor
	names string
}

// NewEncodings returns a set. It fails with InvalidArgument when a name is not
// an HTTP token, is "identity" or occurs twice.
func NewEncodings(cs ...Compressor) (*Encodings, error) {
	e := &Encodings{list: append([]Compressor(nil), cs...)}
	var names []string
	for _, c := range cs {
		name := c.Name()
		for i := 0; i < len(name); i++ {
			if !tokenByte(name[i]) {
				return nil, fail(lupine.InvalidArgument, "the compressor name %q has the character %q, which no HTTP token may have", name, name[i])
			}
		}
		if name == "" || name == Identity {
			return nil, fail(lupine.InvalidArgument, "a compressor cannot have the name %q", name)
		}
		for _, n := range names {
			if n == name {
				return nil, fail(lupine.InvalidArgument, "two compressors have the name %q", name)
			}
		}
		names = append(names, name)
	}
	e.names = strings.Join(names, ",")
	return e, nil
}

// Names returns the set as a grpc-accept-encoding value; "" means that the
// header is left out.
func (e *Encodings) Names() string {
	if e == nil {
		return ""
	}
	return e.names
}

// ByName returns the Compressor with the given name. It is nil, with ok true,
// for "" and "identity".
func (e *Encodings) ByName(name string) (c Compressor, ok bool) {
	if name == "" || name == Identity {
		return nil, true
	}
	if e != nil {
		for _, c := range e.list {
			if c.Name() == name {
				return c, true
			}
		}
	}
	return nil, false
}

// ForRequest returns what decompresses a request with the given grpc-encoding;
// nil is no compression. An encoding outside the set is Unimplemented, and the
// answer must carry Names as its grpc-accept-encoding (gRPC's compression.md).
func (e *Encodings) ForRequest(name string) (Compressor, error) {
	c, ok := e.ByName(name)
	if !ok {
		return nil, fail(lupine.Unimplemented, "grpc-encoding %q is not supported; this server takes: %s", quote(name), e.supported())
	}
	return c, nil
}

// ForResponse is ForRequest for a client: a server that compresses with what
// was not offered has erred, which is Internal.
func (e *Encodings) ForResponse(name string) (Compressor, error) {
	c, ok := e.ByName(name)
	if !ok {
		return nil, fail(lupine.Internal, "the server compressed with grpc-encoding %q, which was not offered; offered were: %s", quote(name), e.supported())
	}
	return c, nil
}

func (e *Encodings) supported() string {
	if e.Names() == "" {
		return Identity
	}
	return Identity + "," + e.names
}

// Choose returns the first of the set that a grpc-accept-encoding value lists,
// or nil if it lists none. It does not allocate.
func (e *Encodings) Choose(accept string) Compressor {
	if e == nil {
		return nil
	}
	for _, c := range e.list {
		if Accepts(accept, c.Name()) {
			return c
		}
	}
	return nil
}

// Accepts reports whether a grpc-accept-encoding value lists name.
func Accepts(accept, name string) bool {
	for accept != "" {
		one, rest, _ := strings.Cut(accept, ",")
		if strings.Trim(one, " \t") == name {
			return true
		}
		accept = rest
	}
	return false
}

// ErrCompressedFlag returns the Internal error for a message whose compressed
// flag is set though no grpc-encoding was named (gRPC's compression.md).
func ErrCompressedFlag() *lupine.Error {
	return fail(lupine.Internal, "a message has its compressed flag set, but no grpc-encoding was named")
}
