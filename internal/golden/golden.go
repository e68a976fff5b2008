// Package golden is for tests alone: it compares what a test got with a file.
package golden

import (
	"flag"
	"os"
	"strings"
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
		line, was, is := firstDifference(string(want), got)
		t.Errorf("%s is not what it was: run the test with -update if the change is meant. Line %d was\n%s\nand is\n%s", file, line, was, is)
	}
}

func firstDifference(want, got string) (line int, was, is string) {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for line < len(a) && line < len(b) && a[line] == b[line] {
		line++
	}
	at := func(lines []string) string {
		if line < len(lines) {
			return lines[line]
		}
		return "(no line)"
	}
	return line + 1, at(a), at(b)
}
