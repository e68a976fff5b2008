package intercomrbac

import (
	"errors"
	"log/slog"
)

// Secret is an access token or a client secret that cannot be printed by accident. Reveal is the one way to its text. What
// fmt, a logger or a dumper shows of it is no part of it, and encoding it is an error: so that nothing is stored in clear, or
// believed to be stored. The zero value is no secret. It is safe for concurrent use.
type Secret struct{ reveal func() string }

// NewSecret returns text as a secret; empty text is the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// Reveal returns the secret's text; empty if there is none.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String says whether there is a secret.
func (s Secret) String() string {
	if s.reveal == nil {
		return "[no secret]"
	}
	return "[secret]"
}

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText always fails.
func (Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("intercomrbac: a secret is not encoded: encrypt what Reveal returns and store that")
}
