package intercomrbac_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fileStore(tb testing.TB, dir string) *intercomrbac.FileWorkspaceStore {
	tb.Helper()
	s, err := intercomrbac.NewFileWorkspaceStore(dir)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func recordOf(id intercomrbac.WorkspaceID, version int64) intercomrbac.WorkspaceRecord {
	return intercomrbac.WorkspaceRecord{ID: id, Region: intercomrbac.EU, Account: "ana", InstalledAt: time.Date(2026, 9, 3, 14, 15, 16, 0, time.UTC),
		Sealed: fmt.Appendf(nil, "sealed %d", version), Version: version}
}

func TestMemoryWorkspaceStore(t *testing.T) {
	t.Parallel()
	intercomtest.TestWorkspaceStore(t, func(*testing.T) intercomrbac.WorkspaceStore { return intercomrbac.NewMemoryWorkspaceStore() })
}

func TestFileWorkspaceStore(t *testing.T) {
	t.Parallel()
	intercomtest.TestWorkspaceStore(t, func(t *testing.T) intercomrbac.WorkspaceStore {
		outside := t.TempDir()
		dir := filepath.Join(outside, "a", "workspaces")
		t.Cleanup(func() { // no id leads out of the directory
			require.NoError(t, filepath.WalkDir(outside, func(path string, e fs.DirEntry, err error) error {
				assert.True(t, e.IsDir() || filepath.Dir(path) == dir, path)
				return err
			}))
		})
		return fileStore(t, dir)
	})
}

func TestFileWorkspaceStoreKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "workspaces")
	first := fileStore(t, dir)
	require.NoError(t, first.Save(t.Context(), recordOf("acme0001", 1), 0))
	require.NoError(t, first.Close())
	_, err := first.Get(t.Context(), "acme0001")
	require.ErrorIs(t, err, fs.ErrClosed)

	// What a crash left of a file under way does not matter.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), []byte(`{"id":"acme0001","version":`+strings.Repeat("9", 500)), 0o600))
	second := fileStore(t, dir)
	got, err := second.Get(t.Context(), "acme0001")
	require.NoError(t, err)
	assert.Equal(t, recordOf("acme0001", 1), got)
	require.NoError(t, second.Save(t.Context(), recordOf("acme0001", 2), 1))

	file := filepath.Join(dir, hex.EncodeToString([]byte("acme0001"))+".json")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"acme0001","region":"EU","account":"ana","installed_at":"2026-09-03T14:15:16Z","revoked":false,"sealed":"c2VhbGVkIDI=","version":2}`, string(content))
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]fs.FileMode{file: 0o600, dir: 0o700, filepath.Join(dir, "lock"): 0o600} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, mode, info.Mode().Perm(), path)
		}
	}
}

// What is not a record of the workspace is an error, never another workspace's record and never "not installed", which would
// let an install write over it.
func TestFileWorkspaceStoreRefusesFilesThatAreNotTheRecord(t *testing.T) {
	t.Parallel()
	good, err := json.Marshal(recordOf("acme0001", 1))
	require.NoError(t, err)
	for name, content := range map[string]string{
		"empty":             "",
		"cut off":           string(good[:len(good)/2]),
		"of another":        strings.Replace(string(good), "acme0001", "acme0002", 1),
		"without version":   strings.Replace(string(good), `"version":1`, `"version":0`, 1),
		"negative version":  strings.Replace(string(good), `"version":1`, `"version":-1`, 1),
		"no JSON":           "\x00\x00\x00",
		"another type":      `["acme0001"]`,
		"two of them":       string(good) + string(good),
		"longer than a MiB": `{"x":"` + strings.Repeat("x", 1<<20) + `",` + string(good[1:]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := fileStore(t, dir)
			require.NoError(t, os.WriteFile(filepath.Join(dir, hex.EncodeToString([]byte("acme0001"))+".json"), []byte(content), 0o600))
			_, err := s.Get(t.Context(), "acme0001")
			require.ErrorContains(t, err, "61636d6530303031.json does not hold the record")
			require.NotErrorIs(t, err, intercomrbac.ErrWorkspaceNotFound)
			require.ErrorContains(t, s.Save(t.Context(), recordOf("acme0001", 2), 0), "does not hold the record")
			for _, err := range s.All(t.Context()) {
				require.ErrorContains(t, err, "does not hold the record")
			}
			require.NoError(t, s.Delete(t.Context(), "acme0001"))
			require.NoError(t, s.Save(t.Context(), recordOf("acme0001", 1), 0))
		})
	}
}

func TestFileWorkspaceStoreDoesNotFollowLinksOutside(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	good, err := json.Marshal(recordOf("acme0001", 1))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(outside, good, 0o600))
	s := fileStore(t, dir)
	link := filepath.Join(dir, hex.EncodeToString([]byte("acme0001"))+".json")
	if err := os.Symlink(outside, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	_, err = s.Get(t.Context(), "acme0001")
	require.Error(t, err)
	require.NotErrorIs(t, err, intercomrbac.ErrWorkspaceNotFound)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "new")))
	require.Error(t, s.Save(t.Context(), recordOf("acme0001", 2), 0))
	content, err := os.ReadFile(outside)
	require.NoError(t, err)
	assert.Equal(t, string(good), string(content))
}

func TestNewFileWorkspaceStoreNeedsADirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{"", file, filepath.Join(file, "below")} {
		s, err := intercomrbac.NewFileWorkspaceStore(dir)
		require.ErrorContains(t, err, "intercomrbac: NewFileWorkspaceStore: ")
		assert.Nil(t, s)
	}
}

// Two stores of one directory stand for two processes: the lock is of the open file.
func TestFileWorkspaceStoresOfOneDirectoryTakeTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	const stores, each = 4, 25
	for range stores {
		s := fileStore(t, dir)
		wg.Go(func() {
			for added := 0; added < each; {
				r, err := s.Get(t.Context(), "acme0001")
				if err != nil && !assert.ErrorIs(t, err, intercomrbac.ErrWorkspaceNotFound) {
					return
				}
				if err := s.Save(t.Context(), recordOf("acme0001", r.Version+1), r.Version); err == nil {
					added++
				} else if !assert.ErrorIs(t, err, intercomrbac.ErrVersionConflict) {
					return
				}
			}
		})
	}
	wg.Wait()
	r, err := fileStore(t, dir).Get(t.Context(), "acme0001")
	require.NoError(t, err)
	assert.Equal(t, recordOf("acme0001", stores*each), r)
}

// A suite that a broken store passes is worth nothing.
func TestWorkspaceStoreSuiteFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	for name, broken := range brokenStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := reexec(t, "TestBrokenWorkspaceStore", "INTERCOMRBAC_BROKEN_STORE="+name)
			require.Error(t, err, "the suite let it pass: %s", out)
			assert.Contains(t, out, "--- FAIL: TestBrokenWorkspaceStore/"+broken.fails+" (")
		})
	}
}

// TestBrokenWorkspaceStore is for the test above, in a process of its own.
func TestBrokenWorkspaceStore(t *testing.T) {
	name := os.Getenv("INTERCOMRBAC_BROKEN_STORE")
	if name == "" {
		t.Skip("it fails, as another test wants it to")
	}
	intercomtest.TestWorkspaceStore(t, func(*testing.T) intercomrbac.WorkspaceStore {
		return brokenStores[name].make(intercomrbac.NewMemoryWorkspaceStore())
	})
}

// storeFuncs is a store of which some methods are others.
type storeFuncs struct {
	intercomrbac.WorkspaceStore
	get  func(context.Context, intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error)
	save func(context.Context, intercomrbac.WorkspaceRecord, int64) error
}

func (s storeFuncs) Get(ctx context.Context, id intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
	if s.get == nil {
		return s.WorkspaceStore.Get(ctx, id)
	}
	return s.get(ctx, id)
}

func (s storeFuncs) Save(ctx context.Context, r intercomrbac.WorkspaceRecord, old int64) error {
	if s.save == nil {
		return s.WorkspaceStore.Save(ctx, r, old)
	}
	return s.save(ctx, r, old)
}

var brokenStores = map[string]struct {
	fails string // the part of the suite
	make  func(intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore
}{
	"last write wins": {"Save_compares_versions", func(s intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore {
		return storeFuncs{WorkspaceStore: s, save: func(ctx context.Context, r intercomrbac.WorkspaceRecord, _ int64) error {
			there, _ := s.Get(ctx, r.ID)
			return s.Save(ctx, r, there.Version)
		}}
	}},
	"compares outside of the lock": {"one_of_many_savers_wins", func(s intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore {
		return storeFuncs{WorkspaceStore: s, save: func(ctx context.Context, r intercomrbac.WorkspaceRecord, old int64) error {
			there, _ := s.Get(ctx, r.ID)
			if there.Version != old {
				return intercomrbac.ErrVersionConflict
			}
			runtime.Gosched()
			if err := s.Delete(ctx, r.ID); err != nil {
				return err
			}
			_ = s.Save(ctx, r, 0)
			return nil
		}}
	}},
	"takes ids for one another": {"odd_ids", func(s intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore {
		lower := func(id intercomrbac.WorkspaceID) intercomrbac.WorkspaceID {
			return intercomrbac.WorkspaceID(strings.ToLower(string(id)))
		}
		return storeFuncs{WorkspaceStore: s,
			get: func(ctx context.Context, id intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
				return s.Get(ctx, lower(id))
			},
			save: func(ctx context.Context, r intercomrbac.WorkspaceRecord, old int64) error {
				r.ID = lower(r.ID)
				return s.Save(ctx, r, old)
			}}
	}},
	"loses the sealed bytes of a text column": {"Get_returns_what_was_saved", func(s intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore {
		return storeFuncs{WorkspaceStore: s, save: func(ctx context.Context, r intercomrbac.WorkspaceRecord, old int64) error {
			r.Sealed = []byte(strings.ToValidUTF8(string(r.Sealed), "?"))
			return s.Save(ctx, r, old)
		}}
	}},
	"loses when a workspace was revoked": {"Get_returns_what_was_saved", func(s intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore {
		return storeFuncs{WorkspaceStore: s, save: func(ctx context.Context, r intercomrbac.WorkspaceRecord, old int64) error {
			r.RevokedAt = time.Time{}
			return s.Save(ctx, r, old)
		}}
	}},
	"does without the context": {"an_ended_context", func(s intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore {
		return storeFuncs{WorkspaceStore: s, save: func(ctx context.Context, r intercomrbac.WorkspaceRecord, old int64) error {
			return s.Save(context.WithoutCancel(ctx), r, old)
		}}
	}},
	"finds nothing": {"Get_returns_what_was_saved", func(s intercomrbac.WorkspaceStore) intercomrbac.WorkspaceStore {
		return storeFuncs{WorkspaceStore: s, get: func(_ context.Context, id intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
			return intercomrbac.WorkspaceRecord{}, fmt.Errorf("%w: %q", intercomrbac.ErrWorkspaceNotFound, id)
		}}
	}},
}
