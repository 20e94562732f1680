package rudp

import (
	"bytes"
	"testing"
)

// narrow is a Controller with a window of a few datagrams.
type narrow struct {
	Controller
	datagram, sent, acked, most int
}

func (n *narrow) Sent(now int64, number uint64, bytes, inFlight int) {
	n.sent++
	n.most = max(n.most, inFlight)
	n.Controller.Sent(now, number, bytes, inFlight)
}

func (n *narrow) Acked(now int64, number uint64, sent int64, bytes, inFlight int, rtt *RTT) {
	n.acked++
	n.Controller.Acked(now, number, sent, bytes, inFlight, rtt)
}

func (n *narrow) Window() int            { return 4 * n.datagram }
func (n *narrow) SetMaxDatagram(now int) { n.datagram = now; n.Controller.SetMaxDatagram(now) }

// TestCongestion: a Config's Controller is asked, one for each session, and its window is
// kept to.
func TestCongestion(t *testing.T) {
	addr, _ := serveEcho(t, echo{}, plain)
	var made []*narrow
	c := plain
	c.MaxDatagram = 1452
	c.Congestion = func(datagram int) Controller {
		made = append(made, &narrow{Controller: NewCubic(datagram), datagram: datagram})
		return made[len(made)-1]
	}
	body := bytes.Repeat([]byte("lupine"), 100<<10)
	for i := range 2 {
		conn := dialEcho(t, addr, c)
		got, err := say(soon(t), conn, body)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		conn.Close()
		if len(made) != i+1 {
			t.Fatalf("%d Controllers for %d sessions", len(made), i+1)
		}
	}
	for _, n := range made {
		if n.sent < len(body)/1452 || n.acked == 0 || n.acked > n.sent {
			t.Errorf("%d were sent, %d acknowledged", n.sent, n.acked)
		}
		if n.most > 5*n.datagram {
			t.Errorf("%d bytes were in flight, of a window of %d", n.most, 4*n.datagram)
		}
	}
}
