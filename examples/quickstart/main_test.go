package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/output.txt")

func TestOutputIsTheSameAtEveryRun(t *testing.T) {
	t.Setenv("INTERCOM_ACCESS_TOKEN", "")
	const golden = "testdata/output.txt"
	for range 2 {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), &out))
		if *update {
			require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o600))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), out.String(), "run the test with -update if the change is meant")
	}
}

// What runs against a real workspace only reads.
func TestReadWritesNothing(t *testing.T) {
	fake := intercomtest.NewServer(t)
	fake.Seed()
	var out bytes.Buffer
	_, err := read(t.Context(), &out, fake.Client())
	require.NoError(t, err)
	require.NotEmpty(t, fake.Calls())
	for _, c := range fake.Calls() {
		assert.True(t, c.Method == "GET" || strings.HasSuffix(c.Path, "/search"), "%s %s", c.Method, c.Path)
	}
}

// A workspace without anything in it is no reason to fail.
func TestReadOfAnEmptyWorkspace(t *testing.T) {
	fake := intercomtest.NewServer(t)
	var out bytes.Buffer
	_, err := read(t.Context(), &out, fake.Client())
	require.NoError(t, err)
}
