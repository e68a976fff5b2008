package soak_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac/internal/soak"
)

func TestN(t *testing.T) {
	for env, want := range map[string]int{"": 3, "0": 3, "true": 3, "1": 7} {
		t.Setenv("INTERCOMRBAC_SOAK", env)
		if got := soak.N(3, 7); got != want {
			t.Errorf("INTERCOMRBAC_SOAK=%q: N(3, 7) = %d, want %d", env, got, want)
		}
	}
}

// recorder is a testing.TB that keeps what is logged and reported to it.
type recorder struct {
	testing.TB
	logs, errors []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Log(args ...any)           { r.logs = append(r.logs, fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, a ...any) { r.errors = append(r.errors, fmt.Sprintf(f, a...)) }

func TestReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "soak.txt")
	t.Setenv("INTERCOMRBAC_SOAK_REPORT", path)
	r := &recorder{TB: t}
	soak.Report(r, "C4", "%s faulted calls,\n%d duplicates", "10,000", 0)
	soak.Report(r, "C8", "100%% of the connections closed")

	want := []string{
		"soak: C4 — 10,000 faulted calls, 0 duplicates",
		"soak: C8 — 100% of the connections closed",
	}
	if !slices.Equal(r.logs, want) || r.errors != nil {
		t.Errorf("logged %q and failed with %q, want %q", r.logs, r.errors, want)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(file); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("report = %q, want the lines %q", got, want)
	}
}

func TestReportWithoutFile(t *testing.T) {
	t.Setenv("INTERCOMRBAC_SOAK_REPORT", "")
	r := &recorder{TB: t}
	soak.Report(r, "C4", "seen")
	if want := []string{"soak: C4 — seen"}; !slices.Equal(r.logs, want) || r.errors != nil {
		t.Errorf("logged %q and failed with %q, want %q", r.logs, r.errors, want)
	}
}

func TestReportFileNotWritable(t *testing.T) {
	t.Setenv("INTERCOMRBAC_SOAK_REPORT", t.TempDir()) // a directory
	r := &recorder{TB: t}
	soak.Report(r, "C4", "seen")
	if len(r.errors) != 1 {
		t.Errorf("failed with %q, want one error", r.errors)
	}
}
