package engine

import (
	"testing"
)

// FuzzHello gives a Front, and ends in their handshake, whatever comes: raw bytes,
// and frames in HELLO packets that are right otherwise. Each input is a row of
// pieces: a byte that says what to do, a length, and so many bytes.
func FuzzHello(f *testing.F) {
	f.Add([]byte{0, 4, 8, 0x80, 2, 0})
	f.Add(append([]byte{1, 60}, AppendCrypto(nil, 0, AppendPlainParams(nil, &Params{Incarnation: [16]byte{1}, Versions: []byte{Version}}))...))
	f.Add([]byte{2, 3, 2, 0, 0, 3, 1, 1, 1, 4, 0x0f, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 3000 {
			return
		}
		tls := len(b)%2 == 1
		d := newHello(t, func(cfg *[2]Config) {
			if tls {
				cfg[0].Mode, cfg[1].Mode = ModeTLS, ModeTLS
			}
		})
		cfg := d.server
		cfg.ID, cfg.PeerIndex = testID, 100
		d.add(1, cfg)
		for _, e := range d.ends {
			e.tls = func(Event) {}
		}
		d.most = 20_000
		number := uint64(0)
		for len(b) > 2 {
			what, n := b[0], min(int(b[1]), len(b)-2)
			piece := b[2 : 2+n]
			b = b[2+n:]
			to := int(what >> 1 & 1)
			if what&1 == 0 {
				d.front.Handle(d.now, piece, testFrom, new(Packet), nil)
				d.front.Unknown(d.now, piece, nil)
				piece = AppendCRC(append([]byte(nil), piece...), 0)
				d.front.Handle(d.now, piece, testFrom, new(Packet), nil)
			} else {
				h := Hello{Mode: cfg.Mode, To: uint32(100 + to), From: uint32(101 - to), ID: testID, Number: number}
				number += uint64(what >> 2)
				piece = AppendCRC(append(AppendHello(nil, &h), piece...), 0)
			}
			d.air = append(d.air, flight{d.now, to, piece})
			d.run(int64(what)*millisecond, nil)
		}
		d.run(600*second, nil)
		for i, e := range d.ends {
			if e.gone == nil && e.c.phase == phaseHandshake {
				t.Fatalf("end %d: the handshake never ends", i)
			}
		}
	})
}
