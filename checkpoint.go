package intercomrbac

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/dirlock"
)

// Checkpoint remembers which conversations a [Router.RouteAll] is done with, so that one that was interrupted goes on where it was. It
// is about one backlog of one workspace. It is an exact set of ids and no mark in a row of them: conversations are done in no order, and a
// search that is made again does not return those that were assigned. [FileCheckpoint] is one.
type Checkpoint interface {
	// Done reports whether a conversation was marked.
	Done(ctx context.Context, id ConversationID) (bool, error)
	// Mark returns once the conversation is remembered for good. It is called when the conversation is with its team, before the result
	// comes, and also after the context of RouteAll has ended: ctx has ten seconds of its own.
	Mark(ctx context.Context, id ConversationID) error
}

// FileCheckpoint is a [Checkpoint] in a directory of its own, which one process at a time has. Each id is synced to disk before Mark
// returns: no crash loses one. In memory an id takes some 20 to 40 bytes. To begin anew, remove the directory. It is made by
// [NewFileCheckpoint] and is safe for concurrent use.
type FileCheckpoint struct {
	root *os.Root
	lock *os.File

	mu   sync.Mutex
	file *os.File
	done idSet
	err  error // why nothing more is written
}

const (
	checkpointFile   = "done"
	checkpointHeader = "intercomrbac checkpoint 1\n"
	maxIDLine        = 200 // bytes; Intercom's ids have 128 at most
)

// NewFileCheckpoint opens the checkpoint in a directory, which it makes if there is none, with access for its owner alone. Nothing else
// may write into it. What a crash left of the last id is cut off; any other damage is an error. It is an error, too, if another process
// has it open. Close gives it free.
func NewFileCheckpoint(dir string) (_ *FileCheckpoint, err error) {
	c := &FileCheckpoint{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("intercomrbac: NewFileCheckpoint: %w", errors.Join(err, c.Close()))
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if c.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	switch c.lock, err = dirlock.Lock(ctx, c.root); {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("somebody else has %s open: wait for the other RouteAll, or give this one a directory of its own", dir)
	case err != nil:
		return nil, err
	}
	if c.file, err = c.root.OpenFile(checkpointFile, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	whole, err := c.read()
	if err != nil {
		return nil, err
	}
	if err := c.cut(whole); err != nil {
		return nil, err
	}
	return c, nil
}

// read takes in the ids, and returns how long the part of the file is that is whole.
func (c *FileCheckpoint) read() (whole int64, err error) {
	r := bufio.NewReaderSize(c.file, 64<<10)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		text := string(line)
		_, end := r.Peek(1)
		id := ConversationID(strings.TrimSuffix(text, "\n"))
		switch {
		case errors.Is(err, io.EOF) && (n > 1 || strings.HasPrefix(checkpointHeader, text)): // a crash has cut the line off, if there is one
			return whole, nil
		case err == nil && n == 1 && text == checkpointHeader:
		case err == nil && n > 1 && len(text) <= maxIDLine && id != "" && id.check(opConversationsGet) == nil:
			c.done.add(id)
		case err == nil && n > 1 && errors.Is(end, io.EOF): // a crash has left the end of it alone
			return whole, nil
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return 0, err
		default:
			return 0, fmt.Errorf("line %d of the file %s is no part of a checkpoint: restore it, or remove the directory and begin anew", n, checkpointFile)
		}
		whole += int64(len(line))
	}
}

// cut ends the file behind what is whole, and begins it if that is nothing.
func (c *FileCheckpoint) cut(whole int64) error {
	if err := c.file.Truncate(whole); err != nil {
		return err
	}
	if _, err := c.file.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	if whole == 0 {
		if _, err := c.file.WriteString(checkpointHeader); err != nil {
			return err
		}
	}
	return errors.Join(c.file.Sync(), dirlock.Sync(c.root))
}

// Done implements [Checkpoint].
func (c *FileCheckpoint) Done(_ context.Context, id ConversationID) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done.has(id), nil
}

// Len is how many conversations are marked.
func (c *FileCheckpoint) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done.len()
}

// Mark implements [Checkpoint]. After a failure it always fails, with the same error: what is on the disk then is known when the
// checkpoint is opened again.
func (c *FileCheckpoint) Mark(_ context.Context, id ConversationID) error {
	if err := id.check(opConversationsGet); err != nil || id == "" || len(id) >= maxIDLine {
		return fmt.Errorf("%w: FileCheckpoint: %.40q is no conversation id", ErrInvalidRequest, string(id))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done.has(id) {
		return nil
	}
	if c.err == nil {
		_, err := c.file.WriteString(string(id) + "\n")
		if err == nil {
			err = c.file.Sync()
		}
		if err != nil {
			c.err = fmt.Errorf("intercomrbac: FileCheckpoint: %w", err)
		}
	}
	if c.err == nil {
		c.done.add(id)
	}
	return c.err
}

// Close gives the directory free. Nothing can be marked afterwards.
func (c *FileCheckpoint) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = errors.New("intercomrbac: FileCheckpoint: it was closed")
	}
	var errs []error
	if c.file != nil {
		errs = append(errs, c.file.Close())
	}
	if c.lock != nil { // last
		errs = append(errs, dirlock.Unlock(c.lock))
	}
	if c.root != nil {
		errs = append(errs, c.root.Close())
	}
	c.file, c.lock, c.root = nil, nil, nil
	return errors.Join(errs...)
}

// idSet is a set of conversations. Their ids are numbers nearly always, which take less room. The zero value is empty.
type idSet struct {
	numbers map[uint64]struct{}
	others  map[ConversationID]struct{}
}

// number returns the number that an id is, if no other id is the same one.
func (idSet) number(id ConversationID) (uint64, bool) {
	if !isNumber(id) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(id), 10, 64)
	return n, err == nil
}

func (s *idSet) has(id ConversationID) (there bool) {
	if n, ok := s.number(id); ok {
		_, there = s.numbers[n]
		return there
	}
	_, there = s.others[id]
	return there
}

func (s *idSet) add(id ConversationID) {
	if s.numbers == nil {
		s.numbers, s.others = map[uint64]struct{}{}, map[ConversationID]struct{}{}
	}
	if n, ok := s.number(id); ok {
		s.numbers[n] = struct{}{}
		return
	}
	s.others[id] = struct{}{}
}

func (s *idSet) len() int { return len(s.numbers) + len(s.others) }

// recentIDs remembers the last ids that were added: recentSize at least, twice as many at most.
type recentIDs struct{ newer, older idSet }

// recentSize ids are many more than a page, and take a third of a megabyte, twice.
const recentSize = 1 << 13

func (r *recentIDs) has(id ConversationID) bool { return r.newer.has(id) || r.older.has(id) }

func (r *recentIDs) add(id ConversationID) {
	if r.newer.len() >= recentSize {
		r.older, r.newer = r.newer, idSet{}
	}
	r.newer.add(id)
}
