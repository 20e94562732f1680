package lupine

import "fmt"

// Codec turns messages into bytes and back. A Codec is safe for concurrent use
// and runs on the caller's or the handler's goroutine, never under a lock of a
// wire.
type Codec interface {
	// Name is the codec's short name, which gRPC puts after "application/grpc+":
	// "proto", "json", "xdr".
	Name() string
	// Append appends the encoding of msg to dst and returns the extended slice.
	// On an error the returned slice is ignored.
	Append(dst []byte, msg any) ([]byte, error)
	// Decode reads src, which is one whole message, into msg, a new message. It
	// must not keep src or parts of it: the bytes are reused.
	Decode(src []byte, msg any) error
}

// Sizer is a Codec that can tell the size of an encoding beforehand, for wires
// that would rather reserve once than grow. The size is a hint: ok is false
// where it is not known cheaply.
type Sizer interface {
	Size(msg any) (n int, ok bool)
}

// Copier is a Codec that can copy a message without encoding it, deeply and
// into a new message of the same type. The in-process wire asks for it.
type Copier interface {
	Copy(dst, src any) error
}

// CopyMessage copies src into dst, a new message, with the codec's own copy
// where it has one, else by encoding and decoding.
func CopyMessage(c Codec, dst, src any) error {
	if cp, ok := c.(Copier); ok {
		return cp.Copy(dst, src)
	}
	b, err := c.Append(nil, src)
	if err != nil {
		return err
	}
	return c.Decode(b, dst)
}

// Raw is a message whose bytes nobody looks into, for proxies. See [RawCodec].
type Raw struct {
	Bytes []byte
}

// RawCodec is the codec of *[Raw] messages: the bytes as they are. Use is the
// name it gives itself, which tells a gRPC peer how the bytes are encoded;
// empty means "proto".
type RawCodec struct {
	Use string
}

// Name returns c.Use, or "proto".
func (c RawCodec) Name() string {
	if c.Use == "" {
		return "proto"
	}
	return c.Use
}

// Append appends the bytes of msg, a *Raw.
func (RawCodec) Append(dst []byte, msg any) ([]byte, error) {
	r, ok := msg.(*Raw)
	if !ok {
		return nil, fmt.Errorf("lupine: RawCodec takes *lupine.Raw, not %T", msg)
	}
	return append(dst, r.Bytes...), nil
}

// Decode sets msg, a *Raw, to a copy of src.
func (RawCodec) Decode(src []byte, msg any) error {
	r, ok := msg.(*Raw)
	if !ok {
		return fmt.Errorf("lupine: RawCodec takes *lupine.Raw, not %T", msg)
	}
	r.Bytes = append([]byte(nil), src...)
	return nil
}

// Size returns the length of msg, a *Raw.
func (RawCodec) Size(msg any) (int, bool) {
	r, ok := msg.(*Raw)
	if !ok {
		return 0, false
	}
	return len(r.Bytes), true
}
