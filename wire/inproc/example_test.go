package inproc_test

import (
	"context"
	"fmt"
	"log"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

// A program in one piece today, in two tomorrow: only the Listen and the To change.
func Example() {
	ctx := context.Background()
	net := inproc.New()

	srv := lupine.NewServer()
	testpb.RegisterEcho(srv, echo{})
	if err := srv.Bind(ctx, net.Listen()); err != nil {
		log.Fatal(err)
	}
	go srv.Serve(ctx)
	defer srv.Close()

	conn, err := lupine.Dial(ctx, net.To())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	reply, err := testpb.NewEchoClient(conn).Say(ctx, &testpb.EchoRequest{Text: "hello"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Text)
	// Output: hello
}
