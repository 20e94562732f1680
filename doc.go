// Package lupine is remote procedure call: one contract for callers, handlers
// and wires, so that a call means the same whatever carries it.
//
// A [Server] runs handlers for calls that come in over any number of wires. A
// [Conn] is what stubs call through; it makes sessions when calls need them, and
// makes them again when they break. Stubs come from "lupine gen":
//
//	srv := lupine.NewServer()
//	routeguide.RegisterRouteGuide(srv, guide{})
//	err := srv.Serve(ctx, h2.Listen("127.0.0.1:8080", h2.Config{}))
//
//	conn, err := lupine.Dial(ctx, h2.To("127.0.0.1:8080", h2.Config{}))
//	guide := routeguide.NewRouteGuideClient(conn)
//	feature, err := guide.GetFeature(ctx, point)
//
// # Ends of calls
//
// A call ends by its context: the deadline travels to the handler, and so does a
// cancellation. A unary call without a deadline gives up after
// [DefaultSafetyNet]. Every Send and Recv of a stream takes a context of its own:
// when only that one ends, the call lives on and no message is lost.
//
// A call that fails gives an [*Error], whose Executed says whether the handler
// ran: [No] is safe to repeat, [Yes] came from the handler, [Maybe] is all that
// can be known. A call that is known not to have run, because the server refused
// it or the session closed first, is tried once more on another session; nothing
// else is repeated.
//
// # Memory
//
// A message that was received is ordinary memory. A request must not change
// until its call, or the Send that took it, has returned, and is not read after
// that.
//
// # What it does not do yet
//
// No wire carries call identities, so [AtMostOnce] fails with Unimplemented
// rather than pretend. There are no retries beyond the one above, and no
// balancing beyond pick-first and round-robin.
package lupine
