package names

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSetFindsWhatIsInItAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 3, 10, 1000} {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("resource_%d:action", i))
		}
		s := New(all)
		for i, name := range all {
			place, ok := s.Find(strings.Clone(name))
			assert.True(t, ok, name)
			assert.Equal(t, i, place)
			for _, other := range []string{name + " ", strings.ToUpper(name), name[1:], name + "\x00"} {
				_, ok := s.Find(other)
				assert.False(t, ok, "%q", other)
			}
		}
		_, ok := s.Find("")
		assert.False(t, ok)
		_, ok = s.Find(strings.Repeat("x", 1<<20))
		assert.False(t, ok)
	}
}

func TestEmptyNameIsANameLikeOthers(t *testing.T) {
	t.Parallel()
	s := New([]string{"a", ""})
	place, ok := s.Find("")
	assert.True(t, ok)
	assert.Equal(t, 1, place)
}

// A set and a map agree on any names and questions.
func FuzzSet(f *testing.F) {
	f.Add("a,b,c", "b")
	f.Add("contacts:read,contacts:write", "contacts:read ")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, list, question string) {
		places := map[string]int{}
		var all []string
		for name := range strings.SplitSeq(list, ",") {
			if _, twice := places[name]; !twice {
				places[name] = len(all)
				all = append(all, name)
			}
		}
		s := New(all)
		want, in := places[question]
		place, ok := s.Find(question)
		if ok != in || ok && place != want {
			t.Fatalf("%q in %q: %d, %v; want %d, %v", question, all, place, ok, want, in)
		}
		for name, want := range places {
			if place, ok := s.Find(name); !ok || place != want {
				t.Fatalf("%q in %q: %d, %v", name, all, place, ok)
			}
		}
	})
}
