package rudp

import (
	"context"

	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// A client whose network changes binds another socket and goes on with the same session
// (docs/rudp.md, 4.5.1). Nobody tells it: it looks when a send fails for want of a way, and
// when PTOs follow each other without an answer.

// RebindPTOs is after how many PTOs in a row, without a packet that opened, a client looks
// whether it would reach the server from another address by now.
const RebindPTOs = 3

// moves is what a client knows of its moves. The session's lock guards it.
type moves struct {
	looked int64       // when it looked last, by clock; 0: never
	moved  int64       // when it bound another socket last
	behind *udp.Writer // of the new socket; the sender has the old one's and takes it when it comes back
}

// silent looks around if the peer does not answer. The lock is held.
func (s *session) silent(now int64) {
	if s.l != nil {
		return
	}
	if ptos, quiet := s.eng.Silence(now); ptos >= RebindPTOs {
		s.lookAround(now, quiet >= int64(s.cfg.SuspectAfter) && now-s.moved >= int64(s.cfg.SuspectAfter))
	}
}

// lookAround asks the system from which address it would reach the server now, and binds
// another socket if that is another one, or anyway. It does so once in RebindGap at most. The
// lock is held.
func (s *session) lookAround(now int64, anyway bool) {
	if s.l != nil || !s.isOpen || s.dead != nil || s.shut || s.cfg.RebindGap < 0 || s.looked != 0 && now-s.looked < int64(s.cfg.RebindGap) {
		return
	}
	s.looked = now
	sock, err := udp.Dial(context.Background(), s.sock.Remote(), s.cfg.udp()) // it asks nobody, and sends nothing
	if err != nil {
		return // there is no way at all: the next PTO looks again
	}
	same := sock.Local().Addr() == s.sock.Local().Addr()
	if same && !anyway {
		sock.Close()
		return
	}
	s.rebind(now, sock, same)
}

// rebind goes on with sock. Whoever waits in the old one, to read or to send, is woken by its
// end. The lock is held.
func (s *session) rebind(now int64, sock *udp.Socket, same bool) {
	old := s.sock
	s.sock, s.in, s.moved = sock, sock.NewReader(), now
	s.behind = sock.NewWriter()
	if !s.sending {
		s.takeWriter()
	}
	old.Close()
	s.cfg.Stats.rebinds.Add(1)
	hint := engine.HintNetwork
	if same {
		hint = engine.HintMoved
	}
	s.eng.Hint(now, hint)
}

// takeWriter has the sender send through the new socket. The lock is held, and nobody else
// is sending.
func (s *session) takeWriter() {
	if s.behind != nil {
		s.out, s.behind = s.behind, nil
	}
}
