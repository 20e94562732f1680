package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// notes is a ledger in memory.
type notes map[uint32]uint32

func (n notes) times(id uint32) uint32 { return n[id] }

// TestSum: the account says what became of each call, and sees through callers who
// were told wrong.
func TestSum(t *testing.T) {
	t0 := time.Unix(1000, 0)
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	failed := errors.New("UNAVAILABLE")
	shots := []shot{
		{id: 1, begun: at(0), ended: at(10)},                // before the fault
		{id: 2, begun: at(90), ended: at(400), err: failed}, // under way, had run
		{id: 3, begun: at(95), ended: at(300), err: failed}, // under way, had not
		{id: 4, begun: at(150), ended: at(160), err: failed, notRun: true},
		{id: 5, begun: at(150), ended: at(170), err: failed, notRun: true}, // a lie
		{id: 6, begun: at(200), ended: at(700)},
		{id: 7, begun: at(600), ended: at(650)}, // ran twice
		{id: 8, begun: at(600), ended: at(720)}, // answered by nobody
		{id: 9, begun: at(50), ended: at(2000), err: failed, pending: true},
	}
	ran := notes{1: 1, 2: 1, 5: 1, 6: 1, 7: 2}
	a := sum(shots, ran, []span{{at(100), at(110)}, {at(5000), at(5010)}})
	if a.Made != 9 || a.Failed != 5 || a.Pending != 1 || a.NotRun != 2 || a.Ran != 2 || a.Twice != 1 || a.Lies != 1 || a.Lost != 1 {
		t.Errorf("%+v", a)
	}
	if a.Knows[0] != 300*time.Millisecond || a.Again[0] != 550*time.Millisecond || a.Knows[1] != -1 || a.Again[1] != -1 {
		t.Errorf("callers knew after %v, were answered after %v", a.Knows, a.Again)
	}
	if a.Pause != 1280*time.Millisecond {
		t.Errorf("the longest pause is %v, want the one until the end, 1.28 s", a.Pause)
	}
	// Each of these is a promise broken, if the caller is Lupine's.
	r := row{fault: faults[0], matchup: matchup{ours, ours}, account: a}
	if err := verdict([]row{r}); err == nil {
		t.Error("lies, repeats and lost calls pass")
	}
	r.account = account{Made: 1}
	if err := verdict([]row{r}); err != nil {
		t.Error(err)
	}
}

// TestLedger: what one mapping notes another one sees.
func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	a, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	a.note(7)
	b, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	b.note(7)
	a.note(maxCalls) // beyond the end: nobody's
	if a.times(7) != 2 || b.times(6) != 0 {
		t.Errorf("call 7 ran %d times, call 6 %d", a.times(7), b.times(6))
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 4*maxCalls {
		t.Errorf("%v, %v", st, err)
	}
}
