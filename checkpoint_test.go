package intercomrbac_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newCheckpoint(tb testing.TB, dir string) *intercomrbac.FileCheckpoint {
	tb.Helper()
	c, err := intercomrbac.NewFileCheckpoint(dir)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func TestFileCheckpoint(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "one")
	ctx := t.Context()
	ids := []intercomrbac.ConversationID{"215470001", "18446744073709551615", "18446744073709551616", "007", "7", "a1-b_2"}
	c := newCheckpoint(t, dir)
	for _, id := range ids {
		done, err := c.Done(ctx, id)
		require.NoError(t, err)
		require.False(t, done)
		require.NoError(t, c.Mark(ctx, id))
		require.NoError(t, c.Mark(ctx, id), "once more is no harm")
	}
	for _, id := range []intercomrbac.ConversationID{"", "..", "1\n2", "1 ", "last", "é1"} {
		require.ErrorIs(t, c.Mark(ctx, id), intercomrbac.ErrInvalidRequest, "%q", id)
	}
	_, err := intercomrbac.NewFileCheckpoint(dir)
	require.ErrorContains(t, err, "somebody else has "+dir+" open")
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.EqualError(t, c.Mark(ctx, "5"), "intercomrbac: FileCheckpoint: it was closed")
	c = newCheckpoint(t, dir)
	assert.Equal(t, len(ids), c.Len())
	for _, id := range ids {
		done, err := c.Done(ctx, id)
		require.NoError(t, err)
		assert.True(t, done, "%q", id)
	}
	for _, id := range []intercomrbac.ConversationID{"0", "07", "1", "8"} {
		done, err := c.Done(ctx, id)
		require.NoError(t, err)
		assert.False(t, done, "%q", id)
	}
	content, err := os.ReadFile(filepath.Join(dir, "done"))
	require.NoError(t, err)
	assert.Equal(t, "intercomrbac checkpoint 1\n215470001\n18446744073709551615\n18446744073709551616\n007\n7\na1-b_2\n", string(content))
}

// A crash at any byte costs the id that was being written, and no other.
func TestFileCheckpointAfterACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "done")
	whole := "intercomrbac checkpoint 1\n"
	for i := range 20 {
		whole += strconv.Itoa(215470000+i*977) + "\n"
	}
	for n := range len(whole) + 1 {
		require.NoError(t, os.WriteFile(path, []byte(whole[:n]), 0o600))
		c, err := intercomrbac.NewFileCheckpoint(dir)
		require.NoError(t, err, n)
		require.Equal(t, max((n-26)/10, 0), c.Len())
		require.NoError(t, c.Mark(t.Context(), "42"))
		require.NoError(t, c.Close())
		again := newCheckpoint(t, dir)
		done, err := again.Done(t.Context(), "42")
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, max((n-26)/10, 0)+1, again.Len())
		require.NoError(t, again.Close())
	}
	require.NoError(t, os.WriteFile(path, []byte(whole+"\x00\x00\x00\n"), 0o600)) // the end of a line without its beginning
	c := newCheckpoint(t, dir)
	assert.Equal(t, 20, c.Len())
	require.NoError(t, c.Close())
	for _, damaged := range []string{"something else", "\n", whole[:40] + "\x00\n" + whole[40:], whole[:26] + "\n1\n", whole[:26] + "../1\n1\n", "1" + whole} {
		require.NoError(t, os.WriteFile(path, []byte(damaged), 0o600))
		_, err := intercomrbac.NewFileCheckpoint(dir)
		require.ErrorContains(t, err, "is no part of a checkpoint", "%q", damaged)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, damaged, string(content), "it is left as it is")
	}
}

// Whatever the file holds, it is an error or a checkpoint that holds what it says from then on.
func FuzzFileCheckpoint(f *testing.F) {
	f.Add([]byte("intercomrbac checkpoint 1\n1\n2\n"))
	f.Add([]byte("intercomrbac checkpoint 1\n1\n\x00"))
	f.Add([]byte("intercom"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "done"), content, 0o600))
		c, err := intercomrbac.NewFileCheckpoint(dir)
		if err != nil {
			return
		}
		require.NoError(t, c.Mark(t.Context(), "42"))
		n := c.Len()
		require.NoError(t, c.Close())
		again := newCheckpoint(t, dir)
		require.Equal(t, n, again.Len())
		done, err := again.Done(t.Context(), "42")
		require.NoError(t, err)
		require.True(t, done)
		require.NoError(t, again.Close())
	})
}
