//go:build !linux

package main

import "errors"

const near = "127.0.0.1"

type path struct{}

func openPath(settings, float64, uint64) (*path, error) {
	return nil, errors.New("the path is a tun device of Linux")
}

func (*path) through(addr string) string { return addr }
func (*path) close()                     {}

func cubic(uintptr) error { return nil }
