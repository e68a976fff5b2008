package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Topic is what a conversation is about, such as "billing": the service's own word, which a [Router] knows the team for.
type Topic string

// TeamRef names a team by its id, which is digits, or else by its name, exactly as Intercom has it. An id survives a
// change of the name. The zero value names none.
type TeamRef string

// DefaultNote is the note that a [Router] assigns with, unless it is told otherwise.
const DefaultNote = "Routed to {topic} team"

// RouterConfig says where conversations go. Routes is needed.
type RouterConfig struct {
	// Routes is the team for each topic.
	Routes map[Topic]TeamRef
	// Fallback is the team for topics that are not in Routes; empty makes such a topic ErrNoRoute.
	Fallback TeamRef
	// Note goes with each assignment, for teammates to see, as HTML; {topic} and {team} in it are replaced by the
	// topic ("fallback" where that is where it goes) and the name of the team. Empty means DefaultNote.
	Note string
	// NoNote assigns without a note.
	NoNote bool
	// Classifier finds the topic of conversations that are routed without one; nil leaves them without.
	Classifier Classifier
	// DryRun does everything but assign: results say what would be done. Whether a guard or Intercom would let the
	// assignments through is not asked.
	DryRun bool
}

// Router assigns conversations to teams by topic. It is made by [NewRouter] and is safe for concurrent use. It acts as the
// principal of the context: under a guard it needs teams:read, conversations:read and conversations:assign. Its principals share what it
// knows of the teams.
type Router struct {
	client *Client
	config RouterConfig

	teams atomic.Pointer[roster] // nil until they were listed
	turn  chan struct{}          // holds the one who lists them anew

	handled sync.Map // conversations that a handler has in hand; of channels that are closed when it is done
	doubts  sync.Map // conversations that a handler has assigned with an outcome that is not known; of the times when that was
}

// NewRouter returns a router. All that is wrong with the config is in the error at once. It sends nothing: whether the
// teams are there, [Router.Verify] tells.
func NewRouter(client *Client, config RouterConfig) (*Router, error) {
	var errs []error
	if client == nil || client.s.token == nil {
		errs = append(errs, errors.New("the client was not made by NewClient"))
	}
	if len(config.Routes) == 0 {
		errs = append(errs, errors.New("there are no Routes"))
	}
	for _, topic := range sortedKeys(config.Routes) {
		if topic == "" {
			errs = append(errs, errors.New("a route has an empty topic"))
		}
		if err := config.Routes[topic].check(); err != nil {
			errs = append(errs, fmt.Errorf("the route for topic %.80q %w", string(topic), err))
		}
	}
	if config.Fallback != "" {
		if err := config.Fallback.check(); err != nil {
			errs = append(errs, fmt.Errorf("the Fallback %w", err))
		}
	}
	if config.Note != "" && config.NoNote {
		errs = append(errs, errors.New("there is a Note, and NoNote says that there is none: keep one"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewRouter: %w", err)
	}
	config.Routes = maps.Clone(config.Routes)
	if config.Note == "" && !config.NoNote {
		config.Note = DefaultNote
	}
	return &Router{client: client, config: config, turn: make(chan struct{}, 1)}, nil
}

func (r TeamRef) check() error {
	switch {
	case r == "":
		return errors.New("names no team")
	case isDigits(r) && !isNumber(r):
		return fmt.Errorf("names team %.40q, which is no team's id: ids are digits and do not begin with 0", string(r))
	}
	return nil
}

// Verify lists the teams of the workspace and finds each that the routes and the fallback name. All that are not found are
// in the error at once, each with the nearest name; a name that two teams have is an error, too. What it found is what
// Route goes by from then on; after an error that stays as it was. A program calls it when it starts, and again when teams
// may have changed.
func (r *Router) Verify(ctx context.Context) error {
	if r == nil || r.client == nil {
		return errNoRouter
	}
	_, err := r.verify(ctx)
	return err
}

func (r *Router) verify(ctx context.Context) (*roster, error) {
	t, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	if problems := r.problems(t); problems != nil {
		return nil, &callError{"Router: " + strings.Join(problems, "\n"), []error{ErrTeamNotFound}}
	}
	r.teams.Store(t)
	return t, nil
}

// roster is what a Router knows of the teams of the workspace. It is not changed after it was made.
type roster struct {
	found   map[TeamRef]Team
	missing map[TeamRef]string // and why
	names   []string           // of all teams, sorted
}

// list finds the teams of the routes and the fallback among those that there are now.
func (r *Router) list(ctx context.Context) (*roster, error) {
	list, err := r.client.Teams.List(ctx)
	if err != nil {
		return nil, &callError{"Router: the teams cannot be listed: " + untitled(err), []error{err}}
	}
	t := &roster{found: map[TeamRef]Team{}, missing: map[TeamRef]string{}}
	for _, team := range list {
		t.names = append(t.names, team.Name)
	}
	slices.Sort(t.names)
	look := func(ref TeamRef) {
		if team, problem := resolve(ref, list); problem != "" {
			t.missing[ref] = problem
		} else {
			t.found[ref] = team
		}
	}
	for _, ref := range r.config.Routes {
		look(ref)
	}
	if r.config.Fallback != "" {
		look(r.config.Fallback)
	}
	return t, nil
}

// problems says which teams were not found.
func (r *Router) problems(t *roster) (problems []string) {
	for _, topic := range sortedKeys(r.config.Routes) {
		if problem := t.missing[r.config.Routes[topic]]; problem != "" {
			problems = append(problems, fmt.Sprintf("topic %.80q: %s", string(topic), problem))
		}
	}
	if problem := t.missing[r.config.Fallback]; problem != "" {
		problems = append(problems, "the fallback: "+problem)
	}
	return problems
}

// renew lists the teams anew, unless somebody has done that since old was known.
func (r *Router) renew(ctx context.Context, old *roster) (*roster, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-r.turn }()
	if t := r.teams.Load(); t != old {
		return t, nil
	}
	t, err := r.list(ctx)
	if err == nil {
		r.teams.Store(t)
	}
	return t, err
}

// maxNamedTeams bounds how many teams an error names.
const maxNamedTeams = 20

// vanished is the error of a team that is not there, with those that are.
func (t *roster) vanished(result RouteResult, problem string, cause error) error {
	var there []string
	for _, name := range t.names[:min(len(t.names), maxNamedTeams)] {
		there = append(there, fmt.Sprintf("%.80q", name))
	}
	text := fmt.Sprintf("Router: topic %.80q: %s; the teams that exist: %s", string(result.Topic), problem, firstOf(strings.Join(there, ", "), "none"))
	if more := len(t.names) - len(there); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	causes := []error{ErrTeamNotFound}
	if cause != nil {
		causes = append(causes, cause)
	}
	return &callError{text, causes}
}

var errNoRouter = errors.New("intercomrbac: this Router was not made by NewRouter")

// resolve finds a team, or says why not.
func resolve(ref TeamRef, list []Team) (team Team, problem string) {
	var found []Team
	var names []string
	for _, team := range list {
		if isDigits(ref) && team.ID == TeamID(ref) || !isDigits(ref) && team.Name == string(ref) {
			found = append(found, team)
		}
		names = append(names, team.Name)
	}
	switch {
	case len(found) == 1 && isNumber(found[0].ID):
		return found[0], ""
	case len(found) > 1:
		return Team{}, fmt.Sprintf("%d teams have the name %.80q: name the one that is meant by its id", len(found), string(ref))
	case isDigits(ref):
		return Team{}, fmt.Sprintf("no team has the id %.40s", string(ref))
	}
	return Team{}, fmt.Sprintf("no team has the name %.80q%s", string(ref), nearestName(string(ref), names))
}

// nearestName is didYouMean for names of people's making, which are in any case and alphabet.
func nearestName(word string, names []string) string {
	lower := make([]string, len(names))
	for i, name := range names {
		lower[i] = strings.ToLower(name)
	}
	best := nearest(word, lower)
	for i, name := range lower {
		if best != "" && name == best {
			return fmt.Sprintf(": did you mean %.80q?", names[i])
		}
	}
	return ""
}

// RouteResult says what became of a conversation.
type RouteResult struct {
	// Conversation is its id.
	Conversation ConversationID
	Topic        Topic
	// Why is how the Classifier came to the topic; empty where it was not asked.
	Why string
	// Team has the conversation now; beside an error it is the one that was meant to.
	Team     TeamID
	TeamName string
	// Fallback: the topic has no route, and the team is the fallback.
	Fallback bool
	// Assigned is false where the conversation was with the team already, and nothing was done.
	Assigned bool
	// DryRun: nothing was done at all, and Team and Assigned say what would have been.
	DryRun bool
}

// Route assigns a conversation to the team of a topic, with the note. Without a topic the Classifier finds it. A conversation that is with
// the team already is left as it is. A topic without a route goes to the fallback, which the result tells, or is ErrNoRoute. A router that
// was never verified verifies itself first.
//
// Where a team is not there any more the teams are listed once more, by name it may have another id by then; if that does not help it is
// ErrTeamNotFound, with the teams that exist. Where the outcome of the assignment is not known Route looks at the conversation a second
// later. If it is with the team by then all is well; if not the error is ErrOutcomeUnknown, and nothing is sent again: what Intercom does
// later than that with a request that seemed lost cannot be told.
func (r *Router) Route(ctx context.Context, id ConversationID, topic Topic) (RouteResult, error) {
	if r == nil || r.client == nil {
		return RouteResult{Conversation: id}, errNoRouter
	}
	return r.route(ctx, ctx, routing{id: id, topic: topic, again: true})
}

// Handler returns a handler for [Receiver.On], of EventConversationUserCreated for the most part, that routes the conversation of a
// notification, without a topic, one notification of it at a time. It does so once: a conversation that the acting teammate has assigned to a team before is left where it
// is now, and notifications of assignments, the router's own and those of others, are not acted upon. So an assignment that comes back
// as a notification goes round no more, and a teammate who moves a conversation has the last word. An assignment of which the outcome is
// not known is not sent again within five minutes, however often the handler is called: it is looked whether it was done, and is
// ErrOutcomeUnknown until it was. It acts as the principal of the [ReceiverConfig]. A Router is for one workspace: where the Receiver
// serves several, bind its client (WithWorkspace), so that notifications of others are refused.
func (r *Router) Handler() func(context.Context, Notification) error {
	return func(ctx context.Context, n Notification) error {
		switch {
		case r == nil || r.client == nil:
			return errNoRouter
		case r.client.s.workspace != "" && n.Workspace != r.client.s.workspace:
			return fmt.Errorf("%w: Router: the notification is of %.80q and the client is bound to %q", ErrWrongWorkspace, string(n.Workspace), r.client.s.workspace)
		case n.Topic == EventConversationAdminAssigned || n.Topic == EventConversationAdminOpenAssigned:
			return nil
		}
		c, err := n.Conversation()
		if err != nil {
			return err
		}
		done := make(chan struct{})
		for other, busy := r.handled.LoadOrStore(c.ID, done); busy; other, busy = r.handled.LoadOrStore(c.ID, done) {
			select {
			case <-other.(chan struct{}):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		defer func() {
			r.handled.Delete(c.ID)
			close(done)
		}()
		_, err = r.route(ctx, ctx, routing{id: c.ID, again: true, once: true, doubt: r.inDoubt(c.ID)})
		if errors.Is(err, ErrOutcomeUnknown) {
			r.doubts.LoadOrStore(c.ID, time.Now())
		}
		return err
	}
}

// doubtTime is how long an assignment that seems lost may still be done: longer than a [Receiver] calls a handler again.
const doubtTime = 5 * time.Minute

// inDoubt reports whether a conversation was assigned lately with an outcome that is not known, and forgets what is over.
func (r *Router) inDoubt(id ConversationID) bool {
	r.doubts.Range(func(id, since any) bool {
		if time.Since(since.(time.Time)) >= doubtTime {
			r.doubts.Delete(id)
		}
		return true
	})
	_, doubt := r.doubts.Load(id)
	return doubt
}

// routing is a conversation on its way.
type routing struct {
	id    ConversationID
	topic Topic
	once  bool // it is left where it is if it was assigned before
	again bool // a team that is known to be missing is looked for again
	doubt bool // it may have been assigned a moment ago, and is looked at alone
}

// ref is the team of a topic, or the fallback; empty if there is neither.
func (r *Router) ref(topic Topic) TeamRef {
	if ref, ok := r.config.Routes[topic]; ok {
		return ref
	}
	return r.config.Fallback
}

// route routes a conversation. What is written goes by the context writing, the rest by ctx: once that has
// ended nothing is begun, but what was begun is ended.
func (r *Router) route(ctx, writing context.Context, in routing) (RouteResult, error) {
	result := RouteResult{Conversation: in.id, Topic: in.topic, DryRun: r.config.DryRun}
	var c *Conversation
	var err error
	if in.topic == "" && r.config.Classifier != nil {
		if c, err = r.client.Conversations.Get(ctx, in.id); err != nil {
			return result, err
		}
		if result.Topic, result.Why, err = r.config.Classifier.Classify(ctx, c); err != nil {
			return result, &callError{fmt.Sprintf("Router: conversation %s cannot be classified: %s", in.id, printable(untitled(err), 300)), []error{err}}
		}
	}
	ref := r.ref(result.Topic)
	if ref == "" {
		return result, fmt.Errorf("%w for topic %.80q%s", ErrNoRoute, string(result.Topic), didYouMean(result.Topic, sortedKeys(r.config.Routes)))
	}
	_, routed := r.config.Routes[result.Topic]
	result.Fallback = !routed
	teams := r.teams.Load()
	switch {
	case teams == nil:
		teams, err = r.verify(ctx)
	case teams.missing[ref] != "" && in.again:
		teams, err = r.renew(ctx, teams)
	}
	if err != nil {
		return result, err
	}
	team, ok := teams.found[ref]
	if !ok {
		return result, teams.vanished(result, teams.missing[ref], nil)
	}
	result.Team, result.TeamName = team.ID, team.Name
	if c == nil {
		if c, err = r.client.Conversations.Get(ctx, in.id); err != nil {
			return result, err
		}
	}
	switch p, _ := PrincipalFrom(ctx); {
	case in.once && p.AdminID != "" && c.assignedBy(p.AdminID):
		result.Team, result.TeamName = c.TeamAssigneeID, ""
		return result, nil
	case c.TeamAssigneeID == team.ID:
		return result, nil
	case r.config.DryRun:
		result.Assigned = true
		return result, nil
	case in.doubt:
		return result, &callError{fmt.Sprintf("Router: conversation %s is not with the team, and an assignment that seemed lost may still be done: it is not sent again yet", in.id),
			[]error{ErrOutcomeUnknown}}
	case ctx.Err() != nil:
		return result, ctx.Err()
	}
	return r.assign(writing, teams, ref, result)
}

// assignedBy reports whether a teammate has assigned the conversation to a team.
func (c *Conversation) assignedBy(id AdminID) bool {
	return slices.ContainsFunc(c.Parts.Items, func(p ConversationPart) bool {
		return p.AssignedTo != nil && p.AssignedTo.Type == "team" && p.Author.Type == "admin" && AdminID(p.Author.ID) == id
	})
}

// lookAfter gives a write that seems lost the time to be done.
const lookAfter = time.Second

// assign assigns a conversation to the team of result.
func (r *Router) assign(ctx context.Context, teams *roster, ref TeamRef, result RouteResult) (RouteResult, error) {
	renewed := false
	for {
		c, err := r.client.Conversations.Assign(ctx, result.Conversation, AssignParams{To: ToTeam(result.Team), Body: r.note(result)})
		result.Assigned = c != nil
		switch {
		case err == nil || result.Assigned:
			return result, err
		case errors.Is(err, ErrOutcomeUnknown):
			now, failed := r.look(ctx, result.Conversation)
			switch {
			case failed != nil:
				return result, &callError{untitled(err) + "; a look at it failed: " + untitled(failed), []error{err}}
			case now == result.Team && errors.Is(err, ErrAuditIncomplete):
				result.Assigned = true
				return result, err
			case now == result.Team:
				result.Assigned = true
				return result, nil
			}
			return result, &callError{untitled(err) + "; a second later it was not with the team", []error{err}}
		case errors.Is(err, ErrTeamNotFound) && !errors.Is(err, ErrAuditIncomplete) && !renewed:
			renewed = true
			old := result.Team
			now, failed := r.renew(ctx, teams)
			if failed != nil {
				return result, &callError{untitled(err) + "; " + untitled(failed), []error{err}}
			}
			teams = now
			team, ok := teams.found[ref]
			switch {
			case !ok:
				return result, teams.vanished(result, teams.missing[ref], err)
			case team.ID == old:
				return result, teams.vanished(result, fmt.Sprintf("Intercom lists team %s and does not take it: %s", old, untitled(err)), err)
			}
			result.Team, result.TeamName = team.ID, team.Name
		default:
			return result, err
		}
	}
}

// look returns the team that a conversation is with, a moment after it may have been assigned.
func (r *Router) look(ctx context.Context, id ConversationID) (TeamID, error) {
	if err := sleep(ctx, lookAfter); err != nil {
		return "", err
	}
	c, err := r.client.Conversations.Get(ctx, id)
	if err != nil {
		return "", err
	}
	return c.TeamAssigneeID, nil
}

// note is what goes with an assignment. Intercom reads it as HTML, and topics may be anybody's words.
func (r *Router) note(result RouteResult) string {
	topic := string(result.Topic)
	if result.Fallback {
		topic = "fallback"
	}
	return strings.NewReplacer("{topic}", html.EscapeString(topic), "{team}", html.EscapeString(result.TeamName)).Replace(r.config.Note)
}
