//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package auditfile

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// A log without its lock could be written twice, and would be no chain.
func lockDir(string) (*os.File, error) {
	return nil, fmt.Errorf("locking a directory on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func syncDir(dir *os.File) error { return dir.Sync() }

func syncPath(string) error { return nil }
