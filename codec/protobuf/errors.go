package protobuf

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// The causes of a failed Append or Decode; use errors.Is.
var (
	// ErrMalformed: the input is not protobuf's wire format.
	ErrMalformed = errors.New("malformed wire format")
	// ErrTruncated: the input ends inside a field, or a length announces more
	// than there is. It is also an ErrMalformed.
	ErrTruncated = fmt.Errorf("%w: input ends inside a field", ErrMalformed)
	// ErrUTF8: a string field holds invalid UTF-8. Use bytes for other text.
	ErrUTF8 = errors.New("string field holds invalid UTF-8")
	// ErrRequired: a required field is not set.
	ErrRequired = errors.New("required field not set")
	// ErrDepth: messages are nested deeper than the limit.
	ErrDepth = errors.New("messages nested too deeply")
	// ErrType: the value is no message, or a nil one where a message to fill
	// in is needed.
	ErrType = errors.New("not a protobuf message")
)

// What a Read function returns instead of an index. Any number at or below
// endGroup is the end of a group: endGroup minus the index after it.
const (
	badTruncated = -1 - iota
	badVarint
	badTag
	badEndGroup
	badDepth
	badUTF8
	badForeign // Decoder.err says more

	endGroup = -16
)

// codeError turns what a Read function returned into an error.
func codeError(code int) error {
	switch code {
	case badTruncated:
		return ErrTruncated
	case badVarint:
		return fmt.Errorf("%w: varint longer than 64 bits", ErrMalformed)
	case badTag:
		return fmt.Errorf("%w: invalid field number or wire type", ErrMalformed)
	case badDepth:
		return ErrDepth
	case badUTF8:
		return ErrUTF8
	}
	return fmt.Errorf("%w: end of a group that was not open", ErrMalformed)
}

func typeError(msg any) error {
	if _, ok := msg.(proto.Message); ok {
		return fmt.Errorf("protobuf: cannot decode into a nil %T: %w", msg, ErrType)
	}
	return fmt.Errorf("protobuf: %T has no ProtoReflect method: %w; pass a pointer to a generated message", msg, ErrType)
}

// checkRequired walks the whole message; it is only called when a required
// field was seen to be missing, or a part was handled by the fallback.
func checkRequired(msg any) error {
	m, ok := msg.(proto.Message)
	if !ok {
		return nil
	}
	if err := proto.CheckInitialized(m); err != nil {
		return fmt.Errorf("%w: %w", ErrRequired, err)
	}
	return nil
}

func messageName(msg any) string {
	if m, ok := msg.(proto.Message); ok {
		return string(m.ProtoReflect().Descriptor().FullName())
	}
	return fmt.Sprintf("%T", msg)
}
