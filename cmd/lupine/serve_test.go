package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a command that runs beside the test.
type process struct {
	cmd    *exec.Cmd
	out    *bufio.Reader
	errOut *syncBuffer
	done   chan struct{}
}

// syncBuffer is a bytes.Buffer for two goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startLupine starts the command. It is killed at the end of the test if it has
// not ended by then.
func startLupine(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary(), args...), errOut: new(syncBuffer), done: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(r)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, w, p.errOut
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		r.Close()
	})
	return p
}

// line returns the next line of stdout.
func (p *process) line(t *testing.T) string {
	t.Helper()
	type got struct {
		text string
		err  error
	}
	c := make(chan got, 1)
	go func() {
		text, err := p.out.ReadString('\n')
		c <- got{text, err}
	}()
	select {
	case g := <-c:
		if g.err != nil {
			t.Fatalf("no line on stdout: %v; stderr:\n%s", g.err, p.errOut.String())
		}
		return strings.TrimSuffix(g.text, "\n")
	case <-time.After(testTime):
		t.Fatalf("no line on stdout within %v; stderr:\n%s", testTime, p.errOut.String())
		return ""
	}
}

// wait returns the exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(testTime):
		t.Fatalf("still running after %v; stderr:\n%s", testTime, p.errOut.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

func pemOf(pair tls.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
}

const guideService = "routeguide.v1.RouteGuide/"

func TestServeAndCall(t *testing.T) {
	socket := filepath.ToSlash(filepath.Join(shortDir(t), "g.sock"))
	p := startLupine(t, nil, "serve", "--listen", "grpc://127.0.0.1:0", "--listen", "grpcs://127.0.0.1:0", "--self-signed", "--listen", "unix://"+socket,
		"--listen", "rudp://127.0.0.1:0", "--listen", "rudps://127.0.0.1:0")
	plain, secure, unix, udp, secureUDP := p.line(t), p.line(t), p.line(t), p.line(t), p.line(t)
	if !strings.HasPrefix(plain, "grpc://127.0.0.1:") || strings.HasSuffix(plain, ":0") || !strings.HasPrefix(secure, "grpcs://127.0.0.1:") || unix != "unix://"+socket {
		t.Fatalf("serve printed %q, %q and %q", plain, secure, unix)
	}
	if !strings.HasPrefix(udp, "rudp://127.0.0.1:") || !strings.HasPrefix(secureUDP, "rudps://127.0.0.1:") {
		t.Fatalf("serve printed %q and %q", udp, secureUDP)
	}
	const berlin = `{"latitude":525200000,"longitude":134050000}`
	for _, args := range [][]string{{plain}, {"-insecure", secure}, {udp}, {"-insecure", secureUDP}, {unix}} {
		call := func(data, method string) ran {
			all := append(append([]string{"call", "-d", data}, args...), guideService+method)
			return lupineRun(t, all...)
		}
		call(berlin, "GetFeature").want(t, 0).stdout(t, `{"name":"Berlin","location":`+berlin+"}\n")
		r := call(`{"low":{"latitude":590000000,"longitude":100000000},"high":{"latitude":600000000,"longitude":250000000}}`, "ListFeatures").want(t, 0)
		if got := strings.Count(r.out, "\n"); got != 4 || !strings.HasPrefix(r.out, `{"name":"Stockholm"`) {
			t.Errorf("ListFeatures printed\n%s", r.out)
		}
		r = call(berlin+`{"latitude":523759000,"longitude":97320000}`, "RecordRoute").want(t, 0)
		if !strings.HasPrefix(r.out, `{"points":2,"features":2,"metres":"249`) {
			t.Errorf("RecordRoute printed %s", r.out)
		}
		call(`{"location":`+berlin+`,"message":"from `+args[len(args)-1]+`"}`, "RouteChat").want(t, 0)
		call(`{"latitude":910000000}`, "GetFeature").want(t, exitFailed,
			"error: INVALID_ARGUMENT (3): latitude is not on earth",
			"executed: yes, the server ran the call",
			`detail: google.rpc.BadRequest {"fieldViolations":[{"field":"latitude","description":`,
			"what to do: correct the request").stdout(t, "")
	}
	// What the others left is there for the last, whatever the wire.
	r := lupineRun(t, "call", "-d", `{"location":`+berlin+`}`, plain, guideService+"RouteChat").want(t, 0)
	if strings.Count(r.out, "\n") != 5 || !strings.Contains(r.out, "from "+unix) {
		t.Errorf("RouteChat printed\n%s", r.out)
	}
	r = lupineRun(t, "list", plain).want(t, 0)
	if !strings.Contains("\n"+r.out, "\nrouteguide.v1.RouteGuide\n") || !strings.Contains(r.out, "grpc.health.v1.Health\n") {
		t.Errorf("list printed\n%s", r.out)
	}
	lupineRun(t, "call", plain, "grpc.health.v1.Health/Check").want(t, 0).stdout(t, `{"status":"SERVING"}`+"\n")
	// The port is taken now.
	r = lupineRun(t, "serve", "--listen", plain).want(t, exitTrouble, strings.TrimPrefix(plain, "grpc://"), "in use", "choose another with --listen")
	r.stdout(t, "")
	lupineRun(t, "serve", "--listen", udp).want(t, exitTrouble, strings.TrimPrefix(udp, "rudp://"), "in use", "choose another with --listen").stdout(t, "")
	lupineRun(t, "call", secureUDP, guideService+"GetFeature").want(t, exitFailed, "UNAVAILABLE (14)", "certificate", "executed: no")
	lupineRun(t, "call", "--timeout", "2s", "rudps://"+strings.TrimPrefix(udp, "rudp://"), guideService+"GetFeature").want(t, exitFailed, "executed: no")
	lupineRun(t, "call", "--timeout", "2s", "rudp://127.0.0.1:1", guideService+"GetFeature").want(t, exitFailed, "127.0.0.1:1", "executed: no")

	if runtime.GOOS == "windows" {
		return // no signals to be sent there
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("after SIGTERM the exit status is %d, stderr:\n%s", status, p.errOut.String())
	}
	if _, err := os.Stat(socket); err == nil {
		t.Errorf("%s was left behind", socket)
	}
}

// A call that is under way when the server is told to stop ends well.
func TestServeDrains(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to be sent there")
	}
	p := startLupine(t, nil, "serve", "--listen", "grpc://127.0.0.1:0")
	target := p.line(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := startLupine(t, r, "call", "-d", "-", target, guideService+"RouteChat")
	// Two chats at one point: the second shows that the first is under way.
	if _, err := io.WriteString(w, `{"location":{"latitude":1},"message":"first"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(testTime); ; {
		r := lupineRun(t, "call", "-d", `{"location":{"latitude":1}}`, target, guideService+"RouteChat").want(t, 0)
		if strings.Contains(r.out, `"first"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the first chat's note never came")
		}
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(testTime); !strings.Contains(p.errOut.String(), "stopping"); {
		if time.Now().After(deadline) {
			t.Fatalf("the server does not stop; stderr:\n%s", p.errOut.String())
		}
		runtime.Gosched()
	}
	if _, err := io.WriteString(w, `{"location":{"latitude":1}}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if got := c.line(t); !strings.HasPrefix(got, `{"location":`) {
		t.Errorf("while the server drains the chat got %q", got)
	}
	w.Close()
	if status := c.wait(t); status != 0 {
		t.Errorf("the call ended with status %d:\n%s", status, c.errOut.String())
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("the server ended with status %d:\n%s", status, p.errOut.String())
	}
}

func TestServeErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := "grpc://" + ln.Addr().String()
	lupineRun(t, "serve", "--listen", "grpc://127.0.0.1:0", "--listen", taken).want(t, exitTrouble, ln.Addr().String(), "choose another with --listen").stdout(t, "")
	lupineRun(t, "serve", "--listen", "unix:///no/such/folder/x.sock").want(t, exitTrouble, "/no/such/folder/x.sock", "make the folder first")
	lupineRun(t, "serve", "--listen", "grpcs://127.0.0.1:0", "--cert", "none.pem", "--key", "none.key").want(t, exitTrouble, "none.pem: no such file")
}

// shortDir is a new folder whose path leaves room for a unix socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
