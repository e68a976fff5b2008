package intercomrbac

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Permission names one thing that a principal may do, as "resource:action": two segments, each of lower-case letters,
// digits and underscores that begin with a letter. The zero value names nothing and is granted to nobody. A rule may
// hold a wildcard in its place (see [Rule]); a question never may.
//
// The names are this library's own: Intercom has no API that lists or grants permissions.
type Permission string

// The stock permissions. [Operation.Permission] says which call needs which, and [StockPolicy] who holds them.
const (
	ContactsRead        Permission = "contacts:read"        // look at people
	ContactsWrite       Permission = "contacts:write"       // create and change people
	ContactsDelete      Permission = "contacts:delete"      // delete and merge people, for good
	ConversationsRead   Permission = "conversations:read"   // list, search and read
	ConversationsReply  Permission = "conversations:reply"  // reply to the customer, or leave a note
	ConversationsAssign Permission = "conversations:assign" // assign to an admin or a team, and unassign
	ConversationsClose  Permission = "conversations:close"  // close, open and snooze
	ArticlesRead        Permission = "articles:read"        // read articles and their collections
	ArticlesWrite       Permission = "articles:write"       // create and change them
	SettingsManage      Permission = "settings:manage"      // change settings; no operation here needs it, services do

	AdminsRead          Permission = "admins:read"          // list and look at teammates
	AdminsWrite         Permission = "admins:write"         // switch a teammate's away mode
	AdminsImpersonate   Permission = "admins:impersonate"   // act in the name of another teammate; reserved
	TeamsRead           Permission = "teams:read"           // list and look at teams
	ConversationsWrite  Permission = "conversations:write"  // start one, change its attributes, tags and participants
	ConversationsDelete Permission = "conversations:delete" // delete and redact, for good
	MessagesWrite       Permission = "messages:write"       // send messages that start a conversation
	ArticlesDelete      Permission = "articles:delete"      // delete articles and collections, for good
	TagsRead            Permission = "tags:read"            // list and look at tags
	TagsWrite           Permission = "tags:write"           // create and rename tags
	TagsDelete          Permission = "tags:delete"          // delete tags, off all that has them, for good
	EventsRead          Permission = "events:read"          // list a person's data events
	EventsWrite         Permission = "events:write"         // submit data events
	ActivityLogsRead    Permission = "activity_logs:read"   // read what teammates did, with their IP addresses
)

// Role names a set of rights that a [Policy] gives. The zero value is no role and has no rights; neither has a role that
// the policy does not name. Roles are this library's own: what a teammate's role in Intercom is called means nothing
// unless a [RoleMap] says so.
type Role string

// The stock roles; see [StockPolicy].
const (
	RoleOwner Role = "owner"
	RoleAdmin Role = "admin"
	RoleAgent Role = "agent"
)

// stockPermissions tells of each stock permission what kind of resource it is about.
var stockPermissions = map[Permission]Declaration{
	ContactsRead: {Resource: "contact"}, ContactsWrite: {Resource: "contact"}, ContactsDelete: {Resource: "contact"},
	ConversationsRead: {Resource: "conversation"}, ConversationsReply: {Resource: "conversation"},
	ConversationsAssign: {Resource: "conversation"}, ConversationsClose: {Resource: "conversation"},
	ConversationsWrite: {Resource: "conversation"}, ConversationsDelete: {Resource: "conversation"},
	ArticlesRead: {Resource: "article"}, ArticlesWrite: {Resource: "article"}, ArticlesDelete: {Resource: "article"},
	SettingsManage: {Resource: "setting"},
	AdminsRead:     {Resource: "admin"}, AdminsWrite: {Resource: "admin"},
	AdminsImpersonate: {Resource: "admin", Reserved: true},
	TeamsRead:         {Resource: "team"},
	MessagesWrite:     {Resource: "message"},
	TagsRead:          {Resource: "tag"}, TagsWrite: {Resource: "tag"}, TagsDelete: {Resource: "tag"},
	EventsRead: {Resource: "event"}, EventsWrite: {Resource: "event"},
	ActivityLogsRead: {Resource: "activity_log"},
}

// destructive tells the permissions that some operation destroys by. They are never decided on a role that may be
// out of date.
var destructive = func() map[Permission]bool {
	m := map[Permission]bool{}
	for _, op := range operations {
		if op.Effect == Destructive {
			m[op.Permission] = true
		}
	}
	return m
}()

// StockPolicy returns a policy with the three stock roles, a fresh copy to use or to extend. Each right is listed, so
// that what a service adds is nobody's until a rule grants it. No role holds admins:impersonate.
//
//	permission            owner  admin  agent
//	contacts:read          yes    yes    yes
//	contacts:write         yes    yes     -
//	contacts:delete        yes     -      -
//	conversations:read     yes    yes    yes
//	conversations:reply    yes    yes    yes
//	conversations:assign   yes    yes     -
//	conversations:close    yes    yes     -
//	conversations:write    yes    yes     -
//	conversations:delete   yes     -      -
//	articles:read          yes    yes     -
//	articles:write         yes    yes     -
//	articles:delete        yes     -      -
//	settings:manage        yes     -      -
//	admins:read            yes    yes    self
//	admins:write           yes    yes    self
//	admins:impersonate      -      -      -
//	teams:read             yes    yes    yes
//	messages:write         yes    yes     -
//	tags:read              yes    yes    yes
//	tags:write             yes    yes     -
//	tags:delete            yes     -      -
//	events:read            yes    yes     -
//	events:write           yes    yes     -
//	activity_logs:read     yes     -      -
//
// "self" is the condition of that name: an agent sees and switches their own away mode, nobody else's.
func StockPolicy() Policy {
	agent := append(Rules(ContactsRead, ConversationsRead, ConversationsReply, TeamsRead, TagsRead),
		Rule{AdminsRead, "self"}, Rule{AdminsWrite, "self"})
	admin := []Permission{
		ContactsRead, ContactsWrite,
		ConversationsRead, ConversationsReply, ConversationsAssign, ConversationsClose, ConversationsWrite,
		ArticlesRead, ArticlesWrite,
		AdminsRead, AdminsWrite, TeamsRead, MessagesWrite, TagsRead, TagsWrite, EventsRead, EventsWrite,
	}
	owner := append(slices.Clone(admin), ContactsDelete, ConversationsDelete, ArticlesDelete, TagsDelete, SettingsManage, ActivityLogsRead)
	return Policy{Roles: map[Role]RoleRules{
		RoleOwner: {Allow: Rules(owner...)},
		RoleAdmin: {Allow: Rules(admin...)},
		RoleAgent: {Allow: agent},
	}}
}

// isPermission reports whether p is of the grammar of a permission.
func isPermission(p Permission) bool {
	resource, action, ok := strings.Cut(string(p), ":")
	return ok && isSegment(resource) && isSegment(action)
}

// maxName bounds the names in a policy, in bytes: a segment, a role, a condition.
const maxName = 64

func isSegment(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// isRoleName reports whether s is of the grammar of a role: as a segment, with dashes as well.
func isRoleName(r Role) bool { return isSegment(strings.ReplaceAll(string(r), "-", "_")) }

// word returns a name for an error: as it is if it is well formed, otherwise in quotes.
func word[T ~string](name T) string {
	if isRoleName(Role(name)) {
		return string(name)
	}
	return quoted(string(name))
}

// covers reports whether p, which may be a wildcard, covers a permission that there is.
func (p Permission) covers(other Permission) bool {
	if p == "*" || p == other {
		return true
	}
	resource, action, _ := strings.Cut(string(p), ":")
	otherResource, otherAction, _ := strings.Cut(string(other), ":")
	return action == "*" && resource == otherResource || resource == "*" && action == otherAction
}

// isWildcard reports whether p is one of "*", "resource:*" and "*:action".
func (p Permission) isWildcard() bool {
	if p == "*" {
		return true
	}
	resource, action, ok := strings.Cut(string(p), ":")
	return ok && (action == "*" && isSegment(resource) || resource == "*" && isSegment(action))
}

// nearest returns the candidate that a misspelt word most likely means, or "".
func nearest(word string, candidates []string) string {
	if len(word) > 2*maxName+1 {
		return ""
	}
	best, least := "", min(max(2, len(word)/3)+1, len(word))
	for _, c := range candidates {
		if d := distance(strings.ToLower(strings.TrimSpace(word)), c); d < least {
			best, least = c, d
		}
	}
	return best
}

// didYouMean is the end of an error about an unknown word.
func didYouMean[T ~string](word T, candidates []T) string {
	words := make([]string, len(candidates))
	for i, c := range candidates {
		words[i] = string(c)
	}
	if best := nearest(string(word), words); best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	return ""
}

func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// distance counts the letters that have to be added, dropped, replaced or swapped with their neighbour.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
