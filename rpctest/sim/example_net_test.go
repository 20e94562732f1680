package sim_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// letters is a protocol to be tested: stop and wait. The sender numbers letters
// and sends the one at hand until it is acknowledged; the receiver acknowledges
// what comes, and takes it. Its bug: it takes a letter each time that it comes.
type letters struct {
	host   *sim.Host
	socket *sim.Socket
	to     netip.AddrPort
	next   uint32
	timer  *sim.Timer
	taken  []uint32 // receiver
}

const lettersToSend = 20

func newSender(h *sim.Host, to netip.AddrPort) *letters {
	l := &letters{host: h, to: to}
	l.socket, _ = h.Socket(0, func(_ netip.AddrPort, _ byte, b []byte) {
		if len(b) == 4 && binary.BigEndian.Uint32(b) == l.next {
			l.timer.Stop()
			l.next++
			l.send()
		}
	})
	l.send()
	return l
}

func (l *letters) send() {
	if l.next < lettersToSend {
		l.socket.Send(l.to, 0, binary.BigEndian.AppendUint32(nil, l.next))
		l.timer = l.host.After(50e6, l.send)
	}
}

func newReceiver(h *sim.Host) *letters {
	l := &letters{host: h}
	l.socket, _ = h.Socket(7, func(from netip.AddrPort, _ byte, b []byte) {
		l.taken = append(l.taken, binary.BigEndian.Uint32(b)) // the bug
		l.socket.Send(from, 0, b)
	})
	return l
}

// schedule is one run: a network of the seed, the protocol, faults, and what
// must hold.
func schedule(seed uint64, faults []sim.Fault, scripted bool) (net *sim.Net, err error) {
	var clock sim.Clock
	net = sim.NewNet(&clock, sim.NewRand(seed, 0), sim.NetConfig{
		Link:     sim.LinkConfig{Delay: 5e6, Jitter: 5e6, Loss: 20, Reorder: 20}, // 2% each
		Record:   true,
		Scripted: scripted,
	})
	at, from := net.Host("receiver"), net.Host("sender")
	if err := net.Play(faults...); err != nil { // before anything is sent
		return net, err
	}
	receiver := newReceiver(at)
	sender := newSender(from, receiver.socket.Addr())
	clock.RunUntil(10e9)
	net.Heal() // what is still wrong ends, and all must arrive
	clock.RunUntil(20e9)
	if sender.next != lettersToSend {
		return net, errors.New("the sender hangs")
	}
	for i, n := range receiver.taken {
		if i != int(n) {
			return net, fmt.Errorf("letter %d was taken as number %d", n, i)
		}
	}
	return net, nil
}

// A protocol is simulated with one seed after another until an invariant fails.
// What chance did in that run is then played as a list of faults, and the list
// made small.
func Example() {
	plan := sim.Plan{Hosts: []string{"sender", "receiver"}, Ops: []sim.Op{sim.OpBlock, sim.OpPause, sim.OpJump}, Count: 2, Span: 1e9}
	for seed := uint64(1); seed <= 1000; seed++ {
		faults := plan.Draw(sim.NewRand(seed, 1))
		net, err := schedule(seed, faults, false)
		if err == nil {
			continue
		}
		fmt.Printf("seed %d: %v\n", seed, err)

		fails := func(f []sim.Fault) bool {
			_, other := schedule(seed, f, true)
			return other != nil && other.Error() == err.Error()
		}
		all := append(faults, net.Recorded()...)
		small := sim.Shrink(all, 1000, fails)
		small = sim.Simplify(small, 1000, sim.Fault.Simpler, fails)
		fmt.Printf("%d faults were shrunk to %d:\n", len(all), len(small))
		for _, f := range small {
			fmt.Println(f)
		}
		return
	}
	// Output:
	// seed 2: letter 3 was taken as number 4
	// 3 faults were shrunk to 1:
	// drop datagram 4 from receiver to sender
}
