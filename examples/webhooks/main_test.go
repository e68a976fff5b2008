package main

import (
	"bytes"
	"testing"

	"github.com/intercomrbac/intercomrbac/internal/golden"
	"github.com/stretchr/testify/require"
)

func TestOutputIsTheSameAtEveryRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	golden.Compare(t, "testdata/output.txt", out.String())
}
