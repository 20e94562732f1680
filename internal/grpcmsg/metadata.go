package grpcmsg

import (
	"encoding/base64"
	"strings"

	"github.com/lupine-rpc/lupine"
)

// MaxMetadataPairs is how many pairs the metadata of one header block may
// have. One "-bin" field can hold many comma-joined values, so the wire's limit
// on fields alone would not bound them. Too many is ResourceExhausted.
const MaxMetadataPairs = 1000

// AddField appends to md what a header or trailer field of a peer says. Names
// that belong to the protocol are left out: they are the wire's to read. The
// value of a "-bin" name is base64, padded or not, and may be several values
// joined by commas (PROTOCOL-HTTP2, Custom-Metadata). It fails with Internal
// when the name or the value is not what PROTOCOL-HTTP2 allows, so that no
// handler sees it, and with ResourceExhausted past MaxMetadataPairs.
func AddField(md lupine.Metadata, name, value string) (lupine.Metadata, error) {
	if lupine.ReservedKey(name) {
		return md, nil
	}
	if len(md) >= MaxMetadataPairs {
		return md, tooManyPairs()
	}
	if i := badNameByte(name); i >= 0 || name == "" {
		return md, fail(lupine.Internal, "metadata name %q has characters other than a-z 0-9 _ - .", quote(name))
	}
	if strings.HasSuffix(name, "-bin") {
		return addBinary(md, name, value)
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < 0x20 || c > 0x7e {
			return md, fail(lupine.Internal, "metadata %q has the byte %#02x; values without \"-bin\" in their name are printable ASCII", quote(name), c)
		}
	}
	return append(md, lupine.Pair{Key: name, Value: strings.Trim(value, " ")}), nil
}

func tooManyPairs() error {
	return fail(lupine.ResourceExhausted, "metadata has more than %d values (limit MaxMetadataPairs)", MaxMetadataPairs)
}

// badNameByte returns the index of the first byte of name that PROTOCOL-HTTP2's
// Header-Name does not allow, or -1.
func badNameByte(name string) int {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			continue
		}
		return i
	}
	return -1
}

func addBinary(md lupine.Metadata, name, value string) (lupine.Metadata, error) {
	for {
		one, rest, more := strings.Cut(value, ",")
		raw, err := DecodeBinary(strings.Trim(one, " \t"))
		if err != nil {
			return md, fail(lupine.Internal, "metadata %q: %v", quote(name), err)
		}
		if len(md) >= MaxMetadataPairs {
			return md, tooManyPairs()
		}
		md = append(md, lupine.Pair{Key: name, Value: raw})
		if !more {
			return md, nil
		}
		value = rest
	}
}

// binaryError says why a base64 value was refused.
type binaryError string

func (e binaryError) Error() string { return string(e) }

// errBase64 is one value, so that hostile input does not cost an allocation.
const errBase64 = binaryError("the value is not base64 (RFC 4648, section 4)")

// DecodeBinary decodes one base64 value (RFC 4648, section 4), with or without
// padding. It accepts neither line breaks nor the URL alphabet.
func DecodeBinary(s string) (string, error) {
	if len(s)%4 == 0 && strings.HasSuffix(s, "=") {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	}
	// encoding/base64 skips line breaks; here they could only be an injection.
	if strings.ContainsAny(s, "\r\n") {
		return "", errBase64
	}
	raw, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return "", errBase64
	}
	return string(raw), nil
}

// AppendValue appends the wire form of one value: unpadded base64 if key ends
// in "-bin", else the value as it is. The pair must have passed
// lupine.Metadata.Check.
func AppendValue(dst []byte, key, value string) []byte {
	if strings.HasSuffix(key, "-bin") {
		return appendBinary(dst, value)
	}
	return append(dst, value...)
}

func appendBinary(dst []byte, value string) []byte {
	return base64.RawStdEncoding.AppendEncode(dst, []byte(value))
}

// AppendFields appends md to dst in wire form: names as they are, values as
// AppendValue writes them. It fails, with InvalidArgument, on the first pair
// that may not be sent, and then returns dst unchanged.
func AppendFields(dst, md lupine.Metadata) (lupine.Metadata, error) {
	if err := md.Check(); err != nil {
		return dst, err
	}
	for _, p := range md {
		if strings.HasSuffix(p.Key, "-bin") {
			p.Value = base64.RawStdEncoding.EncodeToString([]byte(p.Value))
		}
		dst = append(dst, p)
	}
	return dst, nil
}
