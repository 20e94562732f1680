package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/lupine-rpc/lupine"
)

// requests reads request messages: a sequence of JSON values.
type requests struct {
	from  string // where the text comes from, for errors
	dec   *json.Decoder
	input protoreflect.MessageDescriptor
	types resolver
	n     int
	close func() error
}

// openRequests opens what -d names: JSON itself, @FILE, or "-" for in.
func openRequests(data string, in io.Reader) (from string, r io.Reader, done func() error, err error) {
	done = func() error { return nil }
	switch {
	case data == "-" || data == "@-":
		return "stdin", in, done, nil
	case strings.HasPrefix(data, "@"):
		f, err := os.Open(data[1:])
		if err != nil {
			return "", nil, nil, fmt.Errorf("cannot read the request of -d %s: %w", data, bare(err))
		}
		return data[1:], f, f.Close, nil
	}
	return "-d", strings.NewReader(data), done, nil
}

// bare returns an os error without the path and the system call.
func bare(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func newRequests(from string, r io.Reader, close func() error, input protoreflect.MessageDescriptor, types resolver) *requests {
	return &requests{from: from, dec: json.NewDecoder(r), input: input, types: types, close: close}
}

// next returns the next request, encoded, or io.EOF. It reads no further than
// that request, so that a caller can answer replies as they come.
func (r *requests) next() (*lupine.Raw, error) {
	var text json.RawMessage
	err := r.dec.Decode(&text)
	if err == io.EOF {
		return nil, io.EOF
	}
	r.n++
	if err == nil {
		msg := dynamicpb.NewMessage(r.input)
		if err = (protojson.UnmarshalOptions{Resolver: r.types}).Unmarshal(text, msg); err == nil {
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
			if err != nil {
				return nil, r.wrong(err)
			}
			return &lupine.Raw{Bytes: b}, nil
		}
	}
	return nil, r.wrong(err)
}

func (r *requests) wrong(err error) error {
	why := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	why = strings.TrimPrefix(why, "proto: ")
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		why = "the JSON ends in the middle of a value"
	case strings.Contains(why, "unknown field"):
		why += choices("the fields are", fieldNames(r.input))
	}
	return &inputError{fmt.Sprintf("request %d (%s), which must be the JSON of a %s: %s", r.n, r.from, r.input.FullName(), why)}
}

// inputError is a request that cannot be read.
type inputError struct{ text string }

func (e *inputError) Error() string { return e.text }

func fieldNames(md protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, md.Fields().Get(i).JSONName())
	}
	return names
}

// replies writes reply messages to stdout as JSON.
type replies struct {
	w        io.Writer
	output   protoreflect.MessageDescriptor
	types    resolver
	pretty   bool
	defaults bool
}

// write prints one message: on a line of its own, or indented.
func (r *replies) write(raw *lupine.Raw) error {
	msg := dynamicpb.NewMessage(r.output)
	if err := (proto.UnmarshalOptions{Resolver: r.types}).Unmarshal(raw.Bytes, msg); err != nil {
		return fmt.Errorf("the reply is no %s: %w; is the schema that of the server?", r.output.FullName(), err)
	}
	text, err := r.json(msg)
	if err != nil {
		return fmt.Errorf("the reply, a %s, has no JSON form: %w", r.output.FullName(), err)
	}
	_, err = r.w.Write(text)
	return err
}

func (r *replies) json(msg proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{Resolver: r.types, EmitUnpopulated: r.defaults}.Marshal(msg)
	if err != nil {
		return nil, err
	}
	// protojson varies its spaces from build to build; scripts should not see it.
	var out bytes.Buffer
	if r.pretty {
		err = json.Indent(&out, text, "", "  ")
	} else {
		err = json.Compact(&out, text)
	}
	out.WriteByte('\n')
	return out.Bytes(), err
}
