// Client is our client under the Connect conformance suite, which sends it every
// call to make on stdin. See package conformance.
package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"os"
	"sync"

	"github.com/lupine-rpc/lupine/interop/conformance"
	pb "github.com/lupine-rpc/lupine/interop/conformance/connectrpc/conformance/v1"
)

// parallel is how many calls are under way at once.
const parallel = 32

func main() {
	log.SetFlags(0)
	log.SetPrefix("conformance client: ")
	if err := run(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run makes the calls that in asks for and writes their results to out, in the
// order in which they end.
func run(in io.Reader, out io.Writer) error {
	in = bufio.NewReader(in)
	var c conns
	defer c.close()
	var mu sync.Mutex // guards out and failed
	var failed error
	var calls sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for {
		req := new(pb.ClientCompatRequest)
		err := conformance.ReadFrame(in, req)
		if err != nil {
			calls.Wait()
			if err == io.EOF {
				err = failed
			}
			return err
		}
		slots <- struct{}{}
		calls.Go(func() {
			res := answer(&c, req)
			mu.Lock()
			defer mu.Unlock()
			if err := conformance.WriteFrame(out, res); err != nil {
				failed = errors.Join(failed, err)
			}
			<-slots
		})
	}
}

func answer(c *conns, req *pb.ClientCompatRequest) *pb.ClientCompatResponse {
	res := &pb.ClientCompatResponse{TestName: req.GetTestName()}
	result, err := perform(context.Background(), c, req)
	if err != nil {
		res.Result = &pb.ClientCompatResponse_Error{Error: &pb.ClientErrorResult{Message: err.Error()}}
	} else {
		res.Result = &pb.ClientCompatResponse_Response{Response: result}
	}
	return res
}
