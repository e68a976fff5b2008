package intercomrbac_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/require"
)

// BenchmarkWorkspacesClient looks up a workspace that is known.
func BenchmarkWorkspacesClient(b *testing.B) {
	c := newCloud(b)
	w := newWorkspaces(b, c.config())
	install(b, w, installOf("acme0001", intercomrbac.US, "dG9rOmV4YW1wbGUtdG9rZW46MTow"))
	ctx := intercomrbac.WithPrincipal(b.Context(), intercomrbac.Principal{AdminID: "7", Workspace: "acme0001"})
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.Client(ctx, "acme0001"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("in parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := w.Client(ctx, "acme0001"); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkWorkspacesLoad reads a workspace's record from memory, opens it and makes its client.
func BenchmarkWorkspacesLoad(b *testing.B) {
	c := newCloud(b)
	config := c.config()
	install(b, newWorkspaces(b, config), installOf("acme0001", intercomrbac.US, "dG9rOmV4YW1wbGUtdG9rZW46MTow"))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		w := newWorkspaces(b, config)
		b.StartTimer()
		if _, err := w.Client(b.Context(), "acme0001"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWorkspacesOpen opens a sealed token and reads what is in it.
func BenchmarkWorkspacesOpen(b *testing.B) {
	c := newCloud(b)
	config := c.config()
	w := newWorkspaces(b, config)
	install(b, w, installOf("acme0001", intercomrbac.US, "dG9rOmV4YW1wbGUtdG9rZW46MTow"))
	r, err := config.Store.Get(b.Context(), "acme0001")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := intercomrbac.OpenRecord(w, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWorkspacesMemory reports what a workspace that was used once keeps in memory.
func BenchmarkWorkspacesMemory(b *testing.B) {
	const workspaces = 1_000
	for name, roles := range map[string]intercomrbac.RoleDirectoryConfig{
		"plain":      {},
		"with roles": {Map: intercomrbac.RoleMap{RoleNames: map[string]intercomrbac.Role{"Owner": "owner"}}},
	} {
		b.Run(name, func(b *testing.B) {
			c := newCloud(b)
			config := c.config()
			config.Roles = roles
			for i := range workspaces {
				install(b, newWorkspaces(b, config), installOf(intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)), intercomrbac.US, fmt.Sprintf("dG9rOmV4YW1wbGUtdG9rZW4%04d", i)))
			}
			heap := func() uint64 {
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			var each float64
			for b.Loop() {
				before := heap()
				w := newWorkspaces(b, config)
				for i := range workspaces {
					if _, err := w.Client(b.Context(), intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i))); err != nil {
						b.Fatal(err)
					}
				}
				each = float64(heap()-before) / workspaces
				runtime.KeepAlive(w)
			}
			b.ReportMetric(each, "B/workspace")
		})
	}
}
