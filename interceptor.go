package lupine

import "context"

// A ClientInterceptor wraps calls at the caller's end, unary and streaming
// alike: a unary call is a stream with one message each way. It may change call
// and ctx before next, call next more than once or not at all, and return a
// stream that wraps next's. It must not keep call after the stream has ended.
type ClientInterceptor func(ctx context.Context, call *Call, next Opener) (Stream, error)

// Opener starts a call.
type Opener func(ctx context.Context, call *Call) (Stream, error)

// A ServerInterceptor wraps calls at the handler's end, unary and streaming
// alike. What it returns is what the caller is told. call is also reachable
// from ctx by [ServerCallFrom].
type ServerInterceptor func(ctx context.Context, call *ServerCall, s HandlerStream, next StreamHandler) error

// StreamHandler runs a handler, or the rest of the interceptors before it.
type StreamHandler func(ctx context.Context, s HandlerStream) error

// chainClient returns an Opener that passes through all interceptors, the first
// one outermost.
func chainClient(all []ClientInterceptor, last Opener) Opener {
	for i := len(all) - 1; i >= 0; i-- {
		one, next := all[i], last
		last = func(ctx context.Context, call *Call) (Stream, error) { return one(ctx, call, next) }
	}
	return last
}

// runServer runs h inside all interceptors, the first one outermost.
func runServer(all []ServerInterceptor, ctx context.Context, call *ServerCall, s HandlerStream, h StreamHandler) error {
	if len(all) == 0 {
		return h(ctx, s)
	}
	return all[0](ctx, call, s, func(ctx context.Context, s HandlerStream) error {
		return runServer(all[1:], ctx, call, s, h)
	})
}
