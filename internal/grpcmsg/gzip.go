package grpcmsg

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipCompressor is gzip (RFC 1952). Its readers and writers are kept in pools:
// a new writer takes several hundred kilobytes.
type gzipCompressor struct {
	readers, writers sync.Pool
}

// gzipReader is a reader together with its source, so that a message costs no
// allocation.
type gzipReader struct {
	src bytes.Reader
	gz  gzip.Reader
}

type gzipWriter struct {
	dst appender
	gz  *gzip.Writer
}

// appender is an io.Writer onto a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

var theGzip = &gzipCompressor{
	readers: sync.Pool{New: func() any { return new(gzipReader) }},
	writers: sync.Pool{New: func() any { return &gzipWriter{gz: gzip.NewWriter(nil)} }},
}

// Gzip returns the gzip Compressor (RFC 1952), at the usual level. There is one
// in a process, since its working memory is pooled.
func Gzip() Compressor { return theGzip }

// Name returns "gzip".
func (*gzipCompressor) Name() string { return "gzip" }

// Compress implements Compressor.
func (g *gzipCompressor) Compress(dst, src []byte) ([]byte, error) {
	w := g.writers.Get().(*gzipWriter)
	w.dst.b = dst
	w.gz.Reset(&w.dst)
	_, err := w.gz.Write(src)
	if err == nil {
		err = w.gz.Close()
	}
	out := w.dst.b
	w.dst.b = nil
	g.writers.Put(w)
	return out, err
}

// Decompress implements Compressor. Members that follow each other are one
// message (RFC 1952, section 2.2); anything else after the end is an error.
func (g *gzipCompressor) Decompress(dst *Plain, src []byte) error {
	r := g.readers.Get().(*gzipReader)
	r.src.Reset(src)
	err := r.gz.Reset(&r.src)
	if err == nil {
		_, err = dst.ReadFrom(&r.gz)
	}
	r.src.Reset(nil)
	g.readers.Put(r)
	return err
}
