package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// Service is what every implementation runs for a call.
type Service struct {
	spinsPerMicro float64
	release       sync.Once
	released      chan struct{}
	stop          atomic.Bool
	sink          atomic.Uint64
}

func newService(spinsPerMicro float64) *Service {
	return &Service{spinsPerMicro: spinsPerMicro, released: make(chan struct{})}
}

// Release lets every handler go that blocks or spins until released.
func (s *Service) Release() {
	s.release.Do(func() {
		s.stop.Store(true)
		close(s.released)
	})
}

// echo returns a new message with the payload of m.
func (s *Service) echo(m *benchpb.Message) *benchpb.Message {
	return &benchpb.Message{Payload: m.Payload}
}

var errMeta = errors.New("EchoMeta came without its deadline or its metadata")

// echoMeta is echo for a handler whose call had these values.
func (s *Service) echoMeta(ctx context.Context, m *benchpb.Message, value1, value2 string) (*benchpb.Message, error) {
	if value1 != metaValue1 || value2 != metaValue2 {
		return nil, errMeta
	}
	if _, ok := ctx.Deadline(); !ok {
		return nil, errMeta
	}
	return s.echo(m), nil
}

// work does what a WorkRequest asks. done ends a wait; nil where there is no
// such thing.
func (s *Service) work(done <-chan struct{}, kind benchpb.WorkRequest_Kind, micros uint32) error {
	switch kind {
	case benchpb.WorkRequest_NONE:
		return nil
	case benchpb.WorkRequest_BURN:
		s.sink.Store(Spin(int(float64(micros) * s.spinsPerMicro)))
		return nil
	case benchpb.WorkRequest_BLOCK:
		if micros > 0 {
			time.Sleep(time.Duration(micros) * time.Microsecond)
			return nil
		}
		select {
		case <-done:
		case <-s.released:
		}
		return nil
	case benchpb.WorkRequest_SPIN:
		for !s.stop.Load() {
			s.sink.Store(Spin(1000))
		}
		return nil
	}
	return fmt.Errorf("unknown work %v", kind)
}

// Spin keeps a processor busy for n rounds of a chain of dependent operations,
// the same everywhere.
func Spin(n int) uint64 {
	x := uint64(88172645463325252)
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// SpinsPerMicro measures how many rounds of Spin a microsecond holds: the best
// of several tries, since anything that interrupts makes it slower.
func SpinsPerMicro() float64 {
	const rounds = 200_000
	best := time.Hour
	for range 15 {
		start := time.Now()
		if Spin(rounds) == 0 {
			return 1
		}
		best = min(best, time.Since(start))
	}
	return rounds / (float64(best) / float64(time.Microsecond))
}
