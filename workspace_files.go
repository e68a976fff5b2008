package intercomrbac

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/intercomrbac/intercomrbac/internal/dirlock"
)

// FileWorkspaceStore keeps each workspace in a file of its own, which is replaced as a whole and synced before Save returns:
// after a crash there is the old record or the new one. Several processes on one machine may share the directory. It is
// made by [NewFileWorkspaceStore] and is safe for concurrent use.
type FileWorkspaceStore struct{ *directory }

const (
	recordSuffix  = ".json"
	maxRecordFile = 1 << 20 // bytes
	maxFileID     = 100     // bytes of an id, of which the file's name has two for each
)

// NewFileWorkspaceStore opens a directory, which it makes if there is none, with access for its owner alone. Nothing else may
// write into it. Close gives it free.
func NewFileWorkspaceStore(dir string) (*FileWorkspaceStore, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, fmt.Errorf("intercomrbac: NewFileWorkspaceStore: %w", err)
	}
	return &FileWorkspaceStore{d}, nil
}

// Close gives the directory free. The store is of no use afterwards.
func (s *FileWorkspaceStore) Close() error { return s.root.Close() }

// fileOf returns the name of a workspace's file: two digits for each byte of the id, so that no id leads elsewhere, and none to
// another's file where letters of either case are the same.
func fileOf(id WorkspaceID) (string, error) {
	if id == "" || len(id) > maxFileID || !utf8.ValidString(string(id)) {
		return "", fmt.Errorf("%w: FileWorkspaceStore: %.80q is no workspace id: at most %d bytes of UTF-8", ErrInvalidRequest, string(id), maxFileID)
	}
	return hex.EncodeToString([]byte(id)) + recordSuffix, nil
}

// storedID is an id that is read as it was written.
type storedID string

// recordFile is the content of a file.
type recordFile struct {
	ID storedID `json:"id"`
	WorkspaceRecord
}

// Get implements [WorkspaceStore].
func (s *FileWorkspaceStore) Get(ctx context.Context, id WorkspaceID) (WorkspaceRecord, error) {
	name, err := fileOf(id)
	if err != nil {
		return WorkspaceRecord{}, err
	}
	if err := ctx.Err(); err != nil {
		return WorkspaceRecord{}, err
	}
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return WorkspaceRecord{}, notInstalled(id)
	}
	if err != nil {
		return WorkspaceRecord{}, fmt.Errorf("intercomrbac: the record of workspace %.80q: %w", string(id), err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxRecordFile+1))
	if err != nil {
		return WorkspaceRecord{}, fmt.Errorf("intercomrbac: the record of workspace %.80q: %w", string(id), err)
	}
	var r recordFile
	if len(b) > maxRecordFile || json.Unmarshal(b, &r) != nil || r.ID != storedID(id) || r.Version <= 0 {
		return WorkspaceRecord{}, fmt.Errorf("intercomrbac: the file %s does not hold the record of workspace %.80q: restore it, or delete the record and have the app installed again",
			name, string(id))
	}
	r.WorkspaceRecord.ID = id
	return r.WorkspaceRecord, nil
}

// Save implements [WorkspaceStore].
func (s *FileWorkspaceStore) Save(ctx context.Context, record WorkspaceRecord, old int64) error {
	name, err := fileOf(record.ID)
	if err != nil {
		return err
	}
	if err := checkSave(record, old); err != nil {
		return err
	}
	content, err := json.Marshal(recordFile{storedID(record.ID), record})
	if err != nil {
		return fmt.Errorf("intercomrbac: the record of workspace %.80q: %w", string(record.ID), err)
	}
	if len(content)+1 > maxRecordFile { // it could not be read again
		return fmt.Errorf("%w: the record of workspace %.80q has %d bytes: a file holds %d", ErrInvalidRequest, string(record.ID), len(content), maxRecordFile)
	}
	return s.locked(ctx, func() error {
		there, err := s.Get(ctx, record.ID)
		switch {
		case err != nil && !errors.Is(err, ErrWorkspaceNotFound):
			return err
		case there.Version != old:
			return versionConflict(record.ID, there.Version, old)
		}
		if err := s.replace(name, append(content, '\n')); err != nil {
			return fmt.Errorf("intercomrbac: the record of workspace %.80q: %w", string(record.ID), err)
		}
		return nil
	})
}

// Delete implements [WorkspaceStore].
func (s *FileWorkspaceStore) Delete(ctx context.Context, id WorkspaceID) error {
	name, err := fileOf(id)
	if err != nil {
		return err
	}
	return s.locked(ctx, func() error {
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("intercomrbac: the record of workspace %.80q: %w", string(id), err)
		}
		return dirlock.Sync(s.root)
	})
}

// All implements [WorkspaceStore].
func (s *FileWorkspaceStore) All(ctx context.Context) iter.Seq2[WorkspaceRecord, error] {
	return func(yield func(WorkspaceRecord, error) bool) {
		files, err := fs.ReadDir(s.root.FS(), ".")
		if err != nil {
			yield(WorkspaceRecord{}, fmt.Errorf("intercomrbac: the directory of the workspaces: %w", err))
			return
		}
		var ids []WorkspaceID
		for _, f := range files {
			if name, ok := strings.CutSuffix(f.Name(), recordSuffix); ok {
				if id, err := hex.DecodeString(name); err == nil {
					ids = append(ids, WorkspaceID(id))
				}
			}
		}
		eachWorkspace(ctx, s, ids, yield)
	}
}
