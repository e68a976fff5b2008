package auditfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/intercomrbac/intercomrbac/internal/dirlock"
)

// volume is the directory of a log, for its one writer. What it reads is there for the process; what was not synced may be
// gone after a power cut, the name of a new file included.
type volume interface {
	fs.FS
	// Create makes a new file, for appending.
	Create(name string) (file, error)
	// Append opens a file for appending.
	Append(name string) (file, error)
	// Has reports whether the name still stands for the file.
	Has(name string, f file) bool
	// Sync makes the names of the files durable.
	Sync() error
	// Close gives the directory free.
	Close() error
}

type file interface {
	io.Writer // at the end
	// Rewrite writes over bytes that are there.
	Rewrite(b []byte, at int64) error
	Truncate(size int64) error
	Sync() error
	Close() error
}

// disk is a directory of the operating system.
type disk struct {
	fs.FS
	root *os.Root
	lock *os.File
}

// openDisk makes the directory if there is none, and locks it.
func openDisk(dir string) (*disk, error) {
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		if err := syncPath(filepath.Dir(dir)); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		_ = dirlock.Unlock(lock)
		return nil, err
	}
	return &disk{root.FS(), root, lock}, nil
}

func (d *disk) Create(name string) (file, error) { return d.open(name, os.O_CREATE|os.O_EXCL) }
func (d *disk) Append(name string) (file, error) { return d.open(name, 0) }
func (d *disk) Sync() error                      { return syncDir(d.lock) }
func (d *disk) Close() error                     { return errors.Join(d.root.Close(), dirlock.Unlock(d.lock)) }

func (d *disk) open(name string, how int) (file, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_APPEND|how, 0o600)
	if err != nil {
		return nil, err
	}
	own, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &diskFile{f, d.root, name, own}, nil
}

func (d *disk) Has(name string, f file) bool {
	there, err := d.root.Lstat(name)
	return err == nil && os.SameFile(there, f.(*diskFile).own)
}

type diskFile struct {
	*os.File
	root *os.Root
	name string
	own  fs.FileInfo // tells which file it is
}

func (f *diskFile) Truncate(size int64) error {
	return f.again(func(again *os.File) error { return again.Truncate(size) })
}

func (f *diskFile) Rewrite(b []byte, at int64) error {
	return f.again(func(again *os.File) error {
		_, err := again.WriteAt(b, at)
		return err
	})
}

// again opens the file once more: one that is open for appending is for appending alone, on Windows in truncating, too.
func (f *diskFile) again(do func(*os.File) error) error {
	again, err := f.root.OpenFile(f.name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(do(again), again.Close())
}

func errLocked(dir string, err error) error {
	return fmt.Errorf("another Log has %s open: one directory has one writer: %w", dir, err)
}
