package intercomrbac

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"time"
)

const conversationPath = "/conversations/{conversation_id}"

var (
	opConversationsList = Operation{
		Name: "conversations.list", ID: "listConversations", Method: "GET", Path: "/conversations",
		Scope: ScopeReadConversations, Permission: ConversationsRead, Resource: "conversation", Effect: Read, Repeatable: true,
	}
	opConversationsSearch = Operation{
		Name: "conversations.search", ID: "searchConversations", Method: "POST", Path: "/conversations/search",
		Scope: ScopeReadConversations, Permission: ConversationsRead, Resource: "conversation", Effect: Read, Repeatable: true,
	}
	opConversationsGet = Operation{
		Name: "conversations.get", ID: "retrieveConversation", Method: "GET", Path: conversationPath,
		Scope: ScopeReadConversations, Permission: ConversationsRead, Resource: "conversation", ResourceArg: "conversation_id",
		Effect: Read, Repeatable: true,
	}
	opConversationsCreate = Operation{
		Name: "conversations.create", ID: "createConversation", Method: "POST", Path: "/conversations",
		Scope: ScopeWriteConversations, Permission: ConversationsWrite, Resource: "conversation", Effect: Write,
	}
	opConversationsUpdate = Operation{
		Name: "conversations.update", ID: "updateConversation", Method: "PUT", Path: conversationPath,
		Scope: ScopeWriteConversations, Permission: ConversationsWrite, Resource: "conversation", ResourceArg: "conversation_id",
		Effect: Write, Repeatable: true,
	}
	opConversationsReply = Operation{
		Name: "conversations.reply", ID: "replyConversation", Method: "POST", Path: conversationPath + "/reply",
		Body:  "type=admin message_type=comment|quick_reply",
		Scope: ScopeWriteConversations, Permission: ConversationsReply, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsNote = Operation{
		Name: "conversations.note", ID: "replyConversation", Method: "POST", Path: conversationPath + "/reply",
		Body:  "type=admin message_type=note",
		Scope: ScopeWriteConversations, Permission: ConversationsReply, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsAssign = Operation{
		Name: "conversations.assign", ID: "manageConversation", Method: "POST", Path: conversationPath + "/parts",
		Body:  "message_type=assignment",
		Scope: ScopeWriteConversations, Permission: ConversationsAssign, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsUnassign = Operation{
		Name: "conversations.unassign", ID: "manageConversation", Method: "POST", Path: conversationPath + "/parts",
		Body:  "message_type=assignment assignee_id=0",
		Scope: ScopeWriteConversations, Permission: ConversationsAssign, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsClose = Operation{
		Name: "conversations.close", ID: "manageConversation", Method: "POST", Path: conversationPath + "/parts",
		Body:  "message_type=close",
		Scope: ScopeWriteConversations, Permission: ConversationsClose, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsOpen = Operation{
		Name: "conversations.open", ID: "manageConversation", Method: "POST", Path: conversationPath + "/parts",
		Body:  "message_type=open",
		Scope: ScopeWriteConversations, Permission: ConversationsClose, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsSnooze = Operation{
		Name: "conversations.snooze", ID: "manageConversation", Method: "POST", Path: conversationPath + "/parts",
		Body:  "message_type=snoozed",
		Scope: ScopeWriteConversations, Permission: ConversationsClose, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsAddTag = Operation{
		Name: "conversations.add_tag", ID: "attachTagToConversation", Method: "POST", Path: conversationPath + "/tags",
		Scope: ScopeWriteConversations, Permission: ConversationsWrite, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsRemoveTag = Operation{
		Name: "conversations.remove_tag", ID: "detachTagFromConversation", Method: "DELETE", Path: conversationPath + "/tags/{tag_id}",
		Scope: ScopeWriteConversations, Permission: ConversationsWrite, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsDelete = Operation{
		Name: "conversations.delete", ID: "deleteConversation", Method: "DELETE", Path: conversationPath,
		Scope: ScopeWriteConversations, Permission: ConversationsDelete, Resource: "conversation", ResourceArg: "conversation_id",
		Effect: Destructive,
	}
	opConversationsDeleteWithMetrics = Operation{
		Name: "conversations.delete_with_metrics", ID: "deleteConversation", Method: "DELETE", Path: conversationPath,
		Query: "retain_metrics=false",
		Scope: ScopeDeleteConversations, Permission: ConversationsDelete, Resource: "conversation", ResourceArg: "conversation_id",
		Effect: Destructive,
	}
)

// ConversationsService is about conversations. It is safe for concurrent use.
type ConversationsService struct{ c *Client }

// List returns a page of all conversations, without their parts. Operation conversations.list (listConversations).
func (s *ConversationsService) List(ctx context.Context, params ListParams) (*Page[Conversation], error) {
	op := opConversationsList
	if err := params.check(op); err != nil {
		return nil, err
	}
	return fetchPage[Conversation, page[Conversation]](ctx, s.c, call{op: op, query: params.into(url.Values{})})
}

// All returns all conversations, without their parts, page by page as they are needed; each range over it starts
// anew. After an error it ends. Pages are no snapshot: while conversations change, one can come twice or not at all.
// Operation conversations.list (listConversations).
func (s *ConversationsService) All(ctx context.Context, params ListParams) iter.Seq2[Conversation, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[Conversation], error) {
		return s.List(ctx, ListParams{PerPage: params.PerPage, After: after})
	})
}

// Get returns one conversation with its parts, the newest 500 of them. Operation conversations.get
// (retrieveConversation).
func (s *ConversationsService) Get(ctx context.Context, id ConversationID) (*Conversation, error) {
	return do[Conversation](ctx, s.c, call{op: opConversationsGet, args: []string{string(id)}})
}

// Search returns a page of the conversations that meet a condition, without their parts. Intercom matches the words
// of source.body one by one. Operation conversations.search (searchConversations).
func (s *ConversationsService) Search(ctx context.Context, params SearchParams) (*Page[Conversation], error) {
	return searchPage[Conversation](ctx, s.c, opConversationsSearch, searchable{fields: conversationFields}, params)
}

// SearchAll returns all conversations that meet a condition, as [ConversationsService.All] returns all. Changing what
// the condition looks at shifts the pages to come: collect the ids first, then change. Operation conversations.search
// (searchConversations).
func (s *ConversationsService) SearchAll(ctx context.Context, params SearchParams) iter.Seq2[Conversation, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[Conversation], error) {
		p := params
		p.After = after
		return s.Search(ctx, p)
	})
}

// CreateConversationParams starts a conversation in a contact's name.
type CreateConversationParams struct {
	// From is the contact; needed.
	From ContactID
	// FromRole is what the contact is; the zero value means ContactUser.
	FromRole ContactRole
	// Body is the message; needed.
	Body string
	// Subject is for e-mail.
	Subject string
	// AttachmentURLs are images, at most 10.
	AttachmentURLs []string
	// CreatedAt is when the message was written; the zero value means now.
	CreatedAt Timestamp
	// BrandID is the brand that the conversation belongs to.
	BrandID string
}

// CreatedConversation is what Intercom tells of a conversation that was started: the first message.
type CreatedConversation struct {
	// ID is the conversation's id.
	ID ConversationID `json:"conversation_id"`
	// MessageID is the id of the message, which no other call takes for a conversation.
	MessageID   ID        `json:"id"`
	Type        string    `json:"type"`
	CreatedAt   Timestamp `json:"created_at"`
	Subject     string    `json:"subject"`
	Body        string    `json:"body"`
	MessageType string    `json:"message_type"`
}

func (c *CreatedConversation) complete() bool { return c.ID != "" }

// Create starts a conversation in a contact's name. Operation conversations.create (createConversation).
func (s *ConversationsService) Create(ctx context.Context, params CreateConversationParams) (*CreatedConversation, error) {
	op := opConversationsCreate
	if params.From == "" || params.Body == "" {
		return nil, invalid(op, "From and Body are needed")
	}
	role := ContactRole(firstOf(string(params.FromRole), string(ContactUser)))
	if !role.isContact() {
		return nil, invalid(op, "FromRole is %.40q: a conversation is started by a user or a lead", string(role))
	}
	if err := checkAttachments(params.AttachmentURLs, nil); err != nil {
		return nil, invalid(op, "%w", err)
	}
	type from struct {
		Type ContactRole `json:"type"`
		ID   ContactID   `json:"id"`
	}
	body := struct {
		From           from      `json:"from"`
		Body           string    `json:"body"`
		Subject        string    `json:"subject,omitzero"`
		AttachmentURLs []string  `json:"attachment_urls,omitempty"`
		CreatedAt      Timestamp `json:"created_at,omitzero"`
		BrandID        string    `json:"brand_id,omitzero"`
	}{from{role, params.From}, params.Body, params.Subject,
		params.AttachmentURLs, params.CreatedAt, params.BrandID}
	return do[CreatedConversation](ctx, s.c, call{op: op, body: body})
}

// UpdateConversationParams changes what is set; nil and empty members stay as they are.
type UpdateConversationParams struct {
	// Read marks it read or unread.
	Read *bool `json:"read,omitzero"`
	// Title renames it.
	Title *string `json:"title,omitzero"`
	// CompanyID ties it to a company.
	CompanyID string `json:"company_id,omitzero"`
	// CustomAttributes are set by name; nil as a value clears one.
	CustomAttributes map[string]any `json:"custom_attributes,omitempty"`
}

// Update changes attributes of a conversation. Operation conversations.update (updateConversation).
func (s *ConversationsService) Update(ctx context.Context, id ConversationID, params UpdateConversationParams) (*Conversation, error) {
	op := opConversationsUpdate
	if params.Read == nil && params.Title == nil && params.CompanyID == "" && len(params.CustomAttributes) == 0 {
		return nil, invalid(op, "the params change nothing")
	}
	return do[Conversation](ctx, s.c, call{op: op, args: []string{string(id)}, body: params})
}

// ReplyParams is a reply to the customer.
type ReplyParams struct {
	// AdminID is the teammate who replies; empty means the principal of the context.
	AdminID AdminID
	// Body is the text, as HTML; needed unless QuickReplies are given.
	Body string
	// AttachmentURLs are images, at most 10.
	AttachmentURLs []string
	// AttachmentFiles are files, at most 10.
	AttachmentFiles []AttachmentFile
	// QuickReplies are buttons for the customer to choose from.
	QuickReplies []QuickReply
	// SkipNotifications sends no notification.
	SkipNotifications bool
	// CreatedAt is when the reply was written; the zero value means now.
	CreatedAt Timestamp
}

// AttachmentFile is a file sent within a reply or note.
type AttachmentFile struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	// Data is sent as base64.
	Data []byte `json:"data"`
}

// QuickReply is a button for the customer.
type QuickReply struct {
	// Text is what the customer reads on it; needed.
	Text string `json:"text"`
	// UUID identifies the button; needed.
	UUID string `json:"uuid"`
}

// Reply sends a reply to the customer, as a teammate. Operation conversations.reply (replyConversation). Replying as
// a contact is not offered.
func (s *ConversationsService) Reply(ctx context.Context, id ConversationID, params ReplyParams) (*Conversation, error) {
	return s.reply(ctx, opConversationsReply, id, params)
}

// NoteParams is a note for teammates.
type NoteParams struct {
	// AdminID is the teammate who leaves it; empty means the principal of the context.
	AdminID AdminID
	// Body is the text, as HTML; needed.
	Body string
	// AttachmentURLs are images, at most 10.
	AttachmentURLs []string
	// AttachmentFiles are files, at most 10.
	AttachmentFiles []AttachmentFile
	// SkipNotifications sends no notification.
	SkipNotifications bool
	// CreatedAt is when the note was written; the zero value means now.
	CreatedAt Timestamp
}

// Note leaves a note that only teammates see. Operation conversations.note (replyConversation).
func (s *ConversationsService) Note(ctx context.Context, id ConversationID, params NoteParams) (*Conversation, error) {
	return s.reply(ctx, opConversationsNote, id, ReplyParams{AdminID: params.AdminID, Body: params.Body,
		AttachmentURLs: params.AttachmentURLs, AttachmentFiles: params.AttachmentFiles, SkipNotifications: params.SkipNotifications,
		CreatedAt: params.CreatedAt})
}

func (s *ConversationsService) reply(ctx context.Context, op Operation, id ConversationID, params ReplyParams) (*Conversation, error) {
	kind := "comment"
	switch {
	case op == opConversationsNote:
		kind = "note"
	case len(params.QuickReplies) > 0:
		kind = "quick_reply"
	}
	if params.Body == "" && kind != "quick_reply" && len(params.AttachmentURLs)+len(params.AttachmentFiles) == 0 {
		return nil, invalid(op, "Body is needed")
	}
	if err := checkAttachments(params.AttachmentURLs, params.AttachmentFiles); err != nil {
		return nil, invalid(op, "%w", err)
	}
	for _, button := range params.QuickReplies {
		if button.Text == "" || button.UUID == "" {
			return nil, invalid(op, "a quick reply needs Text and UUID")
		}
	}
	admin, err := s.c.actingAdmin(ctx, op, params.AdminID)
	if err != nil {
		return nil, err
	}
	body := struct {
		MessageType       string           `json:"message_type"`
		Type              string           `json:"type"`
		AdminID           AdminID          `json:"admin_id"`
		Body              string           `json:"body,omitzero"`
		AttachmentURLs    []string         `json:"attachment_urls,omitempty"`
		AttachmentFiles   []AttachmentFile `json:"attachment_files,omitempty"`
		ReplyOptions      []QuickReply     `json:"reply_options,omitempty"`
		SkipNotifications bool             `json:"skip_notifications,omitzero"`
		CreatedAt         Timestamp        `json:"created_at,omitzero"`
	}{kind, "admin", admin, params.Body, params.AttachmentURLs, params.AttachmentFiles, params.QuickReplies,
		params.SkipNotifications, params.CreatedAt}
	return do[Conversation](ctx, s.c, call{op: op, args: []string{string(id)}, body: body, actor: admin})
}

func checkAttachments(urls []string, files []AttachmentFile) error {
	if len(urls) > 10 || len(files) > 10 {
		return errors.New("there are more than 10 attachments")
	}
	return nil
}

// actingAdmin is the admin of the params, or else that of the principal in the context. Under a gate a missing principal
// is left for it to refuse.
func (c *Client) actingAdmin(ctx context.Context, op Operation, id AdminID) (AdminID, error) {
	if id != "" {
		return id, id.check(op)
	}
	var p Principal
	known := false
	if ctx != nil {
		p, known = PrincipalFrom(ctx)
	}
	switch {
	case c != nil && c.s.gate != nil && !known:
		return "", nil
	case p.AdminID != "":
		return p.AdminID, p.AdminID.check(op)
	}
	return "", noActor(op)
}

// Assignee is who a conversation is assigned to: made by [ToTeam] or [ToAdmin]. The zero value is nobody, and an
// error where an assignee is needed; to take an assignee away there is [ConversationsService.Unassign].
type Assignee struct {
	kind string
	id   string
}

// ToTeam assigns to a team. The admin assignee stays as it is.
func ToTeam(id TeamID) Assignee { return Assignee{"team", string(id)} }

// ToAdmin assigns to a teammate. The team assignee stays as it is.
func ToAdmin(id AdminID) Assignee { return Assignee{"admin", string(id)} }

// AssignParams assigns a conversation.
type AssignParams struct {
	// To is the new assignee; needed.
	To Assignee
	// AdminID is the teammate who assigns; empty means the principal of the context.
	AdminID AdminID
	// Body is a note to go with it.
	Body string
}

// Assign gives a conversation to a team or a teammate. It is ErrTeamNotFound if there is no such team, and
// ErrAdminNotFound if Intercom says that there is no such teammate. Operation conversations.assign
// (manageConversation).
func (s *ConversationsService) Assign(ctx context.Context, id ConversationID, params AssignParams) (*Conversation, error) {
	op := opConversationsAssign
	if params.To.id == "0" {
		return nil, invalid(op, "To is 0, which would unassign: use Unassign")
	}
	switch params.To.kind {
	case "team":
		if err := TeamID(params.To.id).check(op); err != nil {
			return nil, err
		}
	case "admin":
		if err := AdminID(params.To.id).check(op); err != nil {
			return nil, err
		}
	default:
		return nil, invalid(op, "To is empty: use ToTeam or ToAdmin, or Unassign")
	}
	return s.manage(ctx, op, id, params.AdminID, part{MessageType: "assignment", Type: params.To.kind, AssigneeID: params.To.id, Body: params.Body})
}

// UnassignParams takes an assignee away.
type UnassignParams struct {
	// Team takes the team away; otherwise the teammate is taken away. Whether Intercom then keeps the other one
	// is not documented.
	Team bool
	// AdminID is the teammate who does it; empty means the principal of the context.
	AdminID AdminID
	// Body is a note to go with it.
	Body string
}

// Unassign takes the assigned teammate, or the team, off a conversation. Operation conversations.unassign
// (manageConversation).
func (s *ConversationsService) Unassign(ctx context.Context, id ConversationID, params UnassignParams) (*Conversation, error) {
	kind := "admin"
	if params.Team {
		kind = "team"
	}
	return s.manage(ctx, opConversationsUnassign, id, params.AdminID, part{MessageType: "assignment", Type: kind, AssigneeID: "0", Body: params.Body})
}

// CloseParams closes a conversation. The zero value is the usual call.
type CloseParams struct {
	// AdminID is the teammate who closes it; empty means the principal of the context.
	AdminID AdminID
	// Body is a last reply to the customer.
	Body string
}

// Close closes a conversation. Operation conversations.close (manageConversation).
func (s *ConversationsService) Close(ctx context.Context, id ConversationID, params CloseParams) (*Conversation, error) {
	return s.manage(ctx, opConversationsClose, id, params.AdminID, part{MessageType: "close", Type: "admin", Body: params.Body})
}

// OpenParams opens a conversation. The zero value is the usual call.
type OpenParams struct {
	// AdminID is the teammate who opens it; empty means the principal of the context.
	AdminID AdminID
}

// Open opens a conversation that is closed or snoozed. Operation conversations.open (manageConversation).
func (s *ConversationsService) Open(ctx context.Context, id ConversationID, params OpenParams) (*Conversation, error) {
	return s.manage(ctx, opConversationsOpen, id, params.AdminID, part{MessageType: "open"})
}

// SnoozeParams snoozes a conversation.
type SnoozeParams struct {
	// Until is when it opens again, to the second; needed, and in the future.
	Until time.Time
	// AdminID is the teammate who snoozes it; empty means the principal of the context.
	AdminID AdminID
}

// Snooze puts a conversation away until a time: its State is snoozed, Open stays true. Operation conversations.snooze
// (manageConversation).
func (s *ConversationsService) Snooze(ctx context.Context, id ConversationID, params SnoozeParams) (*Conversation, error) {
	if !params.Until.After(time.Now()) {
		return nil, invalid(opConversationsSnooze, "Until must be in the future")
	}
	return s.manage(ctx, opConversationsSnooze, id, params.AdminID, part{MessageType: "snoozed", SnoozedUntil: NewTimestamp(params.Until)})
}

// part is the body of manageConversation.
type part struct {
	MessageType  string    `json:"message_type"`
	Type         string    `json:"type,omitzero"`
	AdminID      AdminID   `json:"admin_id"`
	AssigneeID   string    `json:"assignee_id,omitzero"`
	Body         string    `json:"body,omitzero"`
	SnoozedUntil Timestamp `json:"snoozed_until,omitzero"`
}

func (s *ConversationsService) manage(ctx context.Context, op Operation, id ConversationID, admin AdminID, p part) (*Conversation, error) {
	var err error
	if p.AdminID, err = s.c.actingAdmin(ctx, op, admin); err != nil {
		return nil, err
	}
	return do[Conversation](ctx, s.c, call{op: op, args: []string{string(id)}, body: p, actor: p.AdminID,
		assignee: assigneeKind(op, p.Type)})
}

// assigneeKind tells an assignment to a team from one to a teammate; empty for what is no assignment.
func assigneeKind(op Operation, kind string) string {
	if op != opConversationsAssign {
		return ""
	}
	return kind
}

// TagParams names a tag to put on or take off.
type TagParams struct {
	// TagID is the tag; needed.
	TagID TagID `json:"id,omitzero"`
	// AdminID is the teammate who does it; empty means the principal of the context.
	AdminID AdminID `json:"admin_id"`
}

// AddTag puts a tag on a conversation, and returns the tag. Operation conversations.add_tag
// (attachTagToConversation).
func (s *ConversationsService) AddTag(ctx context.Context, id ConversationID, params TagParams) (*Tag, error) {
	op := opConversationsAddTag
	if params.TagID == "" {
		return nil, invalid(op, "TagID is needed")
	}
	var err error
	if params.AdminID, err = s.c.actingAdmin(ctx, op, params.AdminID); err != nil {
		return nil, err
	}
	return do[Tag](ctx, s.c, call{op: op, args: []string{string(id)}, body: params, actor: params.AdminID})
}

// RemoveTag takes a tag off a conversation, and returns the tag. Operation conversations.remove_tag
// (detachTagFromConversation).
func (s *ConversationsService) RemoveTag(ctx context.Context, id ConversationID, params TagParams) (*Tag, error) {
	op := opConversationsRemoveTag
	admin, err := s.c.actingAdmin(ctx, op, params.AdminID)
	if err != nil {
		return nil, err
	}
	return do[Tag](ctx, s.c, call{op: op, args: []string{string(id), string(params.TagID)}, body: TagParams{AdminID: admin}, actor: admin})
}

// Delete removes a conversation for good; its figures stay in the reports. Operation conversations.delete
// (deleteConversation).
func (s *ConversationsService) Delete(ctx context.Context, id ConversationID) error {
	return s.c.do(ctx, &call{op: opConversationsDelete, args: []string{string(id)}})
}

// DeleteWithMetrics removes a conversation for good, from the reports too. It needs a scope of its own. Operation
// conversations.delete_with_metrics (deleteConversation).
func (s *ConversationsService) DeleteWithMetrics(ctx context.Context, id ConversationID) error {
	return s.c.do(ctx, &call{op: opConversationsDeleteWithMetrics, args: []string{string(id)}, query: url.Values{"retain_metrics": {"false"}}})
}
