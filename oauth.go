package intercomrbac

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/redact"
	"golang.org/x/oauth2"
)

// OAuthConfig is what an app is known by in Intercom's Developer Hub. An app belongs to one region and can be installed in
// workspaces of that region only; one that exists in several is several apps.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/setting-up-oauth
type OAuthConfig struct {
	// ClientID and ClientSecret are those of the app.
	ClientID     string
	ClientSecret Secret
	// RedirectURL is where Intercom sends the browser back to: https (http on a loopback host), and letter for letter one of
	// the app's redirect URLs.
	RedirectURL string
	// Region is the app's; empty means US.
	Region Region
	// States keeps the installs under way: NewMemoryStateStore for a program of one process.
	States StateStore
	// HTTPClient gives its transport and its time-out, as WithHTTPClient does; nil means the default of NewClient.
	HTTPClient *http.Client
	// BaseURL puts another server, such as a fake, in the place of all of Intercom's hosts. Usually empty.
	BaseURL string
	// TokenURL is the token endpoint; empty means that of Intercom's US host, which serves every region as far as is
	// known. Intercom does not document those of other regions.
	TokenURL string
}

// OAuth installs an app in workspaces: it sends a browser to Intercom, where a teammate consents, and turns the code that
// comes back into the workspace's access token. NewState, AuthCodeURL and Callback are the whole way. Intercom's tokens do not
// expire and are not renewed: they live until the app is uninstalled. It is made by [NewOAuth], is not changed
// afterwards, and is safe for concurrent use.
//
// Intercom documents no PKCE: whoever gets hold of a code before it is used can put it into an install of their own. It
// stands in the URL of the request to the redirect URL, so keep that out of logs and answer with Referrer-Policy:
// no-referrer, or with a redirect.
type OAuth struct {
	clientID     string
	secret       Secret
	redirectURL  string
	region       Region
	authorizeURL string
	tokenURL     string
	states       StateStore
	transport    http.RoundTripper
	timeout      time.Duration
	api          []Option
}

// NewOAuth checks the configuration; all that is wrong with it is in the error at once. It sends nothing.
func NewOAuth(config OAuthConfig) (*OAuth, error) {
	h := http.Client{Transport: defaultTransport(), Timeout: defaultTimeout}
	if config.HTTPClient != nil {
		h = *config.HTTPClient
		if h.Transport == nil {
			h.Transport = http.DefaultTransport
		}
	}
	o := &OAuth{clientID: config.ClientID, secret: config.ClientSecret, redirectURL: config.RedirectURL, region: config.Region,
		tokenURL: config.TokenURL, states: config.States, transport: h.Transport, timeout: h.Timeout}
	var errs []error
	check := func(field string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
	}
	if o.clientID == "" {
		check("ClientID", errors.New("it is empty: take it from the Developer Hub, Basic information"))
	}
	check("ClientSecret", checkSecret(o.secret.Reveal(), "client secret"))
	check("RedirectURL", checkRedirect(o.redirectURL))
	if o.states == nil {
		check("States", errors.New("it is nil: use NewMemoryStateStore, or a store that the processes share"))
	}
	if o.region == "" {
		o.region = US
	}
	switch o.region {
	case US:
		o.authorizeURL = "https://app.intercom.com/oauth"
	case EU:
		o.authorizeURL = "https://app.eu.intercom.com/oauth"
	case AU:
		o.authorizeURL = "https://app.au.intercom.com/oauth"
	}
	where := WithRegion(o.region)
	check("Region", where(new(settings)))
	base := "https://api.intercom.io"
	if config.BaseURL != "" {
		base = strings.TrimRight(config.BaseURL, "/")
		where = WithBaseURL(base)
		check("BaseURL", where(new(settings)))
		o.authorizeURL = base + "/oauth"
	}
	if o.tokenURL == "" {
		o.tokenURL = base + "/auth/eagle/token"
	} else {
		_, err := safeURL(o.tokenURL)
		check("TokenURL", err)
	}
	o.api = []Option{where, WithHTTPClient(&h)} // its own copy, so that every install shares its connections
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewOAuth: %w", err)
	}
	return o, nil
}

// checkRedirect refuses what the browser cannot be sent to, or would come back from with parameters that Callback cannot
// tell from Intercom's.
func checkRedirect(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("the URL cannot be parsed")
	}
	for _, name := range []string{"state", "code", "error"} {
		if u.Query().Has(name) {
			return fmt.Errorf("the query must not hold %q, which Intercom adds", name)
		}
	}
	if strings.Contains(text, "#") {
		return errors.New("the URL must hold no fragment")
	}
	target, _, _ := strings.Cut(text, "?")
	_, err = safeURL(target)
	return err
}

var errNoOAuth = errors.New("intercomrbac: this OAuth was not made by NewOAuth")

// AuthCodeURL returns the address to send the browser to, where a teammate of the workspace is asked for consent. state is
// one of NewState. There is no scope in it: an app's scopes are ticked in the Developer Hub.
func (o *OAuth) AuthCodeURL(state string) string {
	return o.authorizeURL + "?" + url.Values{"client_id": {o.clientID}, "redirect_uri": {o.redirectURL}, "state": {state}}.Encode()
}

// Callback ends an install with the query of the request to the redirect URL: it consumes the state, exchanges the code and
// identifies the workspace. session is that of NewState. If the state is not one that NewState gave for the session in the
// last ten minutes, or was used before, the error is ErrOAuthState and nothing is sent; ErrOAuthExchange says that consent
// was not given or that Intercom did not give a token for the code; without a code, or with several, it is ErrInvalidRequest. The other errors
// are those of Identify and of the StateStore. After an error the install begins anew. Whether the workspace may be linked to
// who began is for the caller to decide.
func (o *OAuth) Callback(ctx context.Context, session string, query url.Values) (Workspace, error) {
	one := func(name string) string {
		if v := query[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	if err := o.ConsumeState(ctx, session, one("state")); err != nil {
		return Workspace{}, err
	}
	if why := one("error"); why != "" {
		return Workspace{}, &callError{fmt.Sprintf("the install was not authorized: Intercom sent the error %.60q", printable(why, 60)), []error{ErrOAuthExchange}}
	}
	token, err := o.Exchange(ctx, one("code"))
	if err != nil {
		return Workspace{}, err
	}
	return o.Identify(ctx, token)
}

// Exchange turns a code into an access token, after ConsumeState: a code without a state may be anybody's. It asks once, for
// a code works once. It is ErrInvalidRequest, with nothing sent, if the code is empty or has more than 4 KiB, and
// otherwise ErrOAuthExchange whenever there is no token to be had, beside what else it is: an [*APIError] where Intercom
// refused.
func (o *OAuth) Exchange(ctx context.Context, code string) (Secret, error) {
	switch {
	case o == nil || o.transport == nil:
		return Secret{}, errNoOAuth
	case ctx == nil:
		return Secret{}, fmt.Errorf("%w: %s: the context is nil", ErrInvalidRequest, exchangeName)
	case code == "":
		return Secret{}, fmt.Errorf("%w: %s: there is no code (or more than one) in the callback", ErrInvalidRequest, exchangeName)
	case len(code) > maxCode:
		return Secret{}, fmt.Errorf("%w: %s: the code has %d bytes: at most %d are sent", ErrInvalidRequest, exchangeName, len(code), maxCode)
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	// The client has no time-out of its own: it would put a text in the place of our error.
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport:     exchange{o.transport, o.secret, NewSecret(code)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	config := oauth2.Config{ClientID: o.clientID, ClientSecret: o.secret.Reveal(), RedirectURL: o.redirectURL,
		Endpoint: oauth2.Endpoint{TokenURL: o.tokenURL, AuthStyle: oauth2.AuthStyleInParams}}
	t, err := config.Exchange(ctx, code)
	if err == nil {
		return NewSecret(t.AccessToken), nil
	}
	if e, ok := errors.AsType[*APIError](err); ok {
		return Secret{}, e
	}
	if e, ok := errors.AsType[*callError](err); ok {
		return Secret{}, e
	}
	return Secret{}, noExchange("the token endpoint was not asked", ErrUnavailable)
}

const (
	exchangeName = "oauth.token" // as an operation is named
	maxCode      = 4 << 10       // bytes
)

func noExchange(text string, causes ...error) error {
	return &callError{exchangeName + ": " + text + " (begin the install again: a code works once)", append(causes, ErrOAuthExchange)}
}

// exchange is the transport of one exchange. What oauth2 gets to see of an answer is the token and nothing else, for its
// errors repeat what the endpoint said, and the endpoint may repeat the form.
type exchange struct {
	base         http.RoundTripper
	secret, code Secret
}

// RoundTrip implements [http.RoundTripper].
func (e exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", userAgent)
	resp, err := e.base.RoundTrip(r)
	switch {
	case err != nil:
		return nil, lostExchange("cannot reach Intercom", err)
	case resp == nil:
		return nil, noExchange("cannot reach Intercom: the transport gave neither an answer nor an error", ErrUnavailable)
	case resp.Body == nil: // as transports of tests have it
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, body: new(bytes.Buffer), retryAfter: parseRetryAfter(resp.Header, time.Now())}
	n, err := a.body.ReadFrom(io.LimitReader(resp.Body, maxErrorBody+1))
	token, seen, unreadable := decodeToken(a.body.Bytes())
	switch {
	case a.status/100 != 2:
		a.redactor = redact.New(append(seen, e.secret.Reveal(), e.code.Reveal())...)
		refused := &APIError{StatusCode: a.status, Operation: exchangeName, RetryAfter: a.retryAfter, Attempts: 1, exchange: true,
			RequestID: printable(a.redactor.String(resp.Header.Get("X-Request-Id")), 128)}
		refused.parse(&a)
		return nil, refused
	case err != nil:
		return nil, lostExchange("no whole answer came", err)
	case n > maxErrorBody:
		return nil, noExchange(fmt.Sprintf("%d, but the body has more than %d bytes", a.status, maxErrorBody), ErrBadResponse)
	case unreadable != nil:
		return nil, noExchange(fmt.Sprintf("%d, but %v", a.status, unreadable), ErrBadResponse)
	}
	body, err := json.Marshal(map[string]string{"access_token": token, "token_type": "Bearer"})
	if err != nil {
		return nil, noExchange("the token cannot be read", ErrBadResponse)
	}
	return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}, nil
}

// lostExchange is the error of an exchange without an answer. The transport's own text is left out unless it is about the
// connection: it may quote the answer, and with it a token that nobody knows yet.
func lostExchange(what string, err error) error {
	causes := knownCauses(err)
	why := fmt.Sprintf("%T", err)
	if len(causes) > 0 {
		why = causes[0].Error()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		why = e.Error()
	} else if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		why = e.Error()
	}
	if !errors.Is(err, context.Canceled) {
		causes = append(causes, ErrUnavailable)
	}
	return noExchange(what+": "+printable(why, 200), causes...)
}

// decodeToken reads what a token endpoint answers. Its errors repeat nothing of it; seen is what stood in a token's place,
// good or not. Intercom sends the token twice, as access_token and as token.
func decodeToken(body []byte) (token string, seen []string, err error) {
	var answer struct {
		AccessToken string `json:"access_token"`
		Token       string `json:"token"`
	}
	err = json.Unmarshal(body, &answer)
	seen = []string{answer.AccessToken, answer.Token}
	token = firstOf(seen...)
	switch {
	case err != nil:
		return "", seen, errors.New("the body is no JSON object of texts")
	case token == "":
		return "", seen, errors.New("there is no token in the body")
	case checkSecret(token, "token") != nil:
		return "", seen, errors.New("what the body has for a token is none")
	}
	return token, seen, nil
}

// Workspace is an installation of an app. Its Token is a [Secret], which encoders refuse.
type Workspace struct {
	ID   WorkspaceID
	Name string
	// Region is the app's region, and the workspace's.
	Region Region
	Token  Secret
	// InstalledAt is when the workspace was identified.
	InstalledAt time.Time
	InstalledBy InstalledBy
	// Account is who the workspace is tied to in the service; empty for nobody. [OAuth.Handler] sets it.
	Account string
}

// InstalledBy is the teammate who consented to an install.
type InstalledBy struct {
	AdminID AdminID
	Email   string
	// EmailVerified: sign nobody in by Email unless this is true, for anyone can put another person's address into a
	// workspace of their own.
	EmailVerified bool
}

// Identify asks Intercom which workspace a token belongs to, and who installed the app there; the principal of the context
// does not matter. It needs the scope "Read one admin" ([ScopeReadOneAdmin]), which has to be ticked for the app. The errors
// are those of [AdminsService.Me]; ErrOAuthExchange if the workspace is in another region than the app. Operation admins.me
// (identifyAdmin).
func (o *OAuth) Identify(ctx context.Context, token Secret) (Workspace, error) {
	switch {
	case o == nil || o.transport == nil:
		return Workspace{}, errNoOAuth
	case ctx == nil:
		return Workspace{}, invalid(opAdminsMe, "the context is nil")
	}
	c, err := NewClient(append([]Option{WithToken(token.Reveal())}, o.api...)...)
	if err != nil {
		return Workspace{}, err
	}
	me, err := c.Admins.Me(WithPrincipal(ctx, Principal{}))
	if err != nil {
		return Workspace{}, err
	}
	w := Workspace{ID: me.App.ID, Name: me.App.Name, Region: o.region, Token: token, InstalledAt: time.Now().UTC(),
		InstalledBy: InstalledBy{AdminID: me.ID, Email: me.Email, EmailVerified: me.EmailVerified}}
	switch {
	case w.ID == "":
		return Workspace{}, &callError{"admins.me: the answer names no workspace", []error{ErrBadResponse}}
	case me.App.Region != "" && !strings.EqualFold(string(me.App.Region), string(o.region)):
		// Not taken over: what the network says must not choose the host that gets the token.
		return Workspace{}, &callError{fmt.Sprintf("the workspace is in region %.20q and the app in %q: use the app of that region, with its own OAuth",
			printable(string(me.App.Region), 20), o.region), []error{ErrOAuthExchange}}
	}
	return w, nil
}
