package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lupine-rpc/lupine"
)

// quiet is the log of a command that reports errors itself.
var quiet = slog.New(slog.DiscardHandler)

// callFlags is what lupine call was asked for.
type callFlags struct {
	connectFlags
	data     string
	compress string
	pretty   bool
	defaults bool
	verbose  bool
}

func callCommand(io console) *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use:   "call [-d JSON|@FILE|-] [-H 'KEY: VALUE']... [-proto FILE] [-I DIR] TARGET PACKAGE.SERVICE/METHOD",
		Short: "Call a method of any gRPC server, JSON in and JSON out",
		Long: `Call a method of a server: Lupine's own or any other that speaks gRPC.

TARGET is a URL:
  grpc://HOST:PORT     gRPC in the clear
  grpcs://HOST:PORT    gRPC over TLS
  unix:///PATH         gRPC over a unix socket
  rudp://HOST:PORT     RPC over UDP in the clear (docs/rudp.md)
  rudps://HOST:PORT    RPC over UDP, encrypted by TLS

The schema comes from -proto files, or from the server itself if it has gRPC
server reflection.

Requests are JSON: the value of -d, a file (-d @FILE) or stdin (-d -). Without
-d, a method that takes one request gets an empty one, and one that takes a
stream reads stdin. A stream is one JSON value after another, sent as they come.

Replies go to stdout, a JSON value on each line, as they come. If the status is
not OK it goes to stderr, with its details, whether the server ran the call and
what to do. The exit status is 0 for OK, 1 for another status of the call, 2 if
there was no call to make: a wrong flag, bad JSON, no schema.`,
		Example: `  lupine call -d '{"name":"Ada"}' grpc://127.0.0.1:8080 hello.v1.Greeter/Greet
  lupine call -proto hello.proto -d @request.json grpcs://hello.example:443 hello.v1.Greeter/Greet
  lupine call -H 'trace-id: 7f2a' --timeout 2s unix:///run/hello.sock hello.v1.Greeter/Greet
  printf '{"n":1} {"n":2}' | lupine call -d - grpc://127.0.0.1:8080 sums.v1.Sums/Add`,
		DisableFlagsInUseLine: true,
		Args:                  args(2, 2, "TARGET and PACKAGE.SERVICE/METHOD"),
		RunE:                  func(cmd *cobra.Command, args []string) error { return f.run(cmd, io, args[0], args[1]) },
	}
	cmd.ValidArgsFunction = f.complete
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVarP(&f.data, "data", "d", "", "the request, as `JSON`, @FILE or - for stdin")
	f.connectFlags.add(cmd)
	fl.StringVar(&f.compress, "compress", "", "compress requests by `METHOD`: gzip or zstd")
	fl.BoolVar(&f.pretty, "pretty", false, "print replies over several lines, indented")
	fl.BoolVar(&f.defaults, "defaults", false, "print fields that have their default value too")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "print the reply's header and trailer, and who answered, on stderr")
	cmd.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions([]string{"gzip", "zstd"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *callFlags) run(cmd *cobra.Command, io console, target, name string) error {
	service, method, err := splitMethod(name)
	if err != nil {
		return err
	}
	opts, err := f.callOptions()
	if err != nil {
		return err
	}
	switch f.compress {
	case "", "gzip", "zstd":
	default:
		return fmt.Errorf("--compress %s: want gzip or zstd", f.compress)
	}
	ctx, cancel, err := f.limited(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	conn, err := f.dial(ctx, target)
	if err != nil {
		return err
	}
	defer conn.Close()
	types, err := f.schema(ctx, conn, target, opts)
	if err != nil {
		return err
	}
	out := &replies{w: io.out, types: resolver{ctx, types}, pretty: f.pretty, defaults: f.defaults}
	md, err := findMethod(ctx, types, service, method)
	if err != nil {
		return failed(io, unsent(err), target, out)
	}
	if md.Input().IsPlaceholder() || md.Output().IsPlaceholder() {
		return fmt.Errorf("%s does not describe the messages of %s: pass the schema with -proto FILE", target, name)
	}
	out.output = md.Output()

	in, err := f.requests(cmd, io, md, out.types)
	if err != nil {
		return err
	}
	defer in.close()
	if f.compress != "" {
		opts = append(opts, lupine.Compress(f.compress))
	}
	c := &dynamicCall{conn: conn, method: lupineMethod(md), opts: opts, in: in, out: out, cancel: cancel}
	c.opts = append(c.opts, lupine.ReplyHeader(&c.header), lupine.ReplyTrailer(&c.trailer), lupine.PeerInfo(&c.peer))
	err = c.run(ctx)
	if f.verbose {
		if c.peer.Wire != "" {
			fmt.Fprintf(io.err, "peer: %s over %s\n", c.peer.RemoteAddr, c.peer.Wire)
		}
		printMetadata(io.err, "header", c.header)
		printMetadata(io.err, "trailer", c.trailer)
	}
	return failed(io, err, target, out)
}

// requests opens the request stream.
func (f *callFlags) requests(cmd *cobra.Command, io console, md protoreflect.MethodDescriptor, types resolver) (*requests, error) {
	data := f.data
	if !cmd.Flags().Changed("data") {
		data = "{}"
		if md.IsStreamingClient() {
			data = "-"
		}
	}
	if data == "-" && isTerminal(io.in) {
		fmt.Fprintf(io.err, "reading %s from the terminal as JSON; Ctrl-D ends the input\n", md.Input().FullName())
	}
	from, r, done, err := openRequests(data, io.in)
	if err != nil {
		return nil, err
	}
	return newRequests(from, r, done, md.Input(), types), nil
}

// unsent marks the status of a call that finds out about the server's methods:
// the call that was asked for has not been sent.
func unsent(err error) error {
	if lupine.CodeOf(err) == lupine.Unknown && !errors.As(err, new(*lupine.Error)) {
		return err
	}
	e := *lupine.AsError(err)
	e.Message = "asking for the server's schema: " + e.Message
	return e.NotExecuted()
}

// failed prints the status of a call that ended with another than OK. Errors of
// other kinds, found before or beside the call, are returned as they are.
func failed(io console, err error, target string, out *replies) error {
	var e *lupine.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = lupine.AsError(err)
	default:
		return err
	}
	printStatus(io.err, e, target, out)
	return &exit{status: exitFailed}
}

// dynamicCall is one call whose messages are known at run time only.
type dynamicCall struct {
	conn   *lupine.Conn
	method *lupine.Method
	opts   []lupine.CallOption
	in     *requests
	out    *replies
	cancel context.CancelFunc

	header, trailer lupine.Metadata
	peer            lupine.Peer
}

// run makes the call. An *lupine.Error is its status; other errors are ours.
func (c *dynamicCall) run(ctx context.Context) error {
	switch c.method.Kind {
	case lupine.Unary, lupine.ServerStreaming:
		req, err := c.only(ctx)
		if err != nil {
			return err
		}
		if c.method.Kind == lupine.Unary {
			reply, err := lupine.Invoke[lupine.Raw](ctx, c.conn, c.method, req, c.opts)
			if err != nil {
				return err
			}
			return c.out.write(reply)
		}
		stream := lupine.CallServerStream[lupine.Raw](ctx, c.conn, c.method, req, c.opts)
		defer stream.Close()
		_, err = c.receive(ctx, stream.Recv)
		return err
	}
	return c.stream(ctx)
}

// stream sends and receives at the same time. A request that cannot be read ends
// the call; the end of the call does not wait for more requests.
func (c *dynamicCall) stream(ctx context.Context) error {
	stream := lupine.CallBidi[lupine.Raw, lupine.Raw](ctx, c.conn, c.method, c.opts)
	defer stream.Close()
	sent := make(chan error, 1)
	go func() {
		err := c.send(ctx, stream.Send)
		if err == nil {
			err = stream.CloseSend(ctx)
		}
		sent <- err
		if err != nil && err != io.EOF {
			c.cancel()
		}
	}()
	n, err := c.receive(ctx, stream.Recv)
	select {
	case serr := <-sent:
		// The request that could not be read is the reason, not the end it caused.
		var bad *inputError
		if errors.As(serr, &bad) {
			return bad
		}
	default:
	}
	if err == nil && n != 1 && !c.method.Kind.ManyReplies() {
		return lupine.Errorf(lupine.Unimplemented, "the server sent %d replies and OK, where the schema has one reply", n)
	}
	return err
}

// only reads the one request of a call that takes one. It gives up when ctx ends,
// since whoever types at a terminal may too.
func (c *dynamicCall) only(ctx context.Context) (req *lupine.Raw, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, err = c.readOnly()
	}()
	select {
	case <-done:
		return req, err
	case <-ctx.Done():
		return nil, lupine.AsError(ctx.Err()).NotExecuted()
	}
}

func (c *dynamicCall) readOnly() (*lupine.Raw, error) {
	req, err := c.in.next()
	if err == io.EOF {
		return nil, fmt.Errorf("%s is empty: %s takes one request; {} is an empty one", c.in.from, c.method.Path)
	}
	if err != nil {
		return nil, err
	}
	switch _, err := c.in.next(); err {
	case io.EOF:
		return req, nil
	case nil:
		return nil, fmt.Errorf("%s holds more than one JSON value: %s takes one request", c.in.from, c.method.Path)
	default:
		return nil, err
	}
}

// send sends all requests. It stops without an error when the call has ended,
// since receiving tells why.
func (c *dynamicCall) send(ctx context.Context, send func(context.Context, *lupine.Raw) error) error {
	for {
		req, err := c.in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := send(ctx, req); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// receive prints replies to the last and counts them.
func (c *dynamicCall) receive(ctx context.Context, recv func(context.Context) (*lupine.Raw, error)) (n int, _ error) {
	for {
		reply, err := recv(ctx)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n++
		if err := c.out.write(reply); err != nil {
			return n, err
		}
	}
}
