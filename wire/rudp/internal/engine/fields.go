package engine

import "github.com/lupine-rpc/lupine"

// Fields is a parsed list of fields: request metadata, a header, a trailer
// (2.4). The zero value is an empty list.
type Fields struct {
	Count int
	// Size is the length of names and values, and FieldBytes for each field.
	Size int
	b    []byte
}

// fields reads a fields. One beyond most bytes (max_header) or MaxHeaderFields
// is told from its beginning, so that nobody waits for its end.
func (c *cursor) fields(d *ReadDict, most int) (f Fields) {
	n := c.varint("count of fields")
	if n > MaxHeaderFields {
		c.large("metadata", "MaxHeaderFields", MaxHeaderFields)
		return f
	}
	start := c.b
	for ; f.Count < int(n) && c.ok(); f.Count++ {
		f.Size += FieldBytes
		if e := c.ref("field", d); e != nil {
			if !e.IsField {
				c.bad("field", "the id names no field")
			}
			f.Size += len(e.Name) + len(e.Value)
		} else {
			f.Size += c.literal("name of a field", f.Size, most)
			f.Size += c.literal("value of a field", f.Size, most)
		}
		if f.Size > most {
			c.large("metadata", "MaxHeaderBytes", most)
		}
	}
	f.b = start[:len(start)-len(c.b)]
	return f
}

// literal skips a length and its bytes, and returns the length.
func (c *cursor) literal(field string, size, most int) int {
	n := c.varint(field)
	if n > uint64(max(most-size, 0)) {
		c.large("metadata", "MaxHeaderBytes", most)
		return 0
	}
	return len(c.take(field, n))
}

// Append appends the fields to md (2.4). Fields of the dictionary share its
// strings, literals get their own. d is the dictionary they were parsed with.
func (f *Fields) Append(md lupine.Metadata, d *ReadDict) lupine.Metadata {
	c := cursor{b: f.b}
	for range f.Count {
		if e := c.ref("", d); e != nil {
			md = append(md, lupine.Pair{Key: e.Name, Value: e.Value})
			continue
		}
		name := string(c.take("", c.varint("")))
		value := string(c.take("", c.varint("")))
		md = append(md, lupine.Pair{Key: name, Value: value})
	}
	return md
}

// CheckFields returns a TooLarge if a peer with this max_header would refuse md
// (2.4, 5.7).
func CheckFields(md lupine.Metadata, most uint64) error {
	size := uint64(0)
	for i := range md {
		size += uint64(len(md[i].Key) + len(md[i].Value) + FieldBytes)
	}
	var c cursor
	if len(md) > MaxHeaderFields {
		c.large("metadata", "MaxHeaderFields", MaxHeaderFields)
	} else if size > most {
		c.large("metadata", "the peer's max_header", int(most))
	}
	return c.partial()
}

// appendFields appends a fields (2.4). d nil means literals only, uses nil
// acked ids only.
func appendFields(dst []byte, md lupine.Metadata, d *WriteDict, uses *Uses) []byte {
	dst = AppendVarint(dst, uint64(len(md)))
	for i := range md {
		name, value := md[i].Key, md[i].Value
		id := d.field(name, value, uses)
		dst = AppendVarint(dst, id)
		if id == 0 {
			dst = append(AppendVarint(dst, uint64(len(name))), name...)
			dst = append(AppendVarint(dst, uint64(len(value))), value...)
		}
	}
	return dst
}
