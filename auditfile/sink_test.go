package auditfile_test

import (
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/require"
)

func readingDir(dir string) func() ([]intercomrbac.AuditEvent, error) {
	return func() ([]intercomrbac.AuditEvent, error) {
		var out []intercomrbac.AuditEvent
		for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	}
}

// A17: the suite for sinks.
func TestLogIsASink(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]auditfile.Config{
		"plain":            {},
		"files and quotas": {MaxFileBytes: 4000, MaxBytes: 1 << 24, SigningKey: signingKey, CheckpointEvery: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, intercomtest.TestSink(open(t, dir, config), readingDir(dir)))
			verified(t, dir, auditfile.Trust{})
		})
	}
}
