package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

// receiverOf returns a receiver that keeps the directory of an office up to date.
func receiverOf(t *testing.T, o office, change ...func(*intercomrbac.ReceiverConfig)) *intercomrbac.Receiver {
	t.Helper()
	config := intercomrbac.ReceiverConfig{
		Secrets:   []intercomrbac.Secret{intercomrbac.NewSecret(hookSecret)},
		Workspace: hookWorkspace,
		Roles:     func(context.Context, intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error) { return o.d, nil },
	}
	for _, c := range change {
		c(&config)
	}
	r, err := intercomrbac.NewReceiver(config)
	require.NoError(t, err)
	return r
}

func (o office) removed(id intercomrbac.AdminID) intercomtest.Delivery {
	return o.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminRemovedFromWorkspace, Item: o.AdminItem(id)})
}

func (o office) activity(kind intercomrbac.ActivityType) intercomtest.Delivery {
	return o.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminActivityLogEventCreated, Item: o.ActivityLogItem(o.AddActivityLog(intercomtest.ActivityLog{Type: kind}))})
}

// The role is forgotten when the answer is there, though nothing but a TTL of a minute would tell.
func TestOffboardingTakesEffectWithTheAnswer(t *testing.T) {
	t.Parallel()
	t.Run("a teammate is removed", func(t *testing.T) {
		t.Parallel()
		inOffice(t, func(t *testing.T, o office) {
			r := receiverOf(t, o)
			assert.EqualValues(t, "agent", o.must(t))
			o.RemoveAdmin(o.ids.Agent)
			assert.EqualValues(t, "agent", o.must(t), "nobody has told")
			assert.Equal(t, 200, o.removed(o.ids.Agent).To(r).Status)
			_, err := o.d.Principal(t.Context(), o.ids.Agent)
			assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
			// One who comes back need not wait.
			o.AddAdmin(intercomtest.Admin{ID: o.ids.Agent, RoleID: "5402"})
			assert.Equal(t, 200, o.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminAddedToWorkspace, Item: o.AdminItem(o.ids.Agent)}).To(r).Status)
			assert.EqualValues(t, "lead", o.must(t))
		})
	})
	for _, kind := range []intercomrbac.ActivityType{"role_change", "role_deletion", "role_creation", "admin_permission_change", "inbox_access_change", "seat_change", "seat_revoke",
		"app_admin_join", "admin_provisioned", "admin_deprovisioned", "admin_deletion", "app_team_creation", "app_team_deletion", "app_team_membership_modification",
		"custom_role_assignment_of_tomorrow", "some_permission_of_tomorrow"} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o office) {
				r := receiverOf(t, o)
				assert.EqualValues(t, "agent", o.must(t))
				o.promote()
				assert.EqualValues(t, "agent", o.must(t))
				assert.Equal(t, 200, o.activity(kind).To(r).Status)
				assert.EqualValues(t, "lead", o.must(t))
			})
		})
	}
}

// What cannot be read concerns everybody.
func TestOffboardingByAnItemThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for topic, items := range map[intercomrbac.EventTopic][]any{
		intercomrbac.EventAdminRemovedFromWorkspace:    {map[string]any{"type": "admin"}, map[string]any{"id": "gone"}, map[string]any{"id": 1.5}, "x", []int{1}},
		intercomrbac.EventAdminActivityLogEventCreated: {map[string]any{"id": "a"}, map[string]any{"activity_type": 7}, "x", []int{1}},
	} {
		for _, item := range items {
			inOffice(t, func(t *testing.T, o office) {
				r := receiverOf(t, o)
				o.must(t)
				o.promote()
				assert.Equal(t, 200, o.Notification(hookSecret, intercomtest.Notification{Topic: topic, Item: item}).To(r).Status)
				assert.EqualValues(t, "lead", o.must(t), "%s of %v", topic, item)
			})
		}
	}
}

func TestWhatDoesNotConcernRolesForgetsNothing(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		r := receiverOf(t, o)
		o.must(t)
		for _, d := range []intercomtest.Delivery{
			o.activity("admin_login_success"), o.activity("macro_creation"), o.activity("a_type_in_no_list"), o.removed(o.ids.Manager),
			o.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminAwayModeUpdated, Item: o.AdminItem(o.ids.Agent)}),
			o.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventConversationUserCreated, Item: o.ConversationItem(o.ids.Conversations[0])}),
		} {
			assert.Equal(t, 200, d.To(r).Status)
			o.must(t)
		}
		assert.Equal(t, 1, o.asked())
	})
}

// Nobody can make the directory ask for ever by repeating what was sent, and an unsigned notification does nothing.
func TestRepeatedNotificationsForgetOnce(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		r := receiverOf(t, o)
		o.must(t)
		d := o.removed(o.ids.Agent)
		for range 100 {
			assert.Equal(t, 200, d.To(r).Status)
			o.must(t)
		}
		assert.Equal(t, 2, o.asked())
		forged := o.removed(o.ids.Agent)
		forged.Header.Set("X-Hub-Signature", intercomtest.SignNotification(otherSecret, forged.Body))
		assert.Equal(t, 401, forged.To(r).Status)
		o.must(t)
		assert.Equal(t, 2, o.asked())
	})
}

// A notification of another workspace does not speak for this one, though the app is the same and so is the secret.
func TestOffboardingOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		r := receiverOf(t, o)
		o.must(t)
		other := intercomtest.NewServer(t, intercomtest.WithWorkspace(intercomtest.Workspace{ID: "other"}))
		assert.Equal(t, 200, other.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminRemovedFromWorkspace, Item: other.AdminItem(o.ids.Agent)}).To(r).Status)
		o.must(t)
		assert.Equal(t, 1, o.asked())
	})
}

// What fails after it forgot has forgotten all the same.
func TestOffboardingWhileTheRestFails(t *testing.T) {
	t.Parallel()
	down := errors.New("no connection")
	for name, change := range map[string]func(*intercomrbac.ReceiverConfig){
		"the store": func(c *intercomrbac.ReceiverConfig) {
			c.Deliveries = &faultyStore{DeliveryStore: intercomrbac.NewMemoryDeliveryStore(), claim: down}
		},
		"a queue that is full": func(c *intercomrbac.ReceiverConfig) { c.Queue = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o office) {
				r := receiverOf(t, o, change)
				release := make(chan struct{})
				r.On(intercomrbac.EventAdminRemovedFromWorkspace, func(context.Context, intercomrbac.Notification) error { <-release; return nil })
				o.removed(o.ids.Manager).To(r)
				o.must(t)
				o.RemoveAdmin(o.ids.Agent)
				assert.Equal(t, 503, o.removed(o.ids.Agent).To(r).Status)
				_, err := o.d.Principal(t.Context(), o.ids.Agent)
				assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
				close(release)
				assert.NoError(t, r.Close(t.Context()))
			})
		})
	}
}

// A store that does not even give up when it should keeps the answer, but not the role.
func TestOffboardingWhileTheStoreHangs(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		store := &hungStore{intercomrbac.NewMemoryDeliveryStore(), make(chan error)}
		r := receiverOf(t, o, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = store })
		o.must(t)
		o.RemoveAdmin(o.ids.Agent)
		d := o.removed(o.ids.Agent)
		var wg sync.WaitGroup
		wg.Go(func() { assert.Equal(t, 200, d.To(r).Status) })
		advance(4*time.Second + time.Millisecond)
		_, err := o.d.Principal(t.Context(), o.ids.Agent)
		assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
		close(store.answer)
		wg.Wait()
	})
}

// A look-up that is under way when the notification comes brings back what was so before, and is not stored.
func TestOffboardingDuringALookup(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o office) {
		r := receiverOf(t, o)
		o.Inject(intercomtest.Fault{Done: true, Delay: time.Second}) // what is so now comes a second later
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := o.d.Principal(t.Context(), o.ids.Agent)
				assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
			})
		}
		synctest.Wait()
		o.RemoveAdmin(o.ids.Agent)
		assert.Equal(t, 200, o.removed(o.ids.Agent).To(r).Status)
		wg.Wait()
		_, err := o.d.Principal(t.Context(), o.ids.Agent)
		assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
		advance(10 * time.Second) // the old answer has come
		_, err = o.d.Principal(t.Context(), o.ids.Agent)
		assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
		assert.Equal(t, 2, o.asked())
	})
}

// Whatever is added, removed and changed in Intercom, and in whatever order, how often and how late it is told: once each change was
// told, the directory knows the true state.
func TestOffboardingProperty(t *testing.T) {
	t.Parallel()
	rounds := soak.N(60, 3_000)
	changes, deliveries := 0, 0
	for round := range rounds {
		inOffice(t, func(t *testing.T, o office) {
			rng := rand.New(rand.NewPCG(13, uint64(round)))
			r := receiverOf(t, o)
			admins := []intercomrbac.AdminID{o.ids.Owner, o.ids.Manager, o.ids.Agent, o.ids.Away}
			var waiting, told []intercomtest.Delivery
			role := func(id intercomrbac.AdminID) (intercomrbac.Role, error) {
				p, err := o.d.Principal(t.Context(), id)
				return p.Role, err
			}
			truth := func(id intercomrbac.AdminID) intercomrbac.Role {
				a, _ := o.Admin(id)
				return byRoleID.RoleIDs[intercomrbac.ID(a.RoleID)]
			}
			tell := func(d intercomtest.Delivery) {
				deliveries++
				require.Equal(t, 200, d.To(r).Status)
			}
			for range 40 {
				id := admins[rng.IntN(len(admins))]
				switch rng.IntN(6) {
				case 0, 1: // something happens, and is to be told
					changes++
					a, there := o.Admin(id)
					switch {
					case !there:
						o.AddAdmin(intercomtest.Admin{ID: id, RoleID: fmt.Sprint(5401 + rng.IntN(3))})
						waiting = append(waiting, o.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminAddedToWorkspace, Item: o.AdminItem(id)}))
					case rng.IntN(2) == 0:
						o.RemoveAdmin(id)
						waiting = append(waiting, o.removed(id))
					default:
						a.RoleID = fmt.Sprint(5401 + rng.IntN(3))
						o.AddAdmin(a)
						waiting = append(waiting, o.activity("admin_permission_change"))
					}
				case 2: // it is told, in any order
					if len(waiting) > 0 {
						i := rng.IntN(len(waiting))
						tell(waiting[i])
						told = append(told, waiting[i])
						waiting = slices.Delete(waiting, i, i+1)
					}
				case 3: // or told again
					if len(told) > 0 {
						tell(told[rng.IntN(len(told))])
					}
				case 4: // somebody asks
					_, _ = role(id)
				case 5: // or asks, and gets an answer that is old when it comes
					o.Inject(intercomtest.Fault{Done: true, Delay: time.Duration(1+rng.IntN(3)) * time.Second})
					go func() { _, _ = role(id) }()
				}
				if rng.IntN(3) == 0 {
					advance(time.Second)
				}
			}
			rng.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
			for _, d := range waiting {
				tell(d)
			}
			for range 2 { // also once all old answers have come
				for _, id := range admins {
					got, err := role(id)
					if want := truth(id); want == "" {
						assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
					} else {
						assert.NoError(t, err)
						assert.Equal(t, want, got)
					}
				}
				advance(10 * time.Second)
			}
		})
	}
	soak.Report(t, "offboarding", "%d rounds: %d changes of teammates told by %d notifications in disorder, repeated and late: the true state each time", rounds, changes, deliveries)
}
