package intercomrbac_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/require"
)

// cloud is Intercom with several workspaces, each of which knows its own tokens.
type cloud struct {
	tb testing.TB

	mu    sync.Mutex
	fakes map[string]*intercomtest.Server // by token
	hosts map[string]map[string]bool      // that a token was sent to
	sent  map[string]int                  // by token
}

func newCloud(tb testing.TB) *cloud {
	return &cloud{tb: tb, fakes: map[string]*intercomtest.Server{}, hosts: map[string]map[string]bool{}, sent: map[string]int{}}
}

// RoundTrip implements [http.RoundTripper].
func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	c.mu.Lock()
	fake := c.fakes[token]
	c.sent[token]++
	if c.hosts[token] == nil {
		c.hosts[token] = map[string]bool{}
	}
	c.hosts[token][r.URL.Host] = true
	c.mu.Unlock()
	if fake == nil {
		return reply(http.StatusUnauthorized, `{"type":"error.list","errors":[{"code":"unauthorized","message":"Access Token Invalid"}]}`), nil
	}
	return fake.Transport().RoundTrip(r)
}

func (c *cloud) sentTo(token string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.hosts[token]))
}

func (c *cloud) requests(token string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent[token]
}

// add makes a workspace, seeded, and returns what OAuth would of its install.
func (c *cloud) add(id intercomrbac.WorkspaceID, region intercomrbac.Region) (*intercomtest.Server, intercomrbac.Workspace) {
	fake := intercomtest.NewServer(c.tb, intercomtest.WithWorkspace(intercomtest.Workspace{ID: id, Name: "The " + string(id), Region: string(region)}),
		intercomtest.WithToken("token-1-of-"+string(id)))
	fake.Seed()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fakes[fake.Token()] = fake
	return fake, installOf(id, region, fake.Token())
}

// reinstall makes another token of a workspace that lives.
func (c *cloud) reinstall(w intercomrbac.Workspace, token string) intercomrbac.Workspace {
	c.mu.Lock()
	fake := c.fakes[w.Token.Reveal()]
	c.fakes[token] = fake
	c.mu.Unlock()
	fake.AddToken(token)
	w.Token, w.InstalledAt = intercomrbac.NewSecret(token), w.InstalledAt.Add(time.Hour)
	return w
}

func installOf(id intercomrbac.WorkspaceID, region intercomrbac.Region, token string) intercomrbac.Workspace {
	return intercomrbac.Workspace{ID: id, Name: "The " + string(id), Region: region, Token: intercomrbac.NewSecret(token),
		InstalledAt: time.Date(2026, 9, 3, 14, 15, 16, 171819, time.UTC),
		InstalledBy: intercomrbac.InstalledBy{AdminID: "991267459", Email: "olivia@example.com", EmailVerified: true}}
}

// testKey is a key that is the same each time.
func testKey(b byte) intercomrbac.Secret {
	return intercomrbac.NewSecret(base64.StdEncoding.EncodeToString(slices.Repeat([]byte{b}, 32)))
}

// keyRing has the keys k1 to kn, the last of which seals.
func keyRing(tb testing.TB, n byte) *intercomrbac.KeyRing {
	tb.Helper()
	keys := map[string]intercomrbac.Secret{}
	for i := byte(1); i <= n; i++ {
		keys[fmt.Sprintf("k%d", i)] = testKey(i)
	}
	k, err := intercomrbac.NewKeyRing(fmt.Sprintf("k%d", n), keys)
	require.NoError(tb, err)
	return k
}

// config is one that works, with a cloud to talk to.
func (c *cloud) config(options ...intercomrbac.Option) intercomrbac.WorkspacesConfig {
	return intercomrbac.WorkspacesConfig{Store: intercomrbac.NewMemoryWorkspaceStore(), StoreID: "test", Keys: keyRing(c.tb, 1),
		Client: append([]intercomrbac.Option{intercomrbac.WithHTTPClient(&http.Client{Transport: c, Timeout: 30 * time.Second})}, options...)}
}

func newWorkspaces(tb testing.TB, config intercomrbac.WorkspacesConfig) *intercomrbac.Workspaces {
	tb.Helper()
	w, err := intercomrbac.NewWorkspaces(config)
	require.NoError(tb, err)
	return w
}

func install(tb testing.TB, w *intercomrbac.Workspaces, list ...intercomrbac.Workspace) {
	tb.Helper()
	for _, workspace := range list {
		require.NoError(tb, w.Install(tb.Context(), workspace))
	}
}

func workspaceClient(tb testing.TB, w *intercomrbac.Workspaces, id intercomrbac.WorkspaceID) *intercomrbac.Client {
	tb.Helper()
	c, err := w.Client(tb.Context(), id)
	require.NoError(tb, err)
	return c
}

// countingStore counts what is asked of a store, and can make it fail or hang.
type countingStore struct {
	intercomrbac.WorkspaceStore

	mu     sync.Mutex
	gets   int
	saves  int
	before func(ctx context.Context, what string) error // may be nil
}

func (s *countingStore) Get(ctx context.Context, id intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
	if err := s.count(ctx, &s.gets, "get"); err != nil {
		return intercomrbac.WorkspaceRecord{}, err
	}
	return s.WorkspaceStore.Get(ctx, id)
}

func (s *countingStore) Save(ctx context.Context, r intercomrbac.WorkspaceRecord, old int64) error {
	if err := s.count(ctx, &s.saves, "save"); err != nil {
		return err
	}
	return s.WorkspaceStore.Save(ctx, r, old)
}

func (s *countingStore) count(ctx context.Context, n *int, what string) error {
	s.mu.Lock()
	*n++
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(ctx, what)
	}
	return nil
}

// do sets what comes before each use.
func (s *countingStore) do(before func(ctx context.Context, what string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

func (s *countingStore) counts() (gets, saves int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets, s.saves
}
