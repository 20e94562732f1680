package engine

// Constants of HyStart++ (RFC 9406, 4.3). Times are ns.
const (
	minRiseRTT    = 4_000_000
	maxRiseRTT    = 16_000_000
	riseDivisor   = 8
	roundSamples  = 8 // N_RTT_SAMPLE
	cautiousShare = 4 // CSS_GROWTH_DIVISOR
	cautiousTurns = 5 // CSS_ROUNDS
)

// hystart finds the end of the first slow start by the round trips growing longer,
// before the queue overflows (HyStart++, RFC 9406). Without it, slow start ends by
// losing half a window.
//
// One thing differs from the RFC: what is compared with the last round is the least of
// each eight samples, not of all since the round began. A paced sender's queue grows
// within the round, and its first samples would hide that for another one, in which the
// window doubles. What is a burst's own queue is taken back, as all noise is: in CSS.
type hystart struct {
	on       bool // the first slow start goes on
	cautious bool // CSS: it seems to be time to end it, and more rounds are to show
	over     bool // they have

	next    uint64 // number of the packet sent last, and 1
	end     uint64 // the round ends when a packet from here on is acked
	last    int64  // least RTT of the last round, 0 for none
	least   int64  // of this one
	group   int64  // of its last samples, up to roundSamples of them
	samples int    // how many
	base    int64  // least RTT when CSS began
	rounds  int    // of CSS

	seen, seenAt int64 // the sample taken last
}

func (h *hystart) sent(number uint64) { h.next = number + 1 }

// acked takes the RTT that an ACK gave. It is called for each packet of an ACK, which
// gives one sample.
func (h *hystart) acked(now int64, number uint64, rtt int64) {
	if !h.on {
		return
	}
	if number >= h.end {
		h.round()
	}
	if rtt <= 0 || rtt == h.seen && now == h.seenAt {
		return
	}
	h.seen, h.seenAt = rtt, now
	if h.least == 0 || rtt < h.least {
		h.least = rtt
	}
	if h.samples == 0 || rtt < h.group {
		h.group = rtt
	}
	if h.samples++; h.samples < roundSamples {
		return
	}
	h.samples = 0
	switch rise := min(max(h.last/riseDivisor, minRiseRTT), maxRiseRTT); {
	case h.last == 0:
	case h.cautious && h.group < h.base:
		h.cautious = false // it was noise
	case !h.cautious && h.group >= h.last+rise:
		h.cautious, h.base, h.rounds = true, h.group, 0
	}
}

// round begins a round of what is under way now.
func (h *hystart) round() {
	h.end = h.next
	if h.least > 0 {
		h.last = h.least
	}
	h.least, h.samples = 0, 0
	if h.cautious {
		if h.rounds++; h.rounds >= cautiousTurns {
			h.over = true
		}
	}
}

// growth is by how much the window grows for so many acked bytes, and whether slow
// start is over. Later slow starts, after persistent congestion, are plain.
func (h *hystart) growth(bytes int) (grow float64, over bool) {
	switch {
	case !h.on:
		return float64(bytes), false
	case h.over:
		h.on = false
		return float64(bytes) / cautiousShare, true
	case h.cautious:
		return float64(bytes) / cautiousShare, false
	}
	return float64(bytes), false
}
