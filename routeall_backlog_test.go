package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A large backlog under rate windows, with faults, teams that come and go, and three interruptions: each conversation ends in the right
// team or with its reason, none is assigned twice, none is refused for rate, and the budget is used.
func TestBacklogWithFaultsAndInterruptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 167
		n := soak.N(1_000, 10_000)
		b := newBacklog(t, n, intercomtest.WithRateLimit(limit))
		dir := t.TempDir()
		random := rand.New(rand.NewPCG(10, 10))
		var faults []intercomtest.Fault // a search that fails ends it: see TestRouteAllEndsWithItsSearch
		for _, f := range []intercomtest.Fault{{Status: 429}, {Status: 502}, {Status: 502, Done: true}, {Drop: true}, {Drop: true, Done: true}} {
			for _, f.Operation = range []string{"conversations.get", "conversations.assign"} {
				faults = append(faults, f)
			}
		}
		right := map[intercomrbac.Topic][]intercomrbac.TeamID{"billing": {"814865"}, "technical": {"814866"}, "sales": {"814867", "900"}}
		errs := map[intercomrbac.ConversationID]error{}
		injected, used, windows := 0, 0, 0
		for session := range 4 {
			// A process cannot know of a window that the one before it used up: see TestRouteAllBeginsInAWindowUsedUp.
			if w := b.srv.RateStats().Windows; len(w) > 0 && w[len(w)-1].Accepted == limit {
				time.Sleep(time.Until(w[len(w)-1].Start.Add(10 * time.Second)))
			}
			began := time.Now()
			func() { // as a process of its own
				checkpoint := newCheckpoint(t, dir)
				defer func() { require.NoError(t, checkpoint.Close()) }()
				c := b.srv.Client()
				ctx, cancel := context.WithCancel(ctxAs(t.Context(), b.router))
				defer cancel()
				told := 0
				for result, err := range b.routerOf(t, c).RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{Checkpoint: checkpoint}) {
					if result.Conversation == "" {
						require.ErrorIs(t, err, context.Canceled)
						require.Contains(t, []int{0, 2}, session)
						continue
					}
					delete(errs, result.Conversation)
					if err != nil {
						errs[result.Conversation] = err
					}
					if random.IntN(25) == 0 {
						b.srv.Inject(faults[injected%len(faults)])
						injected++
					}
					switch told++; {
					case session == 1 && told == n/8: // sales is gone, and later there under another id
						b.srv.RemoveTeam("814867")
					case session == 2 && told == n/8:
						b.srv.AddTeam(intercomtest.Team{ID: "900", Name: "Sales"})
					case session == 3 && told == n/8: // for good
						b.srv.RemoveTeam("814866")
					case session < 3 && told == n/4:
						if session == 1 {
							return
						}
						cancel()
					}
				}
			}()
			if session < 3 {
				require.GreaterOrEqual(t, time.Since(began), 10*time.Second, "there are windows")
			}
			for _, w := range b.srv.RateStats().Windows {
				if w.Start.After(began) && w.Start.Add(10*time.Second).Before(time.Now()) { // whole ones, after the first
					used, windows = used+w.Accepted, windows+1
				}
			}
		}
		b.srv.ClearFaults()
		routed, failed := 0, map[string]int{}
		for id, topic := range b.wants {
			c, _ := b.srv.Conversation(id)
			if err := errs[id]; err != nil {
				class := "for want of an answer"
				switch {
				case strings.Contains(err.Error(), `no team has the name "Technical Support"; the teams that exist: "Billing", "Sales"`):
					class = "for a team that is gone"
					require.ErrorIs(t, err, intercomrbac.ErrTeamNotFound)
					require.Equal(t, intercomrbac.Topic("technical"), topic)
					require.Empty(t, c.TeamAssigneeID)
				default:
					require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
				}
				failed[class]++
				continue
			}
			require.Contains(t, right[topic], c.TeamAssigneeID, "conversation %s of %s", id, topic)
			routed++
		}
		once, more := b.assignments(t)
		share := float64(used) / float64(windows*limit)
		assert.Positive(t, windows)
		assert.Zero(t, more, "a double assignment")
		assert.GreaterOrEqual(t, once, routed)
		assert.Positive(t, failed["for a team that is gone"])
		assert.Zero(t, b.srv.RateStats().Refused)
		assert.GreaterOrEqual(t, share, 0.95)
		assert.Less(t, failed["for want of an answer"], n/100)
		soak.Report(t, "I10.1", "%d conversations, %d faults, 3 interruptions: %d in the right team, %v in the list of errors, %d assigned twice, %d refused for rate, %.1f %% of the budget used in %d windows",
			n, injected, routed, failed, more, b.srv.RateStats().Refused, 100*share, windows)
	})
}

// A process that begins in a window that another used up is refused once, which tells it, and goes on in the next.
func TestRouteAllBeginsInAWindowUsedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 20
		b := newBacklog(t, 30, intercomtest.WithRateLimit(limit))
		ctx := ctxAs(t.Context(), b.router)
		for range limit {
			_, err := b.srv.Client().Teams.List(ctx)
			require.NoError(t, err)
		}
		used := intercomtest.RateWindow{Start: time.Now().Truncate(10 * time.Second).UTC(), Accepted: limit}
		require.Equal(t, []intercomtest.RateWindow{used}, b.srv.RateStats().Windows)

		c := b.srv.Client()
		for _, err := range b.routerOf(t, c).RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}) {
			require.NoError(t, err)
		}
		once, more := b.assignments(t)
		assert.Equal(t, 30, once)
		assert.Zero(t, more)
		used.Refused = 1
		assert.Equal(t, used, b.srv.RateStats().Windows[0])
		assert.Equal(t, 1, b.srv.RateStats().Refused)
	})
}

// endlessIntercom is an Intercom that makes conversations up, so that they take no memory.
type endlessIntercom struct {
	n int

	mu       sync.Mutex
	assigned []bool
	twice    int
}

func (e *endlessIntercom) conversation(i int) string {
	team := 0
	if e.assigned[i] {
		team = 814865
	}
	return fmt.Sprintf(`{"type":"conversation","id":"%d","team_assignee_id":%d,"source":{"subject":"Invoice %d","body":"<p>%s</p>"}}`,
		215470000+i, team, i, strings.Repeat("My invoice is wrong. ", 95))
}

func (e *endlessIntercom) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, _ := io.ReadAll(firstReader(r.Body))
	switch {
	case r.URL.Path == "/teams":
		return reply(200, `{"type":"team.list","teams":[{"id":"814865","name":"Billing"}]}`), nil
	case r.URL.Path == "/conversations/search":
		var q struct {
			Pagination struct {
				After string `json:"starting_after"`
			} `json:"pagination"`
		}
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		from, _ := strconv.Atoi(q.Pagination.After)
		var page []string
		for i := from; i < min(from+150, e.n); i++ {
			page = append(page, e.conversation(i))
		}
		next := ""
		if from+150 < e.n {
			next = fmt.Sprintf(`,"next":{"starting_after":"%d"}`, from+150)
		}
		return reply(200, fmt.Sprintf(`{"type":"conversation.list","conversations":[%s],"pages":{"type":"pages"%s}}`, strings.Join(page, ","), next)), nil
	}
	i, err := strconv.Atoi(strings.Split(r.URL.Path, "/")[2])
	if err != nil {
		return nil, err
	}
	i -= 215470000
	if r.Method == http.MethodPost {
		if e.assigned[i] {
			e.twice++
		}
		e.assigned[i] = true
	}
	return reply(200, e.conversation(i)), nil
}

func firstReader(r io.Reader) io.Reader {
	if r == nil {
		return strings.NewReader("")
	}
	return r
}

// The memory does not grow with the backlog. It is measured, so that nothing else may run.
func TestBacklogTakesConstantMemory(t *testing.T) {
	n := soak.N(3_000, 100_000)
	e := &endlessIntercom{n: n, assigned: make([]bool, n)}
	c := clientOf(t, e.RoundTrip)
	r := newRouter(t, c, intercomrbac.RouterConfig{Routes: routes{"billing": "Billing"},
		Classifier: newClassifier(t, intercomrbac.TopicRule{Topic: "billing", Keywords: []string{"invoice"}})})
	ctx := ctxAs(t.Context(), "991267459")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, after, most := heap(), uint64(0), uint64(0)
	told := 0
	for _, err := range r.RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{}) {
		require.NoError(t, err)
		if told++; told%(n/20) == 0 {
			h := heap()
			if after == 0 { // of what it needs at all
				after = h
			}
			most = max(most, h)
		}
	}
	assert.Equal(t, n, told)
	assert.Zero(t, e.twice)
	assert.Less(t, int64(most)-int64(before), int64(8<<20), "bytes for %d conversations", n)

	dir := t.TempDir()
	var ids strings.Builder
	ids.WriteString("intercomrbac checkpoint 1\n")
	for i := range n {
		fmt.Fprintln(&ids, 215470000+i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "done"), []byte(ids.String()), 0o600))
	ids.Reset()
	empty := heap()
	checkpoint := newCheckpoint(t, dir)
	each := float64(int64(heap())-int64(empty)) / float64(checkpoint.Len())
	assert.Less(t, each, 100.0)
	soak.Report(t, "I10.2", "%d conversations of 2 KB: the heap has %.1f MB before, %.1f MB after a twentieth, %.1f MB at most; an id in a FileCheckpoint takes %.0f bytes",
		n, float64(before)/(1<<20), float64(after)/(1<<20), float64(most)/(1<<20), each)
}

// Of two workspaces in one process, one under load leaves the other's waits as they were.
func TestBacklogLeavesOtherWorkspacesAlone(t *testing.T) {
	t.Parallel()
	waits := func(load bool) (list []time.Duration, routed int) {
		synctest.Test(t, func(t *testing.T) {
			cloud := newCloud(t)
			busy, first := cloud.add("acme0001", intercomrbac.US)
			calm, second := cloud.add("acme0002", intercomrbac.US)
			busy.SetRateLimit(100)
			calm.SetRateLimit(100)
			for range 500 {
				busy.AddConversation(intercomtest.Conversation{Body: "Where is my invoice?"})
			}
			w := newWorkspaces(t, cloud.config())
			install(t, w, first, second)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			if load {
				wg.Go(func() {
					ctx := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: "991267459", Workspace: "acme0001"})
					c := workspaceClient(t, w, "acme0001")
					r := newRouter(t, c, intercomrbac.RouterConfig{Routes: routes{"billing": "Billing"}})
					for _, err := range r.RouteAll(ctx, unrouted(ctx, c), intercomrbac.RouteAllParams{Topic: "billing"}) {
						assert.NoError(t, err)
						routed++
					}
				})
			}
			c := workspaceClient(t, w, "acme0002")
			for range 250 { // more than two windows have
				began := time.Now()
				_, err := c.Teams.List(intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "991267459", Workspace: "acme0002"}))
				require.NoError(t, err)
				list = append(list, time.Since(began))
				time.Sleep(20 * time.Millisecond)
			}
			wg.Wait()
			assert.Zero(t, busy.RateStats().Refused+calm.RateStats().Refused)
		})
		return list, routed
	}
	alone, none := waits(false)
	beside, routed := waits(true)
	assert.Equal(t, alone, beside, "each wait")
	assert.Greater(t, slices.Max(alone), 5*time.Second)
	assert.Zero(t, none)
	assert.Greater(t, routed, 500)
	sum := func(list []time.Duration) (sum time.Duration) {
		for _, d := range list {
			sum += d
		}
		return sum
	}
	soak.Report(t, "I10.4", "250 calls of one workspace beside %d conversations routed in another: they wait %v in all and %v at most; alone %v and %v",
		routed, sum(beside), slices.Max(beside), sum(alone), slices.Max(alone))
}

// notified is a notification about a conversation.
func notified(t *testing.T, srv *intercomtest.Server, topic intercomrbac.EventTopic, id intercomrbac.ConversationID) intercomrbac.Notification {
	t.Helper()
	item, err := json.Marshal(srv.ConversationItem(id))
	require.NoError(t, err)
	return intercomrbac.Notification{ID: "notif_1", Topic: topic, Workspace: "fake1234", Item: item}
}

// A handler routes what is new, once: not what comes back as a notification, and not against who moves it afterwards.
func TestHandlerRoutesOnce(t *testing.T) {
	t.Parallel()
	b := newBacklog(t, 3)
	ctx := ctxAs(t.Context(), b.router)
	r := b.routerOf(t, b.srv.Client())
	handle := r.Handler()
	id := b.ids[0]
	team := func() intercomrbac.TeamID {
		c, _ := b.srv.Conversation(id)
		return c.TeamAssigneeID
	}
	require.NoError(t, handle(ctx, notified(t, b.srv, intercomrbac.EventConversationUserCreated, id)))
	assert.Equal(t, intercomrbac.TeamID("814865"), team())

	// The assignment comes back, under each name that it may have.
	b.srv.ResetCalls()
	for _, topic := range []intercomrbac.EventTopic{intercomrbac.EventConversationAdminAssigned, intercomrbac.EventConversationAdminOpenAssigned} {
		require.NoError(t, handle(ctx, notified(t, b.srv, topic, id)))
	}
	assert.Empty(t, b.srv.Calls())

	// Somebody moves it, and whatever comes later leaves it there.
	ana := b.srv.AddAdmin(intercomtest.Admin{Name: "Ana"})
	_, err := b.srv.Client().Conversations.Assign(t.Context(), id, intercomrbac.AssignParams{AdminID: ana, To: intercomrbac.ToTeam("814867"), Body: "Ours"})
	require.NoError(t, err)
	for _, topic := range []intercomrbac.EventTopic{intercomrbac.EventConversationUserCreated, intercomrbac.EventConversationUserReplied, intercomrbac.EventConversationAdminAssigned} {
		require.NoError(t, handle(ctx, notified(t, b.srv, topic, id)))
	}
	assert.Equal(t, intercomrbac.TeamID("814867"), team())
	once, more := b.assignments(t)
	assert.Equal(t, []int{0, 1}, []int{once, more}, "ours and Ana's")

	// What others assigned before is routed all the same: that may be Intercom's own default.
	b.srv.UpdateConversation(b.ids[1], func(c *intercomtest.Conversation) { c.TeamAssigneeID = "814867" })
	require.NoError(t, handle(ctx, notified(t, b.srv, intercomrbac.EventConversationUserCreated, b.ids[1])))
	id = b.ids[1]
	assert.Equal(t, intercomrbac.TeamID("814866"), team())

	require.ErrorIs(t, handle(t.Context(), notified(t, b.srv, intercomrbac.EventConversationUserCreated, b.ids[2])), intercomrbac.ErrNoActingAdmin)
	require.ErrorIs(t, handle(ctx, intercomrbac.Notification{Topic: intercomrbac.EventPing, Item: []byte(`{"type":"ping"}`)}), intercomrbac.ErrBadResponse)
	require.Error(t, (*intercomrbac.Router)(nil).Handler()(ctx, intercomrbac.Notification{}))
}
