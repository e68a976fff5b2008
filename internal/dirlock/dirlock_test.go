package dirlock_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/dirlock"
)

func open(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func TestLockLetsOneIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var inside, entered atomic.Int32 // the race detector does not know of file locks
	var wg sync.WaitGroup
	for range 8 {
		root := open(t, dir)
		wg.Go(func() {
			for range 20 {
				f, err := dirlock.Lock(t.Context(), root)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have the lock", n)
				}
				entered.Add(1)
				inside.Add(-1)
				if err := errors.Join(dirlock.Sync(root), dirlock.Unlock(f)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := entered.Load(); n != 8*20 {
		t.Errorf("%d locks, want %d", n, 8*20)
	}
}

func TestLockLeavesWithItsContext(t *testing.T) {
	t.Parallel()
	root := open(t, t.TempDir())
	f, err := dirlock.Lock(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := dirlock.Lock(ctx, root); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that the deadline has passed", err)
	}
	if err := dirlock.Unlock(f); err != nil {
		t.Fatal(err)
	}
	f, err = dirlock.Lock(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	_ = dirlock.Unlock(f)
}

func TestLockFailsWhereThereIsNoFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	root := open(t, dir)
	if err := os.Remove(dir); err != nil {
		t.Skipf("a directory in use cannot be removed here: %v", err)
	}
	if _, err := dirlock.Lock(t.Context(), root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that there is no such file", err)
	}
}
