package intercomrbac

// Permission names one thing that a principal may do, as "resource:action": two segments of lower-case
// letters, digits and underscores. The zero value names nothing and is granted to nobody.
//
// The names are this library's own: Intercom has no API that lists or grants permissions.
type Permission string

// Permissions that the operations of this library need. [Operation.Permission] says which call needs which.
const (
	AdminsRead  Permission = "admins:read"  // list and look at teammates
	AdminsWrite Permission = "admins:write" // switch a teammate's away mode

	TeamsRead Permission = "teams:read" // list and look at teams

	ContactsRead   Permission = "contacts:read"   // look at people
	ContactsWrite  Permission = "contacts:write"  // create people
	ContactsDelete Permission = "contacts:delete" // delete people, for good

	ConversationsRead   Permission = "conversations:read"   // list, search and read
	ConversationsReply  Permission = "conversations:reply"  // reply to the customer, or leave a note
	ConversationsAssign Permission = "conversations:assign" // assign to an admin or a team, and unassign
	ConversationsClose  Permission = "conversations:close"  // close, open and snooze
	ConversationsWrite  Permission = "conversations:write"  // start one, change its attributes and tags
	ConversationsDelete Permission = "conversations:delete" // delete, for good

	EventsRead  Permission = "events:read"  // list a person's data events
	EventsWrite Permission = "events:write" // submit data events
)

// Role names a set of permissions. The zero value is no role and has no rights.
type Role string
