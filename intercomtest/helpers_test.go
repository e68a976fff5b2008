package intercomtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// api is a plain HTTP client of the fake: these tests look at the wire, not through the library.
type api struct {
	t     testing.TB
	http  *http.Client
	base  string
	token string
}

func inMemory(t testing.TB, s *intercomtest.Server) api {
	return api{t, &http.Client{Transport: s.Transport()}, "https://api.intercom.test", s.Token()}
}

func overLoopback(t testing.TB, s *intercomtest.Server) api {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return api{t, &http.Client{Transport: transport}, s.URL(), s.Token()}
}

func (a api) with(token string) api {
	a.token = token
	return a
}

type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (a api) try(method, path, body string) (answer, error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, content)
	require.NoError(a.t, err)
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	return read(resp)
}

func read(resp *http.Response) (answer, error) {
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	out := answer{status: resp.StatusCode, header: resp.Header, raw: raw}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	_ = d.Decode(&out.body) // not every answer is JSON
	return out, err
}

func (a api) do(method, path, body string) answer {
	a.t.Helper()
	out, err := a.try(method, path, body)
	require.NoError(a.t, err)
	return out
}

func (a api) get(path string) answer {
	a.t.Helper()
	return a.do(http.MethodGet, path, "")
}

func (a api) post(path, body string) answer {
	a.t.Helper()
	return a.do(http.MethodPost, path, body)
}

// at walks down a body: a name for a member, a number for an item.
func (r answer) at(t testing.TB, steps ...any) any {
	t.Helper()
	var v any = r.body
	for _, step := range steps {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.Truef(t, ok, "%v: not an object at %v: %s", steps, step, r.raw)
			require.Containsf(t, m, step, "%v", steps)
			v = m[step]
		case int:
			l, ok := v.([]any)
			require.Truef(t, ok && step < len(l), "%v: no item %d: %s", steps, step, r.raw)
			v = l[step]
		}
	}
	return v
}

func (r answer) requireOK(t testing.TB) answer {
	t.Helper()
	require.Equalf(t, http.StatusOK, r.status, "%s", r.raw)
	return r
}

func (r answer) requireError(t testing.TB, status int, code string) answer {
	t.Helper()
	require.Equalf(t, status, r.status, "%s", r.raw)
	assert.Equal(t, "error.list", r.at(t, "type"))
	assert.Equal(t, r.header.Get("X-Request-Id"), r.at(t, "request_id"))
	require.Equal(t, code, r.at(t, "errors", 0, "code"))
	assert.NotEmpty(t, r.at(t, "errors", 0, "message"))
	return r
}

func (r answer) message(t testing.TB) string {
	t.Helper()
	return r.at(t, "errors", 0, "message").(string)
}

// ids returns the ids of a list's items.
func (r answer) ids(t testing.TB, list string) []string {
	t.Helper()
	ids := []string{}
	for _, item := range r.at(t, list).([]any) {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

// text writes a value as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func num(n string) json.Number { return json.Number(n) }
