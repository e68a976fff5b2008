package intercomrbac_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// idType decodes and encodes one of the id types.
type idType struct {
	name   string
	decode func(b []byte) (text string, err error)
	encode func(text string) ([]byte, error)
	direct func(b []byte) error // UnmarshalJSON without the decoder's own checks
}

func idTypeOf[T ~string, P interface {
	*T
	json.Unmarshaler
}](name string) idType {
	return idType{
		name: name,
		decode: func(b []byte) (string, error) {
			id := T("before")
			err := json.Unmarshal(b, &id)
			return string(id), err
		},
		encode: func(text string) ([]byte, error) { return json.Marshal(T(text)) },
		direct: func(b []byte) error { return P(new(T)).UnmarshalJSON(b) },
	}
}

var idTypes = []idType{
	idTypeOf[intercomrbac.AdminID]("AdminID"),
	idTypeOf[intercomrbac.TeamID]("TeamID"),
	idTypeOf[intercomrbac.ArticleID]("ArticleID"),
	idTypeOf[intercomrbac.CollectionID]("CollectionID"),
	idTypeOf[intercomrbac.HelpCenterID]("HelpCenterID"),
	idTypeOf[intercomrbac.ConversationID]("ConversationID"),
	idTypeOf[intercomrbac.ContactID]("ContactID"),
	idTypeOf[intercomrbac.TagID]("TagID"),
	idTypeOf[intercomrbac.WorkspaceID]("WorkspaceID"),
	idTypeOf[intercomrbac.AwayReasonID]("AwayReasonID"),
	idTypeOf[intercomrbac.ID]("ID"),
}

func TestIDsDecodeWhatIntercomSends(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"string":             {`"814865"`, "814865"},
		"number":             {`814865`, "814865"},
		"beyond 2^53":        {`9007199254740993`, "9007199254740993"},
		"beyond 2^64":        {`184467440737095516159`, "184467440737095516159"},
		"string beyond 2^53": {`"9007199254740993"`, "9007199254740993"},
		"null":               {`null`, ""},
		"number 0":           {`0`, ""},
		"string 0":           {`"0"`, ""},
		"empty string":       {`""`, ""},
		"hexadecimal":        {`"667d61c88a68186f43bafe93"`, "667d61c88a68186f43bafe93"},
		"escapes":            {`"a\u002fb\"c"`, `a/b"c`},
		"escaped 0":          {`"\u0030"`, ""},
		"other letters":      {`"ключ"`, "ключ"},
		"broken UTF-8":       {"\"a\xffb\"", "a\uFFFDb"},
		"space around it":    {" \n7\t", "7"},
	}
	for _, id := range idTypes {
		for name, tt := range tests {
			t.Run(id.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				got, err := id.decode([]byte(tt.in))
				require.NoError(t, err)
				assert.Equal(t, tt.want, got)
				encoded, err := id.encode(got)
				require.NoError(t, err)
				var s string
				require.NoError(t, json.Unmarshal(encoded, &s), "%s is no string", encoded)
				assert.Equal(t, tt.want, s)
			})
		}
	}
}

func TestIDsRefuseWhatIsNoID(t *testing.T) {
	t.Parallel()
	for _, id := range idTypes {
		for _, in := range []string{`1.5`, `1.0`, `0.0`, `1e3`, `1E3`, `-1`, `-0`, `true`, `false`, `{}`, `[]`, `["1"]`, `{"id":"1"}`} {
			t.Run(id.name+"/"+in, func(t *testing.T) {
				t.Parallel()
				got, err := id.decode([]byte(in))
				require.Error(t, err)
				assert.Equal(t, "before", got, "a failed decode must not change the id")
			})
		}
		for _, in := range []string{"", `"`, `"a`, `007`, `'a'`, `nul`, `""a"`, `"\x"`, ` 1`} {
			t.Run(id.name+"/not JSON: "+in, func(t *testing.T) {
				t.Parallel()
				assert.Error(t, id.direct([]byte(in)))
			})
		}
	}
}

func TestIDErrorsDoNotRepeatTheValue(t *testing.T) {
	t.Parallel()
	for _, in := range []string{`{"token":"hunter2"}`, `["hunter2"]`, `"hunter2\x"`} {
		err := new(intercomrbac.AdminID).UnmarshalJSON([]byte(in))
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestIDsWithinLists(t *testing.T) {
	t.Parallel()
	var ids []intercomrbac.TeamID
	require.NoError(t, json.Unmarshal([]byte(`[814865,"814866",9007199254740993,null,0]`), &ids))
	assert.Equal(t, []intercomrbac.TeamID{"814865", "814866", "9007199254740993", "", ""}, ids)
	b, err := json.Marshal(ids)
	require.NoError(t, err)
	assert.JSONEq(t, `["814865","814866","9007199254740993","",""]`, string(b))
}

func FuzzID(f *testing.F) {
	for _, seed := range []string{`"1"`, `1`, `0`, `"0"`, `null`, `1.5`, `-1`, `1e3`, `true`, `{}`, `[]`, `"`, ``, `"\u0031"`, "\"\xff\"", `"a"b"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var id intercomrbac.AdminID
		direct := id.UnmarshalJSON(in) // must not panic, whatever it is given
		if !json.Valid(in) {
			return
		}
		id = ""
		err := json.Unmarshal(in, &id)
		if strings.TrimSpace(string(in)) == string(in) {
			assert.Equal(t, direct == nil, err == nil)
		}
		if err != nil {
			assert.Empty(t, id)
			return
		}
		assert.NotEqual(t, intercomrbac.AdminID("0"), id)
		assert.Equal(t, id, reread(t, id))
	})
}

// assertSame checks that timestamps are equal by ==, which assert.Equal does not need.
func assertSame(t *testing.T, want, got intercomrbac.Timestamp) {
	t.Helper()
	same := want == got
	assert.True(t, same, "want %#v, got %#v", want, got)
}

func TestTimestampDecodesWhatIntercomSends(t *testing.T) {
	t.Parallel()
	at := func(s string) intercomrbac.Timestamp {
		v, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		return intercomrbac.Timestamp{Time: v.UTC()}
	}
	var zero intercomrbac.Timestamp
	tests := map[string]struct {
		in   string
		want intercomrbac.Timestamp
	}{
		"unix seconds":            {`1700000000`, at("2023-11-14T22:13:20Z")},
		"one second":              {`1`, at("1970-01-01T00:00:01Z")},
		"before 1970":             {`-86400`, at("1969-12-31T00:00:00Z")},
		"fraction":                {`1700000000.5`, at("2023-11-14T22:13:20.5Z")},
		"exponent":                {`1.7e9`, at("2023-11-14T22:13:20Z")},
		"numeric string":          {`"1700000000"`, at("2023-11-14T22:13:20Z")},
		"fraction in a string":    {`"1700000000.25"`, at("2023-11-14T22:13:20.25Z")},
		"spaces in a string":      {`" 1700000000 "`, at("2023-11-14T22:13:20Z")},
		"RFC 3339":                {`"2023-11-14T22:13:20Z"`, at("2023-11-14T22:13:20Z")},
		"RFC 3339 with an offset": {`"2023-11-15T00:13:20+02:00"`, at("2023-11-14T22:13:20Z")},
		"RFC 3339 with fraction":  {`"2023-11-14T22:13:20.123Z"`, at("2023-11-14T22:13:20.123Z")},
		"fraction and offset":     {`"2023-11-14T22:13:20.000+00:00"`, at("2023-11-14T22:13:20Z")},
		"without a zone":          {`"2023-11-14T22:13:20"`, at("2023-11-14T22:13:20Z")},
		"fraction without a zone": {`"2023-11-14T22:13:20.123"`, at("2023-11-14T22:13:20.123Z")},
		"blank for the T":         {`"2023-11-14 22:13:20 UTC"`, at("2023-11-14T22:13:20Z")},
		"date alone":              {`"2023-11-14"`, at("2023-11-14T00:00:00Z")},
		"last second of all":      {`253402300799`, at("9999-12-31T23:59:59Z")},
		"null":                    {`null`, zero},
		"0":                       {`0`, zero},
		"0 in a string":           {`"0"`, zero},
		"0.0":                     {`0.0`, zero},
		"empty string":            {`""`, zero},
		"blank string":            {`"  "`, zero},
		"year 1":                  {`"0001-01-01T00:00:00Z"`, zero},
		"the epoch in letters":    {`"1970-01-01T00:00:00Z"`, zero},
		"space around it":         {" 1700000000\n", at("2023-11-14T22:13:20Z")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := intercomrbac.NewTimestamp(time.Now())
			require.NoError(t, json.Unmarshal([]byte(tt.in), &got))
			assertSame(t, tt.want, got)
			assert.Equal(t, tt.want.IsZero(), got.IsZero())
		})
	}
}

func TestTimestampRefusesWhatIsNoTime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, hint string }{
		"milliseconds":             {`1700000000000`, "not milliseconds"},
		"milliseconds in a string": {`"1700000000000"`, "not milliseconds"},
		"fraction of milliseconds": {`1700000000000.5`, "not milliseconds"},
		"milliseconds, negative":   {`-1700000000000`, "not milliseconds"},
		"beyond the year 9999":     {`253402300800`, "out of range"},
		"huge":                     {`1e300`, "out of range"},
		"not a number":             {`"NaN"`, "out of range"},
		"infinite":                 {`"Inf"`, "out of range"},
		"word":                     {`"yesterday"`, "unix seconds, RFC 3339 or null"},
		"no such day":              {`"2023-02-30T00:00:00Z"`, "unix seconds, RFC 3339 or null"},
		"true":                     {`true`, "unix seconds, RFC 3339 or null"},
		"object":                   {`{}`, "unix seconds, RFC 3339 or null"},
		"array":                    {`[1700000000]`, "unix seconds, RFC 3339 or null"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := intercomrbac.NewTimestamp(time.Unix(7, 0))
			got := before
			require.ErrorContains(t, json.Unmarshal([]byte(tt.in), &got), tt.hint)
			assert.Equal(t, before, got)
		})
	}
}

func TestTimestampEncodes(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	tests := map[string]struct {
		in   intercomrbac.Timestamp
		want string
	}{
		"zero":            {intercomrbac.Timestamp{}, `null`},
		"zero time":       {intercomrbac.NewTimestamp(time.Time{}), `null`},
		"seconds":         {intercomrbac.NewTimestamp(time.Unix(1700000000, 0)), `1700000000`},
		"fraction is cut": {intercomrbac.NewTimestamp(time.Unix(1700000000, 999999999)), `1700000000`},
		"kept fraction":   {intercomrbac.Timestamp{Time: time.Unix(1700000000, 999999999)}, `1700000000`},
		"another zone":    {intercomrbac.NewTimestamp(time.Unix(1700000000, 0).In(zone)), `1700000000`},
		"before 1970":     {intercomrbac.NewTimestamp(time.Unix(-1, 0)), `-1`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := json.Marshal(tt.in)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(b))
		})
	}
	t.Run("made from milliseconds", func(t *testing.T) {
		t.Parallel()
		for _, n := range []int64{1700000000000, -1700000000000} {
			_, err := json.Marshal(intercomrbac.NewTimestamp(time.Unix(n, 0)))
			assert.ErrorContains(t, err, "not milliseconds")
		}
	})
	t.Run("left out where it is zero", func(t *testing.T) {
		t.Parallel()
		b, err := json.Marshal(struct {
			At intercomrbac.Timestamp `json:"at,omitzero"`
		}{})
		require.NoError(t, err)
		assert.Equal(t, `{}`, string(b))
	})
}

func TestTimestampsOfOneMomentAreEqual(t *testing.T) {
	t.Parallel()
	want := intercomrbac.NewTimestamp(time.Unix(1700000000, 0))
	for _, in := range []string{`1700000000`, `"1700000000"`, `1700000000.0`, `"2023-11-14T22:13:20Z"`, `"2023-11-14T23:13:20+01:00"`, `"2023-11-14T22:13:20"`} {
		var got intercomrbac.Timestamp
		require.NoError(t, json.Unmarshal([]byte(in), &got))
		assertSame(t, want, got)
	}
	now := time.Now()
	assertSame(t, intercomrbac.NewTimestamp(now), intercomrbac.NewTimestamp(now.In(time.FixedZone("x", 7200))))
}

func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{`1700000000`, `1700000000.5`, `"1700000000"`, `"2023-11-14T22:13:20Z"`, `"2023-11-14T22:13:20"`, `"2023-11-14"`, `null`, `0`, `""`,
		`0.5`, `-0.5`, `1700000000000`, `"1970-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `-62135596800`, `"0000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59.9-23:59"`, `"`, ``, `"0x1p4"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var got intercomrbac.Timestamp
		_ = got.UnmarshalJSON(in) // must not panic, whatever it is given
		if !json.Valid(in) {
			return
		}
		got = intercomrbac.Timestamp{}
		if err := json.Unmarshal(in, &got); err != nil {
			assert.Equal(t, intercomrbac.Timestamp{}, got)
			return
		}
		// Whole seconds are what is written.
		second := intercomrbac.NewTimestamp(got.Time)
		assertSame(t, second, reread(t, got))
		assertSame(t, second, reread(t, second))
	})
}
