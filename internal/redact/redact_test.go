package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac/internal/redact"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const token = "dG9r:ab/cd+ef=gh&ij"

func TestSecretsAreReplaced(t *testing.T) {
	t.Parallel()
	quoted, err := json.Marshal(token)
	require.NoError(t, err)
	lower := strings.NewReplacer("%2F", "%2f", "%3A", "%3a", "%2B", "%2b", "%3D", "%3d")
	r := redact.New(token)
	for name, tt := range map[string]struct{ in, want string }{
		"alone":            {token, redact.Mark},
		"between":          {"a" + token + "b", "a" + redact.Mark + "b"},
		"twice":            {token + token + " " + token, redact.Mark + redact.Mark + " " + redact.Mark},
		"in a header":      {"Bearer " + token, "Bearer " + redact.Mark},
		"query":            {"?t=" + url.QueryEscape(token) + "&x", "?t=" + redact.Mark + "&x"},
		"path":             {"/x/" + url.PathEscape(token) + "/y", "/x/" + redact.Mark + "/y"},
		"lower escapes":    {lower.Replace(url.QueryEscape(token)), redact.Mark},
		"JSON":             {`{"t":` + string(quoted) + `}`, `{"t":"` + redact.Mark + `"}`},
		"JSON, slash":      {strings.ReplaceAll(token, "/", `\/`), redact.Mark},
		"quoted JSON":      {strconv.Quote(string(quoted)), `"\"` + redact.Mark + `\""`},
		"prefix alone":     {token[:len(token)-1], token[:len(token)-1]},
		"nothing":          {"", ""},
		"something else":   {"nothing to see here", "nothing to see here"},
		"shorter than all": {"x", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, string(r.Bytes([]byte(tt.in))))
			assert.Equal(t, tt.want, r.String(tt.in))
		})
	}
	t.Run("in another case", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, "X-"+redact.Mark+": ünd", r.String("X-"+strings.ToUpper(token)+": ünd"))
	})
}

func TestBase64OfSecretsIsReplaced(t *testing.T) {
	t.Parallel()
	r := redact.New(token)
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		for offset := range 7 {
			for tail := range 4 {
				text := enc.EncodeToString([]byte(strings.Repeat("x", offset) + token + strings.Repeat("y", tail)))
				for _, got := range []string{r.String(text), string(r.Bytes([]byte(text)))} {
					assert.Contains(t, got, redact.Mark)
					assert.NotContains(t, got, core(enc, offset, token))
					assert.Less(t, len(got), len(text)-len(token)+len(redact.Mark), "%q keeps too much", got)
				}
			}
		}
	}
}

// core returns the characters of a base64 text that a secret at an offset decides alone.
func core(enc *base64.Encoding, offset int, secret string) string {
	text := enc.EncodeToString([]byte(strings.Repeat("x", offset) + secret + "zz"))
	return text[(offset*8+5)/6 : (offset+len(secret))*8/6]
}

func TestSeveralSecrets(t *testing.T) {
	t.Parallel()
	r := redact.New("first-secret", "second-secret", "first-secret-that-is-longer", "", "short")
	assert.Equal(t, "[redacted] [redacted] [redacted] short", r.String("second-secret first-secret first-secret-that-is-longer short"))
	assert.Equal(t, "[redacted][redacted]", string(r.Bytes([]byte("first-secretsecond-secret"))))
}

func TestRedactorOfNothing(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]redact.Redactor{"zero": {}, "no secret": redact.New(), "empty": redact.New(""), "short": redact.New("abcde")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := []byte("abcde")
			assert.Equal(t, "abcde", r.String("abcde"))
			assert.Same(t, &text[0], &r.Bytes(text)[0])
		})
	}
}

func TestTextWithoutSecretsIsKept(t *testing.T) { // not parallel: it counts allocations
	r := redact.New(token)
	text := []byte(strings.Repeat("all is well ", 1000))
	got := r.Bytes(text)
	assert.Same(t, &text[0], &got[0], "the text was copied")
	assert.Zero(t, testing.AllocsPerRun(100, func() { r.Bytes(text) }))
}

func TestBytesAreNotChangedInPlace(t *testing.T) {
	t.Parallel()
	text := []byte("x " + token + " y")
	got := redact.New(token).Bytes(text)
	assert.Equal(t, "x [redacted] y", string(got))
	assert.Equal(t, "x "+token+" y", string(text))
}

func TestRedactorDoesNotPrintItsSecrets(t *testing.T) {
	t.Parallel()
	r := redact.New(token)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		assert.NotContains(t, fmt.Sprintf(format, r), "ab/cd")
		assert.NotContains(t, fmt.Sprintf(format, &r), "ab/cd")
	}
}

func TestLongSecrets(t *testing.T) {
	t.Parallel()
	for _, n := range []int{6, 7, 255, 256, 257, 5000} {
		secret := strings.Repeat("k3Y", n)[:n]
		r := redact.New(secret)
		for _, before := range []int{0, 1, 300} {
			pad := strings.Repeat(".", before)
			assert.Equal(t, pad+redact.Mark+pad, r.String(pad+secret+pad))
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add(token, "before ", " after")
	f.Add("aaaaaa", "a", "aaa")
	f.Add("abcabc", "abc", "abc")
	f.Add(`"quo\ted"`, "{", "}")
	f.Add("<&>'%2F", "%", "2F")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		// What a token can be. Brackets are left out, for with them the mark itself could complete a secret.
		if len(secret) < 6 || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' || r == '[' || r == ']' }) ||
			strings.Contains(strings.ToLower(redact.Mark), strings.ToLower(secret)) {
			return
		}
		quoted, err := json.Marshal(secret)
		require.NoError(t, err)
		inJSON := string(quoted[1 : len(quoted)-1])
		r := redact.New(secret)
		check := func(text string, forms ...string) {
			t.Helper()
			for _, got := range []string{r.String(text), string(r.Bytes([]byte(text)))} {
				for _, form := range forms {
					require.NotContains(t, got, form, "%q became %q", text, got)
				}
			}
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), inJSON} {
			check(before+form+after, secret, form)
			check(before+form+form+after, secret, form)
		}
		require.NotContains(t, strings.ToLower(r.String(before+strings.ToUpper(secret)+after)), strings.ToLower(secret))
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			for offset := range 3 {
				text := enc.EncodeToString([]byte(before[:min(len(before), offset)] + strings.Repeat("x", max(0, offset-len(before))) + secret + after))
				check(before+text+after, core(enc, offset, secret))
				check(text, core(enc, offset, secret))
			}
		}
	})
}
