package engine

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// frameVector is a frame, what it says, and what appends it. Hex and text are
// test vectors for other implementations too.
type frameVector struct {
	hex    string
	text   string
	append func(b []byte) []byte
}

var (
	call01 = CallName{0, 1}
	call39 = CallName{3, 9}
)

var frameVectors = []frameVector{
	{"00", "PAD", func(b []byte) []byte { return AppendType(b, TypePad) }},
	{"01", "PING", func(b []byte) []byte { return AppendType(b, TypePing) }},
	{"02 05 4064 00 00", "ACK delay 100 [5-5]", func(b []byte) []byte {
		return AppendAck(b, 100, []AckRange{{5, 5}})
	}},
	{"02 43e8 6710 02 0a 03 00 00 43d7", "ACK delay 10000 [990-1000] [985-985] [0-983]", func(b []byte) []byte {
		return AppendAck(b, 10000, []AckRange{{990, 1000}, {985, 985}, {0, 983}})
	}},
	{"03 07 00 00 07 01 00 02", "ACK_ECN delay 0 [0-7] marks 1 0 2", func(b []byte) []byte {
		return AppendAckECN(b, 0, []AckRange{{0, 7}}, 1, 0, 2)
	}},
	{"04 00 03 616263", "CRYPTO at 0 616263", func(b []byte) []byte { return AppendCrypto(b, 0, []byte("abc")) }},
	{"04 44b0 01 ff", "CRYPTO at 1200 ff", func(b []byte) []byte { return AppendCrypto(b, 1200, []byte{0xff}) }},
	{"05", "DONE", func(b []byte) []byte { return AppendType(b, TypeDone) }},
	{"06 04 deadbeef", "TOKEN deadbeef", func(b []byte) []byte { return AppendToken(b, []byte{0xde, 0xad, 0xbe, 0xef}) }},
	{"07 4100", "MAX_SLOTS 256", func(b []byte) []byte { return AppendMaxSlots(b, 256) }},
	{"08 02 07 80020000", "GRANT 2/7 below 131072, by the caller", func(b []byte) []byte {
		return AppendGrant(b, TypeGrantReply, CallName{2, 7}, 1<<17)
	}},
	{"09 00 01 80010000", "GRANT 0/1 below 65536, by the callee", func(b []byte) []byte {
		return AppendGrant(b, TypeGrantRequest, call01, 1<<16)
	}},
	{"0a 02 00 01 03 4909", "PROBE 0/1 3/2313", func(b []byte) []byte {
		return AppendCalls(b, TypeProbe, []CallName{call01, {3, 2313}})
	}},
	{"0b 01 00 01", "WORKING 0/1", func(b []byte) []byte { return AppendCalls(b, TypeWorking, []CallName{call01}) }},
	{"0c 05 c000000100000000", "CANCEL 5/4294967296", func(b []byte) []byte { return AppendCancel(b, CallName{5, 1 << 32}) }},
	{"0d 02 07 08 01 04 62757379", `ENDED 2/7 RESOURCE_EXHAUSTED executed no "busy"`, func(b []byte) []byte {
		return AppendEnded(b, CallName{2, 7}, lupine.ResourceExhausted, lupine.No, "busy")
	}},
	{"0d 00 01 0f 02 00", `ENDED 0/1 DATA_LOSS executed yes ""`, func(b []byte) []byte {
		return AppendEnded(b, call01, lupine.DataLoss, lupine.Yes, "")
	}},
	{"0e 03", "DRAIN 3", func(b []byte) []byte { return AppendDrain(b, DrainCallee|DrainCaller) }},
	{"0f 02 05 4752414e54", `CLOSE PROTOCOL "GRANT"`, func(b []byte) []byte { return AppendClose(b, CodeProtocol, "GRANT") }},
	{"0f 412a 00", `CLOSE TLS alert 42 ""`, func(b []byte) []byte { return AppendClose(b, CodeTLS+42, "") }},
	{"10 0123456789abcdef", "PATH_CHALLENGE 0123456789abcdef", func(b []byte) []byte {
		return AppendPath(b, TypePathChallenge, 0x0123456789abcdef)
	}},
	{"11 0123456789abcdef", "PATH_RESPONSE 0123456789abcdef", func(b []byte) []byte {
		return AppendPath(b, TypePathResponse, 0x0123456789abcdef)
	}},
	{"12 01 04 2f612f62", "DEFINE 1 2f612f62", func(b []byte) []byte { return AppendDefine(b, 1, []byte("/a/b")) }},
	{"12 40ff 04 016b7631", "DEFINE 255 016b7631", func(b []byte) []byte { return AppendDefine(b, 255, []byte("\x01kv1")) }},
	// CALL with all of a request, to the tag; with a length; begun only.
	{"42 00 01 aabb", "CALL 0/1 F at 0 aabb", func(b []byte) []byte {
		return AppendStream(b, StreamFin, call01, 0, []byte{0xaa, 0xbb})
	}},
	{"46 00 01 02 aabb", "CALL 0/1 F L at 0 aabb", func(b []byte) []byte {
		return AppendStream(b, StreamFin|StreamLength, call01, 0, []byte{0xaa, 0xbb})
	}},
	{"44 00 01 01 aa", "CALL 0/1 L at 0 aa", func(b []byte) []byte { return AppendStream(b, StreamLength, call01, 0, []byte{0xaa}) }},
	// REPLY: lazy, eager, begun only.
	{"47 00 01 01 cc", "REPLY 0/1 F L at 0 cc", func(b []byte) []byte {
		return AppendStream(b, StreamReply|StreamFin|StreamLength, call01, 0, []byte{0xcc})
	}},
	{"57 00 01 01 cc", "REPLY 0/1 A F L at 0 cc", func(b []byte) []byte {
		return AppendStream(b, StreamReply|StreamFin|StreamEager|StreamLength, call01, 0, []byte{0xcc})
	}},
	{"51 03 09 cc", "REPLY 3/9 A at 0 cc", func(b []byte) []byte {
		return AppendStream(b, StreamReply|StreamEager, call39, 0, []byte{0xcc})
	}},
	// DATA: of a request; its half-close alone; of a reply, to the tag.
	{"4c 03 09 4400 02 aabb", "DATA 3/9 L at 1024 aabb", func(b []byte) []byte {
		return AppendStream(b, StreamLength, call39, 1024, []byte{0xaa, 0xbb})
	}},
	{"4e 03 09 4402 00", "DATA 3/9 F L at 1026 ", func(b []byte) []byte {
		return AppendStream(b, StreamLength|StreamFin, call39, 1026, nil)
	}},
	{"59 03 09 05 ff", "DATA 3/9 by the callee A at 5 ff", func(b []byte) []byte {
		return AppendStream(b, StreamReply|StreamEager, call39, 5, []byte{0xff})
	}},
}

// show says what a frame says.
func show(f Frame) string {
	var b strings.Builder
	fmt.Fprint(&b, f.Type)
	name := fmt.Sprintf(" %d/%d", f.Call.Slot, f.Call.Seq)
	switch f.Type {
	case TypeAck, TypeAckECN:
		fmt.Fprintf(&b, " delay %d", f.Ack.Delay)
		for f.Ack.Count > 0 {
			r := f.Ack.Next()
			fmt.Fprintf(&b, " [%d-%d]", r.Low, r.High)
		}
		if f.Type == TypeAckECN {
			fmt.Fprintf(&b, " marks %d %d %d", f.Ack.ECT0, f.Ack.ECT1, f.Ack.CE)
		}
	case TypeCrypto:
		fmt.Fprintf(&b, " at %d %x", f.Offset, f.Data)
	case TypeToken, TypePathChallenge, TypePathResponse:
		fmt.Fprintf(&b, " %x", f.Data)
	case TypeDrain:
		fmt.Fprintf(&b, " %d", f.Drain)
	case TypeMaxSlots:
		fmt.Fprintf(&b, " %d", f.Slots)
	case TypeGrantReply:
		fmt.Fprintf(&b, "%s below %d, by the caller", name, f.Offset)
	case TypeGrantRequest:
		fmt.Fprintf(&b, "%s below %d, by the callee", name, f.Offset)
	case TypeProbe, TypeWorking:
		for f.Calls.Count > 0 {
			n := f.Calls.Next()
			fmt.Fprintf(&b, " %d/%d", n.Slot, n.Seq)
		}
	case TypeCancel:
		b.WriteString(name)
	case TypeEnded:
		fmt.Fprintf(&b, "%s %s executed %s %q", name, lupine.Code(f.Code), f.Executed, f.Data)
	case TypeClose:
		fmt.Fprintf(&b, " %s %q", Code(f.Code), f.Data)
	case TypeDefine:
		fmt.Fprintf(&b, " %d %x", f.ID, f.Data)
	}
	if f.Type.Stream() {
		b.WriteString(name)
		if f.Type&StreamReply != 0 && f.Type&StreamOffset != 0 {
			b.WriteString(" by the callee")
		}
		for _, bit := range []struct {
			bit  Type
			name string
		}{{StreamEager, " A"}, {StreamFin, " F"}, {StreamLength, " L"}} {
			if f.Type&bit.bit != 0 {
				b.WriteString(bit.name)
			}
		}
		fmt.Fprintf(&b, " at %d %x", f.Offset, f.Data)
	}
	return b.String()
}

// appendFrame appends a parsed frame again, in the shortest form.
func appendFrame(b []byte, f Frame) []byte {
	switch f.Type {
	case TypePad, TypePing, TypeDone:
		return AppendType(b, f.Type)
	case TypeAck, TypeAckECN:
		var ranges []AckRange
		for f.Ack.Count > 0 {
			ranges = append(ranges, f.Ack.Next())
		}
		if f.Type == TypeAck {
			return AppendAck(b, f.Ack.Delay, ranges)
		}
		return AppendAckECN(b, f.Ack.Delay, ranges, f.Ack.ECT0, f.Ack.ECT1, f.Ack.CE)
	case TypeCrypto:
		return AppendCrypto(b, f.Offset, f.Data)
	case TypeToken:
		return AppendToken(b, f.Data)
	case TypeDrain:
		return AppendDrain(b, f.Drain)
	case TypeMaxSlots:
		return AppendMaxSlots(b, f.Slots)
	case TypeGrantReply, TypeGrantRequest:
		return AppendGrant(b, f.Type, f.Call, f.Offset)
	case TypeProbe, TypeWorking:
		var calls []CallName
		for f.Calls.Count > 0 {
			calls = append(calls, f.Calls.Next())
		}
		return AppendCalls(b, f.Type, calls)
	case TypeCancel:
		return AppendCancel(b, f.Call)
	case TypeEnded:
		return AppendEnded(b, f.Call, lupine.Code(f.Code), f.Executed, string(f.Data))
	case TypeClose:
		return AppendClose(b, Code(f.Code), string(f.Data))
	case TypePathChallenge, TypePathResponse:
		return append(append(b, byte(f.Type)), f.Data...)
	case TypeDefine:
		return AppendDefine(b, f.ID, f.Data)
	}
	return AppendStream(b, f.Type&^(StreamOffset|typeStream), f.Call, f.Offset, f.Data)
}

// unhex reads hex with spaces in it.
func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}
