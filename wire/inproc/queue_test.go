package inproc

import "testing"

// TestQueue: what is put in comes out in order, within bounds of number and size.
func TestQueue(t *testing.T) {
	c := &Config{Queue: 4, QueueBytes: 100}
	var q queue
	in, out := 0, 0
	put := func(size int) bool {
		if !q.fits(size, c) {
			return false
		}
		in++
		q.put(parcel{copied: in, size: size})
		return true
	}
	take := func() bool {
		p, ok := q.take()
		if ok {
			out++
			if p.copied != out {
				t.Fatalf("message %v came as number %d", p.copied, out)
			}
		}
		return ok
	}
	for range 10 { // go round more than once
		for put(10) {
		}
		if q.len() != 4 || q.bytes != 40 {
			t.Fatalf("%d messages and %d bytes fit", q.len(), q.bytes)
		}
		take()
		if !put(1) || put(1) {
			t.Fatal("no room for one more, or for two")
		}
		for take() {
		}
	}
	if q.bytes != 0 {
		t.Errorf("%d bytes in an empty queue", q.bytes)
	}
	if !put(1000) || put(1) {
		t.Error("one message larger than the bound fits, and nothing beside it")
	}
	take()
	if !put(60) || put(50) || !put(40) {
		t.Error("the bytes are not bounded")
	}
	q.drop()
	if q.len() != 0 || q.bytes != 0 || take() {
		t.Error("something is left after drop")
	}
}

// TestBell: a ring is not lost when it comes before the waiter waits.
func TestBell(t *testing.T) {
	var b bell
	b.ring() // nobody has armed it: who comes looks first
	c := b.armed()
	select {
	case <-c:
		t.Fatal("it rang before it was armed")
	default:
	}
	b.ring()
	b.ring() // does not block
	<-c
	select {
	case <-c:
		t.Fatal("it rang twice")
	default:
	}
}
