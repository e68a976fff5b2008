package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/dirlock"
)

// directory is where a store has its files. Several processes on one machine may share it.
type directory struct {
	root *os.Root
	turn chan struct{} // holds the one who may write, so that this process asks for the lock once at a time
}

// openDirectory makes the directory if there is none, with access for its owner alone.
func openDirectory(dir string) (*directory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &directory{root: root, turn: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := d.locked(ctx, func() error { return nil }); err != nil { // as of a system that cannot lock
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// replace writes a file so that its name stands for the old content or for the new one, whatever happens.
func (d *directory) replace(name string, content []byte) error {
	const unfinished = "new" // one is enough under the lock; what a crash has left of it is overwritten
	f, err := d.root.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.root.Rename(unfinished, name); err != nil {
		return err
	}
	return dirlock.Sync(d.root)
}

// locked does something while nobody else writes.
func (d *directory) locked(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.turn }()
	lock, err := dirlock.Lock(ctx, d.root)
	if err != nil {
		return fmt.Errorf("intercomrbac: the lock of the directory: %w", err)
	}
	return errors.Join(do(), dirlock.Unlock(lock))
}
