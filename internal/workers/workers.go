// Package workers runs tasks on goroutines that are used again. Starting a
// goroutine is cheap, but a new one has to grow its stack afresh; one that ran
// the last handler has the stack that the next one needs.
package workers

import (
	"sync"
	"time"
)

const (
	// DefaultIdle is how many goroutines a Pool keeps for the next tasks.
	DefaultIdle = 256
	// DefaultIdleTime is how long a goroutine waits for a task before it ends.
	// It may take up to twice as long.
	DefaultIdleTime = 5 * time.Second
)

// Task is what a Pool runs. It is an interface and not a function so that an
// object that exists anyway can be its own task, without a closure.
type Task interface {
	Run()
}

// Func is a function as a Task.
type Func func()

// Run calls f.
func (f Func) Run() { f() }

// Pool runs tasks, each on a goroutine that runs nothing else meanwhile. It
// never makes a task wait: the number of busy goroutines is for the caller to
// bound. The zero value is ready; all methods are safe for concurrent use.
type Pool struct {
	// Idle is how many goroutines are kept without a task. Zero means
	// DefaultIdle, negative means none.
	Idle int
	// IdleTime is how long they are kept. Zero means DefaultIdleTime.
	IdleTime time.Duration

	mu     sync.Mutex
	free   []*worker // the most recently used one last
	stale  int       // free[:stale] have been idle since the last sweep
	closed bool
	timer  *time.Timer
}

// worker is one goroutine. It is told its next task, or nil to end.
type worker struct {
	task chan Task
}

// Go runs t on another goroutine and returns at once. A panic of t is not
// caught.
func (p *Pool) Go(t Task) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		// The last one in is the first one out: its stack is the warmest, and
		// those at the bottom get to grow old.
		w := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		p.stale = min(p.stale, n-1)
		p.mu.Unlock()
		w.task <- t // never blocks: a free worker's channel is empty
		return
	}
	p.mu.Unlock()
	w := &worker{make(chan Task, 1)}
	go w.run(p, t)
}

func (w *worker) run(p *Pool, t Task) {
	for t != nil {
		t.Run()
		t = nil // free what it holds while waiting
		if !p.park(w) {
			return
		}
		t = <-w.task
	}
}

// park makes w free, unless there are enough or the pool is closed.
func (p *Pool) park(w *worker) bool {
	most := p.Idle
	if most == 0 {
		most = DefaultIdle
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.free) >= most {
		return false
	}
	p.free = append(p.free, w)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.idleTime(), p.sweep)
	}
	return true
}

func (p *Pool) idleTime() time.Duration {
	if p.IdleTime <= 0 {
		return DefaultIdleTime
	}
	return p.IdleTime
}

// sweep ends the workers that no task has reached since the last sweep. Its
// timer runs only while there are free workers.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.end(p.stale)
	p.stale = len(p.free)
	if p.stale == 0 {
		p.timer = nil
		return
	}
	p.timer.Reset(p.idleTime())
}

// end ends the n workers that have been free the longest. p.mu is held.
func (p *Pool) end(n int) {
	for _, w := range p.free[:n] {
		w.task <- nil
	}
	kept := copy(p.free, p.free[n:])
	clear(p.free[kept:])
	p.free = p.free[:kept]
}

// Close ends the free goroutines; busy ones end after their task. Tasks that
// still come run on new goroutines.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.end(len(p.free))
}
