package intercomrbac_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every Go snippet of the README stands in a file that is compiled.
func TestREADMESnippetsAreCompiled(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	more, err := filepath.Glob("*/*_test.go")
	require.NoError(t, err)
	var code strings.Builder
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		code.WriteString(unindented(string(b)))
	}
	blocks := strings.Split(string(readme), "```")
	found := 0
	for i := 1; i < len(blocks); i += 2 {
		snippet, isGo := strings.CutPrefix(blocks[i], "go\n")
		if !isGo {
			continue
		}
		found++
		assert.Contains(t, code.String(), unindented(snippet))
	}
	assert.GreaterOrEqual(t, found, 4)
}

// The tests that SECURITY.md names for the invariants are there.
func TestInvariantsHaveTheirTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var code strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		code.Write(b)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(text), -1)
	assert.GreaterOrEqual(t, len(named), 5)
	for _, name := range named {
		assert.Contains(t, code.String(), "\nfunc "+name[1]+"(t *testing.T)")
	}
}

// The table in the comment of StockPolicy is what the policy says.
func TestStockPolicyIsAsItsCommentHasIt(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("permissions.go")
	require.NoError(t, err)
	roles := []intercomrbac.Role{"owner", "admin", "agent"}
	c := stockChecker(t)
	documented := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^//\t([a-z_]+:[a-z]+) +(\S+) +(\S+) +(\S+)$`).FindAllStringSubmatch(string(source), -1) {
		for i, role := range roles {
			documented[string(role)+" "+row[1]] = row[2+i]
		}
	}
	said := map[string]string{}
	for line := range strings.Lines(c.Matrix()) {
		cells := strings.Fields(line)
		for i, role := range []string{"admin", "agent", "owner"} {
			if cells[0] != "permission" {
				said[role+" "+cells[0]] = cells[1+i]
			}
		}
	}
	assert.Equal(t, said, documented)
}

func unindented(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}
