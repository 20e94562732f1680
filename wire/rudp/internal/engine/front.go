package engine

import "net/netip"

// Front is what a server does with a datagram before a session has it: cookies,
// versions, RESET (3.1, 3.2, 3.4). It keeps nothing for an address. It is not safe
// for concurrent use.
type Front struct {
	mode   Mode
	keys   *CookieKeys
	began  int64
	resets bucket
	// Stats counts what was done.
	Stats FrontStats
}

// FrontConfig configures a Front. Secret is random.
type FrontConfig struct {
	Mode   Mode
	Secret [32]byte
}

// FrontStats counts what a Front has done.
type FrontStats struct {
	Dropped, Retries, Versions, Resets, Refused uint64
}

// NewFront returns one whose process began at now.
func NewFront(cfg FrontConfig, now int64) *Front {
	if cfg.Mode == 0 {
		cfg.Mode = ModePlain
	}
	return &Front{
		mode: cfg.Mode, keys: NewCookieKeys(cfg.Secret), began: now,
		resets: newBucket(now, resetRate/10, second/resetRate),
	}
}

// resetRate is ResetRate: RESETs a second.
const resetRate = 1000

// Verdict is what is to be done with a datagram.
type Verdict uint8

// The verdicts.
const (
	VerdictDrop    Verdict = iota // nothing
	VerdictAnswer                 // send the answer back, to where it came from
	VerdictSession                // for the session with Packet.Index, not opened yet; if there is none, ask Unknown
	VerdictHello                  // for the session of this address and Hello.ID, opened; make it if there is none
)

func (f *Front) seconds(now int64) uint32 { return uint32((now - f.began) / second) }

// Handle looks at a datagram. It fills in p, and for VerdictHello opens it: the
// address is proven then. The answer is appended to answer (3.1).
func (f *Front) Handle(now int64, b []byte, from netip.AddrPort, p *Packet, answer []byte) ([]byte, Verdict) {
	*p = Packet{From: from, ECN: p.ECN, Size: len(b)}
	if len(b) > 0 {
		p.Kind = Kind(b[0])
	}
	switch p.Kind {
	case KindHandshake, KindData0, KindData1:
		h, d := ParseHeader(b, crcBytes)
		if d != DropNone {
			break
		}
		p.Index, p.Number = h.Index, h.Number
		return answer, VerdictSession
	case KindHello:
		return f.hello(now, b, from, p, answer)
	}
	f.Stats.Dropped++
	return answer, VerdictDrop
}

func (f *Front) hello(now int64, b []byte, from netip.AddrPort, p *Packet, answer []byte) ([]byte, Verdict) {
	h, frames, d := ParseHello(b)
	p.Hello, p.Frames, p.Index, p.Number = h, frames, h.To, h.Number
	switch {
	case d == DropVersion && len(b) >= HelloBytes:
		f.Stats.Versions++
		return AppendVersions(answer, &Versions{To: h.From, ID: h.ID, List: []byte{Version}}), VerdictAnswer
	case d != DropNone:
		f.Stats.Dropped++
		return answer, VerdictDrop
	}
	proof := f.keys.Check(f.seconds(now), from, &h)
	switch {
	case proof != ProofNone && h.Mode != f.mode:
		words := "this port speaks rudp with TLS"
		if f.mode == ModePlain {
			words = "this port speaks rudp without TLS"
		}
		return f.Refuse(&h, CodeMode, words, answer), VerdictAnswer
	case proof != ProofNone:
		return answer, VerdictHello
	case h.To != 0:
		return answer, VerdictSession // which knows its client's id
	case len(b) < HelloBytes:
		f.Stats.Dropped++
		return answer, VerdictDrop
	}
	f.Stats.Retries++
	var cookie [CookieBytes]byte
	r := Retry{To: h.From, ID: h.ID, Cookie: f.keys.AppendCookie(cookie[:0], f.seconds(now), from, &h)}
	return AppendRetry(answer, &r), VerdictAnswer
}

// Refuse appends a HELLO with CLOSE, for a client whose cookie was good: CodeBusy
// (5.7), CodeMode (3.5).
func (f *Front) Refuse(h *Hello, code Code, reason string, answer []byte) []byte {
	f.Stats.Refused++
	at := len(answer)
	answer = AppendHello(answer, &Hello{Mode: f.mode, To: h.From, From: 1, ID: h.ID})
	return AppendCRC(AppendClose(answer, code, reason), at)
}

// Unknown answers a datagram whose index names no session: with RESET, within
// ResetRate (4.3).
func (f *Front) Unknown(now int64, b []byte, answer []byte) ([]byte, Verdict) {
	if len(b) <= HeaderBytes || Kind(b[0]) != KindData0 && Kind(b[0]) != KindData1 || !f.resets.take(now) {
		f.Stats.Dropped++
		return answer, VerdictDrop
	}
	f.Stats.Resets++
	return AppendReset(answer, b), VerdictAnswer
}

// Token returns a token for the next session from an address (3.2).
func (f *Front) Token(now int64, from netip.Addr) []byte {
	return f.keys.AppendToken(nil, f.seconds(now), from)
}

// Rotate puts a new secret in use; due each TokenLife / 2 (3.2).
func (f *Front) Rotate(secret [32]byte) { f.keys.Rotate(secret) }
