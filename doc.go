// Package lupine is remote procedure call for Go: one contract, served over
// every wire.
package lupine
