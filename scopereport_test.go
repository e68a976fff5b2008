package intercomrbac_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScopeReport(t *testing.T) {
	t.Parallel()
	ops := []intercomrbac.Operation{
		lookup(t, "teams.list"), lookup(t, "admins.list"), lookup(t, "conversations.close"), lookup(t, "conversations.assign"),
		lookup(t, "conversations.delete_with_metrics"), lookup(t, "admins.set_away"), lookup(t, "contacts.update"), lookup(t, "contacts.create"),
		{Name: "minds.read", Method: "GET", Path: "/minds", Effect: intercomrbac.Read},
	}
	want := `# OAuth scopes

## Delete conversations and metrics

The app needs it to delete conversations. Without it Intercom refuses these calls:

- ` + "`DELETE /conversations/{conversation_id}?retain_metrics=false`: `conversations.delete_with_metrics`" + `

## Read admins

The app needs it to read admins and read teams. Without it Intercom refuses these calls:

- ` + "`GET /admins`: `admins.list`" + `
- ` + "`GET /teams`: `teams.list`" + `

## Read and write users

The app needs it to create or change contacts. Without it Intercom refuses these calls:

- ` + "`POST /contacts`: `contacts.create`" + `
- ` + "`PUT /contacts/{contact_id}`: `contacts.update`" + `

## Update admins

The app needs it to change admins. Without it Intercom refuses these calls:

- ` + "`PUT /admins/{admin_id}/away`: `admins.set_away`" + `

## Write conversations

The app needs it to create or change conversations. Without it Intercom refuses these calls:

- ` + "`POST /conversations/{conversation_id}/parts`: `conversations.assign`, `conversations.close`" + `

## No scope is known

These calls may need one:

- ` + "`GET /minds`: `minds.read`\n"
	assert.Equal(t, want, intercomrbac.ScopeReport(ops...))
	slices.Reverse(ops)
	before := slices.Clone(ops)
	assert.Equal(t, want, intercomrbac.ScopeReport(append(ops, ops...)...), "in another order, and twice")
	assert.Equal(t, before, ops)
	assert.Equal(t, "# OAuth scopes\n\nNone is needed.\n", intercomrbac.ScopeReport())
}

// Every operation of the table stands at its scope.
func TestScopeReportOfTheTable(t *testing.T) {
	t.Parallel()
	sections := strings.Split(intercomrbac.ScopeReport(intercomrbac.Operations()...), "\n## ")
	assert.Len(t, sections, 1+len(intercomrbac.RequiredScopes(intercomrbac.Operations()...)))
	for _, op := range intercomrbac.Operations() {
		i := slices.IndexFunc(sections, func(s string) bool { return strings.HasPrefix(s, string(op.Scope)+"\n") })
		require.Positive(t, i, op.Name)
		assert.Contains(t, sections[i], "`"+op.Name+"`")
		assert.Contains(t, sections[i], op.Method+" "+op.Path)
	}
}

// What names hold is no markup, and makes no lines.
func FuzzScopeReport(f *testing.F) {
	f.Add("Read minds", "minds.read", "/minds", "mind")
	f.Add("# <img src=x onerror=1>\n\n# More", "a`b``c`", "/x|y\r\n- z", "[click](javascript:1)")
	f.Add("&lt; www.example.com *a* _b_ ~c~ \\", "`", "``\u2028", "\x00\xff")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, scope, name, path, resource string) {
		op := intercomrbac.Operation{Name: name, Method: "GET", Path: path, Scope: intercomrbac.Scope(scope), Resource: resource, Effect: intercomrbac.Read}
		report := intercomrbac.ScopeReport(op)
		lines := strings.Split(report, "\n")
		require.Len(t, lines, 8, report)
		assert.Equal(t, "# OAuth scopes", lines[0])
		assert.True(t, strings.HasPrefix(lines[2], "## "), lines[2])
		assert.True(t, strings.HasPrefix(lines[6], "- `"), lines[6])
		for _, i := range []int{2, 4} {
			text := strings.TrimPrefix(lines[i], "## ")
			for j := 0; j < len(text); j++ {
				if text[j] == '\\' {
					j++ // what it escapes
				} else {
					assert.NotContains(t, "`*_[]<>#|~&!@", string(text[j]), lines[i])
				}
			}
		}
		assert.Equal(t, report, intercomrbac.ScopeReport(op, op))
	})
}

func TestUnusablePermissions(t *testing.T) {
	t.Parallel()
	policy := intercomrbac.Policy{
		Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:refund": {}},
		Roles: map[intercomrbac.Role]intercomrbac.RoleRules{
			"lead":   {Inherits: []intercomrbac.Role{"member"}, Allow: intercomrbac.Rules("conversations:reply", "events:write", "settings:manage", "invoices:refund")},
			"member": {Allow: []intercomrbac.Rule{{Permission: "conversations:reply", When: "assigned"}, {Permission: "admins:write", When: "self"}}},
			"none":   {Inherits: []intercomrbac.Role{"lead"}, Deny: intercomrbac.Rules("*")},
			"most": {Inherits: []intercomrbac.Role{"lead"}, Deny: []intercomrbac.Rule{
				{Permission: "events:write"}, {Permission: "conversations:reply", When: "vip"}}},
		},
	}
	vip := never("conversation")
	vip.Name = "vip"
	c := checkerOf(t, policy, vip)
	namesOf := func(p intercomrbac.Permission) (names []string) {
		for _, op := range intercomrbac.Operations() {
			if op.Permission == p {
				names = append(names, op.Name)
			}
		}
		return names
	}
	type unusable = intercomrbac.UnusablePermission
	replies := namesOf("conversations:reply")
	readToReply := unusable{"conversations:reply", "Read conversations", replies, []intercomrbac.Role{"member", "most"}}
	writeToReply := unusable{"conversations:reply", "Write conversations", replies, []intercomrbac.Role{"lead", "member", "most"}}
	away := unusable{"admins:write", "Update admins", namesOf("admins:write"), []intercomrbac.Role{"lead", "member", "most"}}
	events := unusable{"events:write", "Write events", namesOf("events:write"), []intercomrbac.Role{"lead"}}
	for name, tt := range map[string]struct {
		scopes []intercomrbac.Scope
		want   []unusable
	}{
		"none":           {nil, []unusable{away, readToReply, writeToReply, events}},
		"unknown one":    {[]intercomrbac.Scope{"Read minds", ""}, []unusable{away, readToReply, writeToReply, events}},
		"some":           {[]intercomrbac.Scope{"Write conversations", "Update admins"}, []unusable{readToReply, events}},
		"by other names": {[]intercomrbac.Scope{"write_conversations", "update admins", "READ_CONVERSATIONS"}, []unusable{events}},
		"all":            {[]intercomrbac.Scope{"Write conversations", "Update admins", "Read conversations", "Write events"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, c.UnusablePermissions(tt.scopes...))
		})
	}
	assert.Equal(t, `admins:write of lead, member and most lacks the scope "Update admins" for admins.set_away`, away.String())
	assert.Nil(t, (*intercomrbac.Checker)(nil).UnusablePermissions())
	assert.Nil(t, new(intercomrbac.Checker).UnusablePermissions())
	swapped := checkerOf(t, policy, vip)
	require.NoError(t, swapped.Swap(granting()))
	assert.Nil(t, swapped.UnusablePermissions(), "it goes by the policy in force")
}

// The stock policy's owner has every permission of the table, so without scopes nothing of it works, and with all of them
// everything does; without one, exactly its operations do not.
func TestUnusablePermissionsOfTheTable(t *testing.T) {
	t.Parallel()
	c := stockChecker(t)
	all := intercomrbac.RequiredScopes(intercomrbac.Operations()...)
	assert.Nil(t, c.UnusablePermissions(all...))
	for _, without := range all {
		var want, got []string
		for _, op := range intercomrbac.Operations() {
			if op.Scope == without {
				want = append(want, op.Name)
			}
		}
		for _, u := range c.UnusablePermissions(slices.DeleteFunc(slices.Clone(all), func(s intercomrbac.Scope) bool { return s == without })...) {
			assert.Equal(t, without, u.Scope)
			assert.Contains(t, u.Roles, intercomrbac.RoleOwner)
			assert.True(t, slices.IsSorted(u.Operations) && slices.IsSorted(u.Roles))
			got = append(got, u.Operations...)
		}
		slices.Sort(got)
		assert.Equal(t, want, got)
	}
}

// A conditional write that a guard has to look for first fails without the scope to look, as UnusablePermissions says.
func TestUnusablePermissionsAreUnusable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule  intercomrbac.Rule
		works bool
	}{
		"by what it looks at": {intercomrbac.Rule{Permission: "conversations:close", When: "assigned"}, false},
		"without a look":      {intercomrbac.Rule{Permission: "conversations:close"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: granting(tt.rule)})
			d.srv.AddToken("token-to-write", intercomrbac.ScopeWriteConversations)
			client := d.srv.ClientFor("token-to-write", intercomrbac.WithGuard(d.guard))
			_, err := client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
			assert.Equal(t, tt.works, err == nil, "%v", err)
			assert.Equal(t, tt.works, d.checker.UnusablePermissions(intercomrbac.ScopeWriteConversations) == nil)
		})
	}
}

// What a call names in its body is looked at as well.
func TestUnusablePermissionsOfWhatABodyNames(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, granting(intercomrbac.Rule{Permission: "contacts:delete", When: "ours"}), ours())
	assert.Equal(t, []intercomrbac.UnusablePermission{{Permission: "contacts:delete", Scope: "Read one user and one company",
		Operations: []string{"contacts.delete", "contacts.merge"}, Roles: []intercomrbac.Role{tester}}}, c.UnusablePermissions(intercomrbac.ScopeReadWriteUsers))
}
