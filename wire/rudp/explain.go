package rudp

import (
	"io"

	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// Explainer says what captured datagrams hold, for people: the kind of packet, its frames,
// and in plain mode calls, messages and metadata. It follows the dictionaries of the
// datagrams that it was given in turn (docs/rudp.md, 2). What TLS has sealed stays sealed.
// The zero value is ready; it is for one goroutine at a time.
type Explainer struct{ x engine.Explainer }

// Explain writes what one datagram, the payload of a UDP packet, holds. It takes anything.
func (e *Explainer) Explain(w io.Writer, datagram []byte) { e.x.Explain(w, datagram) }
