//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package auditfile

import (
	"errors"
	"os"
	"syscall"
)

// lockDir locks the directory itself, so that there is no lock file which can be deleted. The kernel gives it free when
// the process ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked(dir, err)
		}
		return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	return f, nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir *os.File) error { return dir.Sync() }

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}
