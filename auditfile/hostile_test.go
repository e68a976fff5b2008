package auditfile_test

import (
	"math/rand/v2"
	"strings"
)

// pieces are what makes a text hostile to a reader of lines, of JSON, or of a terminal.
var pieces = []string{"\r", "\n", "\r\n", "\u2028", "\u2029", "\u0085", "\x1b[2J", "\x1b]0;owned\a", "\x00", "\x7f", "\xff\xfe", "\xc3", "\xed\xa0\x80",
	`"`, `\`, `","hash":"`, `"}` + "\n" + `{"sequence":1`, `\u0000`, "</script>", "\u202e", "\ufeff", "\t", "😀", "a", "text", ","}

func hostile(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }
