package intercomrbac_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a file could not give back is refused, and what is there stays.
func TestInstallRefusesWhatTheStoreCouldNotGiveBack(t *testing.T) {
	t.Parallel()
	store, err := intercomrbac.NewFileWorkspaceStore(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, store.Close()) })
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv"))
	keys, err := intercomrbac.NewKeyRing("k", map[string]intercomrbac.Secret{"k": intercomrbac.NewSecret(key)})
	require.NoError(t, err)
	w, err := intercomrbac.NewWorkspaces(intercomrbac.WorkspacesConfig{Store: store, Keys: keys})
	require.NoError(t, err)
	workspace := intercomrbac.Workspace{ID: "w1", Name: "Acme", Region: intercomrbac.US, Token: intercomrbac.NewSecret("tok_1234567890"), Account: "ana"}
	require.NoError(t, w.Install(t.Context(), workspace))
	for name, change := range map[string]func(*intercomrbac.Workspace){
		"a name of a megabyte": func(w *intercomrbac.Workspace) { w.Name = strings.Repeat("x", 1<<20) },
		"no UTF-8":             func(w *intercomrbac.Workspace) { w.ID, w.Account = "w2", "\xff" },
	} {
		bad := workspace
		change(&bad)
		assert.ErrorIs(t, w.Install(t.Context(), bad), intercomrbac.ErrInvalidRequest, name)
	}
	there, err := w.Get(t.Context(), "w1")
	require.NoError(t, err)
	assert.Equal(t, "Acme", there.Name)
	_, err = w.Get(t.Context(), "w2")
	require.ErrorIs(t, err, intercomrbac.ErrWorkspaceNotFound)
}
