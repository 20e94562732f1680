package rudp

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/naming"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// info is the wire's row of the capability table.
func info() lupine.WireInfo {
	return lupine.WireInfo{Name: "rudp", Capabilities: lupine.Capabilities{
		Streams: true, FullDuplex: true, Metadata: true, Trailers: true, Details: true, AtMostOnce: true, PeerCalls: true, Identity: true,
	}}
}

// wire dials.
type wire struct {
	config Config
	budget *engine.Budget
	tokens tokens
}

// tokens are what servers gave us for our next session with them, by address: it saves
// the round trip of RETRY (docs/rudp.md, 3.2). Each is used once.
type tokens struct {
	mu sync.Mutex
	m  map[string][]byte
}

// maxTokens bounds tokens: a target has a few endpoints, but they may change for ever.
const maxTokens = 256

func (t *tokens) put(addr string, token []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil || len(t.m) >= maxTokens {
		t.m = make(map[string][]byte)
	}
	t.m[addr] = append([]byte(nil), token...)
}

func (t *tokens) take(addr string) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	token := t.m[addr]
	delete(t.m, addr)
	return token
}

// To is a target reached by RPC over UDP, such as "guide.example:8443" or
// "dns:///guide.example:8443"; package naming has the forms. A target or Config that
// cannot be understood makes Dial fail.
func To(target string, config Config) lupine.Target {
	c, err := config.withDefaults()
	if err != nil {
		return lupine.Target{Name: target, Err: err}
	}
	t := naming.Target(target, &wire{config: c, budget: c.budget()}, "")
	return t
}

// Info names the wire and says what it can do.
func (*wire) Info() lupine.WireInfo { return info() }

// began is where the engines' clock starts. It is never written to.
var began = time.Now()

// clock is the time as engines take it. It is never 0.
func clock() int64 { return int64(time.Since(began)) + 1 }

// incarnation names this run of this process.
var incarnation = func() (b [16]byte) {
	rand.Read(b[:])
	b[0] |= 1 // not zero
	return b
}()

// agent is the user agent.
var agent = fmt.Sprintf("lupine (%s)", runtime.Version())

// random is for jitter and challenges. math/rand/v2's global generator is ChaCha8,
// seeded by the system: nobody guesses it.
func random() uint64 { return mathrand.Uint64() }

// newSecret is a key for cookies.
func newSecret() (b [32]byte) {
	rand.Read(b[:])
	return b
}

// secret is for cookies and salts.
func secret() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}
