//go:build !linux

package proc

import "errors"

func idlePriority() error { return errors.New("SCHED_IDLE is Linux's") }
