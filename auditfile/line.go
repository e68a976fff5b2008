package auditfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

const (
	maxEvent = 16 << 10 // bytes of an event as JSON; real ones have about 500
	maxLine  = 32 << 10 // a longer one was not written here
)

// digest is a SHA-256 in lower-case hexadecimal.
type digest [2 * sha256.Size]byte

// start is what the first line of a log has as the hash of the line before it.
var start = func() (d digest) {
	for i := range d {
		d[i] = '0'
	}
	return d
}()

// tip is the end of a chain.
type tip struct {
	sequence uint64
	hash     digest
}

const (
	keySequence = `{"sequence":`
	keyPrevious = `,"previous":"`
	keyHash     = `,"hash":"`
	tailSize    = len(keyHash) + len(digest{}) + len(`"}`)

	lineOverhead = 256 // more than what a line has beside its event
)

// appendLine appends the line that has the members of a JSON object, and moves the tip there.
func appendLine(to []byte, t *tip, object []byte) []byte {
	begin := len(to)
	t.sequence++
	to = strconv.AppendUint(append(to, keySequence...), t.sequence, 10)
	to = append(append(to, keyPrevious...), t.hash[:]...)
	to = append(append(to, `",`...), object[1:len(object)-1]...)
	sum := sha256.Sum256(to[begin:])
	hex.Encode(t.hash[:], sum[:])
	to = append(append(to, keyHash...), t.hash[:]...)
	return append(to, "\"}\n"...)
}

// line is a line whose own hash is right. Its slices are of what was parsed.
type line struct {
	tip
	previous []byte
	members  []byte // what appendLine was given, without its braces
}

// parseLine takes a line apart, its newline included, if it is one as appendLine writes it.
func parseLine(b []byte) (l line, ok bool) {
	b, whole := bytes.CutSuffix(b, []byte("\"}\n"))
	n := len(b) + len(`"}`) - tailSize
	if !whole || n < 0 || !bytes.HasPrefix(b, []byte(keySequence)) || string(b[n:n+len(keyHash)]) != keyHash {
		return line{}, false
	}
	sum := sha256.Sum256(b[:n])
	hex.Encode(l.hash[:], sum[:])
	if !bytes.Equal(l.hash[:], b[n+len(keyHash):]) {
		return line{}, false
	}
	digits, rest, ok := bytes.Cut(b[len(keySequence):n], []byte(keyPrevious))
	if !ok || len(rest) < len(digest{})+len(`",`) || string(rest[len(digest{}):len(digest{})+2]) != `",` {
		return line{}, false
	}
	if l.sequence, ok = number(digits); !ok {
		return line{}, false
	}
	l.previous, l.members = rest[:len(digest{})], rest[len(digest{})+2:]
	return l, true
}

// number reads a number from 1 as AppendUint writes it.
func number[T string | []byte](digits T) (n uint64, ok bool) {
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' {
		return 0, false
	}
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint64(d)
	}
	return n, true
}

// follows reports whether the line is the next one after t.
func (l *line) follows(t *tip) bool {
	return l.sequence == t.sequence+1 && string(l.previous) == string(t.hash[:])
}

// call returns the id, as it is escaped, and the phase of an event; both are empty for a line that is none. A quote within
// a JSON string is escaped, so that the keys are found nowhere else than where they stand.
func (l *line) call() (id, phase []byte) {
	_, rest, ok := bytes.Cut(l.members, []byte(`,"id":"`))
	if !ok {
		return nil, nil
	}
	id, rest, ok = bytes.Cut(rest, []byte(`","phase":"`))
	if !ok {
		return nil, nil
	}
	phase, _, _ = bytes.Cut(rest, []byte(`"`))
	return id, phase
}

func (l *line) isCheckpoint() bool { return bytes.HasPrefix(l.members, []byte(`"checkpoint":`)) }

const (
	namePrefix = "audit-"
	nameSuffix = ".jsonl"
	nameDigits = 20
)

// fileName is the name of the file that begins with a sequence. Names sort as their sequences do.
func fileName(sequence uint64) string {
	return fmt.Sprintf("%s%0*d%s", namePrefix, nameDigits, sequence, nameSuffix)
}

func nameSequence(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, namePrefix)
	digits, suffixed := strings.CutSuffix(digits, nameSuffix)
	if !ok || !suffixed || len(digits) != nameDigits {
		return 0, false
	}
	return number(strings.TrimLeft(digits, "0"))
}

// logFiles lists the files of a log in their order. What has such a name and is no file, such as a pipe, could hang its
// reader.
func logFiles(fsys fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".") // sorted
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, ok := nameSequence(e.Name()); !ok {
			continue
		}
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("%s is no regular file: move it away", e.Name())
		}
		names = append(names, e.Name())
	}
	return names, nil
}

// beginning is the sequence that a log of these files begins with.
func beginning(names []string) uint64 {
	if len(names) == 0 {
		return 1
	}
	first, _ := nameSequence(names[0])
	return first
}

// lines reads a file line by line.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) *lines { return &lines{bufio.NewReaderSize(r, maxLine)} }

// next returns the next line with its newline, how many bytes it has, and whether it has its newline: the last one may have
// none. A line that is too long to be one of a log is nil. The slice is valid until the next call.
func (l *lines) next() (b []byte, size int, ended bool, err error) {
	b, err = l.r.ReadSlice('\n')
	size = len(b)
	for errors.Is(err, bufio.ErrBufferFull) {
		b, err = l.r.ReadSlice('\n')
		size += len(b)
		b = nil
	}
	if errors.Is(err, io.EOF) && size > 0 {
		return b, size, false, nil
	}
	return b, size, true, err
}
