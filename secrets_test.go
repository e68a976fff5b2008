package intercomrbac_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

const canary = "canary/tok3n+for=the&tests"

// canaryForms are the ways in which an answer may repeat the token.
func canaryForms() []string { return formsOf(canary) }

// formsOf are the ways in which an answer may repeat a secret.
func formsOf(secret string) []string {
	quoted, _ := json.Marshal(secret)
	return []string{
		secret, "Bearer " + secret, url.QueryEscape(secret), url.PathEscape(secret), strings.ToLower(url.QueryEscape(secret)),
		strings.Trim(string(quoted), `"`), strings.ReplaceAll(secret, "/", `\/`),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret)),
		escapedWhole(secret), fmt.Sprintf(`\u%04x`, secret[0]) + secret[1:],
		strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(secret+"????>>>>")), "/", `\/`),
		base64.StdEncoding.EncodeToString([]byte("Bearer " + secret)), base64.StdEncoding.EncodeToString([]byte("ab" + secret + "xyz")),
	}
}

// escapedWhole writes every character as a JSON escape.
func escapedWhole(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return b.String()
}

// leaks reports which form of the canary a text holds, whatever stands around it.
func leaks(text string) string {
	for _, form := range append(canaryForms(), "tok3n") {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	answer := transport(func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil })
	h := &http.Client{Transport: answer}
	static, err := intercomrbac.NewClient(intercomrbac.WithToken(canary), intercomrbac.WithHTTPClient(h))
	require.NoError(t, err)
	sourced, err := intercomrbac.NewClient(intercomrbac.WithHTTPClient(h),
		intercomrbac.WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: canary})))
	require.NoError(t, err)
	for name, c := range map[string]*intercomrbac.Client{"token": static, "source": sourced} {
		_, err := c.Teams.List(t.Context()) // what a call leaves behind counts too
		require.NoError(t, err)
		directory, err := intercomrbac.NewRoleDirectory(c, intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{
			Admins: map[intercomrbac.AdminID]intercomrbac.Role{"7": "owner"}}})
		require.NoError(t, err)
		guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: intercomrbac.NoAudit(), Roles: directory})
		require.NoError(t, err)
		copied, err := c.With(intercomrbac.WithGuard(guard))
		require.NoError(t, err)
		_, denied := copied.Teams.List(t.Context())
		require.ErrorIs(t, denied, intercomrbac.ErrDenied)
		for _, v := range []any{c, *c, copied, guard, directory, denied, c.Admins, *c.Admins, []any{c}, map[string]any{"c": *c}, struct{ C intercomrbac.Client }{*c},
			intercomrbac.WithToken(canary), []intercomrbac.Option{intercomrbac.WithToken(canary)}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				assert.Empty(t, leaks(fmt.Sprintf(verb, v)), "%s %T %s", name, v, verb)
			}
			b, _ := json.Marshal(v)
			assert.Empty(t, leaks(string(b)))
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
			assert.Empty(t, leaks(log.String()))
			walkStrings(reflect.ValueOf(v), map[any]bool{}, func(s string) { assert.Empty(t, leaks(s), "a dumper would print it") })
		}
	}
}

// everyPrint prints and encodes a value in every way that programs commonly do, has each text seen, and returns how many
// ways there were.
func everyPrint(v any, see func(text string)) (paths int) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p"} {
		see(fmt.Sprintf(verb, v))
		paths++
	}
	var out bytes.Buffer
	fmt.Fprint(&out, v)
	fmt.Fprintln(&out, v)
	log.New(&out, "", 0).Print(v)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, slog.Any("w", v), slog.Group("g", "v", v))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	b, _ := json.Marshal(v)
	out.Write(b)
	b, _ = xml.Marshal(v)
	out.Write(b)
	_ = gob.NewEncoder(&out).Encode(v)
	func() {
		defer func() { fmt.Fprint(&out, recover()) }()
		panic(fmt.Sprint(v))
	}()
	see(out.String())
	walkStrings(reflect.ValueOf(v), map[any]bool{}, see) // as a dumper does
	return paths + 10
}

// walkStrings visits every string that reflection reaches, as dumpers do.
func walkStrings(v reflect.Value, seen map[any]bool, visit func(string)) {
	switch v.Kind() {
	case reflect.String:
		visit(v.String())
	case reflect.Pointer, reflect.Map:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		if v.Kind() == reflect.Pointer {
			walkStrings(v.Elem(), seen, visit)
			return
		}
		for _, k := range v.MapKeys() {
			walkStrings(k, seen, visit)
			walkStrings(v.MapIndex(k), seen, visit)
		}
	case reflect.Interface:
		if !v.IsNil() {
			walkStrings(v.Elem(), seen, visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walkStrings(v.Field(i), seen, visit)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
			visit(string(v.Bytes()))
			return
		}
		for i := range v.Len() {
			walkStrings(v.Index(i), seen, visit)
		}
	}
}

// answered sends a raw HTTP answer over a connection in memory.
func answered(raw []byte) *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				r := make([]byte, 4096)
				for read := []byte(nil); !bytes.Contains(read, []byte("\r\n\r\n")); {
					n, err := server.Read(r)
					if err != nil {
						return
					}
					read = append(read, r[:n]...)
				}
				go func() { _, _ = io.Copy(io.Discard, server) }() // the body; ends when the connection is closed
				_, _ = server.Write(raw)
			}()
			return client, nil
		},
	}
}

// checkNoLeak makes calls that raw answers, and looks for the canary in all that comes out.
func checkNoLeak(t *testing.T, raw []byte) {
	t.Helper()
	var seen bytes.Buffer
	tr := answered(raw)
	defer tr.CloseIdleConnections()
	c, err := intercomrbac.NewClient(intercomrbac.WithToken(canary), intercomrbac.WithBaseURL("http://localhost"),
		intercomrbac.WithHTTPClient(&http.Client{Transport: tr, Timeout: 5 * time.Second}), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}),
		intercomrbac.WithLogger(slog.New(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		intercomrbac.WithOnResponse(func(_ context.Context, i intercomrbac.ResponseInfo) { fmt.Fprintf(&seen, "%+v", i) }))
	require.NoError(t, err)
	for _, call := range []func() (any, error){
		func() (any, error) { return c.Conversations.Get(t.Context(), "1") },
		func() (any, error) { return c.Admins.Me(t.Context()) },
		func() (any, error) { return nil, c.Contacts.Delete(t.Context(), "1") },
		func() (any, error) {
			return c.Conversations.List(t.Context(), intercomrbac.ListParams{})
		},
	} {
		out, err := call()
		require.NotErrorIs(t, err, context.DeadlineExceeded, "%q", raw)
		b, _ := json.Marshal(out)
		seen.Write(b)
		for e := range tree(err) {
			fmt.Fprintf(&seen, " %v %+v %#v", e, e, e)
			if a, ok := errors.AsType[*intercomrbac.APIError](e); ok {
				b, _ := json.Marshal(a)
				fmt.Fprintf(&seen, " %s %s", a.Advice(), b)
				if len(a.RequestID) > 4*128 || len(a.Code) > 4*128 {
					t.Fatalf("not cut: %q %q", a.RequestID, a.Code)
				}
			}
		}
		if form := leaks(seen.String()); form != "" {
			t.Fatalf("%q came out of\n%q", form, raw)
		}
		seen.Reset()
	}
}

const answerTemplate = "HTTP/1.1 404 Not Found\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nX-Request-Id: req_1\r\nLocation: /x\r\nRetry-After: 1\r\n" +
	"X-RateLimit-Limit: 5\r\nX-RateLimit-Remaining: 5\r\nX-RateLimit-Reset: 946684805\r\nContent-Type: application/json\r\n\r\n" +
	`{"type":"error.list","request_id":"r","id":"7","created_at":"x","title":"t","email":"e","pages":{"next":{"starting_after":"c"}},` +
	`"conversations":[{"id":"1","title":"x"}],"errors":[{"code":"not_found","message":"no such thing","field":"f"}]}`

func TestCanaryAtEveryPlaceOfAnAnswer(t *testing.T) {
	t.Parallel()
	forms := canaryForms()
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, status := range []string{"404 Not Found", "200 OK", "302 Found", "500 Oops"} {
		raw := strings.Replace(answerTemplate, "404 Not Found", status, 1)
		for at := 0; at <= len(raw); at += step {
			form := forms[at%len(forms)]
			checkNoLeak(t, []byte(raw[:at]+form+raw[at:]))
		}
	}
}

func FuzzCanary(f *testing.F) {
	f.Add([]byte(answerTemplate), uint16(20), uint8(0))
	f.Add([]byte(strings.Replace(answerTemplate, "404 Not Found", "200 OK", 1)), uint16(300), uint8(7))
	f.Add([]byte("HTTP/1.1 302 \r\nLocation: https://x/?t=\r\n\r\n"), uint16(38), uint8(2))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n0\r\n\r\n"), uint16(54), uint8(5))
	f.Fuzz(func(t *testing.T, raw []byte, at uint16, form uint8) {
		if len(raw) > 4<<10 || leaks(string(raw)) != "" {
			return // only what this puts in is known to be whole
		}
		forms := canaryForms()
		pos := int(at) % (len(raw) + 1)
		checkNoLeak(t, append(append(append([]byte(nil), raw[:pos]...), forms[int(form)%len(forms)]...), raw[pos:]...))
	})
}

// A transport's own error may repeat what it was given.
func TestErrorsOfTheTransportAreCleaned(t *testing.T) {
	t.Parallel()
	for _, form := range canaryForms() {
		c, err := intercomrbac.NewClient(intercomrbac.WithToken(canary), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}),
			intercomrbac.WithHTTPClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				return nil, fmt.Errorf("could not send\nheaders %v to %s: %s: %w", r.Header, r.URL, form, io.ErrUnexpectedEOF)
			})}))
		require.NoError(t, err)
		_, err = c.DataEvents.List(t.Context(), intercomrbac.ListEventsParams{Email: "ana@example.com"})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		for e := range tree(err) {
			text := fmt.Sprintf("%v %+v %#v", e, e, e)
			assert.Empty(t, leaks(text))
			assert.NotContains(t, text, "\n")
		}
	}
}
