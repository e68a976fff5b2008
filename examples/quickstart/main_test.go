package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOutputIsTheSameAtEveryRun(t *testing.T) {
	t.Setenv("INTERCOM_ACCESS_TOKEN", "")
	for range 2 {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), &out))
		golden.Compare(t, "testdata/output.txt", out.String())
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
