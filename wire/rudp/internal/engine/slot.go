package engine

import (
	"math/bits"

	"github.com/lupine-rpc/lupine"
)

// slotState is where a slot stands: 4.1 at the caller, 4.2 at the callee.
type slotState uint8

const (
	// Of both ends.
	slotFree slotState = iota // callee: Empty
	// The caller's. Acked and Replying are read off out and in.
	slotQueued
	slotSent
	slotClosing
	// The callee's.
	slotReceiving
	slotRunning
	slotDone
	slotSettled
)

// queueKind names the queues of slots that have something to send.
type queueKind uint8

const (
	queueControl queueKind = iota // GRANT, CANCEL, ENDED
	queueLost                     // stream bytes again
	queueOpen                     // opening frames
	queueData                     // the rest
	numQueues
)

// slot carries one call at a time (2.3). mine: we are its caller.
type slot struct {
	mine  bool
	index uint32
	seq   uint64
	state slotState
	kind  lupine.Kind

	call *Call // the application's; nil once it has gone
	own  Call  // what call points to at the callee
	out  outflow
	in   inflow
	buf  []byte // heads, headers, status that we encoded
	uses Uses   // ids that our opening frame needs

	// Control frames to be sent.
	wantGrant, wantCancel, wantEnded bool
	next                             [numQueues]*slot
	queued                           [numQueues]bool

	began  int64 // when the call began here
	turned int   // bytes sent in this turn (5.4, Turn)
	// The reply stream's records: a header or message was seen, the status was.
	gotRecord, gotStatus bool
	messages             int // seen
	err                  *lupine.Error
	trailer              lupine.Metadata

	// The callee's.
	headDone  bool
	head      HeadIn
	headBytes []byte
	canceled  bool // the caller wants no more of it
	told      bool // EventCanceled was given
	ended     bool // the reply is ENDED
	endCode   lupine.Code
	endExec   lupine.Executed
	endReason string
	headerOut bool
	acksAt    uint64 // ACKs that were sent when the request began to come (5.2)
	lazy      bool   // the reply is under way lazily
	eager     bool   // the reply is ours to send again (5.2)
	inPacket  uint64 // one more than the packet that had its opening frame last
	resentAt  int64
	kept      int64 // bytes in the reply budget
	half      bool  // EventHalfClose, or End, was given
	blocked   bool  // EventWritable is wanted
	again     bool  // the reply's opening frame is to be sent once more
	grantedAt int64 // when the caller last granted, or the handler returned
}

func (s *slot) name() CallName { return CallName{uint64(s.index), s.seq} }

// bits are those of a stream frame of ours in this slot.
func (s *slot) bits() Type {
	if s.mine {
		return 0
	}
	return StreamReply
}

// queue is a list of slots.
type queue struct{ first, last *slot }

// push puts s at the end, unless it is in the queue.
func (c *Conn) push(k queueKind, s *slot) {
	if s.queued[k] {
		return
	}
	q := &c.queues[k]
	s.queued[k], s.next[k] = true, nil
	if q.last != nil {
		q.last.next[k] = s
	} else {
		q.first = s
	}
	q.last = s
}

// pop takes the first slot, or nil.
func (c *Conn) pop(k queueKind) *slot {
	q := &c.queues[k]
	s := q.first
	if s == nil {
		return nil
	}
	q.first = s.next[k]
	if q.first == nil {
		q.last = nil
	}
	s.queued[k], s.next[k] = false, nil
	return s
}

// drop takes s out, wherever it stands after prev.
func (c *Conn) drop(k queueKind, prev, s *slot) {
	q := &c.queues[k]
	if prev == nil {
		q.first = s.next[k]
	} else {
		prev.next[k] = s.next[k]
	}
	if q.last == s {
		q.last = prev
	}
	s.queued[k], s.next[k] = false, nil
}

// freeSet is which of our slots are free: the lowest is taken first (4.1).
type freeSet struct{ words []uint64 }

func (f *freeSet) put(i uint32) {
	for int(i/64) >= len(f.words) {
		f.words = append(f.words, 0)
	}
	f.words[i/64] |= 1 << (i % 64)
}

// take returns the lowest free slot below limit.
func (f *freeSet) take(limit uint64) (uint32, bool) {
	for w, word := range f.words {
		if word != 0 {
			i := uint32(w*64 + bits.TrailingZeros64(word))
			if uint64(i) >= limit {
				return 0, false
			}
			f.words[w] &^= 1 << (i % 64)
			return i, true
		}
	}
	return 0, false
}

// bucket is a token bucket that refills with time and with honest work.
type bucket struct{ tokens, size, period, last int64 }

func newBucket(now, size, period int64) bucket { return bucket{size, size, period, now} }

func (b *bucket) take(now int64) bool {
	if b.tokens < b.size {
		if n := (now - b.last) / b.period; n > 0 {
			b.give(n)
			b.last += n * b.period
		}
	}
	if b.tokens == b.size {
		b.last = now // time before the first loss earns nothing
	}
	if b.tokens <= 0 {
		return false
	}
	b.tokens--
	return true
}

func (b *bucket) give(n int64) { b.tokens = min(b.tokens+n, b.size) }
