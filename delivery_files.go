package intercomrbac

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/dirlock"
)

// FileDeliveryStore keeps each key in a small file of its own, synced before Claim and Keep return, so that a notification that was
// handled before a restart, or a crash, is not handled again after it. Several processes on one machine may share the directory. It does
// some hundred claims a second, which the disk decides; an app with more has a database. It is made by [NewFileDeliveryStore] and
// is safe for concurrent use.
type FileDeliveryStore struct {
	*directory
	scan *os.File // of what tidy looks at next; for the one who has the lock
}

// tidyFiles is how many files each claim looks at to remove what has passed. A claim adds one, so that what has passed is a fraction of
// what is there.
const tidyFiles = 4

// NewFileDeliveryStore opens a directory, which it makes if there is none, with access for its owner alone. Nothing else may write into
// it. Close gives it free.
func NewFileDeliveryStore(dir string) (*FileDeliveryStore, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, fmt.Errorf("intercomrbac: NewFileDeliveryStore: %w", err)
	}
	return &FileDeliveryStore{directory: d}, nil
}

// Close gives the directory free. The store is of no use afterwards.
func (s *FileDeliveryStore) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.endScan()
	return s.root.Close()
}

// checkKey keeps what is no key from being the name of a file.
func checkKey(key string) error {
	if _, err := hex.DecodeString(key); err != nil || len(key) != 64 {
		return fmt.Errorf("%w: FileDeliveryStore: %.80q is no key of 64 hexadecimal digits", ErrInvalidRequest, key)
	}
	return nil
}

// Claim implements [DeliveryStore].
func (s *FileDeliveryStore) Claim(ctx context.Context, key string, until time.Time) (bool, error) {
	free := false
	err := s.change(ctx, key, func() error {
		s.tidy()
		there, err := s.until(key)
		if free = err == nil && !there.After(time.Now()); !free {
			return err
		}
		return s.put(key, until)
	})
	return free && err == nil, err
}

// Keep implements [DeliveryStore].
func (s *FileDeliveryStore) Keep(ctx context.Context, key string, until time.Time) error {
	return s.change(ctx, key, func() error { return s.put(key, until) })
}

// Release implements [DeliveryStore].
func (s *FileDeliveryStore) Release(ctx context.Context, key string) error {
	return s.change(ctx, key, func() error {
		if err := s.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return dirlock.Sync(s.root)
	})
}

func (s *FileDeliveryStore) change(ctx context.Context, key string, do func() error) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := s.locked(ctx, do); err != nil {
		return fmt.Errorf("intercomrbac: the file of delivery %s: %w", key, err)
	}
	return nil
}

func (s *FileDeliveryStore) put(key string, until time.Time) error {
	return s.replace(key, []byte(until.UTC().Format(time.RFC3339Nano)+"\n"))
}

// until returns until when a key is taken; the zero time if it is not.
func (s *FileDeliveryStore) until(key string) (time.Time, error) {
	f, err := s.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	content := make([]byte, len(time.RFC3339Nano)+1)
	n, err := f.Read(content)
	if err != nil || n == 0 {
		return time.Time{}, fmt.Errorf("it cannot be read: remove it, and the delivery may be handled again: %w", errors.Join(err, fs.ErrInvalid))
	}
	at, err := time.Parse(time.RFC3339Nano, string(content[:n-1]))
	if err != nil {
		return time.Time{}, errors.New("it does not hold a time: remove it, and the delivery may be handled again")
	}
	return at, nil
}

// tidy looks at the next few files, and removes those whose time has passed. What fails is left for another time.
func (s *FileDeliveryStore) tidy() {
	if s.scan == nil {
		s.scan, _ = s.root.Open(".")
	}
	if s.scan == nil {
		return
	}
	files, err := s.scan.ReadDir(tidyFiles)
	for _, f := range files {
		if checkKey(f.Name()) != nil {
			continue
		}
		if at, err := s.until(f.Name()); err == nil && !at.IsZero() && !at.After(time.Now()) {
			_ = s.root.Remove(f.Name())
		}
	}
	if err != nil {
		s.endScan()
	}
}

func (s *FileDeliveryStore) endScan() {
	if s.scan != nil {
		_ = s.scan.Close()
		s.scan = nil
	}
}
