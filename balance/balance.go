// Package balance decides which of the endpoints behind a name gets a call. A
// Conn without a word about it uses lupine.PickFirst.
package balance

import (
	"sync/atomic"

	"github.com/lupine-rpc/lupine"
)

// RoundRobin makes a Picker that keeps a session to every endpoint and gives
// them calls in turn. Use it as DialConfig.Balancer.
func RoundRobin() lupine.Picker { return new(roundRobin) }

type roundRobin struct {
	state atomic.Pointer[roundRobinState]
	turn  atomic.Uint32
}

// roundRobinState is replaced as a whole, so that Pick takes no lock.
type roundRobinState struct {
	all, ready []*lupine.Link
	hope       bool // a session is being made
}

func (p *roundRobin) Update(links []*lupine.Link) {
	s := &roundRobinState{all: links}
	for _, l := range links {
		l.Connect() // does nothing unless the link is idle
		switch l.State() {
		case lupine.Ready:
			s.ready = append(s.ready, l)
		case lupine.Connecting:
			s.hope = true
		}
	}
	p.state.Store(s)
}

func (p *roundRobin) Pick(info lupine.PickInfo) (*lupine.Link, func(lupine.Outcome), error) {
	s := p.state.Load()
	if s == nil {
		return nil, nil, nil
	}
	if n := uint32(len(s.ready)); n > 0 {
		l := s.ready[p.turn.Add(1)%n]
		if l == info.Avoid {
			l = s.ready[p.turn.Add(1)%n]
		}
		return l, nil, nil
	}
	if s.hope {
		return nil, nil, nil
	}
	return nil, nil, lupine.LinkErrors(s.all)
}
