package engine

import "sync/atomic"

// Opener opens datagrams of a session, without its lock (2.1). It may be used from
// several goroutines.
type Opener struct {
	index     uint32
	handshake atomic.Pointer[readKeys]
	data      [2]atomic.Pointer[readKeys] // by phase
	floor     atomic.Uint64               // numbers below it are too old
	// Failed counts packets whose tag was wrong (KeyFailures).
	Failed atomic.Uint64
}

// readKeys are those of one generation: how many updates were before.
type readKeys struct {
	seal       Sealer
	generation int
}

func newOpener(index uint32) *Opener { return &Opener{index: index} }

func (o *Opener) setData(generation int, s Sealer) {
	o.data[generation&1].Store(&readKeys{s, generation})
}

// Open reads the packet that b holds, checks its tag and opens it in place (2.1).
// p keeps parts of b; From, ECN and Size are left to the owner. A Drop other than
// DropNone says why nothing is to be done.
func (o *Opener) Open(b []byte, p *Packet) Drop {
	*p = Packet{From: p.From, ECN: p.ECN, Size: len(b)}
	if len(b) == 0 {
		return DropShort
	}
	p.Kind = Kind(b[0])
	switch p.Kind {
	case KindHandshake, KindData0, KindData1:
		return o.openSealed(b, p)
	}
	return openClear(b, p)
}

// openClear reads the packets that no secret protects.
func openClear(b []byte, p *Packet) (d Drop) {
	switch p.Kind {
	case KindHello:
		p.Hello, p.Frames, d = ParseHello(b)
		p.Index, p.Number = p.Hello.To, p.Hello.Number
	case KindRetry:
		var r Retry
		r, d = ParseRetry(b)
		p.Hello = Hello{Version: r.Version, To: r.To, ID: r.ID, Cookie: r.Cookie}
	case KindVersions:
		var v Versions
		v, d = ParseVersions(b)
		p.Hello = Hello{To: v.To, ID: v.ID, Cookie: v.List}
	case KindReset:
		var r Reset
		r, d = ParseReset(b)
		p.Index, p.Number = r.Index, r.Number
	default:
		d = DropKind
	}
	return d
}

func (o *Opener) openSealed(b []byte, p *Packet) Drop {
	keys := o.handshake.Load()
	if p.Kind != KindHandshake {
		keys = o.data[p.Kind-KindData0].Load()
	}
	if keys == nil {
		return DropKeys
	}
	h, d := ParseHeader(b, keys.seal.Overhead())
	switch {
	case d != DropNone:
		return d
	case h.Index != o.index:
		return DropIndex
	case h.Number < o.floor.Load():
		return DropOld
	}
	frames, ok := keys.seal.Open(b, h.Number)
	if !ok {
		o.Failed.Add(1)
		return DropTag
	}
	p.Index, p.Number, p.Frames, p.keys = h.Index, h.Number, frames, keys.generation
	return DropNone
}
