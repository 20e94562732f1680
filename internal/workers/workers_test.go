package workers

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTasksRunAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		defer p.Close()
		const n = 100
		var all sync.WaitGroup
		all.Add(n)
		met := make(chan struct{})
		for range n {
			p.Go(Func(func() {
				all.Done()
				<-met // each task needs every other one to be running
			}))
		}
		all.Wait()
		close(met)
		synctest.Wait()
		if len(p.free) != n {
			t.Errorf("%d workers free after %d tasks", len(p.free), n)
		}
	})
}

func TestGoroutineIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		defer p.Close()
		p.Go(Func(func() {}))
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 1000 {
			p.Go(Func(func() {}))
			synctest.Wait()
		}
		if after := runtime.NumGoroutine(); after != before {
			t.Errorf("%d goroutines before 1,000 tasks in a row, %d after", before, after)
		}
		if len(p.free) != 1 {
			t.Errorf("%d workers free, want 1", len(p.free))
		}
	})
}

func TestIdleBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Pool{Idle: 3, IdleTime: time.Second}
		defer p.Close()
		gate := make(chan struct{})
		for range 10 {
			p.Go(Func(func() { <-gate }))
		}
		close(gate)
		synctest.Wait()
		if len(p.free) != 3 {
			t.Fatalf("%d workers kept, want 3", len(p.free))
		}
		// One of them stays in use and so stays alive.
		for range 8 {
			time.Sleep(500 * time.Millisecond)
			p.Go(Func(func() {}))
			synctest.Wait()
		}
		if len(p.free) != 1 {
			t.Errorf("%d workers after 4 s of which one was busy, want 1", len(p.free))
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(p.free) != 0 || p.timer != nil {
			t.Errorf("%d workers and timer %v after an idle time", len(p.free), p.timer)
		}
	})
}

// TestClose relies on synctest, which fails when a goroutine is left.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		gate, ran := make(chan struct{}), false
		p.Go(Func(func() { <-gate }))
		p.Go(Func(func() {}))
		synctest.Wait()
		p.Close()
		p.Close()
		p.Go(Func(func() { ran = true }))
		close(gate)
		synctest.Wait()
		if !ran {
			t.Error("a task after Close did not run")
		}
	})
}

func BenchmarkGo(b *testing.B) {
	done := make(chan struct{})
	task := Func(func() { done <- struct{}{} })
	b.Run("pool", func(b *testing.B) {
		var p Pool
		defer p.Close()
		b.ReportAllocs()
		for b.Loop() {
			p.Go(task)
			<-done
		}
	})
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			go task.Run()
			<-done
		}
	})
}
