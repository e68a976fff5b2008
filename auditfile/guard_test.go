package auditfile_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// desk is a seeded workspace whose client is guarded and recorded.
type desk struct {
	intercomtest.Seeded
	srv    *intercomtest.Server
	client *intercomrbac.Client
	guard  *intercomrbac.Guard
}

func newDesk(t *testing.T, sink intercomrbac.AuditSink, options ...intercomtest.Option) *desk {
	t.Helper()
	d := &desk{srv: intercomtest.NewServer(t, options...)}
	d.Seeded = d.srv.Seed()
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	require.NoError(t, err)
	d.guard, err = intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: sink, AuditReads: true})
	require.NoError(t, err)
	d.client = d.srv.Client(intercomrbac.WithGuard(d.guard))
	return d
}

func (d *desk) as(ctx context.Context, role intercomrbac.Role) context.Context {
	return intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: d.Owner, Email: "olivia@example.com", Role: role, IP: "203.0.113.7"})
}

// A5: while the disk takes nothing, no write is sent.
func TestNoWriteIsSentWithoutItsIntentOnTheDisk(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"write", "sync"} {
		disk := newSimDisk(1)
		log, err := auditfile.OpenVolume(disk, auditfile.Config{})
		require.NoError(t, err)
		disk.fail(func(o string, _ int) error {
			if o == op {
				return syscall.ENOSPC
			}
			return nil
		})
		d := newDesk(t, log, intercomtest.WithRateLimit(0))
		ctx := d.as(t.Context(), intercomrbac.RoleOwner)
		const n = 1000
		for i := range n {
			_, err := d.client.Conversations.Close(ctx, d.Conversations[i%len(d.Conversations)], intercomrbac.CloseParams{})
			require.ErrorIs(t, err, intercomrbac.ErrAuditUnavailable)
			require.ErrorIs(t, err, syscall.ENOSPC)
		}
		assert.Zero(t, d.srv.CallCount(""))
		soak.Report(t, "A5", "a disk whose %s fails: %d writes asked for, %d reached Intercom", op, n, d.srv.CallCount(""))
		_ = log.Close(t.Context())
	}
}

// A7: a disk that hangs costs a call no more than its deadline, and afterwards what the guard allows itself.
func TestHangingDiskCostsNoMoreThanTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := newSimDisk(1)
		log, err := auditfile.OpenVolume(disk, auditfile.Config{})
		require.NoError(t, err)
		release := disk.hang()
		d := newDesk(t, log)
		ctx, cancel := context.WithTimeout(d.as(t.Context(), intercomrbac.RoleOwner), time.Second)
		defer cancel()
		begin := time.Now()
		_, err = d.client.Conversations.Close(ctx, d.Conversations[0], intercomrbac.CloseParams{})
		require.ErrorIs(t, err, intercomrbac.ErrAuditUnavailable)
		assert.Equal(t, time.Second, time.Since(begin))
		assert.Zero(t, d.srv.CallCount(""))
		begin = time.Now()
		_, err = d.client.Conversations.Close(d.as(t.Context(), intercomrbac.RoleAgent), d.Conversations[0], intercomrbac.CloseParams{})
		require.ErrorIs(t, err, intercomrbac.ErrDenied)
		assert.Equal(t, 5*time.Second, time.Since(begin))
		release()
		require.NoError(t, log.Close(t.Context()))
	})
}

// A6, A8: each write has one intent and one outcome under one id, whenever its caller leaves.
func TestEachWriteHasOneIntentAndOneOutcome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	d := newDesk(t, log, intercomtest.WithRateLimit(0))
	const n = 1000
	var group sync.WaitGroup
	var unavailable atomic.Int64
	for worker := range 20 {
		group.Go(func() {
			for i := range n / 20 {
				ctx, cancel := d.as(t.Context(), intercomrbac.RoleOwner), context.CancelFunc(func() {})
				if i%2 == 1 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(worker*i)*20*time.Microsecond)
				}
				_, err := d.client.Contacts.Create(ctx, intercomrbac.CreateContactParams{ExternalID: fmt.Sprint(worker, "-", i)})
				if cancel(); errors.Is(err, intercomrbac.ErrAuditUnavailable) {
					unavailable.Add(1)
				}
			}
		})
	}
	group.Wait()
	require.NoError(t, log.Close(t.Context()))
	type call struct{ intents, outcomes, sent int }
	calls := map[string]*call{}
	for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
		require.NoError(t, err)
		c := calls[e.ID]
		if c == nil {
			c = &call{}
			calls[e.ID] = c
		}
		switch e.Phase {
		case intercomrbac.PhaseIntent:
			c.intents++
		case intercomrbac.PhaseOutcome:
			c.outcomes++
			if e.Outcome != intercomrbac.OutcomeNotSent {
				c.sent++
			}
		default:
			t.Errorf("an event of phase %q", e.Phase)
		}
	}
	sent, without := 0, 0
	for id, c := range calls {
		assert.Equal(t, 1, c.intents, id)
		assert.LessOrEqual(t, c.outcomes, 1, id)
		without += 1 - c.outcomes
		sent += c.sent
	}
	report := verified(t, dir, auditfile.Trust{})
	assert.Len(t, report.Unfinished, without)
	assert.LessOrEqual(t, int64(without), unavailable.Load(), "only where the caller left while its intent was being written")
	assert.LessOrEqual(t, d.srv.CallCount(""), sent, "nothing was sent that has no intent and no outcome")
	soak.Report(t, "A6", "%d writes under random deadlines: one intent for each of %d, %d outcomes, %d listed as unfinished, %d requests at Intercom",
		n, len(calls), len(calls)-without, without, d.srv.CallCount(""))
}

const canary = "canary-tok3n/with+signs="

// canaryForms are ways in which a text may be written.
func canaryForms() []string {
	mac := sha256.Sum256([]byte(canary))
	return []string{canary, strings.ReplaceAll(canary, "/", `\/`), "canary-tok3n", base64.StdEncoding.EncodeToString([]byte(canary))[:20],
		base64.RawURLEncoding.EncodeToString([]byte(canary))[:20], hex.EncodeToString([]byte(canary)), hex.EncodeToString(mac[:])}
}

func assertNoCanary(t *testing.T, text, what string) {
	t.Helper()
	for _, form := range canaryForms() {
		assert.NotContains(t, text, form, what)
	}
}

// A11: neither the token nor the text of a message is in what guarded calls put on record, whatever Intercom answers.
func TestNoTokenAndNoMessageComesToTheDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{})
	d := newDesk(t, log, intercomtest.WithToken(canary), intercomtest.WithRateLimit(0))
	owner, agent := d.as(t.Context(), intercomrbac.RoleOwner), d.as(t.Context(), intercomrbac.RoleAgent)
	id := d.Conversations[0]
	calls := func(ctx context.Context) {
		_, _ = d.client.Conversations.Reply(ctx, id, intercomrbac.ReplyParams{Body: canary})
		_, _ = d.client.Conversations.Note(ctx, id, intercomrbac.NoteParams{Body: canary})
		_, _ = d.client.Conversations.Close(ctx, id, intercomrbac.CloseParams{Body: canary})
		_, _ = d.client.Contacts.Create(ctx, intercomrbac.CreateContactParams{Email: "x@example.com", Name: canary})
		_, _ = d.client.Admins.Me(ctx)
	}
	calls(owner)
	calls(agent)
	for _, status := range []int{400, 401, 403, 422, 500} {
		remove := d.srv.Inject(intercomtest.Fault{Status: status, Code: "parameter_invalid", Message: "no: " + canary})
		calls(owner)
		remove()
	}
	_ = d.guard.Audited(owner, intercomrbac.Action{Name: "invoices.refund", Permission: intercomrbac.SettingsManage, Effect: intercomrbac.Write},
		intercomrbac.Resource{Kind: "invoice", ID: "1"}, func(context.Context) error { return fmt.Errorf("failed with %s", canary) })
	require.NoError(t, log.Close(t.Context()))
	text := ""
	for _, s := range contents(t, dir) {
		text += s
	}
	require.Greater(t, strings.Count(text, "\n"), 50)
	assertNoCanary(t, text, "in the log")
	soak.Report(t, "A11", "%d events of calls with a canary for token and texts: 0 hits", strings.Count(text, "\n"))
}

// A11: a member that is redacted is nowhere as it was; equal ones can be found by who has the key.
func TestRedaction(t *testing.T) {
	t.Parallel()
	key := []byte("a key of 32 bytes, or some more..")
	var all []string
	e := reflect.TypeFor[intercomrbac.AuditEvent]()
	for field := range e.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type.Kind() == reflect.String && name != "id" && name != "phase" && name != "outcome" {
			all = append(all, name)
		}
	}
	require.Greater(t, len(all), 15)
	for _, drop := range []bool{false, true} {
		redaction := auditfile.Redaction{HMAC: all, KeyID: "2026-a", Key: key}
		if drop {
			redaction = auditfile.Redaction{Drop: all}
		}
		dir := t.TempDir()
		log := open(t, dir, auditfile.Config{Redact: redaction, DenialsPerMinute: 1, SigningKey: signingKey})
		event := denial("A")
		v := reflect.ValueOf(&event).Elem()
		for field, value := range v.Fields() {
			if value.Kind() == reflect.String && field.Name != "ID" && field.Name != "Phase" && field.Name != "Outcome" {
				value.SetString(canary)
			}
		}
		for range 3 { // the last two become one
			require.NoError(t, log.Record(t.Context(), event))
		}
		require.NoError(t, log.Close(t.Context()))
		text := ""
		for _, s := range contents(t, dir) {
			text += s
		}
		assertNoCanary(t, text, "in the log")
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(canary))
		want := "hmac:2026-a:" + hex.EncodeToString(mac.Sum(nil))
		if drop {
			want = ""
		}
		found := 0
		for e, err := range auditfile.Events(dir, auditfile.Filter{Actor: want}) {
			require.NoError(t, err)
			found++
			assert.Equal(t, []string{want, want, want}, []string{string(e.AdminID), e.AdminEmail, e.IPAddress})
			assert.Equal(t, "A", e.ID)
		}
		assert.Equal(t, 2, found)
		for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
			printed := fmt.Sprintf(form, log)
			assert.NotContains(t, printed, string(key), form)
			assert.NotContains(t, printed, fmt.Sprint(key)[1:40], form)
			assert.NotContains(t, printed, fmt.Sprint([]byte(signingKey))[1:40], form)
		}
	}
}

// What is empty stays so, and what is not named stays as it was.
func TestRedactionLeavesTheRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{Redact: auditfile.Redaction{HMAC: []string{"adminEmail"}, Drop: []string{"ipAddress"}, KeyID: "1", Key: make([]byte, 32)}})
	given := intent("A")
	require.NoError(t, log.Record(t.Context(), given))
	assert.Equal(t, "aiko@example.com", given.AdminEmail)
	given.AdminEmail = ""
	require.NoError(t, log.Record(t.Context(), given))
	var got []intercomrbac.AuditEvent
	for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Len(t, got, 2)
	assert.True(t, strings.HasPrefix(got[0].AdminEmail, "hmac:1:"))
	given.IPAddress = ""
	assert.Equal(t, given, got[1])
	given.AdminEmail = got[0].AdminEmail
	assert.Equal(t, given, got[0])
}
