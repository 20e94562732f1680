package sim

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestClockOrder(t *testing.T) {
	var c Clock
	r := NewRand(1, 0)
	var got []int64
	want := 0
	for range 500 {
		d := r.Between(0, 50)
		timer := c.After(d, func() {
			if c.Now() != d {
				t.Fatalf("a timer for %d ran at %d", d, c.Now())
			}
			got = append(got, d)
		})
		if r.Chance(20) {
			timer.Stop()
			continue
		}
		want++
	}
	var same []int
	for i := range 10 {
		c.After(100, func() { same = append(same, i) })
	}
	for c.Step() {
	}
	if len(got) != want || !slices.IsSorted(got) || c.Steps() != want+10 {
		t.Fatalf("%d timers ran, want %d, in order", len(got), want)
	}
	if !slices.IsSorted(same) || len(same) != 10 {
		t.Fatalf("timers of one moment ran as %v", same)
	}
}

func TestClockRunUntil(t *testing.T) {
	var c Clock
	var ran []int64
	for _, d := range []int64{5, 10, 10, 20} {
		c.After(d, func() { ran = append(ran, c.Now()) })
	}
	c.After(3, nil).Stop()
	if at, ok := c.Next(); at != 5 || !ok {
		t.Errorf("next is %d, %v", at, ok)
	}
	c.RunUntil(15)
	if !slices.Equal(ran, []int64{5, 10, 10}) || c.Now() != 15 {
		t.Errorf("ran at %v; now %d", ran, c.Now())
	}
	c.RunUntil(7) // time does not run back
	c.RunUntil(20)
	if _, ok := c.Next(); ok || len(ran) != 4 || c.Now() != 20 {
		t.Errorf("ran at %v; now %d", ran, c.Now())
	}
}

// TestPipe: bytes arrive in order and whole, whatever the pieces; a cut lets
// exactly the bytes kept through; nothing comes after the end.
func TestPipe(t *testing.T) {
	waits := 0
	for seed := range uint64(200) {
		r := NewRand(seed, 0)
		var c Clock
		p := NewPipe(&c, NewRand(seed, 1), PipeConfig{MinDelay: 1, MaxDelay: 1000, Split: 50, Room: 300})
		var sent, got []byte
		ended, drained := 0, 0
		p.Arrive = func(b []byte) {
			if ended > 0 {
				t.Fatal("bytes after the end")
			}
			got = append(got, b...)
		}
		p.Ended, p.Drained = func() { ended++ }, func() { drained++ }
		write := func() {
			for p.Room() > 0 && len(sent) < 5000 {
				b := make([]byte, r.Between(1, 200))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				sent = append(sent, b...)
				p.Write(b)
			}
		}
		p.Drained = func() { drained++; write() }
		write()
		cut := -1
		if r.Chance(50) {
			c.After(r.Between(0, 5000), func() {
				k := r.IntN(p.Len() + 1)
				cut = len(got) + k
				p.Cut(k)
			})
		}
		for c.Step() {
		}
		if cut < 0 {
			p.Close()
			for c.Step() {
			}
			cut = len(sent)
		}
		if !bytes.Equal(got, sent[:cut]) || ended != 1 {
			t.Fatalf("seed %d: %d of %d bytes arrived, want %d; ended %d times, drained %d", seed, len(got), len(sent), cut, ended, drained)
		}
		waits += drained
	}
	if waits < 1000 {
		t.Errorf("the writer had to wait %d times only", waits)
	}
}

func TestPipeStallsAndHangs(t *testing.T) {
	var c Clock
	p := NewPipe(&c, NewRand(1, 1), PipeConfig{MinDelay: 1, MaxDelay: 1})
	var at []int64
	ended := false
	p.Arrive = func([]byte) { at = append(at, c.Now()) }
	p.Ended = func() { ended = true }
	p.Write([]byte("a"))
	p.Stall(500)
	for c.Step() {
	}
	p.Write([]byte("b"))
	p.Hang()
	p.Write([]byte("c"))
	for c.Step() {
	}
	if !slices.Equal(at, []int64{500}) || ended {
		t.Fatalf("arrivals at %v, ended %v; want one at 500", at, ended)
	}
	p.Close() // nobody hears of it
	for c.Step() {
	}
	if ended {
		t.Fatal("a pipe that hangs ended")
	}
	p.Unhang()
	for c.Step() {
	}
	if !ended || len(at) != 1 {
		t.Fatal("the pipe did not end after it hung")
	}
}

func TestTrace(t *testing.T) {
	sum := func(f func(*Trace)) uint64 { var tr Trace; f(&tr); return tr.Sum() }
	base := sum(func(t *Trace) { t.Add(1, 2); t.Bytes([]byte("ab")) })
	if base != sum(func(t *Trace) { t.Add(1, 2); t.Bytes([]byte("ab")); t.Printf("%d", 1) }) {
		t.Error("the same events have another sum")
	}
	for i, other := range []func(*Trace){
		func(t *Trace) { t.Add(2, 1); t.Bytes([]byte("ab")) },
		func(t *Trace) { t.Add(1, 2); t.Bytes([]byte("ac")) },
		func(t *Trace) { t.Add(1, 2) },
		func(t *Trace) { t.Bytes([]byte("ab")); t.Add(1, 2) },
	} {
		if sum(other) == base {
			t.Errorf("case %d has the same sum", i)
		}
	}
	var b strings.Builder
	tr := Trace{Log: &b}
	tr.Printf("line %d", 1)
	if b.String() != "line 1\n" {
		t.Errorf("log: %q", b.String())
	}
}

func TestShrink(t *testing.T) {
	steps := make([]int, 200)
	for i := range steps {
		steps[i] = i * 10
	}
	// It fails with 130 before 1500, and any further one that is over 1800.
	calls := 0
	fails := func(s []int) bool {
		calls++
		i, j := slices.Index(s, 130), slices.Index(s, 1500)
		return i >= 0 && j > i && slices.ContainsFunc(s[j:], func(v int) bool { return v > 1800 })
	}
	got := Shrink(steps, 1000, fails)
	if len(got) != 3 || !fails(got) {
		t.Fatalf("shrunk to %v", got)
	}
	calls = 0
	if Shrink(steps, 5, fails); calls != 5 {
		t.Fatalf("5 tries were %d", calls)
	}
	simple := Simplify([]int{1000, 17}, 1000, func(v int) []int {
		return slices.DeleteFunc([]int{0, v / 2, v - 1}, func(w int) bool { return w >= v || w < 0 })
	}, func(s []int) bool { return s[0] >= 37 && s[1] >= 3 })
	if !slices.Equal(simple, []int{37, 3}) {
		t.Fatalf("simplified to %v", simple)
	}
}

func TestRun(t *testing.T) {
	for _, workers := range []int{1, 3} {
		count := func() func(uint64, Tally) (bool, error) {
			return func(seed uint64, t Tally) (bool, error) {
				t["all"]++
				return seed%3 != 0, nil
			}
		}
		r := Run(Budget{Schedules: 100}, 1, workers, count)
		if r.Schedules != 100 || r.Err != nil || r.Totals["all"] < 140 || !strings.Contains(r.String(), "100 schedules") {
			t.Errorf("%v, totals %v", r, r.Totals)
		}
		bad := errors.New("bad")
		r = Run(Budget{Time: time.Minute}, 5, workers, func() func(uint64, Tally) (bool, error) {
			return func(seed uint64, t Tally) (bool, error) {
				if seed >= 50 {
					return true, bad
				}
				return true, nil
			}
		})
		if r.Err != bad || r.Seed != 50 {
			t.Errorf("failed with seed %d: %v; want 50", r.Seed, r.Err)
		}
	}
	if got := (Tally{"b": 2, "a": 1}).String(); !strings.Contains(got, "a ") || strings.Index(got, "a") > strings.Index(got, "b") {
		t.Errorf("tally: %q", got)
	}
}

func TestBudget(t *testing.T) {
	for s, want := range map[string]Budget{"": {Time: time.Second}, "500": {Schedules: 500}, "2m": {Time: 2 * time.Minute}, "70,3s": {70, 3 * time.Second}} {
		t.Setenv(EnvSchedules, s)
		if got, err := BudgetOr(time.Second); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"0", "-1", "many", "-2s", "5,", ",2s", "5,x", "0,2s", "5,0s", ","} {
		t.Setenv(EnvSchedules, s)
		if _, err := BudgetOr(time.Second); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
	t.Setenv(EnvSeed, "x")
	if _, err := EnvNumber(EnvSeed, 0); err == nil {
		t.Error("a seed that is no number was taken")
	}
}
