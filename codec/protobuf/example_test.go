package protobuf_test

import (
	"fmt"

	"github.com/lupine-rpc/lupine/codec/protobuf"
	"google.golang.org/protobuf/types/known/durationpb"
)

func ExampleCodec() {
	codec := protobuf.Codec{Deterministic: true, MaxDepth: 20}
	b, err := codec.Append(nil, &durationpb.Duration{Seconds: 90, Nanos: 5})
	fmt.Printf("%x %v\n", b, err)

	var d durationpb.Duration
	fmt.Println(codec.Decode(b, &d), d.AsDuration())
	fmt.Println(codec.Decode(b[:1], &d))
	// Output:
	// 085a1005 <nil>
	// <nil> 1m30.000000005s
	// protobuf: decode google.protobuf.Duration: malformed wire format: input ends inside a field
}
