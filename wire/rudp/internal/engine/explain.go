package engine

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/lupine-rpc/lupine"
)

// Explainer says what captured datagrams hold, for people. It follows the dictionaries
// (2.5) of the datagrams it was given. The zero value is ready; it is for one goroutine.
type Explainer struct {
	dicts map[uint32]*ReadDict // by the receiver's index: each direction has its own
	modes map[uint32]Mode      // likewise, as its HELLO said
}

// explainLimit bounds what is read of metadata and messages.
const explainLimit = 1 << 20

// Explain writes a line for the packet b, and an indented one for each of its frames. A
// packet that is not one of ours is said to be so. Whether a packet is sealed with keys that
// only its session has, the session's HELLO says; where that was not given, the packet is
// plain if it is made of frames, which one of a few bytes may be by chance.
func (x *Explainer) Explain(w io.Writer, b []byte) {
	if len(b) == 0 {
		fmt.Fprintln(w, "an empty datagram")
		return
	}
	switch k := Kind(b[0]); k {
	case KindHello:
		h, frames, d := ParseHello(b)
		if d != DropNone {
			x.dropped(w, "HELLO", b, d)
			return
		}
		if x.modes == nil {
			x.modes = map[uint32]Mode{}
		}
		x.modes[h.From] = h.Mode
		mode := "TLS"
		if h.Mode == ModePlain {
			mode = "plain"
		}
		fmt.Fprintf(w, "HELLO, %d bytes: version %#x, %s, to session %#08x, from %#08x, attempt %#016x, number %d, cookie of %d bytes, checksum right\n",
			len(b), h.Version, mode, h.To, h.From, h.ID, h.Number, len(h.Cookie))
		x.frames(w, LevelInitial, h.To, frames)
	case KindRetry:
		r, d := ParseRetry(b)
		if d != DropNone {
			x.dropped(w, "RETRY", b, d)
			return
		}
		fmt.Fprintf(w, "RETRY, %d bytes: to session %#08x, attempt %#016x, cookie %x\n", len(b), r.To, r.ID, r.Cookie)
	case KindVersions:
		v, d := ParseVersions(b)
		if d != DropNone {
			x.dropped(w, "VERSIONS", b, d)
			return
		}
		fmt.Fprintf(w, "VERSIONS, %d bytes: to session %#08x, attempt %#016x, the server speaks %#x\n", len(b), v.To, v.ID, v.List)
	case KindReset:
		r, d := ParseReset(b)
		if d != DropNone {
			x.dropped(w, "RESET", b, d)
			return
		}
		fmt.Fprintf(w, "RESET, %d bytes: nobody knows session %#08x, to which number %d was sent\n", len(b), r.Index, r.Number)
	case KindHandshake, KindData0, KindData1:
		x.sealed(w, k, b)
	default:
		fmt.Fprintf(w, "%d bytes that are no packet of RPC over UDP: it begins with %#02x, and kinds are %#02x to %#02x\n", len(b), b[0], KindHello, KindReset)
	}
}

func (*Explainer) dropped(w io.Writer, kind string, b []byte, d Drop) {
	fmt.Fprintf(w, "%s, %d bytes, which a receiver drops: %s\n", kind, len(b), d)
}

// sealed explains a packet whose tag cannot be checked without the session.
func (x *Explainer) sealed(w io.Writer, k Kind, b []byte) {
	name := map[Kind]string{KindHandshake: "HANDSHAKE", KindData0: "DATA, key phase 0", KindData1: "DATA, key phase 1"}[k]
	h, d := ParseHeader(b, crcBytes)
	if d != DropNone {
		x.dropped(w, name, b, d)
		return
	}
	fmt.Fprintf(w, "%s, %d bytes: to session %#08x, number %d", name, len(b), h.Index, h.Number)
	frames := b[HeaderBytes : len(b)-crcBytes]
	if x.modes[h.Index] == ModeTLS || !sensible(k.Level(), frames) {
		fmt.Fprintf(w, "\n  sealed: %d bytes that take the session's keys\n", len(b)-HeaderBytes)
		return
	}
	fmt.Fprintf(w, ", plain, checksum %x (it takes the session's salt to check)\n", b[len(b)-crcBytes:])
	x.frames(w, k.Level(), h.Index, frames)
}

// sensible reports whether b is frames.
func sensible(level Level, b []byte) bool {
	fs := ParseFrames(level, b)
	for {
		var f Frame
		switch ok, err := fs.Next(&f); {
		case err != nil:
			return false
		case !ok:
			return true
		}
	}
}

func (x *Explainer) frames(w io.Writer, level Level, index uint32, b []byte) {
	if x.dicts == nil {
		x.dicts = map[uint32]*ReadDict{}
	}
	dict := x.dicts[index]
	if dict == nil {
		dict = NewReadDict(explainLimit, explainLimit)
		x.dicts[index] = dict
	}
	pads := 0
	fs := ParseFrames(level, b)
	for {
		var f Frame
		ok, err := fs.Next(&f)
		if pads > 0 && (!ok || f.Type != TypePad) {
			fmt.Fprintf(w, "  PAD, %d bytes\n", pads)
			pads = 0
		}
		switch {
		case err != nil:
			fmt.Fprintf(w, "  wrong: %s\n", err.Error())
			return
		case !ok:
			return
		case f.Type == TypePad:
			pads++
		default:
			fmt.Fprint(w, "  ")
			f.explain(w, dict)
		}
	}
}

// explain writes the frame's line, and one for what a stream begins with.
func (f *Frame) explain(w io.Writer, dict *ReadDict) {
	name := fmt.Sprintf("slot %d, call %d", f.Call.Slot, f.Call.Seq)
	switch t := f.Type; t {
	case TypeAck, TypeAckECN:
		fmt.Fprintf(w, "%s", t)
		for a := f.Ack; a.Count > 0; {
			r := a.Next()
			fmt.Fprintf(w, " %d", r.Low)
			if r.High > r.Low {
				fmt.Fprintf(w, "-%d", r.High)
			}
		}
		fmt.Fprintf(w, ", %v after the highest came", time.Duration(f.Ack.Delay)*time.Microsecond)
		if t == TypeAckECN {
			fmt.Fprintf(w, ", marks: ECT(0) %d, ECT(1) %d, CE %d", f.Ack.ECT0, f.Ack.ECT1, f.Ack.CE)
		}
	case TypeCrypto:
		fmt.Fprintf(w, "CRYPTO, bytes %d to %d", f.Offset, f.Offset+uint64(len(f.Data)))
	case TypeToken:
		fmt.Fprintf(w, "TOKEN %x", f.Data)
	case TypeMaxSlots:
		fmt.Fprintf(w, "MAX_SLOTS %d", f.Slots)
	case TypeGrantReply, TypeGrantRequest:
		of := "reply"
		if t == TypeGrantRequest {
			of = "request"
		}
		fmt.Fprintf(w, "GRANT, %s: the %s up to byte %d", name, of, f.Offset)
	case TypeProbe, TypeWorking:
		fmt.Fprintf(w, "%s", t)
		for c := f.Calls; c.Count > 0; {
			n := c.Next()
			fmt.Fprintf(w, " (slot %d, call %d)", n.Slot, n.Seq)
		}
	case TypeCancel:
		fmt.Fprintf(w, "CANCEL, %s", name)
	case TypeEnded:
		fmt.Fprintf(w, "ENDED, %s: %v, executed: %v, %q", name, lupine.Code(f.Code), f.Executed, f.Data)
	case TypeDrain:
		fmt.Fprint(w, "DRAIN")
		if f.Drain&DrainCallee != 0 {
			fmt.Fprint(w, ", takes no new calls")
		}
		if f.Drain&DrainCaller != 0 {
			fmt.Fprint(w, ", makes no more calls and has none under way")
		}
	case TypeClose:
		fmt.Fprintf(w, "CLOSE %v, %q", Code(f.Code), f.Data)
	case TypePathChallenge, TypePathResponse:
		fmt.Fprintf(w, "%s %x", t, f.Data)
	case TypeDefine:
		fmt.Fprintf(w, "DEFINE %d as %q", f.ID, f.Data)
		if err := dict.Define(f.ID, f.Data); err != nil {
			fmt.Fprintf(w, " (wrong: %s)", err.Error())
		}
	default:
		if t.Stream() {
			f.explainStream(w, dict, name)
			return
		}
		fmt.Fprintf(w, "%s", t)
	}
	fmt.Fprintln(w)
}

// explainStream explains CALL, REPLY and DATA.
func (f *Frame) explainStream(w io.Writer, dict *ReadDict, name string) {
	fmt.Fprintf(w, "%s, %s", f.Type, name)
	reply := f.Type&StreamReply != 0
	if f.Type&StreamOffset != 0 {
		of := "request"
		if reply {
			of = "reply"
		}
		fmt.Fprintf(w, ", %s from byte %d", of, f.Offset)
	}
	fmt.Fprintf(w, ", %d bytes", len(f.Data))
	if f.Type&StreamFin != 0 {
		fmt.Fprint(w, ", the last")
	}
	if f.Type&StreamEager != 0 {
		fmt.Fprint(w, ", to be acked soon")
	}
	fmt.Fprintln(w)
	if f.Type&StreamOffset != 0 {
		return // records may begin anywhere
	}
	b := f.Data
	if !reply {
		var h HeadIn
		n, err := ParseHead(b, dict, explainLimit, &h)
		if err != nil {
			fmt.Fprintf(w, "    head: %v\n", err)
			return
		}
		b = b[n:]
		path := string(h.Path)
		if h.Method != nil {
			path = string(h.Method.Bytes)
		}
		fmt.Fprintf(w, "    head: %v, %s", h.Kind, path)
		if h.Timed {
			fmt.Fprintf(w, ", %v left", time.Duration(h.Timeout)*time.Microsecond)
		}
		if h.ID.Seq != 0 {
			fmt.Fprintf(w, ", identity %d (settled below %d)", h.ID.Seq, h.ID.Unsettled)
		}
		fmt.Fprintln(w)
		explainFields(w, &h.Fields, dict)
	}
	explainRecords(w, b, reply, dict)
}

// explainRecords explains what a stream has from its beginning, behind the head.
func explainRecords(w io.Writer, b []byte, reply bool, dict *ReadDict) {
	for len(b) > 0 {
		var r Record
		n, err := ParseRecord(b, reply, dict, explainLimit, &r)
		if err == ErrShort {
			fmt.Fprintf(w, "    the beginning of a record: %d bytes\n", len(b))
			return
		}
		if err != nil {
			fmt.Fprintf(w, "    record: %v\n", err)
			return
		}
		b = b[n:]
		switch r.Kind {
		case RecordHeader:
			fmt.Fprintln(w, "    HEADER")
		case RecordStatus:
			fmt.Fprintf(w, "    STATUS %v, %q\n", r.Status.Code, r.Status.Text)
		case RecordMessage:
			here := b[:min(uint64(len(b)), r.Length)]
			b = b[len(here):]
			fmt.Fprintf(w, "    MESSAGE of %d bytes%s, checksum %08x", r.Length, [...]string{"", ", gzip", ", zstd"}[r.Compression], r.CRC)
			switch {
			case uint64(len(here)) < r.Length:
				fmt.Fprintf(w, ", %d bytes of it here", len(here))
			case Checksum(here) == r.CRC:
				fmt.Fprint(w, ", right")
			default:
				fmt.Fprintf(w, ", WRONG: it is %08x", Checksum(here))
			}
			fmt.Fprintln(w)
			if len(here) > 0 {
				fmt.Fprintf(w, "      %s\n", hex.EncodeToString(here[:min(len(here), 32)]))
			}
		}
		explainFields(w, &r.Fields, dict)
	}
}

func explainFields(w io.Writer, f *Fields, dict *ReadDict) {
	for _, p := range f.Append(nil, dict) {
		fmt.Fprintf(w, "      %s: %q\n", p.Key, p.Value)
	}
}
