//go:build !linux

package rudp

import "errors"

func dropOwn(int) error { return errors.New("socket filters are for Linux") }
