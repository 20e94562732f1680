package grpcmsg

import (
	"math"
	"strconv"
	"time"

	"github.com/lupine-rpc/lupine"
)

// maxTimeoutDigits is how many digits a grpc-timeout may have (PROTOCOL-HTTP2,
// TimeoutValue), and maxTimeoutValue the largest number they can say.
const (
	maxTimeoutDigits = 8
	maxTimeoutValue  = 99999999
)

// timeoutUnits are the units of PROTOCOL-HTTP2, finest first.
var timeoutUnits = [...]struct {
	letter byte
	unit   time.Duration
}{
	{'n', time.Nanosecond},
	{'u', time.Microsecond},
	{'m', time.Millisecond},
	{'S', time.Second},
	{'M', time.Minute},
	{'H', time.Hour},
}

// ParseTimeout reads a grpc-timeout value: one to eight digits and a unit. Zero
// is accepted, since gRPC clients send it for a deadline that has passed. A
// value beyond what a Duration holds (292 years) is that longest Duration. It
// does not allocate unless it fails, with Internal.
func ParseTimeout(s string) (time.Duration, error) {
	digits := len(s) - 1
	if digits < 1 || digits > maxTimeoutDigits {
		return 0, badTimeout(s)
	}
	unit := unitOf(s[digits])
	if unit == 0 {
		return 0, badTimeout(s)
	}
	var n int64
	for i := 0; i < digits; i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, badTimeout(s)
		}
		n = n*10 + int64(c)
	}
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64, nil
	}
	return time.Duration(n) * unit, nil
}

func unitOf(letter byte) time.Duration {
	for i := range timeoutUnits {
		if timeoutUnits[i].letter == letter {
			return timeoutUnits[i].unit
		}
	}
	return 0
}

func badTimeout(s string) error {
	return fail(lupine.Internal, "grpc-timeout %q is not one to eight digits followed by one of H M S m u n", quote(s))
}

// AppendTimeout appends d as a grpc-timeout value in the finest unit that holds
// it, rounded up so that the server never gives up before the caller. A d that
// is not positive becomes "1n", the shortest that PROTOCOL-HTTP2 allows. It
// does not allocate if dst has room for nine bytes.
func AppendTimeout(dst []byte, d time.Duration) []byte {
	if d <= 0 {
		return append(dst, "1n"...)
	}
	for i := range timeoutUnits {
		u := &timeoutUnits[i]
		// Not (d+unit-1)/unit, which overflows near the longest Duration.
		n := int64(d / u.unit)
		if d%u.unit != 0 {
			n++
		}
		if n <= maxTimeoutValue {
			return append(strconv.AppendInt(dst, n, 10), u.letter)
		}
	}
	// Not reached: the longest Duration is 2,562,048 hours.
	return append(dst, "99999999H"...)
}
