package conformance_test

import (
	"path/filepath"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestActivityTypesHaveAGrade wants every type of activity that a description declares to be graded.
func TestActivityTypesHaveAGrade(t *testing.T) {
	theDescription(t)
	for _, file := range files() {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tree, err := readTree(file)
			require.NoError(t, err)
			types, _ := dig(tree, "components", "schemas", "activity_log", "properties", "activity_type")["enum"].([]any)
			require.NotEmpty(t, types)
			grades := map[intercomrbac.Risk]int{}
			for _, kind := range types {
				name, ok := kind.(string)
				require.True(t, ok, "%v", kind)
				risk := intercomrbac.ActivityType(name).Risk()
				assert.NotEqual(t, intercomrbac.RiskReview, risk, "%s has no grade: give it one in activityrisk.go", name)
				grades[risk]++
			}
			t.Logf("%d types: %v", len(types), grades)
		})
	}
}
