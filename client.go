package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Client talks to one Intercom workspace. It is made by [NewClient], is not changed afterwards, and is safe for
// concurrent use; a program keeps one for each workspace. The zero value is of no use: its services are nil, and Do and
// With answer with an error.
type Client struct {
	Admins        *AdminsService
	Teams         *TeamsService
	Conversations *ConversationsService
	Contacts      *ContactsService
	DataEvents    *DataEventsService
	Articles      *ArticlesService
	Collections   *CollectionsService
	Messages      *MessagesService
	Tags          *TagsService

	s settings
}

// settings is what the options decide.
type settings struct {
	given      option
	token      tokenFunc
	base       string // scheme, host and path prefix, without a slash at the end
	http       *http.Client
	version    string
	workspace  WorkspaceID
	limiter    Limiter
	retry      Retry
	budget     *retryBudget // shared with the client's copies
	log        *slog.Logger
	onResponse func(context.Context, ResponseInfo)
	gate       gate
	used       *usedOperations // shared with the client's copies
	tenant     *tenant         // the workspace that the token belongs to; nil outside of Workspaces
}

// option marks an option that was given and may be given only once.
type option uint

const (
	optionToken option = 1 << iota
	optionAddress
	optionHTTPClient
	optionVersion
	optionWorkspace
	optionLimiter
	optionRetry
	optionLogger
	optionOnResponse
	optionGuard
	optionRegion // beside optionAddress

	// optionsOfIdentity say whom a client talks to and as whom: a copy keeps them.
	optionsOfIdentity = optionToken | optionAddress | optionWorkspace
)

// gate is what a guard is to the client.
type gate interface {
	// before decides about a call and puts a write on record; an error stops the call with nothing sent. It may
	// change what is sent.
	before(ctx context.Context, c *Client, in *call) error
	// again decides once more before each attempt, without I/O. It is errStaleRole where renew must be called first,
	// and a denial instead if that is out of the question.
	again(ctx context.Context, in *call, mayRenew bool) error
	renew(ctx context.Context, in *call) error
	// judge returns what the caller may see of an answer.
	judge(ctx context.Context, in *call, body []byte) ([]byte, error)
	// after learns how the call ended, and its error is returned in place of the call's own.
	after(ctx context.Context, in *call, err error) error
}

// Option configures a client. Options may come in any order; each may be given once.
type Option func(*settings) error

// once returns an option that fails where an option of the same kind was given before.
func once(kind option, name string, set func(*settings) error) Option {
	return func(s *settings) error {
		if s.given&kind != 0 {
			return fmt.Errorf("%s: this was set before, by the same option or by one that excludes it: keep one", name)
		}
		s.given |= kind
		if err := set(s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
}

// WithToken uses one access token. It is an error if the token is empty or holds white space. WithToken,
// WithTokenSource and FromEnv exclude each other.
func WithToken(token string) Option {
	return once(optionToken, "WithToken", func(s *settings) error {
		var err error
		s.token, err = staticToken(token)
		return err
	})
}

// WithTokenSource takes the access token from source, which is asked before every request, by one goroutine at a
// time; callers share its answer, and each leaves when its own context ends. An error of the source is reported
// without its text, which could hold a secret: let the source log it. Wrap it in [oauth2.ReuseTokenSource] if it
// does not keep its token itself.
func WithTokenSource(source oauth2.TokenSource) Option {
	return once(optionToken, "WithTokenSource", func(s *settings) error {
		if source == nil {
			return errors.New("the source is nil")
		}
		s.token = sourcedToken(source)
		return nil
	})
}

// FromEnv takes the access token from the environment variable INTERCOM_ACCESS_TOKEN. It is an error if that is not
// set. Nothing else in this package reads the environment.
func FromEnv() Option {
	return once(optionToken, "FromEnv", func(s *settings) error {
		token, ok := os.LookupEnv("INTERCOM_ACCESS_TOKEN")
		if !ok || token == "" {
			return errors.New("INTERCOM_ACCESS_TOKEN is not set")
		}
		var err error
		s.token, err = staticToken(token)
		return err
	})
}

// Region is where a workspace is hosted, as GET /me names it. The zero value means that it is not known.
type Region string

// Intercom's regions.
const (
	US Region = "US"
	EU Region = "EU"
	AU Region = "AU"
)

// WithRegion talks to the region's own host. The default is the host of [US], which forwards to the workspace's region.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/rest-apis
func WithRegion(r Region) Option {
	return once(optionAddress, "WithRegion", func(s *settings) error {
		s.given |= optionRegion
		switch r {
		case US:
			s.base = "https://api.intercom.io"
		case EU:
			s.base = "https://api.eu.intercom.io"
		case AU:
			s.base = "https://api.au.intercom.io"
		default:
			return fmt.Errorf("unknown region %.20q: use US, EU or AU", string(r))
		}
		return nil
	})
}

// WithBaseURL talks to another server, such as a fake or a proxy: https, or http on a loopback host. It cannot be
// combined with WithRegion.
func WithBaseURL(base string) Option {
	return once(optionAddress, "WithBaseURL", func(s *settings) error {
		u, err := safeURL(base)
		if err != nil {
			return err
		}
		s.base = strings.TrimRight(u.String(), "/")
		return nil
	})
}

// safeURL parses the URL of a place that learns secrets.
func safeURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil { // its text repeats the URL, which may hold a password
		return nil, errors.New("the URL cannot be parsed")
	}
	host := u.Hostname()
	switch {
	case host == "" || u.Opaque != "":
		return nil, errors.New("the URL needs a scheme and a host, like https://api.intercom.io")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the URL must hold no user, query or fragment")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(host):
		return u, nil
	}
	return nil, fmt.Errorf("secrets would go over %q to %q: use https (http is for loopback hosts)", u.Scheme, host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// WithHTTPClient sends requests through a copy of h: its transport is shared, its redirect policy is replaced, for
// redirects are never followed. A time-out of h holds for each attempt. The default has one of 30 seconds.
func WithHTTPClient(h *http.Client) Option {
	return once(optionHTTPClient, "WithHTTPClient", func(s *settings) error {
		if h == nil {
			return errors.New("the client is nil")
		}
		s.http = h
		return nil
	})
}

// WithAPIVersion sends another Intercom-Version than 2.16, such as "2.15" or "Preview". The types of this package are those of 2.16; they read
// older versions too.
func WithAPIVersion(version string) Option {
	return once(optionVersion, "WithAPIVersion", func(s *settings) error {
		major, minor, _ := strings.Cut(version, ".")
		if version != "Preview" && version != "Unstable" && (!isDigits(major) || !isDigits(minor)) {
			return fmt.Errorf("%.20q is no version: use one like 2.16, or Preview", version)
		}
		s.version = version
		return nil
	})
}

// WithWorkspace binds the client to a workspace: a call by a principal of another one, or of none, is refused with
// ErrWrongWorkspace before anything is sent. A client without it refuses principals that name a workspace.
func WithWorkspace(id WorkspaceID) Option {
	return once(optionWorkspace, "WithWorkspace", func(s *settings) error {
		if id == "" {
			return errors.New("the id is empty")
		}
		s.workspace = id
		return nil
	})
}

// WithLimiter paces requests by l in place of a [WindowLimiter] of the client's own. Clients of one app and
// workspace share one limit and so should share one limiter. nil turns pacing off.
func WithLimiter(l Limiter) Option {
	return once(optionLimiter, "WithLimiter", func(s *settings) error {
		s.limiter = l
		return nil
	})
}

// WithRetry changes how often and how long a request is tried again.
func WithRetry(r Retry) Option {
	return once(optionRetry, "WithRetry", func(s *settings) error {
		var err error
		s.retry, err = r.withDefaults()
		return err
	})
}

// WithLogger logs each attempt: at debug level, and at warn level where it failed. The attributes are operation,
// method, path template, status, attempt, duration and request id: never a header, body, id or query.
func WithLogger(l *slog.Logger) Option {
	return once(optionLogger, "WithLogger", func(s *settings) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		s.log = l
		return nil
	})
}

// ResponseInfo is what a hook learns of an answer. It holds no secret and no data of the workspace.
type ResponseInfo struct {
	// Operation is the name of the operation, such as "conversations.assign".
	Operation string
	// Method is the HTTP method.
	Method string
	// Path is the path template, without ids.
	Path string
	// StatusCode is the HTTP status.
	StatusCode int
	// RequestID is Intercom's id of the request; may be empty.
	RequestID string
	// Attempt counts from 1.
	Attempt int
	// Duration is the time from sending to the end of the answer.
	Duration time.Duration
	// RateLimit is what the answer said about the rate limit; zero if nothing.
	RateLimit RateLimit
}

// WithOnResponse calls fn after every answer, also those that are tried again. fn must be safe for concurrent use
// and should be quick: the call waits for it.
func WithOnResponse(fn func(context.Context, ResponseInfo)) Option {
	return once(optionOnResponse, "WithOnResponse", func(s *settings) error {
		if fn == nil {
			return errors.New("the function is nil")
		}
		s.onResponse = fn
		return nil
	})
}

const defaultTimeout = 30 * time.Second // of an attempt

// NewClient returns a client. It needs a credential ([WithToken], [WithTokenSource] or [FromEnv]); everything else
// has a default. All that is wrong with the options is in the error at once. It sends nothing.
func NewClient(opts ...Option) (*Client, error) {
	s := defaultSettings()
	errs := s.apply(opts)
	if s.given&optionToken == 0 {
		errs = append(errs, errors.New("no credential: use WithToken, WithTokenSource or FromEnv"))
	}
	errs = append(errs, s.checkGate())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewClient: %w", err)
	}
	return newClient(s), nil
}

func defaultSettings() settings {
	retry, _ := Retry{}.withDefaults()
	return settings{
		base:    "https://api.intercom.io",
		http:    &http.Client{Transport: defaultTransport(), Timeout: defaultTimeout},
		version: "2.16",
		limiter: new(WindowLimiter),
		retry:   retry,
		budget:  new(retryBudget),
		log:     slog.New(slog.DiscardHandler),
		used:    new(usedOperations),
	}
}

// With returns a copy of the client with other settings. It shares limiter, token and connections with c unless opts
// replace them, and always the budget of retries and the record of [Client.UsedOperations]. Options that say whom the client
// talks to or as whom (token, region, base URL, workspace) are errors. The copy of a guarded client has the same guard.
func (c *Client) With(opts ...Option) (*Client, error) {
	if c == nil || c.s.token == nil {
		return nil, errNoClient
	}
	s := c.s
	s.given = 0
	errs := s.apply(opts)
	if s.given&optionsOfIdentity != 0 {
		errs = append(errs, errors.New("a copy keeps token, region, base URL and workspace: use NewClient for others"))
	}
	errs = append(errs, s.checkGate())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: With: %w", err)
	}
	return newClient(s), nil
}

func (s *settings) apply(opts []Option) (errs []error) {
	for i, o := range opts {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i+1))
		} else if err := o(s); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// checkGate reports a guard whose roles are those of another workspace.
func (s *settings) checkGate() error {
	if g, ok := s.gate.(*Guard); ok && g.roles != nil && g.roles.client.s.workspace != s.workspace {
		return fmt.Errorf("WithGuard: the guard's Roles are of workspace %q, the client is bound to %q", g.roles.client.s.workspace, s.workspace)
	}
	return nil
}

// unguarded returns the client below its guard, for what the guard itself and its directory look up.
func (c *Client) unguarded() *Client {
	s := c.s
	s.gate = nil
	return newClient(s)
}

func newClient(s settings) *Client {
	h := *s.http
	// The API has no redirects; following one could carry the token, or a write, to another place.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.http = &h
	c := &Client{s: s}
	c.Admins = &AdminsService{c}
	c.Teams = &TeamsService{c}
	c.Conversations = &ConversationsService{c}
	c.Contacts = &ContactsService{c}
	c.DataEvents = &DataEventsService{c}
	c.Articles = &ArticlesService{c}
	c.Collections = &CollectionsService{c}
	c.Messages = &MessagesService{c}
	c.Tags = &TagsService{c}
	return c
}

// defaultTransport is http.DefaultTransport with more idle connections to the one host there is. What stands in its
// place is used as it is, so that tests which replace it work.
func defaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 32
	t.MaxResponseHeaderBytes = 256 << 10
	return t
}

// CloseIdleConnections closes connections that no request uses. The client stays usable.
func (c *Client) CloseIdleConnections() {
	if c != nil && c.s.http != nil {
		c.s.http.CloseIdleConnections()
	}
}
