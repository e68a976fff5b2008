package intercomrbac_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/seal"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allRecords returns what a store has, by id.
func allRecords(tb testing.TB, s intercomrbac.WorkspaceStore) map[intercomrbac.WorkspaceID]intercomrbac.WorkspaceRecord {
	tb.Helper()
	all := map[intercomrbac.WorkspaceID]intercomrbac.WorkspaceRecord{}
	for r, err := range s.All(tb.Context()) {
		require.NoError(tb, err)
		all[r.ID] = r
	}
	return all
}

// sealedUnder counts the records by the key that they are sealed under.
func sealedUnder(tb testing.TB, s intercomrbac.WorkspaceStore) map[string]int {
	tb.Helper()
	n := map[string]int{}
	for _, r := range allRecords(tb, s) {
		if len(r.Sealed) == 0 {
			n[""]++
			continue
		}
		id, err := seal.KeyID(r.Sealed)
		require.NoError(tb, err)
		n[id]++
	}
	return n
}

// oneRecord is a store of one record, which nobody changes.
type oneRecord struct {
	intercomrbac.WorkspaceStore
	r intercomrbac.WorkspaceRecord
}

func (s oneRecord) Get(context.Context, intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
	return s.r, nil
}

// B1: whatever is sealed opens in its own place alone.
func TestSealedTokensDoNotOpenElsewhere(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	regions := []intercomrbac.Region{intercomrbac.US, intercomrbac.EU, intercomrbac.AU}
	// row is a record, and where it belongs.
	type row struct {
		intercomrbac.WorkspaceRecord
		store, kind string
		ring        *intercomrbac.KeyRing
	}
	raw, err := seal.New("k1", seal.Key{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)}, seal.Key{ID: "k2", Secret: bytes.Repeat([]byte{2}, 32)})
	require.NoError(t, err)
	rings := []*intercomrbac.KeyRing{keyRing(t, 1), keyRing(t, 2)} // k1 seals, then k2
	var rows []row
	for i := range 60 {
		r := row{store: []string{"production", "staging", ""}[i%3], kind: "access token", ring: rings[i/3%2]}
		config := c.config()
		config.StoreID, config.Keys = r.store, r.ring
		id := intercomrbac.WorkspaceID(fmt.Sprintf("acme%d", i/4%4))
		install(t, newWorkspaces(t, config), installOf(id, regions[i/5%3], fmt.Sprintf("token-%d", i)))
		r.WorkspaceRecord = allRecords(t, config.Store)[id]
		if i%6 == 5 { // the same for another kind
			r.kind = "refresh token"
			r.Sealed = raw.Seal([]byte("\x05token\x00\x010\x00\x00\x00"), r.store, string(id), string(r.Region), "", r.kind)
		}
		rows = append(rows, r)
	}
	opens := func(r row) error {
		config := c.config()
		config.Store, config.StoreID, config.Keys = oneRecord{config.Store, r.WorkspaceRecord}, r.store, rings[1] // which has both keys
		_, err := newWorkspaces(t, config).Client(t.Context(), r.ID)
		return err
	}
	for _, r := range rows {
		if r.kind == "access token" {
			require.NoError(t, opens(r), "%+v", r)
		} else {
			require.ErrorIs(t, opens(r), intercomrbac.ErrSealed)
		}
	}
	swaps := soak.N(2_000, 10_000)
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // which rows are swapped is no secret
	for done := 0; done < swaps; {
		a, b := rows[r.IntN(len(rows))], rows[r.IntN(len(rows))]
		got := a
		if a.store == b.store && a.ID == b.ID && a.Region == b.Region {
			if got.Sealed = b.Sealed; b.kind == "access token" {
				continue // the same place
			}
			require.ErrorIs(t, opens(got), intercomrbac.ErrSealed, "%+v", got)
			done++
			continue
		}
		switch r.IntN(6) {
		case 0: // the token of one in the row of the other
			got.Sealed = b.Sealed
		case 1: // the whole row under the id of the other
			got.ID = b.ID
			got.Region = b.Region
			got.store = b.store
		case 2: // another format
			got.Sealed = slices.Clone(a.Sealed)
			got.Sealed[0] = byte(r.IntN(256))
			if got.Sealed[0] == 1 {
				continue
			}
		case 3: // the name of another key
			other, err := seal.KeyID(a.Sealed)
			require.NoError(t, err)
			other = map[string]string{"k1": "k2", "k2": "k1"}[other]
			got.Sealed = slices.Concat([]byte{1, 2}, []byte(other), a.Sealed[4:])
		case 5: // in the hands of another account
			got.Account = "eve"
		case 4: // the head of one and the tail of the other
			cut := 4 + r.IntN(min(len(a.Sealed), len(b.Sealed))-5)
			got.Sealed = slices.Concat(a.Sealed[:cut], b.Sealed[cut:])
		}
		require.ErrorIs(t, opens(got), intercomrbac.ErrSealed, "%+v", got)
		done++
	}
	soak.Report(t, "B1", "%d swaps of sealed tokens between rows, workspaces, regions, accounts, stores, kinds, formats and keys: all refused", swaps)
}

// A record that is changed in one byte does not open, and its error tells nothing of it.
func TestAChangedRecordDoesNotOpen(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	config := c.config()
	install(t, newWorkspaces(t, config), installOf("acme0001", intercomrbac.US, canary))
	good := allRecords(t, config.Store)["acme0001"]
	for i := range good.Sealed {
		r := good
		r.Sealed = slices.Clone(good.Sealed)
		r.Sealed[i] ^= 1 << (i % 8)
		config.Store = oneRecord{config.Store, r}
		_, err := newWorkspaces(t, config).Get(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrSealed)
		assert.Empty(t, leaks(fmt.Sprintf("%v %+v %#v", err, err, err)))
	}
	config.Store, config.Keys = oneRecord{config.Store, good}, keyRing(t, 2)
	_, err := newWorkspaces(t, config).Get(t.Context(), "acme0001")
	require.NoError(t, err)
	onlyNew, err := intercomrbac.NewKeyRing("k2", map[string]intercomrbac.Secret{"k2": testKey(2)})
	require.NoError(t, err)
	config.Keys = onlyNew
	_, err = newWorkspaces(t, config).Get(t.Context(), "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrSealed)
	require.ErrorContains(t, err, `it was sealed under the key "k1", which is not among the keys`)
}

// What opens and is none of this version's is refused, whatever it is.
func FuzzUnpackedTokens(f *testing.F) {
	raw, err := seal.New("k1", seal.Key{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)})
	require.NoError(f, err)
	base := newCloud(f).config()
	f.Add([]byte("\x05token\x00\x010\x00\x00\x00"))
	f.Add([]byte("\x05token\x00\x010\x00\x00\x00\x00"))
	f.Add([]byte("\x05tok"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x03a b\x00\x010\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		config := base
		config.Store = oneRecord{r: intercomrbac.WorkspaceRecord{ID: "acme0001", Region: intercomrbac.US, Version: 1,
			Sealed: raw.Seal(text, "test", "acme0001", "US", "", "access token")}}
		got, err := newWorkspaces(t, config).Get(t.Context(), "acme0001")
		if err == nil {
			assert.Regexp(t, "^[!-~]+$", got.Token.Reveal())
		} else {
			require.ErrorIs(t, err, intercomrbac.ErrSealed)
		}
	})
}

func TestRotate(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	config := c.config()
	w := newWorkspaces(t, config)
	fake, a := c.add("acme0001", intercomrbac.US)
	_, b := c.add("acme0002", intercomrbac.EU)
	install(t, w, a, b)
	_, dead := c.add("acme0003", intercomrbac.US)
	install(t, w, dead)
	client := workspaceClient(t, w, "acme0003")
	c.mu.Lock()
	c.fakes[dead.Token.Reveal()].RevokeToken(dead.Token.Reveal(), "token_revoked")
	c.mu.Unlock()
	_, err := client.Teams.List(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	swept := intercomrbac.WorkspaceRecord{ID: "acme0004", Region: intercomrbac.US, Revoked: true, Version: 1}
	require.NoError(t, config.Store.Save(t.Context(), swept, 0))

	same, err := w.Rotate(t.Context())
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.Rotation{Current: 4}, same)

	before := allRecords(t, config.Store)
	config.Keys = keyRing(t, 2)
	next := newWorkspaces(t, config)
	kept := workspaceClient(t, next, "acme0001")
	install(t, next, b) // under the new key
	done, err := next.Rotate(t.Context())
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.Rotation{Resealed: 2, Current: 2}, done, "a token that is kept for a day is sealed anew, too")
	assert.Equal(t, map[string]int{"k2": 3, "": 1}, sealedUnder(t, config.Store))
	after := allRecords(t, config.Store)["acme0001"]
	assert.Greater(t, after.Version, before["acme0001"].Version)
	after.Version, after.Sealed = before["acme0001"].Version, before["acme0001"].Sealed
	assert.Equal(t, before["acme0001"], after, "nothing else changes")

	_, err = kept.Teams.List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, fake.CallCount("teams.list"))
	again, err := next.Rotate(t.Context())
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.Rotation{Current: 4}, again)
}

// What cannot be rotated is told, stays as it was, and keeps nothing else from it.
func TestRotateGoesPastWhatFails(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	config := c.config()
	w := newWorkspaces(t, config)
	for i := range 30 {
		install(t, w, installOf(intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)), intercomrbac.US, "token"))
	}
	broken := allRecords(t, config.Store)
	for i := range 20 {
		r := broken[intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i))]
		old := r.Version
		r.Version, r.Sealed = old+1, r.Sealed[:len(r.Sealed)-1]
		require.NoError(t, config.Store.Save(t.Context(), r, old))
	}
	config.Keys = keyRing(t, 2)
	done, err := newWorkspaces(t, config).Rotate(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrSealed)
	require.ErrorContains(t, err, `workspace "acme0000"`)
	require.NotContains(t, err.Error(), "acme0015", "no more than ten are told of")
	assert.Equal(t, intercomrbac.Rotation{Resealed: 10, Failed: 20}, done)
	assert.Equal(t, map[string]int{"k1": 20, "k2": 10}, sealedUnder(t, config.Store))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newWorkspaces(t, config).Rotate(ctx)
	require.ErrorIs(t, err, context.Canceled)
	down := errors.New("down")
	store := &countingStore{WorkspaceStore: config.Store}
	store.do(func(context.Context, string) error { return down })
	config.Store = store
	done, err = newWorkspaces(t, config).Rotate(t.Context())
	require.ErrorIs(t, err, down)
	assert.Equal(t, intercomrbac.Rotation{Current: 10, Failed: 20}, done)
}

// B2: while workspaces are read and installed, a rotation fails no read, and leaves nothing under the old key.
func TestRotateDuringMixedReadsAndWrites(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() intercomrbac.WorkspaceStore{
		"memory": intercomrbac.NewMemoryWorkspaceStore,
		"files":  func() intercomrbac.WorkspaceStore { return fileStore(t, t.TempDir()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			config := c.config()
			config.Store = open()
			const workspaces, workers = 40, 8
			id := func(i int) intercomrbac.WorkspaceID { return intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)) }
			old := newWorkspaces(t, config)
			for i := range workspaces {
				install(t, old, installOf(id(i), intercomrbac.US, fmt.Sprintf("token-0-of-%d", i)))
			}
			// Every process has both keys; the old one is primary in some that only read.
			lagging := config
			ring, err := intercomrbac.NewKeyRing("k1", map[string]intercomrbac.Secret{"k1": testKey(1), "k2": testKey(2)})
			require.NoError(t, err)
			lagging.Keys = ring
			config.Keys = keyRing(t, 2)
			total := soak.N(1_000, 10_000)
			var reads, writes atomic.Int64
			var wg sync.WaitGroup
			for worker := range workers {
				r := rand.New(rand.NewPCG(5, uint64(worker))) //nolint:gosec // the order is no secret
				wg.Go(func() {
					for n := range total / workers {
						i := r.IntN(workspaces)
						if r.IntN(4) == 0 {
							writes.Add(1)
							w := newWorkspaces(t, config)
							assert.NoError(t, w.Install(t.Context(), installOf(id(i), intercomrbac.US, fmt.Sprintf("token-%d-%d-of-%d", worker, n, i))))
							continue
						}
						reads.Add(1)
						reader := config
						if r.IntN(2) == 0 {
							reader = lagging
						}
						got, err := newWorkspaces(t, reader).Get(t.Context(), id(i))
						if assert.NoError(t, err) {
							assert.Regexp(t, fmt.Sprintf("^token-.*-of-%d$", i), got.Token.Reveal())
						}
					}
				})
			}
			var sum intercomrbac.Rotation
			wg.Go(func() {
				done, err := newWorkspaces(t, config).Rotate(t.Context())
				assert.NoError(t, err)
				sum = done
			})
			wg.Wait()
			assert.Equal(t, workspaces, sum.Resealed+sum.Current)
			assert.Equal(t, map[string]int{"k2": workspaces}, sealedUnder(t, config.Store))
			soak.Report(t, "B2", "%s: %d reads and %d installs during a rotation, 0 failed, 0 of %d records left under the old key", name, reads.Load(), writes.Load(), workspaces)
		})
	}
}

const rotatedRecords = 150

func rotateConfig(t *testing.T, dir string, keys byte) intercomrbac.WorkspacesConfig {
	return intercomrbac.WorkspacesConfig{Store: fileStore(t, dir), StoreID: "test", Keys: keyRing(t, keys)}
}

// TestRotateInAProcessOfItsOwn is for the next test, which kills it.
func TestRotateInAProcessOfItsOwn(t *testing.T) {
	dir := os.Getenv("INTERCOMRBAC_ROTATE")
	if dir == "" {
		t.Skip("another test starts it in a process of its own")
	}
	_, err := newWorkspaces(t, rotateConfig(t, dir, 2)).Rotate(t.Context())
	require.NoError(t, err)
}

// B2: a rotation that is killed in the middle leaves every record whole, and is gone on with.
func TestRotateIsGoneOnWithAfterAKill(t *testing.T) {
	t.Parallel()
	rounds, killed, atKill := soak.N(1, 20), 0, 0
	for try := 0; killed < rounds; try++ {
		require.Less(t, try, 10*rounds, "the rotation is never caught in the middle")
		dir := t.TempDir()
		config := rotateConfig(t, dir, 1)
		w := newWorkspaces(t, config)
		for i := range rotatedRecords {
			install(t, w, installOf(intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)), intercomrbac.EU, fmt.Sprintf("token-of-%d", i)))
		}
		cmd := reexecCommand(t, "TestRotateInAProcessOfItsOwn", "INTERCOMRBAC_ROTATE="+dir)
		require.NoError(t, cmd.Start())
		wait := time.NewTicker(time.Millisecond)
		for range 30_000 {
			if sealedUnder(t, config.Store)["k2"] > try%10 {
				break
			}
			<-wait.C
		}
		wait.Stop()
		require.NoError(t, cmd.Process.Kill())
		if _, whole := errors.AsType[*exec.ExitError](cmd.Wait()); !whole {
			continue // it had ended
		}
		under := sealedUnder(t, config.Store)
		if under["k1"] == 0 || under["k2"] == 0 {
			continue
		}
		killed++
		atKill += under["k2"]
		require.Equal(t, rotatedRecords, under["k1"]+under["k2"])
		config = rotateConfig(t, dir, 2)
		done, err := newWorkspaces(t, config).Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, intercomrbac.Rotation{Resealed: under["k1"], Current: under["k2"]}, done)
		onlyNew, err := intercomrbac.NewKeyRing("k2", map[string]intercomrbac.Secret{"k2": testKey(2)})
		require.NoError(t, err)
		config.Keys = onlyNew
		w = newWorkspaces(t, config)
		for i := range rotatedRecords {
			got, err := w.Get(t.Context(), intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("token-of-%d", i), got.Token.Reveal())
		}
	}
	soak.Report(t, "B2", "%d rotations killed (SIGKILL) after %d of %d records on average: none lost, none unreadable, all gone on with", killed, atKill/killed, rotatedRecords)
}
