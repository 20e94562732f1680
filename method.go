package lupine

// Kind says which side of a call sends more than one message.
type Kind uint8

// The four kinds of call.
const (
	Unary           Kind = iota // one request, one reply
	ClientStreaming             // many requests, one reply
	ServerStreaming             // one request, many replies
	Bidi                        // many of both, in any order
)

// String returns "unary", "client stream", "server stream" or "bidi stream".
func (k Kind) String() string {
	switch k {
	case ClientStreaming:
		return "client stream"
	case ServerStreaming:
		return "server stream"
	case Bidi:
		return "bidi stream"
	}
	return "unary"
}

// ManyRequests reports whether the caller may send any number of messages.
func (k Kind) ManyRequests() bool { return k == ClientStreaming || k == Bidi }

// ManyReplies reports whether the handler may send any number of messages.
func (k Kind) ManyReplies() bool { return k == ServerStreaming || k == Bidi }

// Idempotency is what a method's idempotency_level option declares.
type Idempotency uint8

// The levels, as google.protobuf.MethodOptions has them.
const (
	NotIdempotent Idempotency = iota // nothing declared: never repeated blindly
	NoSideEffects                    // changes nothing: may be repeated, and cached
	Idempotent                       // running twice is like running once
)

// Method describes one method of a service. Generated code has one for each;
// its address is its identity, and nothing may change it after registration.
type Method struct {
	Service     string // full service name, such as "routeguide.v1.RouteGuide"
	Name        string // method name as declared, such as "GetFeature"
	Path        string // "/" + Service + "/" + Name
	Kind        Kind
	Idempotency Idempotency
	// AtMostOnce asks for call identities on every call of this method: it fails
	// on a wire that cannot promise at-most-once execution.
	AtMostOnce bool
	Codec      Codec
	NewRequest func() any // returns a new, empty request message
	NewReply   func() any // returns a new, empty reply message
	// Program, Version and Procedure are the method's ONC RPC numbers (RFC 5531,
	// section 8), for wires that address by number. Zero without them.
	Program, Version, Procedure uint32
}

// Service is a named set of methods. Generated code has one for each service.
type Service struct {
	Name    string // full name, such as "routeguide.v1.RouteGuide"
	Methods []Method
	// Schema returns what describes the service to reflection and to wires that
	// map it by themselves: a protoreflect.ServiceDescriptor for protobuf
	// services. It is a function because descriptors are ready only once the
	// program's packages are initialised. Nil means no schema.
	Schema func() any
}

// GeneratedVersion1 is referred to by generated code, so that stubs which are
// newer than this runtime do not compile.
const GeneratedVersion1 = true
