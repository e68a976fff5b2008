package intercomrbac_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/require"
)

// question is one thing to ask a checker. Its strings are clones, so that no answer comes from comparing pointers.
type question struct {
	role       intercomrbac.Role
	permission intercomrbac.Permission
	allowed    bool
}

// workload is a policy, and questions about it with the right answers.
type workload struct {
	policy    intercomrbac.Policy
	grants    map[intercomrbac.Role]map[intercomrbac.Permission]bool
	questions []question
}

func (w *workload) ask(role intercomrbac.Role, permission intercomrbac.Permission) {
	w.questions = append(w.questions, question{intercomrbac.Role(strings.Clone(string(role))),
		intercomrbac.Permission(strings.Clone(string(permission))), w.grants[role][permission]})
}

// stockTable says who holds which of the ten stock permissions, as the design has it.
var stockTable = map[intercomrbac.Role][]intercomrbac.Permission{
	"owner": {"contacts:read", "contacts:write", "contacts:delete", "conversations:read", "conversations:reply", "conversations:assign",
		"conversations:close", "articles:read", "articles:write", "settings:manage"},
	"admin": {"contacts:read", "contacts:write", "conversations:read", "conversations:reply", "conversations:assign", "conversations:close",
		"articles:read", "articles:write"},
	"agent": {"contacts:read", "conversations:read", "conversations:reply"},
}

// stockWorkload asks the 30 pairs of the stock policy.
func stockWorkload() *workload {
	w := &workload{policy: intercomrbac.StockPolicy(), grants: map[intercomrbac.Role]map[intercomrbac.Permission]bool{}}
	for role, permissions := range stockTable {
		w.grants[role] = map[intercomrbac.Permission]bool{}
		for _, p := range permissions {
			w.grants[role][p] = true
		}
	}
	for _, role := range []intercomrbac.Role{"owner", "admin", "agent"} {
		for _, p := range stockTable["owner"] {
			w.ask(role, p)
		}
	}
	return w
}

// largeWorkload has 1,000 roles and 200 permissions, half of the pairs granted, and asks 1,024 of them.
func largeWorkload() *workload {
	random := rand.New(rand.NewPCG(1, 2))
	w := &workload{
		policy: intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{}, Roles: map[intercomrbac.Role]intercomrbac.RoleRules{}},
		grants: map[intercomrbac.Role]map[intercomrbac.Permission]bool{},
	}
	var permissions []intercomrbac.Permission
	for i := range 200 {
		p := intercomrbac.Permission(fmt.Sprintf("resource_%d:action_%d", i/10, i))
		permissions = append(permissions, p)
		w.policy.Permissions[p] = intercomrbac.Declaration{}
	}
	for i := range 1000 {
		role := intercomrbac.Role(fmt.Sprintf("role-%d", i))
		w.grants[role] = map[intercomrbac.Permission]bool{}
		var allow []intercomrbac.Permission
		for _, p := range permissions {
			if random.IntN(2) == 0 {
				allow = append(allow, p)
				w.grants[role][p] = true
			}
		}
		w.policy.Roles[role] = intercomrbac.RoleRules{Allow: intercomrbac.Rules(allow...)}
	}
	for range 1024 {
		w.ask(intercomrbac.Role(fmt.Sprintf("role-%d", random.IntN(1000))), permissions[random.IntN(200)])
	}
	return w
}

// richWorkload is the stock table by inheritance and wildcards.
func richWorkload() *workload {
	w := stockWorkload()
	w.policy.Roles = map[intercomrbac.Role]intercomrbac.RoleRules{
		"agent": {Allow: intercomrbac.Rules("contacts:read", "conversations:read", "conversations:reply")},
		"admin": {Inherits: []intercomrbac.Role{"agent"}, Allow: intercomrbac.Rules("contacts:*", "conversations:*", "articles:*"),
			Deny: intercomrbac.Rules("contacts:delete")},
		"owner": {Allow: intercomrbac.Rules("*")},
	}
	return w
}

func workloads() map[string]*workload {
	return map[string]*workload{"stock": stockWorkload(), "inheritance and wildcards": richWorkload(), "1000 roles x 200 permissions": largeWorkload()}
}

func (w *workload) checker(tb testing.TB) *intercomrbac.Checker {
	tb.Helper()
	c, err := intercomrbac.NewChecker(w.policy)
	require.NoError(tb, err)
	return c
}

// floorChecker is the least that a checker with our promises can be: an atomic pointer, two maps and a bitset.
type floorChecker struct{ current atomic.Pointer[floorPolicy] }

type floorPolicy struct {
	roles map[intercomrbac.Role]*floorRole
	ids   map[intercomrbac.Permission]uint16
}

type floorRole struct {
	id   uint16
	bits []uint64
}

type floorDecision struct {
	Allowed          bool
	Reason           uint8
	permission, role uint16
	policy           *floorPolicy
}

func newFloor(w *workload) *floorChecker {
	p := &floorPolicy{map[intercomrbac.Role]*floorRole{}, map[intercomrbac.Permission]uint16{}}
	for _, q := range w.questions {
		if _, ok := p.ids[q.permission]; !ok {
			p.ids[q.permission] = uint16(len(p.ids))
		}
	}
	n := uint16(0)
	for role, grants := range w.grants {
		n++
		r := &floorRole{n, make([]uint64, len(p.ids)/64+1)}
		for permission := range grants {
			if id, ok := p.ids[permission]; ok {
				r.bits[id/64] |= 1 << (id % 64)
			}
		}
		p.roles[role] = r
	}
	c := new(floorChecker)
	c.current.Store(p)
	return c
}

//go:noinline
func (c *floorChecker) check(role intercomrbac.Role, permission intercomrbac.Permission) (floorDecision, error) {
	p := c.current.Load()
	id, ok := p.ids[permission]
	if !ok {
		return floorDecision{Reason: 5, policy: p}, nil
	}
	r := p.roles[role]
	if r == nil {
		return floorDecision{Reason: 4, permission: id, policy: p}, nil
	}
	if r.bits[id/64]&(1<<(id%64)) == 0 {
		return floorDecision{Reason: 2, permission: id, role: r.id, policy: p}, nil
	}
	return floorDecision{Allowed: true, Reason: 1, permission: id, role: r.id, policy: p}, nil
}

func benchmarkWorkloads(b *testing.B, prepare func(b *testing.B, w *workload) func(q question) bool) {
	for _, name := range []string{"stock", "inheritance and wildcards", "1000 roles x 200 permissions"} {
		w := workloads()[name]
		ask := prepare(b, w)
		for _, kind := range []string{"allow", "deny"} {
			asked := slices.DeleteFunc(slices.Clone(w.questions), func(q question) bool { return q.allowed != (kind == "allow") })
			for _, q := range asked {
				if ask(q) != q.allowed {
					b.Fatalf("wrong answer for %v", q)
				}
			}
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if ask(asked[i]) != asked[i].allowed {
						b.Fatal("wrong answer")
					}
					if i++; i == len(asked) {
						i = 0
					}
				}
			})
		}
	}
}

// BenchmarkCan is to be read beside BenchmarkFloorMap.
func BenchmarkCan(b *testing.B) {
	benchmarkWorkloads(b, func(b *testing.B, w *workload) func(question) bool {
		c := w.checker(b)
		return func(q question) bool { return c.Can(q.role, q.permission) }
	})
}

// BenchmarkFloorMap is a map of maps, without a decision, a reason or a way to change it.
func BenchmarkFloorMap(b *testing.B) {
	benchmarkWorkloads(b, func(_ *testing.B, w *workload) func(question) bool {
		return func(q question) bool { return w.grants[q.role][q.permission] }
	})
}

// BenchmarkCheck is to be read beside BenchmarkFloorDecision.
func BenchmarkCheck(b *testing.B) {
	benchmarkWorkloads(b, func(b *testing.B, w *workload) func(question) bool {
		c := w.checker(b)
		ctx := b.Context()
		return func(q question) bool {
			d, err := c.Check(ctx, intercomrbac.Principal{AdminID: "991267459", Role: q.role}, q.permission, intercomrbac.Resource{})
			return err == nil && d.Allowed
		}
	})
}

// BenchmarkFloorDecision is the least that gives a decision like ours and can be swapped.
func BenchmarkFloorDecision(b *testing.B) {
	benchmarkWorkloads(b, func(_ *testing.B, w *workload) func(question) bool {
		c := newFloor(w)
		return func(q question) bool {
			d, err := c.check(q.role, q.permission)
			return err == nil && d.Allowed
		}
	})
}

func BenchmarkCheckParallel(b *testing.B) {
	w := stockWorkload()
	c := w.checker(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			q := &w.questions[i%len(w.questions)]
			if d, err := c.Check(ctx, intercomrbac.Principal{AdminID: "1", Role: q.role}, q.permission, intercomrbac.Resource{}); err != nil || d.Allowed != q.allowed {
				b.Error("wrong answer")
			}
		}
	})
}

// BenchmarkNewChecker compiles 1,000 roles x 200 permissions, and reports what stays in memory of it.
func BenchmarkNewChecker(b *testing.B) {
	w := largeWorkload()
	live := liveHeap(b, w)
	b.ReportAllocs()
	for b.Loop() {
		_ = w.checker(b)
	}
	b.ReportMetric(float64(live), "live-B")
}

// liveHeap returns what a checker of the workload keeps in memory, without the policy that it was made from.
func liveHeap(tb testing.TB, w *workload) int64 {
	measure := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := measure()
	c := w.checker(tb)
	after := measure()
	runtime.KeepAlive(c)
	runtime.KeepAlive(w)
	return after - before
}

// TestBuildOfALargePolicy reports; its bound on memory is asserted, its time is not.
func TestBuildOfALargePolicy(t *testing.T) {
	w := largeWorkload()
	start := time.Now()
	c := w.checker(t)
	t.Logf("1,000 x 200 built in %s", time.Since(start))
	for _, q := range w.questions {
		require.Equal(t, q.allowed, c.Can(q.role, q.permission))
	}
}
