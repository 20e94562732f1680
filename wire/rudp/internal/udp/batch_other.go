//go:build !linux

package udp

import (
	"errors"
	"net/netip"
)

const canBatch = false

type reader struct{}

type writer struct{}

var errNoBatch = errors.New("udp: this system has no batches")

func (s *Socket) setUp(Config) error { return errNoBatch }

func (*reader) prepare(*Socket) {}

func (*writer) prepare(*Socket) {}

func (*reader) readBatch(*Socket, []byte) (Received, error) { return Received{}, errNoBatch }

func (*reader) moreBatch(*Socket, []byte) (Received, bool, error) {
	return Received{}, false, errNoBatch
}

func (*writer) writeBatch(*Socket, []byte, int, netip.AddrPort, uint8) (int, error) {
	return 0, errNoBatch
}
