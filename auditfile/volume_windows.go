package auditfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir opens a file that nobody else may open meanwhile. The system gives it free when the process ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const nobodyElse = 0
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, nobodyElse, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	const sharingViolation = syscall.Errno(32)
	switch {
	case errors.Is(err, sharingViolation):
		return nil, errLocked(dir, err)
	case err != nil:
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// Windows has no way to sync a directory: NTFS keeps a journal of names.
func syncDir(*os.File) error { return nil }

func syncPath(string) error { return nil }
