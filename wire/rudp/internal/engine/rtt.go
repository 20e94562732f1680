package engine

// RTT is what is known of the path's round trip, in nanoseconds (5.3; RFC 9002, 5).
type RTT struct {
	Latest, Smoothed, Var, Min int64
	// Known: there was a sample.
	Known bool
}

// sample takes in one: the time from sending to the ack, and how much of it the
// peer says that it held the ack back.
func (r *RTT) sample(took, held int64) {
	r.Latest = took
	if !r.Known {
		*r = RTT{took, took, took / 2, took, true}
		return
	}
	r.Min = min(r.Min, took)
	if took-held >= r.Min {
		took -= held
	}
	r.Latest = took
	r.Var += (abs(r.Smoothed-took) - r.Var) / 4
	r.Smoothed += (took - r.Smoothed) / 8
}

func abs(n int64) int64 { return max(n, -n) }
