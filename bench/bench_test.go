package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/require"
)

func workloads() []*workload { return []*workload{stockWorkload(), largeWorkload()} }

func TestContendersAnswerRight(t *testing.T) {
	for _, w := range workloads() {
		for _, c := range contenders {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				ask, err := c.build(w.grants)
				if reason, ok := errors.AsType[leftOut](err); ok {
					require.Equal(t, "large/switch", w.name+"/"+c.name, reason)
					return
				}
				require.NoError(t, err)
				every := 1
				if c.linear && w.name == "large" {
					every = soak.N(64, 1) // all of them take minutes; whoever times them asks them all
				}
				require.NoError(t, (&runner{ask: ask, questions: w.questions}).verify(every))
			})
		}
	}
}

// TestWorkloads keeps the tables from changing unseen, and with them what the figures mean.
func TestWorkloads(t *testing.T) {
	count := func(w *workload) (asked, allowed, granted int) {
		for _, q := range w.questions {
			if q.allowed {
				allowed++
			}
		}
		for _, role := range w.grants.roles {
			granted += len(role.permissions)
		}
		return len(w.questions), allowed, granted
	}
	asked, allowed, granted := count(stockWorkload())
	require.Equal(t, []int{30, 21, 21}, []int{asked, allowed, granted})
	asked, allowed, granted = count(largeWorkload())
	require.Equal(t, []int{1024, 541, 99_680}, []int{asked, allowed, granted})
}

// TestWrongContenderIsNotTimed has contenders that are wrong once, and that fail where the answer is no.
func TestWrongContenderIsNotTimed(t *testing.T) {
	for want, spoilt := range map[string]ask{
		"wrong answer for agent, settings:manage: true": func(role, permission string) (bool, error) {
			allowed, err := stockSwitch(role, permission)
			return allowed || role == "agent" && permission == "settings:manage", err
		},
		"no answer for admin, contacts:delete: broken": func(role, permission string) (bool, error) {
			if allowed, _ := stockSwitch(role, permission); !allowed {
				return false, errors.New("broken")
			}
			return true, nil
		},
	} {
		t.Run(want, func(t *testing.T) {
			w := stockWorkload()
			r, err := newRunner(contender{build: func(grants) (ask, error) { return spoilt, nil }}, w)
			require.EqualError(t, err, want)
			require.Nil(t, r)
			s := samples{runner: &runner{ask: spoilt, questions: w.questions}}
			require.ErrorContains(t, s.take(time.Millisecond), "is wrong now", "one that becomes wrong later ends the measurement")
		})
	}
}

func TestPage(t *testing.T) {
	s := section{Name: "large", About: "many roles", LeftOut: []string{"switch: it is code"}, Rows: []row{
		{Name: "casbin Enforcer", Sequential: 17.46e6, Least: 15.1e6, Parallel: 9.8e6, Bytes: 3_000_000, Allocs: 135_078},
		{Name: oursCheck, Sequential: 42, Least: 40.04, Parallel: 21.5},
		{Name: "map of maps", Sequential: 21, Least: 20, Parallel: 9.996},
	}}
	require.NoError(t, s.finish())
	p := page{Date: "1 November 2026", Go: "go1.26", CPU: "CPU", Processors: 2, Rounds: 5, Time: 100 * time.Millisecond, Setups: [][2]string{{"map of maps", "a map"}},
		Workloads: []section{s}, Builds: []row{{Name: oursCheck, Build: 1234567, Heap: 94_000}}, Peers: []string{"a v1", "b v2"},
		Trails: &trailPage{Rows: []trailRow{{Name: oursTrail, Callers: 64, Rate: 101_234, P50: 520e3, P99: 1.5e6, ToSynced: 22.1, ToPlain: 0.334, ToSync: 2.89}},
			Notes: [][2]string{{oursTrail, "durable"}}, Sync: 180e3, Chain: 1_000_000, Verify: 0.9e9, Open: 80e6, Time: time.Second, Rounds: 15}}
	text, err := p.render()
	require.NoError(t, err)
	for _, want := range []string{
		"## Large: many roles\n\n| contender |",
		"| map of maps | 21.0 ns | 20.0 ns | 10.0 ns | 0 | 0 | 0.50 |\n" +
			"| **intercomrbac Check** | 42.0 ns | 40.0 ns | 21.5 ns | 0 | 0 | 1.0 |\n" +
			"| casbin Enforcer | 17.5 ms | 15.1 ms | 9.80 ms | 3,000,000 | 135,078 | 416,000 |\n\nLeft out:\n\n- switch: it is code\n\n",
		"| **intercomrbac Check** | 1.23 ms | 92 KiB |\n",
		"| map of maps | a map |\n",
		"Versions: a v1, b v2.\n",
		"in each of 15 rounds;",
		"takes this disk 180 µs.",
		"| **auditfile** | 64 | 101,000 | 520 µs | 1.50 ms | 22 | 0.33 | 2.9 |\n\n- auditfile: durable\n\nA log of 1,000,000 events is verified in 900 ms, and opened to go on with it in 80.0 ms.\n\n## The contenders\n",
	} {
		require.Contains(t, string(text), want)
	}
	require.ErrorContains(t, (&section{Name: "stock"}).finish(), "nothing to compare with")
}

// TestTrailsKeepWhatTheyAreGiven looks at the files: a trail that forgets would be a fast one.
func TestTrailsKeepWhatTheyAreGiven(t *testing.T) {
	for _, trail := range trails {
		t.Run(trail.name, func(t *testing.T) {
			dir := t.TempDir()
			sink, closeSink, err := trail.open(dir)
			require.NoError(t, err)
			const n = 20
			for i := range n {
				require.NoError(t, sink.Record(t.Context(), trailEvent(i)))
			}
			require.NoError(t, closeSink())
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			more, err := filepath.Glob(filepath.Join(dir, "*", "*"))
			require.NoError(t, err)
			lines := 0
			for _, file := range append(files, more...) {
				b, _ := os.ReadFile(file) // or it is a directory
				lines += bytes.Count(b, []byte(trailEvent(0).RequestID))
			}
			require.Equal(t, n, lines)
		})
	}
	p, err := measureTrails(1, time.Millisecond, 1000)
	require.NoError(t, err)
	require.Len(t, p.Rows, len(trails)*len(trailCallers))
	for _, row := range p.Rows {
		require.Positive(t, row.Rate, row.Name)
		require.Positive(t, row.P50, row.Name)
	}
}

func TestMedian(t *testing.T) {
	require.Equal(t, 2, median([]int{3, 1, 2}))
	require.Equal(t, 2, median([]int{4, 3, 1, 2}))
}

// prepared are the runners that a benchmark has had, so that further runs of it need not ask everything again.
var prepared = map[string]*runner{}

func benchmark(b *testing.B, measure func(*runner) func(*testing.B)) {
	for _, w := range workloads() {
		for _, c := range contenders {
			name := w.name + "/" + c.name
			b.Run(name, func(b *testing.B) {
				r := prepared[name]
				if r == nil {
					var err error
					r, err = newRunner(c, w)
					if reason, ok := errors.AsType[leftOut](err); ok {
						b.Skip(reason)
					}
					require.NoError(b, err)
					prepared[name] = r
				}
				b.ResetTimer()
				measure(r)(b)
			})
		}
	}
}

func BenchmarkSequential(b *testing.B) {
	benchmark(b, func(r *runner) func(*testing.B) { return r.sequential })
}

func BenchmarkParallel(b *testing.B) {
	benchmark(b, func(r *runner) func(*testing.B) { return r.parallel })
}
