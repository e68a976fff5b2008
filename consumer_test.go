package intercomrbac_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const consumer = `package main

import (
	"context"
	"fmt"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()
	client, err := intercomrbac.NewClient(intercomrbac.WithToken(fake.Token()), intercomrbac.WithBaseURL(fake.URL()))
	if err != nil {
		panic(err)
	}
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Agent})
	c, err := client.Conversations.Assign(ctx, ids.Conversations[0], intercomrbac.AssignParams{To: intercomrbac.ToTeam(ids.Sales)})
	fmt.Println(c.TeamAssigneeID == ids.Sales, err)
}
`

// A module elsewhere that imports the library builds, works, and compiles nothing beyond the standard library and
// golang.org/x/oauth2.
func TestModuleOfAUser(t *testing.T) {
	t.Parallel()
	root, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	for name, content := range map[string]string{
		"main.go": consumer,
		"go.sum":  string(sums),
		"go.mod": "module example.com/user\n\ngo 1.26.0\n\nrequire github.com/intercomrbac/intercomrbac v0.0.0\n\n" +
			"replace github.com/intercomrbac/intercomrbac => " + filepath.ToSlash(root) + "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		// What is needed was fetched to build this test.
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
		return string(out)
	}
	assert.Equal(t, "true <nil>\n", run("run", "."))
	modules := strings.Fields(run("list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}}{{end}}", "."))
	slices.Sort(modules)
	assert.Equal(t, []string{"example.com/user", "github.com/intercomrbac/intercomrbac", "golang.org/x/oauth2"}, slices.Compact(modules))
}
