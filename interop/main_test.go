package interop

import (
	"os"
	"testing"
)

// need is for peers that a machine may lack: without them the test is skipped,
// with the command that installs them, but fails in CI (LUPINE_CI=1), where they
// must not go missing unseen.
func need(t *testing.T, what string, missing error, install string) {
	t.Helper()
	if missing == nil {
		return
	}
	if os.Getenv("LUPINE_CI") == "1" {
		t.Fatalf("%s is missing (%v); install it: %s", what, missing, install)
	}
	t.Skipf("SKIP: %s is missing (%v); to run this test: %s", what, missing, install)
}
