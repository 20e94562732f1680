//go:build !race

package codec

const checked = false
