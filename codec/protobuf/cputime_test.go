//go:build unix

package protobuf_test

import (
	"syscall"
	"testing"
)

// reportCPU adds the processor's time per operation, garbage collection
// included: on a busy machine it is steadier than the clock.
func reportCPU(b *testing.B) func() {
	start := cpuTime()
	return func() { b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op") }
}

func cpuTime() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
