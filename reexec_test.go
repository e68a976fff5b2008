package intercomrbac_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// reexec runs one test in a process of its own, and returns what it wrote.
func reexec(tb testing.TB, test string, env ...string) (string, error) {
	tb.Helper()
	out, err := reexecCommand(tb, test, env...).CombinedOutput()
	return string(out), err
}

func reexecCommand(tb testing.TB, test string, env ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	require.NoError(tb, err)
	cmd := exec.CommandContext(tb.Context(), self, "-test.run=^"+test+"$", "-test.v") //nolint:gosec // the test binary itself
	cmd.Env = append(os.Environ(), env...)
	return cmd
}
