package inproc

import "context"

// queue holds the messages of one direction of a stream that the receiver has
// not taken. It is guarded by its call's mutex.
type queue struct {
	parcels []parcel // the oldest first, from head
	head    int
	bytes   int
	closed  bool // no more will be put in
	ready   bell // rung when there is something to take, or nothing more to wait for
	room    bell // rung when there is room, or no use in waiting for it
}

func (q *queue) len() int { return len(q.parcels) - q.head }

// fits reports whether another message may be put in. One always may, so that
// a message larger than the bound can pass.
func (q *queue) fits(size int, c *Config) bool {
	n := q.len()
	return n == 0 || n < c.Queue && q.bytes+size <= c.QueueBytes
}

func (q *queue) put(p parcel) {
	if q.head > 0 && len(q.parcels) == cap(q.parcels) {
		n := copy(q.parcels, q.parcels[q.head:])
		clear(q.parcels[n:])
		q.parcels, q.head = q.parcels[:n], 0
	}
	q.parcels = append(q.parcels, p)
	q.bytes += p.size
	q.ready.ring()
}

func (q *queue) take() (p parcel, ok bool) {
	if q.len() == 0 {
		return parcel{}, false
	}
	p = q.parcels[q.head]
	q.parcels[q.head] = parcel{}
	q.head++
	if q.head == len(q.parcels) {
		q.parcels, q.head = q.parcels[:0], 0
	}
	q.bytes -= p.size
	q.room.ring()
	return p, true
}

// drop throws away what nobody will take.
func (q *queue) drop() {
	for i := range q.parcels[q.head:] {
		q.parcels[q.head+i].free()
	}
	q.parcels, q.head, q.bytes = nil, 0, 0
}

// end wakes both sides: nothing more will happen.
func (q *queue) end() {
	q.closed = true
	q.ready.ring()
	q.room.ring()
}

// bell wakes the one goroutine that may wait for something. Rung while nobody
// waits, it stays rung; the waiter looks again at what it waits for, so a ring too
// many does no harm. It is guarded by the call's mutex but for the waiting.
type bell struct{ c chan struct{} }

func (b *bell) ring() {
	if b.c == nil {
		return // whoever comes will look before waiting
	}
	select {
	case b.c <- struct{}{}:
	default:
	}
}

// armed returns what to wait on, once the mutex is unlocked.
func (b *bell) armed() <-chan struct{} {
	if b.c == nil {
		b.c = make(chan struct{}, 1)
	}
	return b.c
}

// await waits for a bell or for ctx.
func await(ctx context.Context, bell <-chan struct{}) error {
	done := ctx.Done()
	if done == nil {
		<-bell
		return nil
	}
	select {
	case <-bell:
		return nil
	case <-done:
		return ctx.Err()
	}
}
