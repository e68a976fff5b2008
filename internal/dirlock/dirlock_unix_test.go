//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package dirlock_test

import (
	"syscall"
	"testing"

	"github.com/intercomrbac/intercomrbac/internal/dirlock"
)

// A program that is being started has every open file until it runs.
func TestUnlockWhileAProgramIsStarted(t *testing.T) {
	t.Parallel()
	root := open(t, t.TempDir())
	f, err := dirlock.Lock(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	inherited, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(inherited) }()
	if err := dirlock.Unlock(f); err != nil {
		t.Fatal(err)
	}
	if f, err = dirlock.TryLock(root); err != nil {
		t.Fatal(err)
	}
	if err := dirlock.Unlock(f); err != nil {
		t.Fatal(err)
	}
}
