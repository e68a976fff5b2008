package dirlock

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

func try(dir *os.Root) (*os.File, error) {
	path := filepath.Join(dir.Name(), Name)
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const nobodyElse = 0
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, nobodyElse, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	const sharingViolation = syscall.Errno(32)
	switch {
	case errors.Is(err, sharingViolation):
		return nil, errHeld
	case err != nil:
		return nil, &os.PathError{Op: "lock", Path: Name, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// Unlock gives the lock free and closes its file.
func Unlock(f *os.File) error { return f.Close() }

// Sync makes the names in the directory durable. Windows has no call for it: NTFS keeps a journal of names.
func Sync(*os.Root) error { return nil }
