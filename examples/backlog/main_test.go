package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// It is interrupted twice, each time between two rate windows, and then comes to its end. One conversation at a time, the output is the same at every run.
func TestOutputIsTheSameAtEveryRun(t *testing.T) {
	file, err := filepath.Abs("testdata/output.txt")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	for _, d := range []time.Duration{15 * time.Second, 25 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			defer time.AfterFunc(d, cancel).Stop()
			require.NoError(t, run(ctx, &show{out: &out}, "checkpoint", 500, 1))
			fmt.Fprintln(&out)
		})
	}
	golden.Compare(t, file, out.String())
}

// On a terminal the progress stays in one line, and changes ten times a second at the most.
func TestProgressIsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := show{out: &out, terminal: true}
		for i := range 30 {
			s.progress(intercomrbac.RouteProgress{Done: i, Failed: 1, Rate: 20, Left: time.Minute})
			time.Sleep(10 * time.Millisecond)
		}
		s.line("ended")
		shown := strings.Split(out.String(), "\r")
		require.Len(t, shown, 5)
		assert.Equal(t, "0 done, 1 failed, 20.0 a second, 1m0s left  (Ctrl-C interrupts)", strings.TrimRight(shown[1], " "))
		assert.Equal(t, "20 done, 1 failed, 20.0 a second, 1m0s left  (Ctrl-C interrupts)", strings.TrimRight(shown[3], " "))
		assert.Equal(t, "ended", strings.TrimRight(shown[4], " \n"))
		assert.Len(t, shown[4], 79)
	})
}
