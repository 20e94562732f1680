package engine

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/lupine-rpc/lupine"
)

// RecordKind is what a record of a stream is (2.4).
type RecordKind uint8

// The kinds (2.4): the low two bits of a record's first byte.
const (
	RecordHeader  RecordKind = 0
	RecordMessage RecordKind = 1
	RecordStatus  RecordKind = 2
)

// Compression is how a message is compressed (2.4).
type Compression uint8

// The compressions (2.4).
const (
	CompressionNone Compression = 0
	CompressionGzip Compression = 1
	CompressionZstd Compression = 2
)

// Record is a parsed record (2.4).
type Record struct {
	Kind RecordKind
	// Of MESSAGE: Length bytes follow the prefix, with the checksum CRC.
	Compression Compression
	Length      uint64
	CRC         uint32
	Status      Status // of STATUS
	Fields      Fields // of HEADER and STATUS
}

// ParseRecord reads the record that b begins with (2.4) and returns its length;
// for MESSAGE that of the prefix, which the message follows. reply says whose
// stream it is: a request stream has messages only. most is our max_header. The
// error is ErrShort, a *TooLarge or an *Error. A TooLarge for the fields of
// STATUS leaves r.Status good. Which records may follow which is not looked at.
func ParseRecord(b []byte, reply bool, d *ReadDict, most int, r *Record) (n int, err error) {
	*r = Record{}
	c := cursor{b: b, what: "record"}
	first := c.byte("kind")
	if !c.ok() {
		return 0, ErrShort
	}
	r.Kind, r.Compression = RecordKind(first&3), Compression(first>>2)
	switch {
	case r.Kind == RecordMessage && r.Compression <= CompressionZstd:
		c.what = "MESSAGE"
		r.Length = c.varint("length")
		if p := c.take("checksum", 4); c.ok() {
			r.CRC = binary.BigEndian.Uint32(p)
		}
	case first == byte(RecordHeader) && reply:
		c.what = "HEADER"
		r.Fields = c.fields(d, most)
	case first == byte(RecordStatus) && reply:
		c.what = "STATUS"
		r.Status.read(&c)
		r.Fields = c.fields(d, most)
	case first <= byte(RecordStatus):
		c.bad("kind", "%#x in a request", first)
	default:
		c.bad("kind", "%#x is unknown", first)
	}
	if err := c.partial(); err != nil {
		return 0, err
	}
	return len(b) - len(c.b), nil
}

// MessageRoom is how many bytes SealMessage wants before a message (2.4).
const MessageRoom = 13

// Checksum returns the CRC32C of a message as it is sent, compressed or not (2.4).
func Checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// SealMessage makes a MESSAGE record of buf, whose first MessageRoom bytes are
// free and whose rest is the message (2.4). The record is a part of buf: its
// prefix is written directly before the message.
func SealMessage(buf []byte, how Compression) []byte {
	p := buf[MessageRoom:]
	at := MessageRoom - 1 - SizeVarint(uint64(len(p))) - 4
	head := append(buf[:at], byte(RecordMessage)|byte(how)<<2)
	head = AppendVarint(head, uint64(len(p)))
	binary.BigEndian.AppendUint32(head, Checksum(p))
	return buf[at:]
}

// AppendHeaderRecord appends HEADER (2.4). d nil means literals only, uses nil
// acked ids only (2.5).
func AppendHeaderRecord(dst []byte, md lupine.Metadata, d *WriteDict, uses *Uses) []byte {
	return appendFields(append(dst, byte(RecordHeader)), md, d, uses)
}
