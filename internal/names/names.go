// Package names finds strings in a fixed set, faster than a map does: it is for sets that are asked on every request
// and hardly ever change.
package names

import "math/bits"

// Set is a set of strings, each with its place. It is not changed after it was made, and is safe for concurrent use.
// The zero value is empty.
type Set struct {
	slots []slot // a power of two, half of them used at the most; nil if the set is empty
}

type slot struct {
	name  string
	place int // one more than the place; 0 if the slot is free
}

// New returns the set of the names, which must differ from each other; the place of each is its index.
func New[T ~string](names []T) Set {
	if len(names) == 0 {
		return Set{}
	}
	s := Set{make([]slot, 1<<bits.Len(uint(2*len(names))))}
	for i, name := range names {
		at := hash(string(name)) & uint64(len(s.slots)-1)
		for s.slots[at].place != 0 {
			at = (at + 1) & uint64(len(s.slots)-1)
		}
		s.slots[at] = slot{string(name), i + 1}
	}
	return s
}

// Find returns the place of a name, and whether it is in the set.
func (s *Set) Find(name string) (int, bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(s.slots) - 1)
	for at := hash(name) & mask; ; at = (at + 1) & mask {
		found := &s.slots[at]
		if found.name == name || found.place == 0 {
			return found.place - 1, found.place != 0
		}
	}
}

// hash mixes a string eight bytes at a time, the last of them once more where they do not come out even. It need not
// resist an attacker: whoever asks cannot add names, and a question is followed no further than the names that are there.
func hash(s string) uint64 {
	n := len(s)
	h := uint64(n)
	switch {
	case n >= 8:
		for i := 0; i+8 < n; i += 8 {
			h = mix(h ^ word(s[i:i+8]))
		}
		return mix(h ^ word(s[n-8:]))
	case n >= 4:
		return mix(h ^ half(s[:4])<<32 ^ half(s[n-4:])<<8)
	case n > 0:
		return mix(h ^ uint64(s[0])<<8 ^ uint64(s[n/2])<<16 ^ uint64(s[n-1])<<24)
	}
	return 0
}

func word(s string) uint64 {
	_ = s[7] // one check for all
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func half(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

func mix(x uint64) uint64 {
	high, low := bits.Mul64(x, 0x9e3779b97f4a7c15)
	return high ^ low
}
