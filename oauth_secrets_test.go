package intercomrbac_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exchangeCanaries are what an exchange must not let out. Each holds a word that no encoding of the tests splits.
var exchangeCanaries = []string{"can/ary+s3cretsecret=1&x", "can/ary+c0dec0dec0de=2&x=", "can/ary+t0kent0kent0k=3&x="}

// leaksOfExchange reports the first canary, or recognisable part of one, in a text.
func leaksOfExchange(text string) string {
	for _, secret := range exchangeCanaries {
		for _, form := range append(formsOf(secret), strings.Trim(secret[9:21], "=")) {
			if strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

// checkExchangeLeaks runs an install whose token endpoint, and then GET /me, answer with raw, and looks for secrets in all
// that comes out.
func checkExchangeLeaks(t *testing.T, raw []byte) {
	t.Helper()
	var seen bytes.Buffer
	tr := answered(raw)
	defer tr.CloseIdleConnections()
	o, err := intercomrbac.NewOAuth(intercomrbac.OAuthConfig{ClientID: "client-1", ClientSecret: intercomrbac.NewSecret(exchangeCanaries[0]),
		RedirectURL: "https://app.example.com/callback", States: intercomrbac.NewMemoryStateStore(), BaseURL: "http://localhost",
		HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			fmt.Fprintln(&seen, r.Method, r.URL, r.URL.RawQuery, r.Header.Get("Referer"))
			return tr.RoundTrip(r)
		})}})
	require.NoError(t, err)
	state, err := o.NewState(t.Context(), "ana")
	require.NoError(t, err)
	fmt.Fprintln(&seen, o.AuthCodeURL(state))
	w, err := o.Callback(t.Context(), "ana", url.Values{"state": {state}, "code": {exchangeCanaries[1]}})
	fmt.Fprintf(&seen, "%v %+v %#v %s %q %v", w, w, w, w.Token, w.Token, []any{w})
	slog.New(slog.NewJSONHandler(&seen, nil)).Info("installed", "workspace", w, "token", w.Token, "err", err)
	for e := range tree(err) {
		fmt.Fprintf(&seen, " %v %+v %#v %s", e, e, e, intercomrbac.Advice(e))
		if a, ok := errors.AsType[*intercomrbac.APIError](e); ok {
			b, _ := json.Marshal(a)
			fmt.Fprintf(&seen, " %s", b)
		}
	}
	if form := leaksOfExchange(seen.String()); form != "" {
		t.Fatalf("%q came out of\n%q\n%s", form, raw, seen.String())
	}
}

// granting200 is an answer with a token.
const granting200 = "HTTP/1.1 200 OK\r\nX-Request-Id: r\r\nContent-Type: application/json\r\n\r\n" + `{"token_type":"Bearer","token":"TOKEN","access_token":"TOKEN","x":""}`

// exchangeAnswers are answers of a token endpoint, to put canaries into.
var exchangeAnswers = []string{
	granting200,
	strings.Replace(granting200, "200 OK", "401 Unauthorized", 1),
	strings.Replace(granting200, "application/json", "application/x-www-form-urlencoded", 1),
	strings.Replace(granting200, `"x":""`, `"errors":[{"code":"unauthorized","message":"Unauthorized TOKEN"}]`, 1),
	answerTemplate,
	strings.Replace(answerTemplate, "404 Not Found", "401 Unauthorized", 1),
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + `{"token_type":"Bearer","token":"","access_token":"","error":"x","error_description":"y"}`,
	"HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nclient_secret=&code=&error=",
	"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nclient_secret=&code=&error=&error_description=&error_uri=",
	"HTTP/1.1 302 Found\r\nLocation: https://evil.example.com/?secret=\r\n\r\n",
	"HTTP/1.1 500 Oops\r\nX-Request-Id: r\r\nContent-Type: text/html\r\n\r\n<html>client_secret=</html>",
}

// The token endpoint repeats the form: nothing of it comes out again.
func TestExchangeEchoLeaksNothing(t *testing.T) {
	t.Parallel()
	runs := soak.N(3_000, 100_000)
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // which cases are tried is no secret
	for range runs {
		raw := exchangeAnswers[r.IntN(len(exchangeAnswers))]
		if r.IntN(4) == 0 {
			raw = raw[:r.IntN(len(raw)+1)]
		}
		places := []int{r.IntN(len(raw) + 1), r.IntN(len(raw) + 1)}
		if exact := placesAfter(raw, `":"`, `=`, ": "); len(exact) > 0 { // where it hurts
			places = append(places, exact[r.IntN(len(exact))])
		}
		slices.Sort(places)
		for _, at := range slices.Backward(slices.Compact(places)) {
			forms := formsOf(exchangeCanaries[r.IntN(2)])
			raw = raw[:at] + forms[r.IntN(len(forms))] + raw[at:]
		}
		checkExchangeLeaks(t, []byte(strings.ReplaceAll(raw, "TOKEN", exchangeCanaries[2])))
	}
	soak.Report(t, "B5", "%d OAuth exchanges whose endpoint repeats client secret, code or token, 0 leaks", runs)
}

func placesAfter(s string, marks ...string) (places []int) {
	for i := range s {
		for _, mark := range marks {
			if strings.HasSuffix(s[:i], mark) {
				places = append(places, i)
			}
		}
	}
	return places
}

// A refusal is repeated without the tokens that it may hold for all that.
func TestExchangeRefusalsRepeatNoToken(t *testing.T) {
	t.Parallel()
	for _, members := range []string{`"access_token":"TOKEN","token":"TOKEN"`, `"access_token":"another-token","token":"TOKEN"`, `"access_token":"TOKEN","token":7`,
		`"token":"TOKEN","access_token":{}`} {
		raw := "HTTP/1.1 401 Unauthorized\r\nX-Request-Id: TOKEN\r\nContent-Type: application/json\r\n\r\n{" + members +
			`,"errors":[{"code":"TOKEN","message":"Unauthorized TOKEN","field":"TOKEN"}]}`
		checkExchangeLeaks(t, []byte(strings.ReplaceAll(raw, "TOKEN", exchangeCanaries[2])))
	}
}

func FuzzExchangeEcho(f *testing.F) {
	for i, raw := range exchangeAnswers {
		f.Add([]byte(raw), uint16(40+i), uint8(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, raw []byte, at uint16, which, form uint8) {
		if len(raw) > 4<<10 || leaksOfExchange(string(raw)) != "" {
			return // only what this puts in is known to be whole
		}
		forms := formsOf(exchangeCanaries[which%2])
		pos := int(at) % (len(raw) + 1)
		checkExchangeLeaks(t, append(append(append([]byte(nil), raw[:pos]...), forms[int(form)%len(forms)]...), raw[pos:]...))
	})
}

type reading struct{} // key of a context: the transport fails while it reads

// The transport's own error may repeat the request.
func TestExchangeCleansErrorsOfTheTransport(t *testing.T) {
	t.Parallel()
	for _, form := range append(formsOf(exchangeCanaries[0]), formsOf(exchangeCanaries[1])...) {
		o := newOAuth(t, transport(func(r *http.Request) (*http.Response, error) {
			b, _ := io.ReadAll(r.Body)
			err := fmt.Errorf("sent\n%s and %s: %w", b, form, io.ErrUnexpectedEOF)
			if r.Context().Value(reading{}) != nil {
				err = &net.OpError{Op: "read", Net: "tcp", Err: err}
			}
			return nil, &url.Error{Op: "Post", URL: "https://proxy/?" + string(b), Err: err}
		}), func(c *intercomrbac.OAuthConfig) { c.ClientSecret = intercomrbac.NewSecret(exchangeCanaries[0]) })
		for _, ctx := range []context.Context{t.Context(), context.WithValue(t.Context(), reading{}, true)} {
			_, err := o.Exchange(ctx, exchangeCanaries[1])
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			for e := range tree(err) {
				text := fmt.Sprintf("%v %+v %#v", e, e, e)
				assert.Empty(t, leaksOfExchange(text))
				assert.NotContains(t, text, "\n")
			}
		}
	}
}

// No way of printing or encoding shows a secret, in whatever it is held.
func TestSecretHasNoWayOutButReveal(t *testing.T) {
	t.Parallel()
	s := intercomrbac.NewSecret(canary)
	config := intercomrbac.OAuthConfig{ClientID: "c", ClientSecret: s, RedirectURL: "https://app.example.com/", States: intercomrbac.NewMemoryStateStore()}
	o, err := intercomrbac.NewOAuth(config)
	require.NoError(t, err)
	_, err = o.NewState(t.Context(), "ana")
	require.NoError(t, err)
	w := intercomrbac.Workspace{ID: "abc", Token: s}
	type hidden struct {
		s intercomrbac.Secret
		w *intercomrbac.Workspace
	}
	paths := 0
	for _, v := range []any{s, &s, []intercomrbac.Secret{s}, map[string]any{"s": s}, struct{ S intercomrbac.Secret }{s}, hidden{s, &w}, &hidden{s, &w}, w, &w,
		[]any{w}, config, &config, o, *o, errors.New(fmt.Sprint(s)), fmt.Errorf("%v %+v", s, w)} {
		paths += everyPrint(v, func(text string) { assert.Empty(t, leaks(text), "%T", v) })
	}
	assert.Greater(t, paths, 65)

	assert.Equal(t, canary, s.Reveal())
	assert.Equal(t, "[secret] [no secret]", fmt.Sprint(s, " ", intercomrbac.Secret{}))
	assert.Equal(t, intercomrbac.NewSecret("").Reveal(), intercomrbac.Secret{}.Reveal())
	// To store it in clear, or to believe it stored, is an error.
	_, err = json.Marshal(w)
	require.ErrorContains(t, err, "a secret is not encoded: encrypt what Reveal returns")
	_, err = xml.Marshal(s)
	require.ErrorContains(t, err, "a secret is not encoded")
	require.Error(t, gob.NewEncoder(io.Discard).Encode(w))
}
