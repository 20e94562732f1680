// Package codec measures what marshals protobuf messages in Go: Google's own
// package, vtprotobuf, hyperpb, and ours.
package codec

import (
	"runtime"
	"slices"

	"buf.build/go/hyperpb"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine/codec/protobuf"
)

//go:generate go run ./internal/gen

// Op is what is measured.
type Op string

// The operations.
const (
	Marshal   Op = "marshal"
	Unmarshal Op = "unmarshal"
	Size      Op = "size"
)

// What is compared. Unless the name says otherwise, marshalling makes a new
// buffer each time and unmarshalling a new message.
const (
	Google       = "google"         // google.golang.org/protobuf
	GoogleReused = "google, reused" // into the same buffer again
	VT           = "vtprotobuf"     // does not check UTF-8
	VTReused     = "vtprotobuf, reused"
	VTUnsafe     = "vtprotobuf unsafe" // strings point into the input
	VTPooled     = "vtprotobuf pooled" // messages come from and go back to a pool
	HyperPB      = "hyperpb"
	HyperReused  = "hyperpb, reused, aliased" // strings point into the input
	Ours         = "lupine"
	OursReused   = "lupine, reused"
	// What is opted into, by an Arena: messages and one copy of the input in
	// memory that is used again, or strings that point into the input.
	OursPooled  = "lupine, pooled"
	OursAliased = "lupine, pooled, aliased"
)

// contender is one way to do an operation: make returns a function that does it
// n times, or nil if it cannot.
type contender struct {
	op   Op
	name string
	make func(*shape) func(n int) error
}

func contenders() []contender {
	return slices.Concat(marshallers(), unmarshallers(), hyperUnmarshallers(), ownUnmarshallers(), sizers())
}

func marshallers() []contender {
	return []contender{
		{Marshal, Google, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					if _, err := proto.Marshal(s.message); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Marshal, GoogleReused, googleReused},
		{Marshal, VT, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					if _, err := s.vt.MarshalVT(); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Marshal, VTReused, vtReused},
		{Marshal, Ours, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					if _, err := (protobuf.Codec{}).Append(nil, s.message); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Marshal, OursReused, oursReused},
	}
}

func unmarshallers() []contender {
	return []contender{
		{Unmarshal, Google, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					if err := proto.Unmarshal(s.bytes, s.empty()); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Unmarshal, VT, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					if err := s.vtEmpty().UnmarshalVT(s.bytes); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Unmarshal, VTUnsafe, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					if err := s.vtEmpty().UnmarshalVTUnsafe(s.bytes); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Unmarshal, VTPooled, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					m := s.vtPooled()
					if err := m.UnmarshalVT(s.bytes); err != nil {
						return err
					}
					m.ReturnToVTPool()
				}
				return nil
			}
		}},
	}
}

// hyperUnmarshallers are hyperpb's, which only reads.
func hyperUnmarshallers() []contender {
	return []contender{
		{Unmarshal, HyperPB, func(s *shape) func(int) error {
			if checked {
				return nil
			}
			t := hyperpb.CompileMessageDescriptor(s.message.ProtoReflect().Descriptor())
			return func(n int) error {
				for range n {
					if err := hyperpb.NewMessage(t).Unmarshal(s.bytes); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Unmarshal, HyperReused, func(s *shape) func(int) error {
			if checked {
				return nil
			}
			t := hyperpb.CompileMessageDescriptor(s.message.ProtoReflect().Descriptor())
			shared := new(hyperpb.Shared)
			return func(n int) error {
				for range n {
					if err := shared.NewMessage(t).Unmarshal(s.bytes, hyperpb.WithAllowAlias(true)); err != nil {
						return err
					}
					shared.Free()
				}
				return nil
			}
		}},
	}
}

// ownUnmarshallers are ours.
func ownUnmarshallers() []contender {
	return []contender{
		{Unmarshal, Ours, func(s *shape) func(int) error {
			return func(n int) error {
				for range n {
					if err := (protobuf.Codec{}).Decode(s.bytes, s.empty()); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{Unmarshal, OursPooled, func(s *shape) func(int) error { return oursPooled(s, new(protobuf.Arena)) }},
		{Unmarshal, OursAliased, func(s *shape) func(int) error { return oursPooled(s, &protobuf.Arena{Alias: true}) }},
	}
}

func sizers() []contender {
	return []contender{
		{Size, Google, func(s *shape) func(int) error {
			return func(n int) error {
				total := 0
				for range n {
					total += proto.Size(s.message)
				}
				runtime.KeepAlive(total)
				return nil
			}
		}},
		{Size, VT, func(s *shape) func(int) error {
			return func(n int) error {
				total := 0
				for range n {
					total += s.vt.SizeVT()
				}
				runtime.KeepAlive(total)
				return nil
			}
		}},
		{Size, Ours, oursSize},
	}
}

func googleReused(s *shape) func(int) error {
	var buf []byte
	return func(n int) (err error) {
		for range n {
			if buf, err = (proto.MarshalOptions{}).MarshalAppend(buf[:0], s.message); err != nil {
				return err
			}
		}
		return nil
	}
}

// vtReused sizes the message, as its user must, and marshals it into the end of a
// buffer that is reused.
func vtReused(s *shape) func(int) error {
	var buf []byte
	return func(n int) error {
		for range n {
			size := s.vt.SizeVT()
			if cap(buf) < size {
				buf = make([]byte, size)
			}
			if _, err := s.vt.MarshalToSizedBufferVT(buf[:size]); err != nil {
				return err
			}
		}
		return nil
	}
}

func oursReused(s *shape) func(int) error {
	var buf []byte
	return func(n int) (err error) {
		for range n {
			if buf, err = (protobuf.Codec{}).Append(buf[:0], s.message); err != nil {
				return err
			}
		}
		return nil
	}
}

// oursPooled decodes as a receiver of many messages would: into one message and
// one arena, again and again.
func oursPooled(s *shape, arena *protobuf.Arena) func(int) error {
	message := s.empty()
	return func(n int) error {
		for range n {
			if err := arena.Decode(protobuf.Codec{}, s.bytes, message); err != nil {
				return err
			}
			arena.Release()
		}
		return nil
	}
}

// oursSize returns nil while the codec has no size of its own: it writes in one
// pass and needs none.
func oursSize(s *shape) func(int) error {
	sizer, ok := any(protobuf.Codec{}).(interface{ Size(any) (int, bool) })
	if !ok {
		return nil
	}
	return func(n int) error {
		total := 0
		for range n {
			size, _ := sizer.Size(s.message)
			total += size
		}
		runtime.KeepAlive(total)
		return nil
	}
}
