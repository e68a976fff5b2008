// OAuth installs an app in a workspace: the authorize URL, the teammate's consent, the exchange of the code, and who
// installed it where; then what happens to callbacks that are not ours. It runs against a fake Intercom in memory, whose
// consent page it answers itself.
//
//	go run ./examples/oauth
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	fake := intercomtest.Start(intercomtest.WithWorkspace(intercomtest.Workspace{ID: "acme4711", Name: "Acme", Region: "EU"}))
	defer fake.Close()
	fake.Seed()
	app := fake.AddApp(intercomtest.App{
		ClientID:     "8f2a-client-of-the-example",
		RedirectURLs: []string{"https://app.example.com/auth/intercom/callback"},
		Scopes:       []intercomrbac.Scope{intercomrbac.ScopeReadOneAdmin, intercomrbac.ScopeReadAdmins},
	})
	oauth, err := intercomrbac.NewOAuth(intercomrbac.OAuthConfig{
		ClientID:     app.ClientID,
		ClientSecret: intercomrbac.NewSecret(app.ClientSecret), // in a program: from its environment
		RedirectURL:  "https://app.example.com/auth/intercom/callback",
		Region:       intercomrbac.EU,
		States:       intercomrbac.NewMemoryStateStore(),
		HTTPClient:   &http.Client{Transport: fake.Transport()},
	})
	if err != nil {
		return err
	}

	// What ties an install to the browser that began it: the id of its session, from a cookie that only it has.
	const olivia, eve = "session of olivia", "session of eve"
	state, err := oauth.NewState(ctx, olivia)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Olivia's browser is sent to\n  %s\n", oauth.AuthCodeURL("A-STATE-OF-ITS-OWN"))
	callback, err := callbackOf(fake.Authorize(oauth.AuthCodeURL(state)))
	if err != nil {
		return err
	}

	fmt.Fprintln(out, "\nCallbacks that nobody here began:")
	for _, forged := range []struct {
		what, session string
		query         url.Values
	}{
		{"a forged state", olivia, url.Values{"state": {"AAAAAAAAAAAAAAAAAAAAAAAAAA.mwwnysgp"}, "code": callback["code"]}},
		{"no state", olivia, url.Values{"code": callback["code"]}},
		{"Olivia's callback in Eve's browser", eve, callback},
	} {
		_, err := oauth.Callback(ctx, forged.session, forged.query)
		fmt.Fprintf(out, "  %s: %v\n", forged.what, err)
	}
	fmt.Fprintf(out, "  requests to the token endpoint: %d\n", fake.CallCount("oauth.token"))

	workspace, err := oauth.Callback(ctx, olivia, callback)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nOlivia's own: workspace %s (%s, %s), installed by %s <%s>, address verified: %t, token: %v\n", workspace.ID, workspace.Name,
		workspace.Region, workspace.InstalledBy.AdminID, workspace.InstalledBy.Email, workspace.InstalledBy.EmailVerified, workspace.Token)
	client, err := intercomrbac.NewClient(
		intercomrbac.WithToken(workspace.Token.Reveal()),
		intercomrbac.WithRegion(workspace.Region),
		intercomrbac.WithHTTPClient(&http.Client{Transport: fake.Transport()}),
	)
	if err != nil {
		return err
	}
	admins, err := client.Admins.List(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  its token works: %d admins\n", len(admins))
	_, err = client.Conversations.List(ctx, intercomrbac.ListParams{})
	fmt.Fprintf(out, "  within the app's scopes: %v\n", err)

	fmt.Fprintln(out, "\nThe same callback again:")
	_, err = oauth.Callback(ctx, olivia, callback)
	fmt.Fprintf(out, "  %v\n", err)
	fmt.Fprintln(out, "Its code again:")
	_, err = oauth.Exchange(ctx, callback.Get("code"))
	fmt.Fprintf(out, "  %v\n    -> %s\n", err, intercomrbac.Advice(err))

	fmt.Fprintln(out, "Consent that is not given:")
	if state, err = oauth.NewState(ctx, olivia); err != nil {
		return err
	}
	if callback, err = callbackOf(fake.Deny(oauth.AuthCodeURL(state))); err != nil {
		return err
	}
	_, err = oauth.Callback(ctx, olivia, callback)
	fmt.Fprintf(out, "  %v\n", err)
	return nil
}

// callbackOf returns the query with which Intercom sends the browser back.
func callbackOf(redirect string, err error) (url.Values, error) {
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(redirect)
	if err != nil {
		return nil, err
	}
	return u.Query(), nil
}
