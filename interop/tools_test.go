package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/health"
	"github.com/lupine-rpc/lupine/interop/peerpb/peerpblupine"
	"github.com/lupine-rpc/lupine/reflection"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// goTool is a program that peers/run.sh builds at the version which
// peers/tools/go.mod pins.
func goTool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("peers/bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	needPeer(t, name, err, "interop/peers/run.sh --install")
	return path
}

// toolServer is a Lupine server as somebody's tools meet it: with reflection and
// health, in plaintext, over TLS and on a unix socket.
type toolServer struct {
	plain, tls, unix string
	ca               string // file of the authority's certificate
	health           *health.Health
	calls            atomic.Int64 // handlers that returned without error
}

func startToolServer(t *testing.T) *toolServer {
	t.Helper()
	s := new(toolServer)
	ca := newAuthority(t)
	dir := t.TempDir()
	s.ca = filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	plain, secure, unix := h2.Listen("127.0.0.1:0", h2.Config{}), h2.Listen("127.0.0.1:0", h2.Config{TLS: ca.server(t)}), h2.Listen("unix://"+socket, h2.Config{})
	count := func(ctx context.Context, call *lupine.ServerCall, stream lupine.HandlerStream, next lupine.StreamHandler) error {
		err := next(ctx, stream)
		if err == nil {
			s.calls.Add(1)
		}
		return err
	}
	srv := lupine.ServerConfig{Interceptors: []lupine.ServerInterceptor{count}}.NewServer()
	peerpblupine.RegisterPeer(srv, lupinePeer{conductor: &conductor{name: "lupine"}})
	s.health = health.Register(srv)
	reflection.Register(srv)
	if err := srv.Bind(t.Context(), plain, secure, unix); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	s.plain, s.tls, s.unix = plain.Addr(), secure.Addr(), socket
	return s
}

// run runs a program to its end and returns what it printed and its exit code.
func run(t *testing.T, path string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(limited(t), path, args...)
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

const peerName = "lupine.interop.v1.Peer"

func TestGrpcurl(t *testing.T) {
	t.Parallel()
	grpcurl := goTool(t, "grpcurl")
	s := startToolServer(t)
	p := func(args ...string) []string { return append([]string{"-plaintext"}, args...) }
	descriptors := filepath.Join(t.TempDir(), "peer.binpb")
	two := `{"text":"a","payload":"AAH/"} {"text":"b"}`
	for _, c := range []struct {
		name string
		args []string
		code int // of the exit; grpcurl adds 64 to a status
		want []string
	}{
		{"list", p(s.plain, "list"), 0, []string{"grpc.health.v1.Health\n", "grpc.reflection.v1.ServerReflection\n", "grpc.reflection.v1alpha.ServerReflection\n", peerName + "\n"}},
		{"list methods", p(s.plain, "list", peerName), 0, []string{peerName + ".Say\n", peerName + ".List\n", peerName + ".Sum\n", peerName + ".Chat\n", peerName + ".Watch\n", peerName + ".Absent\n"}},
		{"describe all", p(s.plain, "describe"), 0, []string{peerName + " is a service:", "rpc Chat ( stream .lupine.interop.v1.Order ) returns ( stream .lupine.interop.v1.Result );"}},
		{"describe method", p(s.plain, "describe", peerName+".List"), 0, []string{peerName + ".List is a method:", "returns ( stream .lupine.interop.v1.Result );"}},
		{"describe message", p(s.plain, "describe", "lupine.interop.v1.Failure"), 0, []string{"int32 code = 1;", "repeated .google.protobuf.Any details = 3;"}},
		{"describe imported message", p(s.plain, "describe", "google.protobuf.Any"), 0, []string{"string type_url = 1;"}},
		{"describe with a template", p("-msg-template", s.plain, "describe", "lupine.interop.v1.Watched"), 0, []string{"Message template:", `"id": ""`}},
		{"describe the unknown", p(s.plain, "describe", "lupine.interop.v1.Nothing"), 1, []string{"Symbol not found: lupine.interop.v1.Nothing"}},
		{"Say", p("-d", `{"text":"grüße","payload":"AAH/"}`, s.plain, peerName+"/Say"), 0, []string{`"text": "grüße"`, `"payload": "AAH/"`, `"server": "lupine"`}},
		{"Say with a dot", p("-d", `{}`, s.plain, peerName+".Say"), 0, []string{`"server": "lupine"`}},
		{"Say without data", p(s.plain, peerName+"/Say"), 0, []string{`"server": "lupine"`}},
		{"List", p("-d", `{"count":3}`, s.plain, peerName+"/List"), 0, []string{`"index": 1`, `"index": 2`}},
		{"Sum", p("-d", two, s.plain, peerName+"/Sum"), 0, []string{`"text": "ab"`, `"index": 2`}},
		{"Chat", p("-d", two, s.plain, peerName+"/Chat"), 0, []string{`"text": "a"`, `"text": "b"`, `"index": 1`}},
		{"metadata", p("-v", "-H", "echo-a: b c", "-H", "echo-bin: "+base64.StdEncoding.EncodeToString([]byte(allBytes)), "-H", "trail-a: z", s.plain, peerName+"/Say"), 0,
			[]string{"Response headers received:", "echo-a: b c\n", "echo-bin: " + base64.StdEncoding.EncodeToString([]byte(allBytes)), "Response trailers received:", "trail-a: z\n"}},
		{"status", p("-d", `{"fail":{"code":9,"message":"50% übrig: 大阪"}}`, s.plain, peerName+"/Say"), 64 + 9, []string{"Code: FailedPrecondition", "Message: 50% übrig: 大阪"}},
		{"details", p("-d", `{"fail":{"code":8,"message":"no","details":[{"@type":"type.googleapis.com/lupine.interop.v1.Watched","id":"who"}]}}`, s.plain, peerName+"/Say"), 64 + 8,
			[]string{"Code: ResourceExhausted", "lupine.interop.v1.Watched", "who"}},
		{"status in a stream", p("-d", `{"count":5,"fail":{"code":14,"message":"gone","after":2}}`, s.plain, peerName+"/List"), 64 + 14, []string{`"index": 1`, "Code: Unavailable", "Message: gone"}},
		{"deadline", p("-max-time", "1", "-d", `{"hold":true}`, s.plain, peerName+"/Say"), 64 + 4, []string{"DeadlineExceeded"}},
		{"unimplemented", p(s.plain, peerName+"/Absent"), 64 + 12, []string{"Code: Unimplemented"}},
		{"large", p("-max-msg-sz", "5000000", "-d", `{"replyBytes":1048576}`, s.plain, peerName+"/Say"), 0, []string{base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("r"), 1<<20))}},
		{"health", p(s.plain, "grpc.health.v1.Health/Check"), 0, []string{`"status": "SERVING"`}},
		{"health of the unknown", p("-d", `{"service":"nobody"}`, s.plain, "grpc.health.v1.Health/Check"), 64 + 5, []string{"Code: NotFound"}},
		{"TLS", []string{"-cacert", s.ca, s.tls, peerName + "/Say"}, 0, []string{`"server": "lupine"`}},
		{"TLS by an unknown authority", []string{s.tls, "list"}, 1, []string{"certificate signed by unknown authority"}},
		{"unix socket", p("-unix", s.unix, "list"), 0, []string{peerName + "\n"}},
		{"descriptors", p("-protoset-out", descriptors, s.plain, "describe", peerName), 0, nil},
		{"call by descriptors", p("-use-reflection=false", "-protoset", descriptors, "-d", `{"text":"x"}`, s.plain, peerName+"/Say"), 0, []string{`"text": "x"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := run(t, grpcurl, append([]string{"-connect-timeout", "60"}, c.args...)...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, w := range c.want {
				if !strings.Contains(out, w) {
					t.Errorf("%.80q is not in the output", w)
				}
			}
			if t.Failed() {
				t.Logf("grpcurl %q:\n%.4000s", c.args, out)
			}
		})
	}
}

func TestHealthProbe(t *testing.T) {
	t.Parallel()
	probe := goTool(t, "grpc-health-probe")
	s := startToolServer(t)
	s.health.Set("tired", health.NotServing)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"serving", []string{"-addr", s.plain}, 0, "status: SERVING"},
		{"service", []string{"-addr", s.plain, "-service", peerName}, 0, "status: SERVING"},
		{"gzip", []string{"-addr", s.plain, "-gzip"}, 0, "status: SERVING"},
		{"not serving", []string{"-addr", s.plain, "-service", "tired"}, 4, "NOT_SERVING"},
		{"unknown service", []string{"-addr", s.plain, "-service", "nobody"}, 3, "NotFound"},
		{"TLS", []string{"-addr", s.tls, "-tls", "-tls-ca-cert", s.ca, "-tls-server-name", "guide.test"}, 0, "status: SERVING"},
		{"unix socket", []string{"-addr", "unix:" + s.unix}, 0, "status: SERVING"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// It waits 1 s unless told otherwise, too little for a busy machine.
			args := append([]string{"-connect-timeout", patience.String(), "-rpc-timeout", patience.String()}, c.args...)
			if out, code := run(t, probe, args...); code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit code %d, %s; want %d, %q", code, out, c.code, c.want)
			}
		})
	}
}

// ghz runs every kind of call, some hundreds at once; none may fail.
func TestGhz(t *testing.T) {
	t.Parallel()
	ghz := goTool(t, "ghz")
	for _, c := range []struct {
		name, method, data string
		total              int
		more               []string
	}{
		{"Say", "Say", `{"text":"x"}`, 3000, nil},
		{"Say at a rate", "Say", `{"text":"x"}`, 1000, []string{"--async", "--rps=2000"}},
		{"large replies", "Say", `{"replyBytes":200000}`, 300, nil},
		{"List", "List", `{"count":10}`, 300, nil},
		{"Sum", "Sum", `[{"text":"a"},{"text":"b"}]`, 300, nil},
		{"Chat", "Chat", `[{"text":"a"},{"text":"b"}]`, 300, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startToolServer(t)
			args := append([]string{"--insecure", "--call", peerName + "." + c.method, "-d", c.data, "-n", strconv.Itoa(c.total),
				"-c", "40", "--connections", "4", "-O", "json", s.plain}, c.more...)
			out, code := run(t, ghz, args...)
			var report struct {
				Count                  int
				EndReason              string
				StatusCodeDistribution map[string]int
				ErrorDistribution      map[string]int
			}
			if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
				t.Fatalf("ghz: exit code %d, %v\n%.2000s", code, err, out)
			}
			if report.Count != c.total || report.StatusCodeDistribution["OK"] != c.total {
				t.Errorf("%d calls, %v, %v, %s; want %d, all OK", report.Count, report.StatusCodeDistribution, report.ErrorDistribution, report.EndReason, c.total)
			}
			// The question for descriptors is a call too.
			if n := s.calls.Load(); n < int64(c.total) || n > int64(c.total)+5 {
				t.Errorf("the handlers ran %d calls, want %d", n, c.total)
			}
		})
	}
}

// h2load knows nothing of gRPC: it posts bodies and reads answers.
func TestH2load(t *testing.T) {
	t.Parallel()
	h2load, err := exec.LookPath("h2load")
	needPeer(t, "h2load", err, "apt-get install nghttp2-client")
	message := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "hello")
	large := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.VarintType), 300_000)
	for _, c := range []struct {
		name  string
		body  []byte
		total int
		args  []string
	}{
		{"one at a time", prefixed(0, message), 1000, []string{"-c", "1", "-m", "1"}},
		{"many at once", prefixed(0, message), 5000, []string{"-c", "8", "-m", "50"}},
		{"more than allowed at once", prefixed(0, message), 2000, []string{"-c", "1", "-m", "1000"}},
		{"small windows", prefixed(0, large), 50, []string{"-c", "2", "-m", "5", "-w", "10", "-W", "12"}},
		{"large windows", prefixed(0, large), 50, []string{"-c", "2", "-m", "5", "-w", "30", "-W", "30"}},
		{"no header table", prefixed(0, message), 1000, []string{"-c", "2", "-m", "10", "--header-table-size", "0", "--encoder-header-table-size", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startToolServer(t)
			file := filepath.Join(t.TempDir(), "body")
			if err := os.WriteFile(file, c.body, 0o600); err != nil {
				t.Fatal(err)
			}
			args := append(slices.Clone(c.args), "-n", strconv.Itoa(c.total), "-d", file, "-H", "content-type: application/grpc", "-H", "te: trailers",
				fmt.Sprintf("http://%s/%s/Say", s.plain, peerName))
			out, code := run(t, h2load, args...)
			want := fmt.Sprintf("requests: %d total, %d started, %d done, %d succeeded, 0 failed, 0 errored, 0 timeout", c.total, c.total, c.total, c.total)
			if code != 0 || !strings.Contains(out, want) || !regexp.MustCompile(fmt.Sprintf(`status codes: %d 2xx`, c.total)).MatchString(out) {
				t.Errorf("h2load: exit code %d:\n%s", code, out)
			}
			if n := s.calls.Load(); n != int64(c.total) {
				t.Errorf("the handlers ran %d calls without error, want %d", n, c.total)
			}
		})
	}
}
