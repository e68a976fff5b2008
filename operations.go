package intercomrbac

import (
	"fmt"
	"slices"
	"strings"
)

// Effect is what an operation does to the workspace. The zero value is invalid.
type Effect uint8

const (
	// Read changes nothing.
	Read Effect = iota + 1
	// Write changes something that can be changed back.
	Write
	// Destructive removes something for good.
	Destructive
)

// String returns "read", "write", "destructive" or "invalid".
func (e Effect) String() string {
	switch e {
	case Read:
		return "read"
	case Write:
		return "write"
	case Destructive:
		return "destructive"
	default:
		return "invalid"
	}
}

// Operation describes one call to Intercom: plain comparable data. Every method of a service that calls Intercom
// has exactly one; [Operations] lists them. Operations of a service's own go through [Client.Do].
type Operation struct {
	// Name is the key and the action that an audit trail records, such as "conversations.assign".
	Name string
	// ID is the operation id in Intercom's OpenAPI description. Several operations share one where the body
	// decides what happens: assign, close, open and snooze are all manageConversation.
	ID string
	// Method is the HTTP method.
	Method string
	// Path is the path template, such as "/conversations/{conversation_id}/parts".
	Path string
	// Body says which members of the JSON body make it this operation, as "member=value" pairs with spaces
	// between them and | between alternatives: "type=admin message_type=comment|quick_reply". A member alone, as
	// in "id name", has to be there, with any value that is not blank; the body then has the members that the
	// operation names and no other, which could make it something else.
	Body string
	// Query says the same of the query string, in pairs alone.
	Query string
	// Scope is the OAuth scope that the call needs.
	Scope Scope
	// Permission is what a principal needs under a guard.
	Permission Permission
	// Resource is the kind of thing that the call is about, such as "conversation".
	Resource string
	// ResourceArg names the placeholder of Path that identifies the resource; empty where none does.
	ResourceArg string
	// ResourceMembers names the members of the JSON body that identify what the call is about, one or two with a space
	// between them, as "from into": the permission must hold for each. Only where ResourceArg is empty.
	ResourceMembers string
	// Actor names the body member that holds the acting admin, such as "admin_id" or "from.id"; empty where there is
	// none.
	Actor string
	// ActorOptional says that the body need not name one: then nobody's name is used, and none is filled in.
	ActorOptional bool
	// Effect is what the call does to the workspace.
	Effect Effect
	// Repeatable says that sending the call twice does no more than sending it once, so that it may be sent
	// again when an answer was lost. Reads are; of the writes those that set a state and are not logged twice.
	Repeatable bool
}

// Operations returns the table of all operations that have a method, ordered by name. The slice is the caller's.
func Operations() []Operation { return slices.Clone(operations) }

// LookupOperation returns the operation of that name, and whether there is one.
func LookupOperation(name string) (Operation, bool) {
	i, ok := slices.BinarySearchFunc(operations, name, func(o Operation, name string) int {
		return strings.Compare(o.Name, name)
	})
	if !ok {
		return Operation{}, false
	}
	return operations[i], true
}

//go:generate go test -run TestOperationsDocument . -update

// operations is the table, ordered by name and never changed after start-up.
var operations = sortedByName(
	opAdminsActivityEventTypes, opAdminsActivityLogs, opAdminsAwayReasons, opAdminsGet, opAdminsList, opAdminsMe,
	opAdminsSearchActivityLogs, opAdminsSetAway,
	opArticlesCreate, opArticlesDelete, opArticlesGet, opArticlesList, opArticlesSearch, opArticlesUpdate,
	opCollectionsCreate, opCollectionsDelete, opCollectionsGet, opCollectionsList, opCollectionsUpdate,
	opContactsAddTag, opContactsArchive, opContactsBlock, opContactsCreate, opContactsDelete, opContactsGet,
	opContactsGetByExternalID, opContactsList, opContactsMerge, opContactsRemoveTag, opContactsSearch, opContactsTags,
	opContactsUnarchive, opContactsUpdate,
	opConversationsAddTag, opConversationsAssign, opConversationsAttachContact, opConversationsClose, opConversationsCreate,
	opConversationsDelete, opConversationsDeleteWithMetrics, opConversationsDetachContact, opConversationsGet,
	opConversationsList, opConversationsNote, opConversationsOpen, opConversationsRedact, opConversationsRemoveTag,
	opConversationsReply, opConversationsSearch, opConversationsSnooze, opConversationsUnassign, opConversationsUpdate,
	opEventsCreate, opEventsCreateSummary, opEventsList, opEventsSummaries,
	opMessagesCreate,
	opTagsApply, opTagsCreate, opTagsDelete, opTagsGet, opTagsList, opTagsRename,
	opTeamsGet, opTeamsList,
)

func sortedByName(ops ...Operation) []Operation {
	slices.SortFunc(ops, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) })
	return ops
}

// placeholders returns the names in braces, in order.
func (o Operation) placeholders() []string {
	var names []string
	for seg := range strings.SplitSeq(o.Path, "/") {
		if name, ok := placeholder(seg); ok {
			names = append(names, name)
		}
	}
	return names
}

// ofOne reports whether the call says which thing it is about.
func (o Operation) ofOne() bool { return o.ResourceArg != "" || o.ResourceMembers != "" }

func placeholder(segment string) (string, bool) {
	if len(segment) > 2 && segment[0] == '{' && segment[len(segment)-1] == '}' {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}

// check reports what makes the operation unusable, whoever made it.
func (o Operation) check() error {
	switch {
	case o.Name == "":
		return fmt.Errorf("%w: the operation has no Name", ErrInvalidRequest)
	case o.Effect < Read || o.Effect > Destructive:
		return fmt.Errorf("%w: operation %s has no Effect: use Read, Write or Destructive", ErrInvalidRequest, o.Name)
	case o.Method != "GET" && o.Method != "POST" && o.Method != "PUT" && o.Method != "PATCH" && o.Method != "DELETE":
		return fmt.Errorf("%w: operation %s has no Method: use GET, POST, PUT, PATCH or DELETE", ErrInvalidRequest, o.Name)
	case o.Effect == Read && o.Method != "GET" && o.Method != "POST":
		return fmt.Errorf("%w: operation %s is a Read by %s: Intercom has no such call, give it its Effect", ErrInvalidRequest, o.Name, o.Method)
	case o.Effect == Read && o.Method == "POST" && !o.Repeatable:
		return fmt.Errorf("%w: operation %s is a Read by POST: mark it Repeatable if it only reads, else give it its Effect", ErrInvalidRequest, o.Name)
	case o.Effect != Read && o.Method == "GET":
		return fmt.Errorf("%w: operation %s writes by GET: Intercom has no such call", ErrInvalidRequest, o.Name)
	case !strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, "?#%\\"):
		return fmt.Errorf("%w: operation %s: Path must begin with / and hold neither query nor escapes", ErrInvalidRequest, o.Name)
	case o.ResourceArg != "" && !slices.Contains(o.placeholders(), o.ResourceArg):
		return fmt.Errorf("%w: operation %s: ResourceArg %q is no placeholder of its Path", ErrInvalidRequest, o.Name, o.ResourceArg)
	case o.ActorOptional && o.Actor == "":
		return fmt.Errorf("%w: operation %s: ActorOptional needs an Actor", ErrInvalidRequest, o.Name)
	case o.ResourceMembers != "" && (o.ResourceArg != "" || o.Resource == "" || o.Method == "GET" || !slices.Contains([]int{1, 2}, len(strings.Fields(o.ResourceMembers)))):
		return fmt.Errorf("%w: operation %s: ResourceMembers %.80q must be one or two members of a body, with a Resource and no ResourceArg", ErrInvalidRequest, o.Name, o.ResourceMembers)
	case strings.Count(o.Actor, ".") > 1:
		return fmt.Errorf("%w: operation %s: Actor %q is too deep: it is a member of the body, or one within it", ErrInvalidRequest, o.Name, o.Actor)
	}
	return nil
}
