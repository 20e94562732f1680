package engine

// bug is a mistake planted into a run: what it changes is what the engine, or its
// driver, would do if it were wrong in that way.
type bug struct {
	name string
	// prepare makes schedules in which the mistake can show.
	prepare func(*schedule)
	// frame may change a frame that leaves n, or drop it.
	frame func(n *node, h *frameHeader, p []byte) (drop bool)
	// before and after stand around the engine's Next. window is the peer's
	// initial window before it.
	before func(n *node)
	after  func(n *node, ev *Event, window int32)
	// stepwise has Next see one frame at a time.
	stepwise                bool
	beforeOpen              func(n *node)
	sent                    func(n *node, buf []byte)
	beforeReset, afterReset func(n *node, s *Stream)
	afterRelease            func(n *node, s *Stream)
	loseEnd, padTwice       bool
	alwaysNo                bool
}
