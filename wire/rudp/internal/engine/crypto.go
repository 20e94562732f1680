package engine

// Crypto takes in what TLS said (3.1).
func (c *Conn) Crypto(now int64, e CryptoEvent) {
	c.now = max(c.now, now)
	if c.mode != ModeTLS || c.phase >= phaseClosing {
		return
	}
	switch e.Kind {
	case CryptoWrite:
		lv := &c.levels[e.Level]
		if lv.dropped {
			return
		}
		if lv.crypto.end+uint64(len(e.Data)) > CryptoBytes {
			c.fail(now, &Error{CodeInternal, "TLS says more than CryptoBytes"})
			return
		}
		lv.crypto.append(Message{Bytes: append([]byte(nil), e.Data...)})
	case CryptoReadKeys, CryptoWriteKeys:
		c.takeKeys(now, e)
	case CryptoParams:
		p, err := ParseParams(e.Data)
		if err == nil {
			err = c.meet(p)
		}
		if err != nil {
			c.fail(now, err)
		}
	case CryptoDone:
		c.tlsDone(now, e.Asked)
	case CryptoFailed:
		c.fail(now, &Error{CodeTLS + Code(e.Alert), string(e.Data)})
	}
}

// takeKeys puts keys of TLS in use.
func (c *Conn) takeKeys(now int64, e CryptoEvent) {
	make := c.cfg.Suite
	if make == nil {
		make = NewKeys
	}
	k, err := make(e.Suite, e.Data)
	if err != nil {
		c.fail(now, &Error{CodeInternal, err.Error()})
		return
	}
	read := e.Kind == CryptoReadKeys
	switch {
	case e.Level == LevelHandshake && read:
		c.opener.handshake.Store(&readKeys{seal: k})
	case e.Level == LevelHandshake:
		c.writers[LevelHandshake] = k
	case read:
		c.keys.read, c.keys.readNext = k, k.Next()
		c.opener.setData(0, k)
		if c.keys.readNext != nil {
			c.opener.setData(1, c.keys.readNext)
		}
	default:
		c.keys.write, c.keys.writeNext = k, k.Next()
		c.keys.since, c.keys.first = now, c.sent.next
		c.writers[LevelData] = k
	}
}

// tlsDone notes that TLS has done the handshake.
func (c *Conn) tlsDone(now int64, asked bool) {
	if c.hello.done {
		return
	}
	c.hello.done = true
	if !c.peered {
		c.fail(now, &Error{CodeProtocol, "parameters: the peer's TLS did not send any"})
		return
	}
	if c.cfg.Server {
		c.wantDone = true
		c.wantToken = len(c.cfg.Token) > 0
		c.open(now)
		c.confirm()
		return
	}
	c.phase = phaseOpen
	c.session.heard, c.session.active = now, now
	if c.hello.asked = asked; !asked {
		c.emit(Event{Kind: EventOpen})
	}
}
