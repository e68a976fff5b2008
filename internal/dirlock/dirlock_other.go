//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package dirlock

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func try(*os.Root) (*os.File, error) {
	return nil, fmt.Errorf("locking a directory on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Unlock gives the lock free and closes its file.
func Unlock(f *os.File) error { return f.Close() }

// Sync makes the names in the directory durable.
func Sync(*os.Root) error { return errors.ErrUnsupported }
