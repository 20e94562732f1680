package interop

import (
	"net"
	"sync"
	"testing"
)

// revolving is one address behind which servers follow each other, as in a
// rolling restart: each server accepts from a door of its own.
type revolving struct {
	addr string
	mu   sync.Mutex
	now  *door
}

// door is a net.Listener that gets its connections from elsewhere.
type door struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newRevolving(t *testing.T) *revolving {
	t.Helper()
	l := listen(t)
	r := &revolving{addr: l.Addr().String(), now: newDoor(l)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for given := false; !given; {
				d := r.door()
				select {
				case d.conns <- c:
					given = true
				case <-d.closed:
					if r.door() == d { // nobody follows
						c.Close()
						given = true
					}
				}
			}
		}
	}()
	return r
}

func newDoor(l net.Listener) *door {
	return &door{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// door returns the one that is open.
func (r *revolving) door() *door {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// turn opens a new door, which gets all further connections. Who holds the one
// before it goes on waiting there until it closes it.
func (r *revolving) turn() *door {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = newDoor(r.now.Listener)
	return r.now
}

// Accept waits for a connection.
func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the door, not the address.
func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}
