package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The bar that every attack is held against.
const (
	barMemory  = 32 << 20               // growth of resident memory, in bytes
	barCPU     = 200 * time.Millisecond // for each connection that was closed
	barCleanUp = time.Second            // until goroutines and descriptors are back
	// barDelay is what bystanders may wait at the 99th percentile, if twice what they
	// wait in quiet is less. Attacker, server and bystanders share two processors, and
	// some attacks are over after forty calls of theirs.
	barDelay = 50 * time.Millisecond
)

// full asks for the attacks at length, with the limits at their defaults.
var full = os.Getenv("LUPINE_HOSTILE") == "full"

// scaled is n at length, and few in the short run.
func scaled(few, n int) int {
	if full {
		return n
	}
	return few
}

// beside lets the groups of attacks run beside each other in the short run, which
// mostly waits. At length each has the machine for itself.
func beside(t *testing.T) {
	if !full {
		t.Parallel()
	}
}

// arena is a server process, bystanders that call it, and an attack.
type arena struct {
	t    *testing.T
	addr string
	dir  string
	tls  *tls.Config // of a client, if the server has it
	// handshake, stall: what the server was told.
	handshake, stall time.Duration

	mu   sync.Mutex
	foes []net.Conn
}

// leave ends what is left of the attacker's connections.
func (a *arena) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.foes {
		c.Close()
	}
}

// fate is how an attack went.
type fate struct {
	Frames, Bytes int
	Took          time.Duration
	Conns, Closed int
	Code, Why     string // of the GOAWAY
	Answers       map[string]int
	Message       string // grpc-message that came last
	Note          string
}

// add sums up several connections.
func (x *fate) add(y fate) {
	x.Frames += y.Frames
	x.Bytes += y.Bytes
	x.Took = max(x.Took, y.Took)
	x.Conns += y.Conns
	x.Closed += y.Closed
	if y.Code != "" {
		x.Code, x.Why = y.Code, y.Why
	}
	if x.Answers == nil {
		x.Answers = make(map[string]int)
	}
	for k, n := range y.Answers {
		x.Answers[k] += n
	}
	if y.Message != "" {
		x.Message = y.Message
	}
}

// attack is one row of the table.
type attack struct {
	rows string // of the list of attacks
	name string
	spec spec // of the server
	run  func(*arena) fate
	// closed says that every connection must have been closed, with one of codes
	// in its GOAWAY, if there are any, after at most so many frames.
	closed bool
	codes  []string
	frames int
	// answers are what calls may have been answered.
	answers []string
	limit   string // whose counter must have moved; one of several, by "|"
	// memory is the bar for this row if it is another.
	memory int
	long   bool // runs in the full form alone
}

// row is what is printed of an attack.
type row struct {
	Rows, Name, When string
	Memory           int
	CPU              time.Duration
	PerConn          bool
	Quiet, Busy      calls
	Failed           bool
}

func (x *attack) test(t *testing.T) {
	if x.long && !full {
		t.Skip("make hostile runs it")
	}
	s := x.spec
	if !full && s.Handshake == 0 {
		s.Handshake = 1000
	}
	if !full && s.Stall == 0 {
		s.Stall, s.KeepAlive = 1000, 250
	}
	a := &arena{t: t, dir: s.Dir, handshake: millis(s.Handshake, 10_000), stall: millis(s.Stall, 10_000)}
	if s.Dir == "tls" {
		a.dir = t.TempDir()
		s.Dir = a.dir
		a.tls = writeAuthority(t, a.dir)
	}
	server := startChild(t, "server", s)
	a.addr = server.line()
	witness := startChild(t, "bystander", spec{Addr: a.addr, Dir: s.Dir})
	warm(t, witness) // the first calls cost more
	m := measure(t, server.cmd.Process.Pid)
	quiet := warm(t, witness)
	base := server.inside()
	m.start()
	f := x.run(a)
	m.stop()
	time.Sleep(50*time.Millisecond - time.Since(m.began)) // a sample, not a wait
	busy := witness.calls()
	a.leave()
	r := row{Rows: x.rows, Name: x.name, When: x.when(f), Memory: m.grown, Quiet: quiet, Busy: busy, PerConn: f.Closed > 0}
	r.CPU = m.cpu / time.Duration(max(f.Closed, 1))
	if os.Getenv(referenceVariable) != "" {
		add(r)
		return
	}
	server.cleanUp(base)
	x.judge(t, f, r, server.inside())
	if after := witness.calls(); after.Failures > 0 {
		t.Errorf("bystanders after the attack: %v", after)
	}
	r.Failed = t.Failed()
	t.Logf("%s; RSS %+.1f MB, CPU %v; bystanders: quiet %v; busy %v; %v", r.When, float64(r.Memory)/(1<<20), r.CPU, quiet, busy, server.inside().Limits)
	add(r)
}

func millis(n, def int) time.Duration {
	if n == 0 {
		n = def
	}
	return time.Duration(n) * time.Millisecond
}

// judge holds what was measured against the bar.
func (x *attack) judge(t *testing.T, f fate, r row, after insides) {
	t.Helper()
	bar := barMemory
	if x.memory > 0 {
		bar = x.memory
	}
	if r.Memory > bar {
		t.Errorf("resident memory grew by %.1f MB, more than %d", float64(r.Memory)/(1<<20), bar>>20)
	}
	if f.Closed > 0 && r.CPU > barCPU {
		t.Errorf("%v of CPU for each connection closed, more than %v", r.CPU, barCPU)
	}
	if r.Busy.Failures > 0 {
		t.Errorf("bystanders: %v", r.Busy)
	}
	if most := max(2*r.Quiet.P99, barDelay); r.Busy.P99 > most && r.Busy.Calls >= 30 {
		t.Errorf("bystanders waited %v at the 99th percentile, more than %v", r.Busy.P99, most)
	}
	if r.Busy.Calls == 0 {
		t.Error("no bystander had a reply")
	}
	if x.closed != (f.Closed > 0) || x.closed && f.Closed != f.Conns {
		t.Errorf("%d of %d connections were closed, want all: %v (%s %q, answers %v)", f.Closed, f.Conns, x.closed, f.Code, f.Why, f.Answers)
	}
	if x.closed && len(x.codes) > 0 && !slices.Contains(x.codes, f.Code) {
		t.Errorf("closed with %s %q, want %v", f.Code, f.Why, x.codes)
	}
	if x.closed && len(x.codes) > 0 && f.Why == "" {
		t.Error("the GOAWAY does not say why")
	}
	if x.frames > 0 && f.Frames > x.frames {
		t.Errorf("closed after %d frames, want at most %d", f.Frames, x.frames)
	}
	for what, n := range f.Answers {
		if x.answers != nil && !slices.Contains(x.answers, what) {
			t.Errorf("%d calls ended with %s (%s), want %v", n, what, f.Message, x.answers)
		}
	}
	if x.answers != nil && len(f.Answers) == 0 && !x.closed {
		t.Errorf("no call was answered")
	}
	moved := func(name string) bool { return after.Limits[name] > 0 }
	if x.limit != "" && !slices.ContainsFunc(strings.Split(x.limit, "|"), moved) {
		t.Errorf("the counter of limit %q has not moved: %v", x.limit, after.Limits)
	}
}

// when says in a few words what became of the attacker.
func (x *attack) when(f fate) string {
	var b strings.Builder
	switch {
	case f.Closed == 0:
		fmt.Fprintf(&b, "not closed: %s", answersOf(f))
	case f.Conns > 1:
		fmt.Fprintf(&b, "%d of %d closed within %s", f.Closed, f.Conns, short(f.Took))
	default:
		fmt.Fprintf(&b, "closed after %s, %s, %s", plural(f.Frames, "frame"), size(f.Bytes), short(f.Took))
	}
	if f.Code != "" {
		b.WriteString(": " + f.Code)
	}
	if f.Note != "" {
		b.WriteString("; " + f.Note)
	}
	return b.String()
}

func answersOf(f fate) string {
	var parts []string
	for what, n := range f.Answers {
		parts = append(parts, fmt.Sprintf("%d calls %s", n, what))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		parts = []string{plural(f.Frames, "frame") + ", " + size(f.Bytes)}
	}
	return strings.Join(parts, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func size(n int) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func (c *child) inside() (in insides) {
	c.t.Helper()
	c.ask("inside", &in)
	return in
}

func (c *child) calls() (k calls) {
	c.t.Helper()
	c.ask("calls", &k)
	return k
}

// warm lets bystanders call for a while in quiet.
func warm(t *testing.T, witness *child) calls {
	t.Helper()
	witness.calls()
	deadline := time.Now().Add(10 * time.Second)
	for {
		time.Sleep(time.Duration(scaled(70, 400)) * time.Millisecond) // a sample, not a wait
		k := witness.calls()
		if k.Failures > 0 || k.Calls > 20 {
			return k
		}
		if time.Now().After(deadline) {
			t.Fatalf("the bystanders do not get to call: %v", k)
		}
	}
}

// cleanUp waits until goroutines, handlers and descriptors are back at the
// baseline.
func (c *child) cleanUp(base insides) {
	c.t.Helper()
	const slack = 4 // timers of the runtime's, a connection of a bystander
	began := time.Now()
	for {
		in := c.inside()
		if in.Goroutines <= base.Goroutines+slack && in.Files <= base.Files && in.Handlers <= slack {
			return
		}
		if time.Since(began) > barCleanUp+500*time.Millisecond {
			c.t.Errorf("%v after the attack %d goroutines, %d descriptors and %d handlers are left, of %d and %d before", time.Since(began).Round(time.Millisecond), in.Goroutines, in.Files, in.Handlers, base.Goroutines, base.Files)
			return
		}
		time.Sleep(20 * time.Millisecond) // between looks
	}
}

// meter measures a process.
type meter struct {
	t         *testing.T
	pid       int
	rss       int
	began     time.Time
	ticks     time.Duration
	quietRate float64 // CPU that the bystanders cost, seconds a second
	grown     int
	cpu       time.Duration
}

// measure begins with what the process costs in quiet.
func measure(t *testing.T, pid int) *meter {
	t.Helper()
	m := &meter{t: t, pid: pid, began: time.Now()}
	m.ticks = m.used()
	return m
}

// start ends the quiet: it has the kernel forget the process's peak.
func (m *meter) start() {
	m.t.Helper()
	now := m.used()
	m.quietRate = float64(now-m.ticks) / float64(time.Since(m.began))
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.pid), []byte("5"), 0); err != nil {
		m.t.Skipf("this system does not tell a process's peak of memory: %v", err)
	}
	m.rss, m.ticks, m.began = m.status("VmRSS"), now, time.Now()
}

func (m *meter) stop() {
	m.t.Helper()
	m.grown = m.status("VmHWM") - m.rss
	m.cpu = max(0, m.used()-m.ticks-time.Duration(m.quietRate*float64(time.Since(m.began))))
}

// status reads a size from /proc, in bytes.
func (m *meter) status(name string) int {
	m.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		m.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		m.t.Fatalf("no %s in /proc/%d/status", name, m.pid)
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		m.t.Fatal(err)
	}
	return n << 10
}

// used is the CPU time of the process so far, with a resolution of a
// nanosecond where the kernel has schedstat, else of 10 ms.
func (m *meter) used() time.Duration {
	m.t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", m.pid))
	if err != nil || len(threads) == 0 {
		m.t.Fatalf("no CPU time of process %d: %v", m.pid, err)
	}
	sum := time.Duration(0)
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		ns, _, _ := strings.Cut(string(b), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// writeAuthority makes an authority and a certificate for this machine in dir,
// and returns how a client trusts it.
func writeAuthority(t *testing.T, dir string) *tls.Config {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name, kind string
		der        func() ([]byte, error)
	}{
		{"ca.pem", "CERTIFICATE", func() ([]byte, error) { return x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey) }},
		{"cert.pem", "CERTIFICATE", func() ([]byte, error) { return x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey) }},
		{"key.pem", "EC PRIVATE KEY", func() ([]byte, error) { return keyDER, nil }},
		// One that nobody vouches for.
		{"other.pem", "CERTIFICATE", func() ([]byte, error) { return x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key) }},
		{"other-key.pem", "EC PRIVATE KEY", func() ([]byte, error) { return keyDER, nil }},
	} {
		der, err := f.der()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.name), pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := clientTLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func roots(dir string) (*x509.CertPool, error) {
	b, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return pool, nil
}

func clientTLS(dir string) (*tls.Config, error) {
	pool, err := roots(dir)
	return &tls.Config{RootCAs: pool}, err
}
