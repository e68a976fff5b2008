//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package auditfile

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that is being started has every open file until it runs.
func TestCloseWhileAProgramIsStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := openDisk(dir)
	require.NoError(t, err)
	inherited, err := syscall.Dup(int(d.lock.Fd()))
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(inherited)) }()
	require.NoError(t, d.Close())

	d, err = openDisk(dir)
	require.NoError(t, err)
	require.NoError(t, d.Close())
}
