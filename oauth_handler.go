package intercomrbac

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// OAuthHandlers says what a service does around an install. Account and OnInstall are needed.
type OAuthHandlers struct {
	// Account returns who is signed in to the service, by the request alone. The one who ends an install must be the one
	// who began it. Empty, or an error, is nobody. Intercom's site sends the browser back, so a session cookie has to be
	// SameSite=Lax: a Strict one does not come along.
	Account func(*http.Request) (string, error)
	// OnInstall keeps the workspace, whose Account is set. [Workspaces.Install] fits. It has 30 seconds, also where the browser
	// has gone.
	OnInstall func(context.Context, Workspace) error
	// OnConflict answers where OnInstall says ErrWorkspaceTaken; nil answers as all failures do. The workspace has no token.
	OnConflict func(http.ResponseWriter, *http.Request, Workspace)
	// OnFailure learns why an install failed, for a log; may be nil. The browser is not told. Log neither the query nor the
	// cookies of the request: its code may not have been used.
	OnFailure func(*http.Request, error)
	// Targets are where a browser may be sent after an install: paths of the service's own, such as "/settings", and https
	// URLs (http on a loopback host). /install?to=TARGET chooses one, letter for letter; the default is the first, or [AppStoreRedirect], which is always
	// among them.
	Targets []string
}

// AppStoreRedirect is where an install that began at Intercom's app store ends well.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/installing-uninstalling-apps
const AppStoreRedirect = "https://app.intercom.com/appstore/redirect?install_success=true"

// Handler returns the two pages of an install: GET /install sends the browser to Intercom, and GET /callback, which is the
// RedirectURL, ends it. Put them under a path of the service's own with http.StripPrefix. The state is tied to the browser, by a
// cookie that no other site can set, and to the account. Every failure looks the same to the browser: status 400 and one
// page. Nothing is taken from the Host header or from what proxies forward. Limit how often an account may begin where that
// matters: NewMemoryStateStore takes 100,000 in ten minutes, for all of them.
//
// It is an error if Account or OnInstall is missing, or a target is not one.
func (o *OAuth) Handler(handlers OAuthHandlers) (http.Handler, error) {
	if o == nil || o.states == nil {
		return nil, errNoOAuth
	}
	var errs []error
	if handlers.Account == nil {
		errs = append(errs, errors.New("there is no Account: it says who begins and ends an install"))
	}
	if handlers.OnInstall == nil {
		errs = append(errs, errors.New("there is no OnInstall: it keeps the workspace"))
	}
	for i, target := range handlers.Targets {
		if err := checkTarget(target); err != nil {
			errs = append(errs, fmt.Errorf("target %d: %w", i+1, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: OAuth.Handler: %w", err)
	}
	h := &installer{oauth: o, OAuthHandlers: handlers}
	h.Targets = append(slices.Clone(handlers.Targets), AppStoreRedirect)
	return h, nil
}

// checkTarget refuses what a browser could take for a place that nobody meant.
func checkTarget(target string) error {
	if strings.ContainsFunc(target, func(r rune) bool { return r == '\\' || unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return errors.New("it holds a backslash, white space or a control character")
	}
	if strings.HasPrefix(target, "/") {
		if strings.HasPrefix(target, "//") {
			return errors.New("it begins with //, which is another host")
		}
		return nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return errors.New("the URL cannot be parsed")
	}
	u.RawQuery, u.ForceQuery, u.Fragment = "", false, ""
	_, err = safeURL(u.String())
	return err
}

// installer serves the pages of an install.
type installer struct {
	oauth *OAuth
	OAuthHandlers
}

// installCookie ties an install to a browser. Its prefix makes browsers refuse it from elsewhere than this host, and without
// TLS.
const installCookie = "__Host-intercom-install"

// ServeHTTP implements [http.Handler].
func (h *installer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer") // the URL holds code and state
	header.Set("X-Content-Type-Options", "nosniff")
	step := h.begin
	switch r.URL.Path {
	case "/install":
	case "/callback":
		step = h.end
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	err := step(w, r)
	if err == nil {
		return
	}
	if h.OnFailure != nil {
		h.OnFailure(r, err)
	}
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(failurePage)) // a browser that has gone is its own affair
}

const failurePage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Not installed</title></head>
<body><h1>The app was not installed</h1><p>Please sign in and begin again.</p></body></html>
`

// begin sends the browser to Intercom.
func (h *installer) begin(w http.ResponseWriter, r *http.Request) error {
	account, err := h.account(r)
	if err != nil {
		return err
	}
	target := h.Targets[0]
	if to, ok := r.URL.Query()["to"]; ok {
		if len(to) != 1 || !slices.Contains(h.Targets, to[0]) {
			return fmt.Errorf("%w: /install: to is none of the Targets", ErrInvalidRequest)
		}
		target = to[0]
	}
	cookie := rand.Text() + "." + base64.RawURLEncoding.EncodeToString([]byte(target))
	state, err := h.oauth.NewState(r.Context(), sessionOf(cookie, account))
	if err != nil {
		return err
	}
	http.SetCookie(w, newInstallCookie(cookie, int(stateAge.Seconds())))
	redirect(w, h.oauth.AuthCodeURL(state))
	return nil
}

// end takes the browser back.
func (h *installer) end(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, newInstallCookie("", -1))
	account, err := h.account(r)
	if err != nil {
		return err
	}
	cookies := r.CookiesNamed(installCookie)
	if len(cookies) != 1 {
		return ErrOAuthState
	}
	cookie := cookies[0].Value
	workspace, err := h.oauth.Callback(r.Context(), sessionOf(cookie, account), r.URL.Query())
	if err != nil {
		return err
	}
	workspace.Account = account
	// The token is here once: a browser that leaves now must not lose it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), defaultTimeout)
	defer cancel()
	if err := h.OnInstall(ctx, workspace); err != nil {
		if errors.Is(err, ErrWorkspaceTaken) && h.OnConflict != nil {
			workspace.Token = Secret{}
			h.OnConflict(w, r, workspace)
			return nil
		}
		return err
	}
	_, encoded, _ := strings.Cut(cookie, ".")
	target, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !slices.Contains(h.Targets, string(target)) { // the list changed meanwhile
		target = []byte(h.Targets[0])
	}
	redirect(w, string(target))
	return nil
}

func (h *installer) account(r *http.Request) (string, error) {
	account, err := h.Account(r)
	switch {
	case err != nil:
		return "", fmt.Errorf("intercomrbac: the install has no account: %w", err)
	case account == "":
		return "", errors.New("intercomrbac: the install has no account: nobody is signed in")
	}
	return account, nil
}

// sessionOf joins what must come back together. A cookie holds no NUL.
func sessionOf(cookie, account string) string { return cookie + "\x00" + account }

func newInstallCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: installCookie, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// redirect is http.Redirect without its reading of the path of the request.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusFound)
}

// SignIn is Callback for services that sign people in by Intercom: it refuses, with ErrEmailUnverified, a teammate whose
// address Intercom has not verified, for anyone can put another person's address into a workspace of their own.
//
// Source: operation identifyAdmin
func (o *OAuth) SignIn(ctx context.Context, session string, query url.Values) (Workspace, error) {
	w, err := o.Callback(ctx, session, query)
	if err != nil {
		return Workspace{}, err
	}
	if !w.InstalledBy.EmailVerified || w.InstalledBy.Email == "" {
		return Workspace{}, ErrEmailUnverified
	}
	return w, nil
}

var opUninstall = Operation{Name: "oauth.uninstall", Method: "POST", Path: "/auth/uninstall", Effect: Destructive, Repeatable: true}

// Uninstall takes the app out of the workspace, at Intercom, by the workspace's token, which is dead afterwards. A token that is
// dead already, by Intercom's word, is no error; another 401, such as a proxy's, is. It asks nobody: whether the caller may is for
// [Guard.Audited] to decide, with settings:manage for instance. It is ErrInvalidRequest if the workspace is of another region than the app.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/installing-uninstalling-apps
func (o *OAuth) Uninstall(ctx context.Context, w Workspace) error {
	switch {
	case o == nil || o.transport == nil:
		return errNoOAuth
	case ctx == nil:
		return invalid(opUninstall, "the context is nil")
	case w.Region != o.region:
		return invalid(opUninstall, "the workspace is in region %.20q and the app in %q", string(w.Region), o.region)
	}
	c, err := NewClient(append([]Option{WithToken(w.Token.Reveal())}, o.api...)...)
	if err != nil {
		return err
	}
	err = c.Do(WithPrincipal(ctx, Principal{}), opUninstall, Call{}, nil)
	if saysDead(err) {
		return nil
	}
	return err
}
