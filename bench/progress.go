package main

import (
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows on standard error how far the run is, if that is a terminal.
type progress struct{ bar **progressbar.ProgressBar }

func newProgress() progress {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return progress{}
	}
	return progress{new(*progressbar.ProgressBar)}
}

// begin says how many steps there will be.
func (p progress) begin(steps int) {
	if p.bar != nil {
		*p.bar = progressbar.NewOptions(steps, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetWidth(24),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
}

// step says what comes next.
func (p progress) step(what string) {
	if p.bar != nil && *p.bar != nil {
		(*p.bar).Describe(what)
		(*p.bar).Add(1)
	}
}

// end takes the bar away.
func (p progress) end() {
	if p.bar != nil && *p.bar != nil {
		(*p.bar).Finish()
	}
}
