package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"html"
	"maps"
	"strings"
	"sync"
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
}

// Router assigns conversations to teams by topic. It is made by [NewRouter] and is safe for concurrent use. It acts as the
// principal of the context: under a guard it needs teams:read, conversations:read and conversations:assign.
type Router struct {
	client *Client
	config RouterConfig

	mu    sync.Mutex
	teams map[TeamRef]Team // nil until it was verified
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
	return &Router{client: client, config: config}, nil
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

func (r *Router) verify(ctx context.Context) (map[TeamRef]Team, error) {
	list, err := r.client.Teams.List(ctx)
	if err != nil {
		return nil, &callError{"Router: the teams cannot be listed: " + untitled(err), []error{err}}
	}
	found := map[TeamRef]Team{}
	var problems []string
	look := func(ref TeamRef, what string) {
		team, problem := resolve(ref, list)
		if problem != "" {
			problems = append(problems, what+": "+problem)
			return
		}
		found[ref] = team
	}
	for _, topic := range sortedKeys(r.config.Routes) {
		look(r.config.Routes[topic], fmt.Sprintf("topic %.80q", string(topic)))
	}
	if r.config.Fallback != "" {
		look(r.config.Fallback, "the fallback")
	}
	if problems != nil {
		return nil, &callError{"Router: " + strings.Join(problems, "\n"), []error{ErrTeamNotFound}}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.teams = found
	return found, nil
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
	Topic Topic
	// Team has the conversation now.
	Team     TeamID
	TeamName string
	// Fallback: the topic has no route, and the team is the fallback.
	Fallback bool
	// Assigned is false where the conversation was with the team already, and nothing was done.
	Assigned bool
}

// Route assigns a conversation to the team of a topic, with the note. A conversation that is with the team already is left
// as it is. A topic without a route goes to the fallback, which the result tells, or is ErrNoRoute. A router that was never
// verified verifies itself first. It is ErrTeamNotFound if the team was deleted meanwhile; the next Route then verifies anew.
func (r *Router) Route(ctx context.Context, id ConversationID, topic Topic) (RouteResult, error) {
	if r == nil || r.client == nil {
		return RouteResult{}, errNoRouter
	}
	result := RouteResult{Topic: topic}
	ref, ok := r.config.Routes[topic]
	if !ok {
		if ref = r.config.Fallback; ref == "" {
			return result, fmt.Errorf("%w for topic %.80q%s", ErrNoRoute, string(topic), didYouMean(topic, sortedKeys(r.config.Routes)))
		}
		result.Fallback = true
	}
	team, err := r.team(ctx, ref)
	if err != nil {
		return result, err
	}
	result.Team, result.TeamName = team.ID, team.Name
	c, err := r.client.Conversations.Get(ctx, id)
	if err != nil {
		return result, err
	}
	if c.TeamAssigneeID == team.ID {
		return result, nil
	}
	_, err = r.client.Conversations.Assign(ctx, id, AssignParams{To: ToTeam(team.ID), Body: r.note(result)})
	result.Assigned = err == nil || errors.Is(err, ErrAuditIncomplete)
	if errors.Is(err, ErrTeamNotFound) {
		r.mu.Lock()
		r.teams = nil
		r.mu.Unlock()
	}
	return result, err
}

// team returns the team of a reference, and verifies the router if that was never done.
func (r *Router) team(ctx context.Context, ref TeamRef) (Team, error) {
	r.mu.Lock()
	teams := r.teams
	r.mu.Unlock()
	if teams == nil {
		var err error
		if teams, err = r.verify(ctx); err != nil {
			return Team{}, err
		}
	}
	return teams[ref], nil
}

// note is what goes with an assignment. Intercom reads it as HTML, and topics may be anybody's words.
func (r *Router) note(result RouteResult) string {
	topic := string(result.Topic)
	if result.Fallback {
		topic = "fallback"
	}
	return strings.NewReplacer("{topic}", html.EscapeString(topic), "{team}", html.EscapeString(result.TeamName)).Replace(r.config.Note)
}
