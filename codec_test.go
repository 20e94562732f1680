package lupine_test

import (
	"errors"
	"testing"

	"github.com/lupine-rpc/lupine"
)

func TestRawCodec(t *testing.T) {
	c := lupine.RawCodec{}
	if c.Name() != "proto" || (lupine.RawCodec{Use: "json"}).Name() != "json" {
		t.Error("wrong names")
	}
	b, err := c.Append([]byte("head"), &lupine.Raw{Bytes: []byte("tail")})
	if err != nil || string(b) != "headtail" {
		t.Errorf("Append: %q, %v", b, err)
	}
	var m lupine.Raw
	if err := c.Decode(b, &m); err != nil || string(m.Bytes) != "headtail" {
		t.Errorf("Decode: %q, %v", m.Bytes, err)
	}
	b[0] = 'X'
	if m.Bytes[0] == 'X' {
		t.Error("Decode kept the bytes it was given")
	}
	if n, ok := c.Size(&m); !ok || n != 8 {
		t.Errorf("Size: %d, %v", n, ok)
	}
	if _, err := c.Append(nil, "text"); err == nil {
		t.Error("Append took a string")
	}
	if err := c.Decode(nil, new(string)); err == nil {
		t.Error("Decode took a string")
	}
	if _, ok := c.Size(3); ok {
		t.Error("Size took a number")
	}
}

// copier is a RawCodec that copies by itself, or fails.
type copier struct {
	lupine.RawCodec
	err error
}

// Copy marks what it copies.
func (c copier) Copy(dst, src any) error {
	dst.(*lupine.Raw).Bytes = append([]byte("copy of "), src.(*lupine.Raw).Bytes...)
	return c.err
}

func TestCopyMessage(t *testing.T) {
	src := &lupine.Raw{Bytes: []byte("x")}
	var dst lupine.Raw
	if err := lupine.CopyMessage(lupine.RawCodec{}, &dst, src); err != nil || string(dst.Bytes) != "x" {
		t.Errorf("by encoding: %q, %v", dst.Bytes, err)
	}
	src.Bytes[0] = 'y'
	if string(dst.Bytes) != "x" {
		t.Error("the copy shares memory")
	}
	if err := lupine.CopyMessage(copier{}, &dst, src); err != nil || string(dst.Bytes) != "copy of y" {
		t.Errorf("by the codec: %q, %v", dst.Bytes, err)
	}
	no := errors.New("no")
	if err := lupine.CopyMessage(copier{err: no}, &dst, src); err != no {
		t.Errorf("a codec that fails: %v", err)
	}
	if err := lupine.CopyMessage(lupine.RawCodec{}, &dst, "text"); err == nil {
		t.Error("a message of another type was copied")
	}
}
