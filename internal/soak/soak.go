// Package soak is for tests alone: it sets how much a long test does, and reports what the test showed.
// A soak run is one under INTERCOMRBAC_SOAK=1, as "make soak" makes it.
package soak

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// N returns full in a soak run, and ci otherwise.
func N(ci, full int) int {
	if os.Getenv("INTERCOMRBAC_SOAK") == "1" {
		return full
	}
	return ci
}

// Report logs what the test showed of a promise, as one line:
//
//	soak: C4 — 10,000 faulted calls, 0 duplicates
//
// Call it after the assertions. The line is also appended to the file that INTERCOMRBAC_SOAK_REPORT names, from
// which "make soak" prints its table; a line that cannot be written there fails the test.
func Report(t testing.TB, promise, format string, args ...any) {
	t.Helper()
	text := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	line := "soak: " + promise + " — " + text
	t.Log(line)
	if path := os.Getenv("INTERCOMRBAC_SOAK_REPORT"); path != "" {
		if err := appendLine(path, line); err != nil {
			t.Errorf("soak: the report is not complete: %v", err)
		}
	}
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
