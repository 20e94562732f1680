package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestExplain(t *testing.T) {
	const reset = "0e:00:00:00:01 0000 0000 0000 000c"
	const told = "RESET, 13 bytes: nobody knows session 0x00000001, to which number 12 was sent\n"
	lupineRun(t, "explain", reset).want(t, 0).stdout(t, told)
	file := filepath.Join(t.TempDir(), "capture.txt")
	if err := os.WriteFile(file, []byte(reset+"\n\n 67 \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lupineRun(t, "explain", "@"+file).want(t, 0).stdout(t, told+"1 bytes that are no packet of RPC over UDP: it begins with 0x67, and kinds are 0x08 to 0x0e\n")
	for _, c := range []struct{ arg, want string }{
		{"0e0", "line 1 of the argument: a digit is missing: want the bytes of a datagram in hexadecimal"},
		{"rudp", `'r' is no hexadecimal digit`},
		{"", "the argument holds no datagram"},
		{"@" + file + ".none", "capture.txt.none: no such file"},
	} {
		lupineRun(t, "explain", c.arg).want(t, exitTrouble, c.want)
	}
	lupineRun(t, "explain").want(t, exitTrouble, "a datagram in hexadecimal")
}
