package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

//go:embed page.md.tmpl
var pageTemplate string

// page is what the template shows.
type page struct {
	Date, Go, CPU string
	Processors    int
	Rounds        int
	Time          time.Duration
	Peers         []string
	Setups        [][2]string // name and note
	Workloads     []section
	Builds        []row
	Trails        *trailPage
}

// section is the table of a workload.
type section struct {
	Name, About string
	Rows        []row
	LeftOut     []string
}

// row is the medians of a contender on a workload.
type row struct {
	Name                        string
	Sequential, Least, Parallel float64 // ns
	Bytes, Allocs               int64
	Ratio                       float64 // sequential, to Check of the same workload
	Build                       float64 // ns
	Heap                        int64
}

// samples are what the rounds gave.
type samples struct {
	runner               *runner
	sequential, parallel []float64
	bytes, allocs        []int64
}

func measure(rounds int, each time.Duration) (*page, error) {
	p := &page{
		Date: time.Now().UTC().Format("2 January 2006"), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		CPU: cpuModel(), Processors: runtime.GOMAXPROCS(0), Rounds: rounds, Time: each, Peers: peerVersions(),
	}
	for _, c := range contenders {
		p.Setups = append(p.Setups, [2]string{c.name, c.note})
	}
	large := largeWorkload()
	var err error
	if p.Builds, err = measureBuilds(large.grants, rounds); err != nil {
		return nil, err
	}
	workloads := []*workload{stockWorkload(), large}
	ready := make([][]samples, len(workloads))
	for i, w := range workloads {
		s := section{Name: w.name, About: w.about}
		ready[i] = make([]samples, len(contenders))
		for j, c := range contenders {
			progress("checking the answers of %s, %s", c.name, w.name)
			r, err := newRunner(c, w)
			if err != nil {
				s.LeftOut = append(s.LeftOut, c.name+": "+err.Error())
				continue
			}
			ready[i][j].runner = r
		}
		p.Workloads = append(p.Workloads, s)
	}
	// The rounds go over everything in turn, so that a slow moment of the machine does not fall on one contender.
	for round := range rounds {
		progress("round %d of %d", round+1, rounds)
		for i := range ready {
			for j := range ready[i] {
				if err := ready[i][j].take(each); err != nil {
					return nil, fmt.Errorf("%s, %s: %w", contenders[j].name, workloads[i].name, err)
				}
			}
		}
	}
	for i := range ready {
		s := &p.Workloads[i]
		for j := range ready[i] {
			if ready[i][j].runner != nil {
				s.Rows = append(s.Rows, ready[i][j].row(contenders[j].name))
			}
		}
		if err := s.finish(); err != nil {
			return nil, err
		}
	}
	p.Trails, err = measureTrails(rounds, trailTime, trailChain)
	return p, err
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// minQuestions are asked in each measurement, however long they take: how soon an engine answers differs between questions.
const minQuestions = 32

// take measures once more.
func (s *samples) take(each time.Duration) error {
	if s.runner == nil {
		return nil
	}
	benchtime := each.String()
	if s.runner.took*minQuestions > each {
		benchtime = strconv.Itoa(minQuestions) + "x"
	}
	if err := flag.Set("test.benchtime", benchtime); err != nil { // testing.Benchmark goes by it
		return err
	}
	sequential, parallel := testing.Benchmark(s.runner.sequential), testing.Benchmark(s.runner.parallel)
	if sequential.N == 0 || parallel.N == 0 {
		return errors.New("an answer that was right is wrong now")
	}
	s.sequential = append(s.sequential, nsPerOp(sequential))
	s.parallel = append(s.parallel, nsPerOp(parallel))
	s.bytes = append(s.bytes, sequential.AllocedBytesPerOp())
	s.allocs = append(s.allocs, sequential.AllocsPerOp())
	return nil
}

func nsPerOp(r testing.BenchmarkResult) float64 { return float64(r.T.Nanoseconds()) / float64(r.N) }

func (s *samples) row(name string) row {
	return row{Name: name, Sequential: median(s.sequential), Least: slices.Min(s.sequential), Parallel: median(s.parallel),
		Bytes: median(s.bytes), Allocs: median(s.allocs)}
}

// finish orders the rows and sets their ratios.
func (s *section) finish() error {
	i := slices.IndexFunc(s.Rows, func(r row) bool { return r.Name == oursCheck })
	if i < 0 {
		return fmt.Errorf("%s: nothing to compare with: %s", s.Name, strings.Join(s.LeftOut, "; "))
	}
	base := s.Rows[i].Sequential
	for i := range s.Rows {
		s.Rows[i].Ratio = s.Rows[i].Sequential / base
	}
	slices.SortStableFunc(s.Rows, func(a, b row) int { return cmp.Compare(a.Sequential, b.Sequential) })
	return nil
}

func measureBuilds(g grants, rounds int) ([]row, error) {
	took, heap := make([][]time.Duration, len(contenders)), make([][]int64, len(contenders))
	for round := range rounds {
		progress("building, round %d of %d", round+1, rounds)
		for i, c := range contenders {
			if c.name == oursCan {
				continue // the checker is that of Check
			}
			t, h, err := measureBuild(c, g)
			if _, ok := errors.AsType[leftOut](err); ok {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			took[i], heap[i] = append(took[i], t), append(heap[i], h)
		}
	}
	var rows []row
	for i, c := range contenders {
		if took[i] != nil {
			rows = append(rows, row{Name: c.name, Build: float64(median(took[i])), Heap: median(heap[i])})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.Build, b.Build) })
	return rows, nil
}

// median of an even number of values is the lower one of the middle.
func median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}

// peerVersions returns the modules that are compared, as they were built in.
func peerVersions() []string {
	var peers []string
	info, _ := debug.ReadBuildInfo()
	for _, name := range []string{"github.com/casbin/casbin/v3", "github.com/cedar-policy/cedar-go", "github.com/open-policy-agent/opa", "github.com/euroteltr/rbac"} {
		version := "of an unknown version"
		if info != nil {
			if i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == name }); i >= 0 {
				version = info.Deps[i].Version
			}
		}
		peers = append(peers, name+" "+version)
	}
	return peers
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "a processor of unknown model"
}

func (p *page) render() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"ns": formatNS, "ratio": formatRatio, "count": formatCount, "size": formatSize, "ours": isOurs, "rate": formatRate,
	}).Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

func isOurs(name string) bool { return name == oursCan || name == oursCheck || name == oursTrail }

// formatNS writes three digits or so: "27.8 ns", "911 ns", "10.4 µs".
func formatNS(ns float64) string {
	for _, unit := range []string{"ns", "µs", "ms"} {
		if ns < 1000 {
			return threeDigits(ns) + " " + unit
		}
		ns /= 1000
	}
	return threeDigits(ns) + " s"
}

func formatRatio(ratio float64) string {
	switch {
	case ratio < 1:
		return fmt.Sprintf("%.2f", ratio)
	case ratio < 10:
		return fmt.Sprintf("%.1f", ratio)
	case ratio < 1000:
		return fmt.Sprintf("%.0f", ratio)
	case ratio < 100_000:
		return formatCount(int64(ratio/100+0.5) * 100)
	}
	return formatCount(int64(ratio/1000+0.5) * 1000)
}

// formatRate writes events per second, to about three digits.
func formatRate(rate float64) string {
	step := int64(1)
	for rate >= 1000*float64(step) {
		step *= 10
	}
	return formatCount((int64(rate) + step/2) / step * step)
}

func threeDigits(f float64) string {
	switch {
	case f < 9.995:
		return fmt.Sprintf("%.2f", f)
	case f < 99.95:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// formatCount puts commas into a number.
func formatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func formatSize(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+512)/1024)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
