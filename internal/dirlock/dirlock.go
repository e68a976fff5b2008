// Package dirlock lets one process at a time change the files of a directory.
package dirlock

import (
	"context"
	"errors"
	"os"
	"time"
)

// Name is the file in the directory that is locked. It stays there: a lock on a file that was removed keeps nobody out.
const Name = "lock"

// errHeld says that somebody else has the lock.
var errHeld = errors.New("the directory is locked")

// Lock waits until nobody else has the directory locked, or until ctx ends. [Unlock] gives it free, and so does the end of the
// process, however it comes. A program that asks twice waits for itself.
func Lock(ctx context.Context, dir *os.Root) (*os.File, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 16*time.Millisecond) {
		f, err := try(dir)
		if !errors.Is(err, errHeld) {
			return f, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}
