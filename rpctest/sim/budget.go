package sim

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// The environment variables that choose what a simulation runs.
const (
	// EnvSchedules is a number of schedules ("100000"), a time ("2m"), or both
	// ("100000,2m"), whichever is used up first.
	EnvSchedules = "LUPINE_SIM_SCHEDULES"
	// EnvSeed is the one seed to run, with its trace printed.
	EnvSeed = "LUPINE_SIM_SEED"
	// EnvFirst is the seed to begin with; the default is 1.
	EnvFirst = "LUPINE_SIM_FIRST"
	// EnvWorkers is how many goroutines run schedules; the default is 1.
	EnvWorkers = "LUPINE_SIM_WORKERS"
)

// Budget is how many schedules to run: Schedules of them, but no more than fit
// into Time. Zero is no bound; one of them must be set.
type Budget struct {
	Schedules int
	Time      time.Duration
}

// BudgetOr reads EnvSchedules. Where it is not set the budget is the time given.
func BudgetOr(def time.Duration) (Budget, error) {
	s := os.Getenv(EnvSchedules)
	if s == "" {
		return Budget{Time: def}, nil
	}
	var b Budget
	number, limit, both := strings.Cut(s, ",")
	n, err := strconv.Atoi(number)
	if err != nil && !both {
		limit = number
	}
	if limit != "" {
		b.Time, err = time.ParseDuration(limit)
	}
	if b.Schedules = n; err == nil && n >= 0 && b.Time >= 0 && b != (Budget{}) && !(both && (n == 0 || b.Time == 0)) {
		return b, nil
	}
	return Budget{}, fmt.Errorf("%s is %q: give a number of schedules such as 100000, a time such as 2m, or both as 100000,2m", EnvSchedules, s)
}

// EnvNumber reads a number from the environment. It returns def where the
// variable is not set.
func EnvNumber(name string, def uint64) (uint64, error) {
	s := os.Getenv(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %q: give a number", name, s)
	}
	return n, nil
}

// String says the budget in words.
func (b Budget) String() string {
	switch {
	case b.Time == 0:
		return fmt.Sprintf("%d schedules", b.Schedules)
	case b.Schedules > 0:
		return fmt.Sprintf("%d schedules, or as many as fit into %v", b.Schedules, b.Time)
	}
	return "as many schedules as fit into " + b.Time.String()
}
