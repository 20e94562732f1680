package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/lupine-rpc/lupine/wire/rudp"
)

// explainMost bounds a file of datagrams, in bytes.
const explainMost = 64 << 20

func explainCommand(con console) *cobra.Command {
	return &cobra.Command{
		Use:   "explain HEX|@FILE|-",
		Short: "Say what captured datagrams of RPC over UDP hold",
		Long: `Print the packet and the frames that a datagram of RPC over UDP holds: the payload of
a UDP packet, as tcpdump -x or a debugger shows it.

The argument is the datagram in hexadecimal, spaces and colons left out or in; a
file of such lines, a datagram on each (@FILE); or stdin (-). Names that a
datagram defines are known in those after it.

Datagrams in the clear are told whole. Of sealed ones only the header is to be
read: the rest takes the session's keys. docs/rudp.md is the protocol.`,
		Example: `  lupine explain 0e00000001000000000000000c
  lupine explain @capture.txt`,
		DisableFlagsInUseLine: true,
		Args:                  args(1, 1, "a datagram in hexadecimal, @FILE or -"),
		RunE:                  func(_ *cobra.Command, args []string) error { return explain(con, args[0]) },
	}
}

func explain(con console, what string) error {
	var in io.Reader = strings.NewReader(what)
	name := "the argument"
	switch {
	case what == "-":
		in, name = con.in, "stdin"
	case strings.HasPrefix(what, "@"):
		name = what[1:]
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", name, bare(err))
		}
		defer f.Close()
		in = f
	}
	var x rudp.Explainer
	lines := bufio.NewScanner(io.LimitReader(in, explainMost))
	lines.Buffer(nil, 4<<20)
	n := 0
	for number := 1; lines.Scan(); number++ {
		b, err := unhex(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d of %s: %w: want the bytes of a datagram in hexadecimal", number, name, err)
		}
		if len(b) == 0 {
			continue
		}
		n++
		x.Explain(con.out, b)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cannot read %s: %w", name, bare(err))
	}
	if n == 0 {
		return fmt.Errorf("%s holds no datagram: want its bytes in hexadecimal", name)
	}
	return nil
}

// unhex reads hexadecimal digits, with spaces and colons between them or not.
func unhex(line []byte) ([]byte, error) {
	digits := bytes.Map(func(r rune) rune {
		if r == ':' || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, line)
	b := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(b, digits); err != nil {
		if errors.Is(err, hex.ErrLength) {
			return nil, errors.New("a digit is missing")
		}
		var bad hex.InvalidByteError
		errors.As(err, &bad)
		return nil, fmt.Errorf("%q is no hexadecimal digit", rune(bad))
	}
	return b, nil
}
