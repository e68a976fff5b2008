package golden

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failing takes down what Compare reports.
type failing struct {
	testing.TB
	errors, fatals int
}

func (f *failing) Helper()               {}
func (f *failing) Errorf(string, ...any) { f.errors++ }
func (f *failing) Fatalf(string, ...any) { f.fatals++ }

func TestFirstDifference(t *testing.T) {
	for want, got := range map[string]string{"a\nb\nc": "a\nx\nc", "a\nb": "a", "a": "a\nb", "": "x"} {
		line, was, is := firstDifference(want, got)
		assert.NotEqual(t, was, is)
		assert.Equal(t, map[string]int{"a\nb\nc": 2, "a\nb": 2, "a": 2, "": 1}[want], line)
	}
}

func TestCompare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "output.txt")
	require.NoError(t, os.WriteFile(file, []byte("as it was"), 0o600))
	same, other := &failing{TB: t}, &failing{TB: t}
	Compare(same, file, "as it was")
	assert.Zero(t, same.errors+same.fatals)
	Compare(other, file, "as it is")
	assert.Equal(t, []int{1, 0}, []int{other.errors, other.fatals})

	*update = true
	defer func() { *update = false }()
	Compare(t, file, "as it is")
	*update = false
	Compare(t, file, "as it is")
}
