package engine

const (
	// PaceBurst is the least time that a burst may hold what is sent in, in ns: finer
	// waiting costs more than it gives (docs/rudp.md, 5.6).
	PaceBurst = 1_000_000
	// PacePackets is the least burst in full datagrams (5.7; RFC 9002, 7.7).
	PacePackets = 10
)

// Pacer spreads what the window allows over a round trip (docs/rudp.md, 5.5): a
// token bucket, kept as the time at which all that was sent has drained at the
// rate. Rates are bytes a second, 0 for no pacing. The zero value is ready. It is
// not safe for concurrent use.
type Pacer struct{ drained int64 }

// burst is the size of the bucket, as the time that it takes to drain.
func burst(rate int64, datagram int) float64 {
	return max(PaceBurst, PacePackets*float64(datagram)*1e9/float64(rate))
}

// Allow reports whether a datagram may be sent now.
func (p *Pacer) Allow(now, rate int64, datagram int) bool {
	return rate <= 0 || p.Next(rate, datagram) <= now
}

// Sent takes so many bytes out of the bucket, whether they are in it or not.
func (p *Pacer) Sent(now, rate int64, bytes int) {
	if rate <= 0 {
		return
	}
	p.drained = max(p.drained, now) + int64(float64(bytes)*1e9/float64(rate))
}

// Next is when a full datagram may be sent at the rate, if nothing is sent before.
// It may have passed, or be before the clock began.
func (p *Pacer) Next(rate int64, datagram int) int64 {
	if rate <= 0 {
		return 0
	}
	need := float64(datagram) * 1e9 / float64(rate)
	return p.drained + int64(need-burst(rate, datagram))
}

// Wake is when it is worth while to look again once Allow has said no: when there is
// room for as much as drains in half of PaceBurst, since timers are late, or for one
// datagram if that takes longer.
func (p *Pacer) Wake(rate int64, datagram int) int64 {
	if rate <= 0 {
		return 0
	}
	need := max(float64(datagram)*1e9/float64(rate), PaceBurst/2)
	return p.drained + int64(need-burst(rate, datagram))
}
