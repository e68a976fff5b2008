package main

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/internal/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOutputIsTheSameAtEveryRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, ""))
	golden.Compare(t, "testdata/output.txt", out.String())
}

// The record that is left is whole, and a second run goes on with it.
func TestRecordStays(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "record")
	lines := 0
	for range 2 {
		require.NoError(t, run(t.Context(), io.Discard, dir))
		report, err := auditfile.Verify(dir, auditfile.Trust{})
		require.NoError(t, err)
		assert.Greater(t, report.Lines, lines)
		lines = report.Lines
	}
}
