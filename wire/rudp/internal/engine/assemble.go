package engine

import (
	"math/bits"
	"sync"
)

// tiles keep the bytes of a stream that came and were not read, from base on
// (5.4, Block). Tile 0 has 2 KiB, tile k from 1 on as much as all before it, up
// to 64 KiB: so in-order bytes cost at most twice their size.
type tiles struct {
	base uint64
	list [][]byte // nil where no byte has come
	skip int      // tiles before list[0] are gone
	size int      // of all
}

const (
	leastTile = 2 << 10
	mostTile  = 64 << 10
)

// pools keep tiles of each size for another use.
type pools [6]sync.Pool

func tileClass(size int) int { return bits.Len(uint(size/leastTile)) - 1 }

func (p *pools) get(size int) []byte {
	if b, ok := p[tileClass(size)].Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, size)
}

func (p *pools) put(b []byte) { p[tileClass(len(b))].Put(&b) }

// tileAt returns which tile has the byte rel after base, where it begins and its size.
func tileAt(rel uint64) (i int, start uint64, size int) {
	switch {
	case rel < leastTile:
		return 0, 0, leastTile
	case rel < mostTile:
		k := bits.Len64(rel) - 1
		return k - 10, 1 << k, 1 << k
	}
	n := rel / mostTile
	return int(n) + 5, n * mostTile, mostTile
}

// need returns how many bytes of tiles would have to be made for [lo, hi).
func (t *tiles) need(lo, hi uint64) (n int) {
	for at := lo - t.base; at < hi-t.base; {
		i, start, size := tileAt(at)
		if j := i - t.skip; j >= len(t.list) || t.list[j] == nil {
			n += size
		}
		at = start + uint64(size)
	}
	return n
}

// write keeps b, which begins at off, at or above base.
func (t *tiles) write(pool *pools, off uint64, b []byte) {
	for len(b) > 0 {
		i, start, size := tileAt(off - t.base)
		i -= t.skip
		for len(t.list) <= i {
			t.list = append(t.list, nil)
		}
		if t.list[i] == nil {
			t.list[i] = pool.get(size)
			t.size += size
		}
		n := copy(t.list[i][off-t.base-start:], b)
		b, off = b[n:], off+uint64(n)
	}
}

// read fills dst with the bytes from off on.
func (t *tiles) read(dst []byte, off uint64) {
	for len(dst) > 0 {
		i, start, _ := tileAt(off - t.base)
		n := copy(dst, t.list[i-t.skip][off-t.base-start:])
		dst, off = dst[n:], off+uint64(n)
	}
}

// view returns the n bytes from off on, in place if they are in one tile, else
// in scratch.
func (t *tiles) view(off uint64, n int, scratch *[]byte) []byte {
	if n == 0 {
		return nil
	}
	i, start, size := tileAt(off - t.base)
	at := off - t.base - start
	if at+uint64(n) <= uint64(size) {
		return t.list[i-t.skip][at : at+uint64(n)]
	}
	if cap(*scratch) < n {
		*scratch = make([]byte, n)
	}
	b := (*scratch)[:n]
	t.read(b, off)
	return b
}

// drop lets go of the tiles that end at or below off.
func (t *tiles) drop(pool *pools, off uint64) (freed int) {
	if len(t.list) == 0 {
		return 0
	}
	i, _, _ := tileAt(off - t.base)
	n := min(i-t.skip, len(t.list))
	for _, b := range t.list[:max(n, 0)] {
		if b != nil {
			freed += len(b)
			pool.put(b)
		}
	}
	if n > 0 {
		rest := copy(t.list, t.list[n:])
		clear(t.list[rest:])
		t.list = t.list[:rest]
		t.skip += n
	}
	t.size -= freed
	return freed
}

// clear lets go of all.
func (t *tiles) clear(pool *pools) (freed int) {
	freed = t.size
	for _, b := range t.list {
		if b != nil {
			pool.put(b)
		}
	}
	clear(t.list)
	t.list, t.skip, t.size = t.list[:0], 0, 0
	return freed
}
