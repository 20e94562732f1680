package engine

// helloState is the handshake (3.1, 3.5, 4.4).
type helloState struct {
	deadline  int64
	cookie    []byte
	retries   int
	ask       bool   // a HELLO with nothing to say is to be sent
	stream    []byte // plain: what came of the peer's parameters
	confirmed bool   // the levels before Data are of no use any more
	done      bool   // TLS is done
	asked     bool   // the server asked for a certificate
	refusedAt int64  // ICMP said that nobody listens
}

// helloSealer is the Sealer of HELLO: its CRC32C, which is no secret (2.1).
type helloSealer struct{}

func (helloSealer) Overhead() int                               { return crcBytes }
func (helloSealer) Seal(dst []byte, at int, _ uint64) []byte    { return AppendCRC(dst, at) }
func (helloSealer) Open(packet []byte, _ uint64) ([]byte, bool) { return checkCRC(packet) }

// startHandshake begins it. A client says HELLO; a server waits for the HELLO that
// Front let through.
func (c *Conn) startHandshake(now int64) {
	h := &c.hello
	h.deadline = now + c.cfg.HandshakeTimeout
	c.writers[LevelInitial] = helloSealer{}
	c.levels[LevelHandshake].dropped = c.mode == ModePlain
	if c.cfg.Server {
		return
	}
	h.cookie = c.cfg.Cookie
	if len(h.cookie) > 0 {
		c.sayParams()
	} else {
		h.ask = true
	}
}

// sayParams puts a plain end's parameters into its CRYPTO stream (3.5).
func (c *Conn) sayParams() {
	if c.mode == ModePlain && c.levels[LevelInitial].crypto.end == 0 {
		c.levels[LevelInitial].crypto.append(Message{Bytes: AppendPlainParams(nil, &c.local)})
	}
}

// appendHello appends the header of a HELLO.
func (c *Conn) appendHello(dst []byte, number uint64) []byte {
	return AppendHello(dst, &Hello{
		Mode: c.mode, To: c.cfg.PeerIndex, From: c.cfg.Index, ID: c.cfg.ID, Number: number, Cookie: c.hello.cookie,
	})
}

// cryptoWants reports whether CRYPTO of a level is to be sent.
func (c *Conn) cryptoWants(level Level) bool {
	o := &c.levels[level].crypto
	if c.levels[level].dropped || level == LevelInitial && !c.cfg.Server && len(c.hello.cookie) == 0 {
		return false
	}
	return len(o.lost) > 0 || o.fresh() > 0
}

// buildCrypto makes a HELLO or HANDSHAKE packet, if one is to be sent.
func (c *Conn) buildCrypto(now int64, b *Batch, level Level) bool {
	lv := &c.levels[level]
	if lv.dropped || c.writers[level] == nil || c.cfg.Server && c.cfg.PeerIndex == 0 {
		return false
	}
	ping := c.probes > 0 && c.probeLevel == level || level == LevelInitial && c.hello.ask
	ackDue := lv.came.atOnce || lv.came.due != 0 && lv.came.due <= now
	wants := c.cryptoWants(level) && (c.probes > 0 || c.inFlight < c.cc.Window())
	if !ping && !ackDue && !wants {
		return false
	}
	f := c.beginPacket(now, b, level, BaseMTU)
	c.putAck(now, level)
	said := false
	if wants {
		said = c.putCrypto(level)
	}
	if !f.elicits && ping {
		f.b = AppendType(f.b, TypePing)
		f.elicits = true
	}
	if level == LevelInitial {
		c.hello.ask = false
		if !c.cfg.Server && (said || len(c.hello.cookie) == 0) {
			for f.room() > 0 {
				f.b = append(f.b, byte(TypePad))
			}
		}
	}
	if len(f.b) == f.body && !f.acked {
		c.sent.undo()
		return false
	}
	f.lastType = -1
	c.finishPacket(now, b, level, false)
	return true
}

// putCrypto appends CRYPTO, as much as there is room for.
func (c *Conn) putCrypto(level Level) (said bool) {
	f, o := &c.fill, &c.levels[level].crypto
	for c.cryptoWants(level) {
		lo, hi := o.next, o.end
		again := len(o.lost) > 0
		if again {
			lo, hi = o.lost[0].lo, o.lost[0].hi
		}
		room := f.room() - 1 - SizeVarint(lo) - 2 - 1
		if room < 16 && uint64(max(room, 0)) < hi-lo {
			return said
		}
		hi = min(hi, lo+uint64(room))
		n := int(hi - lo)
		f.b = AppendVarint(append(f.b, byte(TypeCrypto)), lo)
		f.b = AppendVarint(f.b, uint64(n))
		at := len(f.b)
		f.b = f.b[:at+n]
		o.copyTo(f.b[at:], lo)
		c.note(meaning{kind: meantCrypto, level: level, off: lo, n: uint32(n)})
		if again {
			o.lost.cut(lo, hi)
		} else {
			o.next = hi
		}
		said = true
	}
	return said
}

// admitHello reports whether a HELLO is for this session. A client learns the
// server's index by it (3.1).
func (c *Conn) admitHello(now int64, p *Packet) bool {
	h := &p.Hello
	if h.ID != c.cfg.ID || h.Mode != c.mode && c.cfg.Server || h.To != c.cfg.Index && !(c.cfg.Server && h.To == 0) {
		return false
	}
	if c.cfg.PeerIndex == 0 {
		c.cfg.PeerIndex = h.From
	}
	return h.From == c.cfg.PeerIndex
}

// clearPacket takes in RETRY and VERSIONS (4.4).
func (c *Conn) clearPacket(now int64, p *Packet) {
	h := &p.Hello
	if c.cfg.Server || c.phase != phaseHandshake || h.ID != c.cfg.ID || h.To != c.cfg.Index || c.cfg.PeerIndex != 0 {
		c.Stats.Dropped++
		return
	}
	switch p.Kind {
	case KindRetry:
		if c.hello.retries == 2 || h.Version != Version {
			c.Stats.Dropped++
			return
		}
		c.hello.retries++
		c.hello.cookie = append([]byte(nil), h.Cookie...)
		c.sampleRetry(now)
		c.forgetLevel(LevelInitial)
		c.ptoCount = 0
		o := &c.levels[LevelInitial].crypto
		o.next, o.lost = 0, o.lost[:0]
		c.sayParams()
	case KindVersions:
		for _, v := range h.Cookie {
			if v == Version {
				c.Stats.Dropped++ // we were told so for no reason
				return
			}
		}
		c.session.code = CodeVersion
		c.session.reason = "the server speaks no version of the protocol that we do"
		c.vanish()
	}
}

// sampleRetry takes the time until RETRY as the first sample of the path.
func (c *Conn) sampleRetry(now int64) {
	if n := c.sent.next; n > 0 && c.sent.len() == 1 && !c.rtt.Known {
		c.rtt.sample(now-c.sent.at(n-1).time, 0)
	}
}

// forgetLevel gives up the packets of a level.
func (c *Conn) forgetLevel(level Level) {
	for n := c.sent.base; n < c.sent.next; n++ {
		if r := c.sent.at(n); r.level == level && !r.over {
			c.gone(r)
		}
	}
	c.levels[level].lossAt = 0
	c.sent.trim()
}

// dropLevel ends the use of a level.
func (c *Conn) dropLevel(level Level) {
	lv := &c.levels[level]
	if lv.dropped {
		return
	}
	c.forgetLevel(level)
	lv.dropped = true
	lv.came = came{}
	lv.crypto.reset(0)
	lv.cryptoIn.tiles.clear(&c.budget.pools)
	c.writers[level] = nil
	if level == LevelHandshake {
		c.opener.handshake.Store(nil)
	}
}

// confirm notes that the peer has the session's keys (3.1).
func (c *Conn) confirm() {
	if c.hello.confirmed {
		return
	}
	c.hello.confirmed = true
	c.dropLevel(LevelInitial)
	c.dropLevel(LevelHandshake)
}

// cryptoFrame takes in CRYPTO.
func (c *Conn) cryptoFrame(now int64, level Level, f *Frame) (took bool, err *Error) {
	lv := &c.levels[level]
	in := &lv.cryptoIn
	lo, hi := max(f.Offset, in.have), f.Offset+uint64(len(f.Data))
	if hi <= in.have {
		return true, c.waste(now)
	}
	if lo > in.have {
		if hi > in.have+cryptoGap || len(in.above) >= gaps {
			c.hit(LimitCrypto)
			return false, &Error{CodeProtocol, "CRYPTO: bytes too far beyond a hole (limit CryptoBytes)"}
		}
		if in.tiles.size == 0 {
			in.tiles.base, in.tiles.skip = in.have, 0
		}
		c.storeCrypto(in, f, lo, hi)
		in.note(lo, hi)
		return true, nil
	}
	in.note(lo, hi)
	if err := c.cryptoIn(now, level, f.Data[lo-f.Offset:]); err != nil {
		return true, err
	}
	if hi < in.have { // what came beyond the hole follows
		more := make([]byte, in.have-hi)
		in.tiles.read(more, hi)
		err = c.cryptoIn(now, level, more)
	}
	if len(in.above) == 0 {
		in.tiles.clear(&c.budget.pools)
	}
	return true, err
}

// cryptoGap is how much of a CRYPTO stream is kept beyond a hole (5.7, CryptoBytes).
const cryptoGap = 16 << 10

func (c *Conn) storeCrypto(in *inflow, f *Frame, lo, hi uint64) {
	for _, have := range in.above {
		if have.hi <= lo {
			continue
		}
		if have.lo >= hi {
			break
		}
		if have.lo > lo {
			in.tiles.write(&c.budget.pools, lo, f.Data[lo-f.Offset:have.lo-f.Offset])
		}
		lo = have.hi
	}
	if lo < hi {
		in.tiles.write(&c.budget.pools, lo, f.Data[lo-f.Offset:])
	}
}

// cryptoIn takes in the next bytes of a CRYPTO stream.
func (c *Conn) cryptoIn(now int64, level Level, b []byte) *Error {
	if c.mode == ModeTLS {
		c.emit(Event{Kind: EventCrypto, Level: level, Message: b})
		return nil
	}
	if level != LevelInitial {
		return protocol("CRYPTO: in a DATA packet of the plain mode")
	}
	h := &c.hello
	h.stream = append(h.stream, b...)
	p, err := ParsePlainParams(h.stream)
	if err == ErrShort {
		return nil
	}
	if err != nil {
		return err.(*Error)
	}
	if c.peered {
		return nil
	}
	if err := c.meet(p); err != nil {
		return err
	}
	salt := p.Salt
	if c.cfg.Server {
		salt = c.local.Salt
		c.sayParams()
	} else if !p.HasSalt {
		return protocol("parameters: salt: is missing")
	}
	seal := NewPlain(c.cfg.ID, salt)
	c.writers[LevelData] = seal
	c.opener.setData(0, seal)
	c.wantToken = c.cfg.Server && len(c.cfg.Token) > 0
	c.open(now)
	if !c.cfg.Server {
		c.confirm()
	}
	return nil
}

// meet takes in the peer's parameters, and checks that no better version was
// common (3.4).
func (c *Conn) meet(p Params) *Error {
	best := byte(0)
	for _, v := range p.Versions {
		for _, ours := range c.local.Versions {
			if v == ours {
				best = max(best, v)
			}
		}
	}
	if best != Version {
		return &Error{CodeVersion, "the versions of the two ends do not match the one in use"}
	}
	c.learn(p)
	return nil
}

// tickHandshake ends what takes too long.
func (c *Conn) tickHandshake(now int64) {
	if now >= c.hello.deadline {
		c.session.reason = "the handshake took too long (HandshakeTimeout): " + c.tried()
		if c.cfg.PeerIndex != 0 {
			c.Close(now, CodeNone, c.session.reason)
			return
		}
		c.vanish()
	}
}

// unconfirmedTo is until when an open session waits for the end of its handshake:
// a server for its client, a client for DONE. 0: it does not.
func (c *Conn) unconfirmedTo() int64 {
	if c.hello.deadline == 0 || c.hello.confirmed && !c.hello.asked || !c.cfg.Server && !c.hello.asked {
		return 0
	}
	return c.hello.deadline
}

// tried says how far the handshake has come.
func (c *Conn) tried() string {
	switch {
	case c.cfg.PeerIndex != 0:
		return "it was begun, and not finished"
	case len(c.hello.cookie) > 0:
		return "a cookie came, and nothing after it"
	}
	return "nothing came back"
}

// unreachable takes in ICMP's "port unreachable" (4.3, 4.4).
func (c *Conn) unreachable(now int64) {
	if c.cfg.Server {
		return
	}
	h := &c.hello
	switch {
	case c.phase == phaseHandshake && c.cfg.PeerIndex == 0:
		if !c.cfg.SameHost && (h.refusedAt == 0 || now-h.refusedAt < c.cfg.FirstPTO) {
			if h.refusedAt == 0 {
				h.refusedAt = now
			}
			return
		}
		c.session.reason = "nobody listens on the port"
		c.vanish()
	case c.phase == phaseOpen && c.cfg.SameHost:
		c.lose(now, "nobody has the peer's port any more")
	case c.phase == phaseOpen:
		c.suspectReset(now)
	}
}

// doneFrame takes in DONE: the server has our Finished.
func (c *Conn) doneFrame(now int64) *Error {
	if c.cfg.Server || c.mode == ModePlain {
		return protocol("DONE: it comes from a client, or in plain mode")
	}
	c.confirm()
	if c.hello.asked {
		c.hello.asked = false
		c.emit(Event{Kind: EventOpen})
	}
	return nil
}
