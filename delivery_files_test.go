package intercomrbac_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fileDeliveries(tb testing.TB, dir string) *intercomrbac.FileDeliveryStore {
	tb.Helper()
	s, err := intercomrbac.NewFileDeliveryStore(dir)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func deliveryKey(n int) string { return fmt.Sprintf("%064x", n) }

func TestFileDeliveryStore(t *testing.T) {
	t.Parallel()
	intercomtest.TestDeliveryStore(t, func(t *testing.T) intercomrbac.DeliveryStore { return fileDeliveries(t, t.TempDir()) })
}

// What was handled is not handled again after a restart; what was not is.
func TestDeliveriesAreKnownAfterARestart(t *testing.T) {
	t.Parallel()
	dir, deliveries := filepath.Join(t.TempDir(), "deliveries"), soak.N(20, 1000)
	var ran atomic.Int64
	serve := func() {
		store, err := intercomrbac.NewFileDeliveryStore(dir)
		require.NoError(t, err)
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = store })
		h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error {
			ran.Add(1)
			return nil
		})
		d := h.created("notif_the_one")
		var wg sync.WaitGroup
		for g := range 64 {
			wg.Go(func() {
				for i := g; i < deliveries; i += 64 {
					assert.Equal(t, 200, d.To(h).Status)
				}
			})
		}
		wg.Wait()
		h.drain(t)
		assert.Empty(t, h.reported())
		require.NoError(t, store.Close())
	}
	for range 3 {
		serve()
		assert.EqualValues(t, 1, ran.Load())
	}
	soak.Report(t, "C11", "%d deliveries of one id over 64 goroutines, three times with a restart between: handled once", 3*deliveries)
}

// Two processes that share a directory are as one.
func TestFileDeliveryStoresOfOneDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := []*intercomrbac.FileDeliveryStore{fileDeliveries(t, dir), fileDeliveries(t, dir)}
	until := time.Now().Add(time.Hour)
	for n := range 20 {
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				ok, err := stores[i%2].Claim(t.Context(), deliveryKey(n), until)
				assert.NoError(t, err)
				if ok {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, won.Load())
	}
	require.NoError(t, stores[0].Release(t.Context(), deliveryKey(3)))
	ok, err := stores[1].Claim(t.Context(), deliveryKey(3), until)
	require.NoError(t, err)
	assert.True(t, ok)
}

// The directory does not grow for ever: each claim removes some of what has passed.
func TestFileDeliveryStoreTidiesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := fileDeliveries(t, dir)
		files := func() int {
			list, err := os.ReadDir(dir)
			require.NoError(t, err)
			return len(list)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not ours"), 0o600))
		claim := func(n int) {
			ok, err := s.Claim(t.Context(), deliveryKey(n), time.Now().Add(48*time.Hour))
			require.NoError(t, err)
			require.True(t, ok)
		}
		const many = 60
		for n := range many {
			claim(n)
		}
		assert.Greater(t, files(), many)
		advance(47 * time.Hour)
		claim(many)
		assert.Greater(t, files(), many+1, "nothing has passed")
		advance(2 * time.Hour)
		for n := range many {
			claim(many + 1 + n)
		}
		assert.Equal(t, many+1+2, files(), "those of today, the lock and what is not ours") // many+1 claims are alive
		assert.FileExists(t, filepath.Join(dir, "notes.txt"))
	})
}

func TestFileDeliveryStoreRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := fileDeliveries(t, dir)
	until := time.Now().Add(time.Hour)
	for _, key := range []string{"", "new", "lock", "../" + strings.Repeat("a", 61), strings.Repeat("g", 64), strings.Repeat("a", 66), strings.Repeat("a", 63) + "/"} {
		ok, err := s.Claim(t.Context(), key, until)
		assert.False(t, ok)
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, key)
		require.ErrorIs(t, s.Keep(t.Context(), key, until), intercomrbac.ErrInvalidRequest)
		require.ErrorIs(t, s.Release(t.Context(), key), intercomrbac.ErrInvalidRequest)
	}
	for name, content := range map[string]string{"empty": "", "no time": "tomorrow\n", "long": strings.Repeat("2026-11-29T00:00:00Z", 100)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, deliveryKey(1)), []byte(content), 0o600))
		ok, err := s.Claim(t.Context(), deliveryKey(1), until)
		assert.False(t, ok, name)
		require.ErrorContains(t, err, "remove it, and the delivery may be handled again", name)
	}
	require.NoError(t, s.Release(t.Context(), deliveryKey(1)))
	ok, err := s.Claim(t.Context(), deliveryKey(1), until)
	require.NoError(t, err)
	assert.True(t, ok)
	require.NoError(t, s.Close())
	_, err = s.Claim(t.Context(), deliveryKey(2), until)
	require.ErrorIs(t, err, os.ErrClosed)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = intercomrbac.NewFileDeliveryStore(file)
	require.ErrorContains(t, err, "intercomrbac: NewFileDeliveryStore: ")
}

func BenchmarkFileDeliveryStoreClaim(b *testing.B) {
	s := fileDeliveries(b, b.TempDir())
	until := time.Now().Add(time.Hour)
	for n := 0; b.Loop(); n++ {
		if ok, err := s.Claim(b.Context(), deliveryKey(n), until); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}
