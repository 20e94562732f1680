package protobuf

// The two functions below do what spread and unspread do, for many varints at
// a time, with instructions that gather and scatter bits (BMI2). Every x86
// processor made since 2013 has them, but AMD's before 2020 have slow ones.

// fastBits is whether packWords and unpackBlock may be called, and are worth it.
var fastBits = hasFastBits()

// packWords writes the varints of the first n words at src to dst, which has
// maxVarint bytes for each, and returns their length.
//
//go:noescape
func packWords(dst *byte, src *[block]uint64, n int) int

// unpackBlock reads the varints that end within the block bytes at p, the first
// of which begins at p[at:]; at may be negative. There are 16 bytes to read
// after the block. It returns how many there were and where the next one begins,
// or a negative n when one is longer than 64 bits.
//
//go:noescape
func unpackBlock(dst *[block]uint64, p *byte, at int) (n, next int)

// cpuid is the instruction of that name.
func cpuid(leaf, sub uint32) (a, b, c, d uint32)

func hasFastBits() bool {
	most, vendor, _, _ := cpuid(0, 0)
	if most < 7 {
		return false
	}
	a, _, _, _ := cpuid(1, 0)
	_, features, _, _ := cpuid(7, 0)
	_, _, more, _ := cpuid(0x80000001, 0)
	const (
		bmi1, bmi2, lzcnt = 1 << 3, 1 << 8, 1 << 5
		authenticAMD      = 0x68747541 // its first four letters
		zen3              = 0x19
	)
	if features&bmi1 == 0 || features&bmi2 == 0 || more&lzcnt == 0 {
		return false
	}
	family := a >> 8 & 15
	if family == 15 {
		family += a >> 20 & 255
	}
	return vendor != authenticAMD || family >= zen3
}
