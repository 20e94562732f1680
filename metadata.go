package lupine

import (
	"fmt"
	"iter"
	"strings"
)

// Metadata is what travels beside the messages of a call: headers and
// trailers. Keys are lower-case; a key may occur more than once, and order is
// kept. Values of keys that end in "-bin" are any bytes; other values are
// printable ASCII:
//
//	md := lupine.Pairs("trace-id", "7f2a", "token-bin", string(raw))
//
// Metadata is a slice: it must not be changed while a call that was given it
// is under way.
type Metadata []Pair

// Pair is one key and one value of Metadata.
type Pair struct {
	Key, Value string
}

// Pairs returns Metadata of alternating keys and values; keys are lower-cased.
// It panics when there is a key without a value.
func Pairs(kv ...string) Metadata {
	if len(kv)%2 != 0 {
		panic("lupine: Pairs has a key without a value: " + kv[len(kv)-1])
	}
	md := make(Metadata, 0, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		md.Add(kv[i], kv[i+1])
	}
	return md
}

// Get returns the first value of key, or "".
func (md Metadata) Get(key string) string {
	for i := range md {
		if md[i].Key == key {
			return md[i].Value
		}
	}
	return ""
}

// Has reports whether key occurs.
func (md Metadata) Has(key string) bool {
	for i := range md {
		if md[i].Key == key {
			return true
		}
	}
	return false
}

// Values yields the values of key in order.
func (md Metadata) Values(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range md {
			if md[i].Key == key && !yield(md[i].Value) {
				return
			}
		}
	}
}

// Add appends a pair; the key is lower-cased.
func (md *Metadata) Add(key, value string) {
	*md = append(*md, Pair{strings.ToLower(key), value})
}

// Set replaces all values of key by one.
func (md *Metadata) Set(key, value string) {
	md.Del(key)
	md.Add(key, value)
}

// Del removes every pair with key. It leaves the array that md had before
// untouched, since a call may be reading it.
func (md *Metadata) Del(key string) {
	key = strings.ToLower(key)
	if !md.Has(key) {
		return
	}
	kept := make(Metadata, 0, len(*md))
	for _, p := range *md {
		if p.Key != key {
			kept = append(kept, p)
		}
	}
	*md = kept
}

// Clone returns a copy that shares nothing with md.
func (md Metadata) Clone() Metadata {
	if md == nil {
		return nil
	}
	return append(make(Metadata, 0, len(md)), md...)
}

// Check returns an InvalidArgument [Error] that names the first pair no wire
// can carry: a key that is empty, has characters other than a-z 0-9 _ - . or is
// kept for a protocol ("grpc-", "lupine-", connection headers), or a value with
// characters that are not printable ASCII, or a space at either end, under a key
// that does not end in "-bin". The rules are those of gRPC's PROTOCOL-HTTP2 "Custom-Metadata".
func (md Metadata) Check() error {
	for i := range md {
		if why := checkPair(md[i].Key, md[i].Value); why != "" {
			return Errorf(InvalidArgument, "metadata %q: %s", md[i].Key, why).NotExecuted()
		}
	}
	return nil
}

// ReservedKey reports whether key belongs to a protocol and so can never be a
// user's metadata.
func ReservedKey(key string) bool {
	if key == "" {
		return false
	}
	switch key[0] {
	case ':':
		return true
	case 'g':
		return strings.HasPrefix(key, "grpc-")
	case 'l':
		return strings.HasPrefix(key, "lupine-")
	case 'c':
		return key == "connection" || key == "content-type" || key == "content-length"
	case 't':
		return key == "te" || key == "transfer-encoding" || key == "trailer"
	case 'u':
		return key == "upgrade" || key == "user-agent"
	case 'h':
		return key == "host"
	case 'k':
		return key == "keep-alive"
	case 'p':
		return key == "proxy-connection"
	}
	return false
}

func checkPair(key, value string) string {
	if key == "" {
		return "the key is empty"
	}
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			continue
		}
		return fmt.Sprintf("the key has the character %q; use a-z, 0-9, '-', '_' and '.'", c)
	}
	if ReservedKey(key) {
		return "the key is kept for the protocol; choose another"
	}
	if strings.HasSuffix(key, "-bin") {
		return ""
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < 0x20 || c > 0x7e {
			return fmt.Sprintf("the value has the byte %#02x; end the key in \"-bin\" to send any bytes", c)
		}
	}
	// HTTP strips or refuses them (RFC 9110, section 5.5; RFC 9113, section 8.2.1).
	if value != "" && (value[0] == ' ' || value[len(value)-1] == ' ') {
		return "the value begins or ends with a space; end the key in \"-bin\" to keep it"
	}
	return ""
}
