package engine

import "net/netip"

// Front is what a server does with a datagram before a session has it: cookies,
// versions, RESET (3.1, 3.2, 3.4). It keeps nothing for an address. It is not safe
// for concurrent use.
type Front struct{}

// FrontConfig configures a Front. Secrets are random.
type FrontConfig struct {
	Mode   Mode
	Secret [32]byte
}

// NewFront returns one whose process began at now.
func NewFront(cfg FrontConfig, now int64) *Front { return &Front{} }

// Verdict is what is to be done with a datagram.
type Verdict uint8

// The verdicts.
const (
	VerdictDrop    Verdict = iota // nothing
	VerdictAnswer                 // send the answer back, to where it came from
	VerdictSession                // for the session with this Index, else ask Unknown
	VerdictHello                  // for the session of this address and Hello.ID; make it if there is none
)

// Handle looks at a datagram. It fills in p, and for VerdictHello opens it. The
// answer is appended to answer.
func (f *Front) Handle(now int64, b []byte, from netip.AddrPort, p *Packet, answer []byte) ([]byte, Verdict) {
	return answer, VerdictDrop
}

// Unknown answers a datagram whose index names no session: with RESET, within
// ResetRate (4.3).
func (f *Front) Unknown(now int64, b []byte, answer []byte) ([]byte, Verdict) {
	return answer, VerdictDrop
}

// Token returns a token for the next session from an address.
func (f *Front) Token(now int64, from netip.Addr) []byte { return nil }

// Rotate puts a new secret in use; due each TokenLife / 2.
func (f *Front) Rotate(secret [32]byte) {}
