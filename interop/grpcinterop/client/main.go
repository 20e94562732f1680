// Client is our client for gRPC's interoperability tests. It makes one case and
// exits with 0 if the server did well.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// options are the flags.
type options struct {
	host, override, ca, service, extra, test string
	port                                     int
	tls, testCA                              bool
	soak                                     soakOptions
}

func parse() (o options) {
	flag.StringVar(&o.test, "test_case", "large_unary", "the case to make: one of "+strings.Join(slices.Sorted(maps.Keys(cases)), ", "))
	flag.StringVar(&o.host, "server_host", "localhost", "the server's `host`")
	flag.IntVar(&o.port, "server_port", 10000, "the server's port")
	flag.StringVar(&o.override, "server_host_override", "", "whom the server's certificate must name, if not the host")
	flag.BoolVar(&o.tls, "use_tls", false, "speak TLS")
	flag.BoolVar(&o.testCA, "use_test_ca", false, "trust -ca_file instead of the system's authorities")
	flag.StringVar(&o.ca, "ca_file", "", "authorities to trust with -use_test_ca, a PEM `file`")
	flag.StringVar(&o.service, "service_config_json", "", "a service config, of which loadBalancingConfig is read")
	flag.StringVar(&o.extra, "additional_metadata", "", "pairs to send with each call: `key:value;key:value`")
	o.soak.flags()
	flag.Parse()
	return o
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("interop client: ")
	o := parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	if err := run(context.Background(), &o); err != nil {
		log.Fatalf("%s: %v", o.test, err)
	}
}

func run(ctx context.Context, o *options) error {
	test := cases[o.test]
	if test == nil {
		return fmt.Errorf("no such case; there are %s", strings.Join(slices.Sorted(maps.Keys(cases)), ", "))
	}
	c, err := o.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return test(ctx, c)
}

// client is a conn and how to make another.
type client struct {
	*lupine.Conn
	options *options
	loads   *loads // nil without the policy that minds them
}

// dial does no I/O yet.
func (o *options) dial(ctx context.Context) (*client, error) {
	var config h2.Config
	if o.tls {
		config.TLS = &tls.Config{ServerName: o.override}
		if o.testCA {
			pem, err := os.ReadFile(o.ca)
			if err != nil {
				return nil, fmt.Errorf("-use_test_ca needs a -ca_file: %w", err)
			}
			config.TLS.RootCAs = x509.NewCertPool()
			if !config.TLS.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s has no certificate", o.ca)
			}
		}
	}
	c := &client{options: o}
	d := lupine.DialConfig{}
	switch policy, err := o.policy(); {
	case err != nil:
		return nil, err
	case policy == "test_backend_metrics_load_balancer":
		c.loads = new(loads)
		d.Balancer = c.loads.picker
	case policy != "" && policy != "pick_first":
		return nil, fmt.Errorf("load balancing policy %q is not known", policy)
	}
	extra, err := o.metadata()
	if err != nil {
		return nil, err
	}
	if len(extra) > 0 {
		d.Interceptors = []lupine.ClientInterceptor{func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
			call.Header = append(slices.Clip(call.Header), extra...)
			return next(ctx, call)
		}}
	}
	c.Conn, err = d.Dial(ctx, h2.To(net.JoinHostPort(o.host, strconv.Itoa(o.port)), config))
	return c, err
}

// policy is the first load balancing policy of the service config.
func (o *options) policy() (string, error) {
	if o.service == "" {
		return "", nil
	}
	var service struct {
		LoadBalancingConfig []map[string]json.RawMessage `json:"loadBalancingConfig"`
	}
	if err := json.Unmarshal([]byte(o.service), &service); err != nil {
		return "", fmt.Errorf("-service_config_json: %w", err)
	}
	for _, one := range service.LoadBalancingConfig {
		for name := range one {
			return name, nil
		}
	}
	return "", nil
}

// metadata reads -additional_metadata. Values hold anything but semicolons.
func (o *options) metadata() (md lupine.Metadata, err error) {
	for pair := range strings.SplitSeq(o.extra, ";") {
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, errors.New("-additional_metadata: a pair has no colon")
		}
		md.Add(key, value)
	}
	return md, md.Check()
}
