// Backlog routes 2,000 conversations that wait for a team, as fast as the rate limit allows. Stop it with Ctrl-C and start it again: it
// goes on where it was.
//
//	go run ./examples/backlog
//
// Intercom is played by a fake in memory, which a start makes anew: it gives those that the checkpoint has to their teams again, as
// Intercom would have kept them. All else is as in a program: the router takes what a search returns.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	dir := flag.String("checkpoint", filepath.Join(os.TempDir(), "intercomrbac-example-backlog"), "`directory` of the checkpoint")
	rate := flag.Int("rate", 500, "requests that the fake allows in 10 seconds")
	flag.Parse()
	show := show{out: os.Stdout}
	if info, err := os.Stdout.Stat(); err == nil {
		show.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	quiet := context.AfterFunc(ctx, func() {
		stop() // the next Ctrl-C is for the system
		fmt.Fprintln(os.Stderr, "\nWhat is being assigned is ended first, in 30 seconds at the most. Another Ctrl-C stops at once.")
	})
	err := run(ctx, &show, *dir, *rate, 0)
	quiet()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const conversations = 2000

// messages are what people write, and the teams that it is for.
var messages = []struct{ body, team string }{
	{"Where is my <b>invoice</b>?", "Billing"},
	{"I get an error when I sign in.", "Technical Support"},
	{"Can you send me a quote for 200 seats?", "Sales"},
}

func run(ctx context.Context, show *show, dir string, rate, concurrency int) (err error) {
	checkpoint, err := intercomrbac.NewFileCheckpoint(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, checkpoint.Close()) }()
	fake, admin, err := intercom(ctx, checkpoint, rate)
	if err != nil {
		return err
	}
	defer fake.Close()
	fmt.Fprintf(show.out, "%d of %d conversations are with their teams.\n", checkpoint.Len(), conversations)

	classifier, err := intercomrbac.NewClassifier(
		intercomrbac.TopicRule{Topic: "billing", Keywords: []string{"invoice", "refund"}},
		intercomrbac.TopicRule{Topic: "technical", Keywords: []string{"error"}},
		intercomrbac.TopicRule{Topic: "sales", Keywords: []string{"quote", "price"}},
	)
	if err != nil {
		return err
	}
	client := fake.Client()
	router, err := intercomrbac.NewRouter(client, intercomrbac.RouterConfig{
		Routes:     map[intercomrbac.Topic]intercomrbac.TeamRef{"billing": "Billing", "technical": "Technical Support", "sales": "Sales"},
		Classifier: classifier,
	})
	if err != nil {
		return err
	}
	ctx = intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{Service: "backlog", AdminID: admin})
	waiting := intercomrbac.SearchParams{
		Query:      intercomrbac.Where(intercomrbac.FieldTeamAssigneeID, intercomrbac.Equals, 0),
		ListParams: intercomrbac.ListParams{PerPage: 150},
	}
	first, err := client.Conversations.Search(ctx, waiting)
	if err != nil {
		return err
	}

	teams := map[string]int{}
	var ended error
	for result, err := range router.RouteAll(ctx, client.Conversations.SearchAll(ctx, waiting), intercomrbac.RouteAllParams{
		Checkpoint: checkpoint, Total: first.Total, Progress: show.progress, Concurrency: concurrency,
	}) {
		switch {
		case result.Conversation == "":
			ended = err
		case err != nil:
			show.line("conversation %s: %v", result.Conversation, err)
		default:
			teams[result.TeamName]++
		}
	}
	for _, m := range messages {
		show.line("%-18s %4d", m.team, teams[m.team])
	}
	switch {
	case errors.Is(ended, context.Canceled):
		show.line("Interrupted. %d are done; start it again, and it goes on.", checkpoint.Len())
		return nil
	case ended != nil:
		return ended
	}
	show.line("%d of %d are done, and %d requests were refused. To begin anew, remove %s.", checkpoint.Len(), conversations, fake.RateStats().Refused, dir)
	return nil
}

// intercom returns the fake, where those that were done before are with their teams, and the teammate in whose name the rest is.
func intercom(ctx context.Context, done intercomrbac.Checkpoint, rate int) (*intercomtest.Server, intercomrbac.AdminID, error) {
	fake := intercomtest.Start(intercomtest.WithRateLimit(rate))
	admin := fake.AddAdmin(intercomtest.Admin{Name: "Olivia Okafor"})
	for i, m := range messages {
		fake.AddTeam(intercomtest.Team{ID: intercomrbac.TeamID(fmt.Sprint(814865 + i)), Name: m.team})
	}
	for i := range conversations {
		c := intercomtest.Conversation{ID: intercomrbac.ConversationID(fmt.Sprint(215470001 + i)), Body: messages[i%3].body}
		there, err := done.Done(ctx, c.ID)
		if err != nil {
			fake.Close()
			return nil, "", err
		}
		if there {
			c.TeamAssigneeID = intercomrbac.TeamID(fmt.Sprint(814865 + i%3))
		}
		fake.AddConversation(c)
	}
	return fake, admin, nil
}

// show is where the progress is shown: on a terminal in one line that changes.
type show struct {
	out      io.Writer
	terminal bool
	last     time.Time
}

func (s *show) progress(p intercomrbac.RouteProgress) {
	if !s.terminal || time.Since(s.last) < 100*time.Millisecond {
		return
	}
	s.last = time.Now()
	fmt.Fprintf(s.out, "\r%-78s", fmt.Sprintf("%d done, %d failed, %.1f a second, %s left  (Ctrl-C interrupts)", p.Done, p.Failed, p.Rate, p.Left.Round(time.Second)))
}

// line writes a line, in place of the progress.
func (s *show) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.terminal {
		text = "\r" + text + strings.Repeat(" ", max(78-len(text), 0))
	}
	fmt.Fprintln(s.out, text)
}
