package load

import (
	"runtime"
	"runtime/debug"
	"time"
)

// Usage is what a process has used since it began.
type Usage struct {
	CPU         time.Duration `json:"cpu"`    // user and system time
	Mallocs     uint64        `json:"allocs"` // objects
	AllocBytes  uint64        `json:"bytes"`
	Reads       uint64        `json:"reads"`  // read system calls, those that found nothing included
	Writes      uint64        `json:"writes"` // write system calls
	Voluntary   int64         `json:"nvcsw"`  // context switches because a thread waited
	Involuntary int64         `json:"nivcsw"` // context switches because another wanted the processor
	GCs         uint32        `json:"gcs"`
}

// Take returns the usage of this process so far.
func Take() Usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{Mallocs: m.Mallocs, AllocBytes: m.TotalAlloc, GCs: m.NumGC}
	u.system()
	return u
}

// Since returns what was used between from and u.
func (u Usage) Since(from Usage) Usage {
	return Usage{
		CPU: u.CPU - from.CPU, Mallocs: u.Mallocs - from.Mallocs, AllocBytes: u.AllocBytes - from.AllocBytes,
		Reads: u.Reads - from.Reads, Writes: u.Writes - from.Writes,
		Voluntary: u.Voluntary - from.Voluntary, Involuntary: u.Involuntary - from.Involuntary, GCs: u.GCs - from.GCs,
	}
}

// Memory is what a process holds after a collection, in bytes.
type Memory struct {
	Resident uint64 `json:"resident"` // pages of its own in memory, as the kernel sees it
	Heap     uint64 `json:"heap"`     // live objects
	Stack    uint64 `json:"stack"`    // goroutine stacks
}

// TakeMemory collects garbage, gives free pages back and returns what is left.
// It takes a while.
func TakeMemory() Memory {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{Resident: resident(), Heap: m.HeapAlloc, Stack: m.StackInuse}
}
