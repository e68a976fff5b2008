// Package golden is for tests alone: it compares what a test got with a file.
package golden

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write golden files in place of comparing with them")

// Compare fails the test if the file does not hold what it got. Run the test with -update where the change is meant.
func Compare(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatalf("golden: %v", err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("golden: %v", err)
	}
	if string(want) != got {
		t.Errorf("%s is not what it was: run the test with -update if the change is meant. It was:\n%s\nIt is:\n%s", file, want, got)
	}
}
