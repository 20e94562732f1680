package engine

// Keys are one direction's, of one phase (2.2, 3.6).
type Keys interface {
	Sealer
	// Next returns those of the next phase; nil: there are none.
	Next() Keys
}

// Opener opens datagrams of a session, without its lock (2.1). It may be used from
// several goroutines.
type Opener struct{}

// Open reads the packet that b holds, checks its tag and opens it in place. p
// keeps parts of b. A Drop other than DropNone says why nothing is to be done.
func (o *Opener) Open(b []byte, p *Packet) Drop { return DropTag }
