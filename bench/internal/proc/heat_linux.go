package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// idlePriority makes this thread run only when nothing else wants its processor
// (SCHED_IDLE, sched(7)).
func idlePriority() error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		return fmt.Errorf("sched_setattr: %w", err)
	}
	return nil
}
