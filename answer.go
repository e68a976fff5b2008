package intercomrbac

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/intercomrbac/intercomrbac/internal/redact"
)

// conclude turns how an attempt ended into the call's result.
func (c *Client) conclude(ctx context.Context, in *call, a *answer, attempt int) error {
	switch {
	case a.fault == faultDenied:
		return a.err
	case a.fault == faultUnsent:
		if e, ok := errors.AsType[*slotError](a.err); ok {
			return &callError{text: in.op.Name + ": not sent: " + e.Error(), causes: []error{
				&APIError{Operation: in.op.Name, Scope: in.op.Scope, RetryAfter: e.wait, Attempts: attempt - 1, Message: e.Error()}, context.DeadlineExceeded}}
		}
		return &callError{text: in.op.Name + ": not sent: " + safeText(a), causes: []error{a.err}}
	case a.fault != faultNone:
		return lost(in, a)
	case a.status < 200 || a.status > 599:
		return unexpected(in, a, "that is no status of an answer")
	case a.status/100 != 2:
		return refusal(in, a, attempt)
	case a.oversized:
		if c.s.gate != nil { // which may not let on that there is anything
			if _, err := c.s.gate.judge(ctx, in, nil); err != nil {
				return err
			}
		}
		return unexpected(in, a, fmt.Sprintf("the body has more than %d bytes", maxResponseBody))
	}
	body := bytes.TrimSpace(a.redactor.Bytes(redact.PlainJSON(a.body.Bytes())))
	if c.s.gate != nil {
		var err error
		if body, err = c.s.gate.judge(ctx, in, body); err != nil {
			return err
		}
	}
	switch empty := len(body) == 0; {
	case empty && (in.out == nil || a.status == http.StatusAccepted || a.status == http.StatusNoContent):
		return nil
	case empty || body[0] != '{' && body[0] != '[' || in.out == nil && !json.Valid(body):
		return unexpected(in, a, "the body is no JSON object")
	case in.out == nil:
		return nil
	}
	if err := json.Unmarshal(body, in.out); err != nil {
		return unexpected(in, a, printable(a.redactor.String(err.Error()), 200))
	}
	if v, ok := in.out.(interface{ complete() bool }); ok && !v.complete() {
		return unexpected(in, a, "what it should hold is not in it")
	}
	return nil
}

// lost is the error of a request that has no answer.
func lost(in *call, a *answer) error {
	causes := knownCauses(a.err)
	text := "cannot reach Intercom: "
	if a.fault == faultLost {
		text = "no whole answer came: "
	}
	if !errors.Is(a.err, context.Canceled) {
		causes = append(causes, ErrUnavailable)
	}
	text = in.op.Name + ": " + text + safeText(a)
	if a.fault == faultLost && in.op.Effect != Read {
		causes = append(causes, ErrOutcomeUnknown)
		text += " (it may have been done: look before you send it again)"
	}
	return &callError{text, causes}
}

// safeText is what may be told of a transport's error: not the URL, no secret, one short line.
func safeText(a *answer) string {
	err := a.err
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return printable(a.redactor.String(strings.TrimPrefix(err.Error(), "intercomrbac: ")), 200)
}

// knownCauses returns those of the well-known errors that err is.
func knownCauses(err error) (causes []error) {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, known) {
			causes = append(causes, known)
		}
	}
	return causes
}

// unexpected is the error of an answer that says success and cannot be read.
func unexpected(in *call, a *answer, why string) error {
	e := &callError{text: fmt.Sprintf("%s: %d, but %s", in.op.Name, a.status, why), causes: []error{ErrBadResponse}}
	if in.op.Effect != Read {
		e.text += " (it may have been done: look before you send it again)"
		e.causes = append(e.causes, ErrOutcomeUnknown)
	}
	if a.requestID != "" {
		e.text += " (request_id " + a.requestID + ")"
	}
	return e
}

// refusal is the error of an answer that says no.
func refusal(in *call, a *answer, attempt int) error {
	e := &APIError{StatusCode: a.status, RequestID: a.requestID, Operation: in.op.Name, Scope: in.op.Scope,
		RetryAfter: a.retryAfter, Attempts: attempt, assignee: in.assignee}
	if in.op.ofOne() {
		e.resource = in.op.Resource
	}
	e.OutcomeUnknown = in.op.Effect != Read && errors.Is(e.class(), ErrUnavailable)
	e.parse(a)
	// Whose right hangs on a condition learns of no contact that it was not asked about: either answer names another one.
	merged := errors.Is(e.class(), ErrContactMerged)
	switch hangs := in.verdict != nil && in.verdict.hangs; {
	case hangs && (merged || in.op.Resource == "contact" && errors.Is(e.class(), ErrConflict)):
		e.Message = ""
		for i := range e.Errors {
			e.Errors[i].Message = ""
		}
	case merged:
		e.MergedInto = canonicalContact(a)
	}
	return e
}

// canonicalContact reads the contact that a 410 names: Link: </contacts/{id}>; rel="canonical" (operation ShowContact).
// Anything else is no word of Intercom's, and ignored.
func canonicalContact(a *answer) ContactID {
	if len(a.link) != 1 {
		return ""
	}
	text, begins := strings.CutPrefix(a.redactor.String(a.link[0]), "</contacts/")
	id, ends := strings.CutSuffix(text, `>; rel="canonical"`)
	if !begins || !ends || !isObjectID(id) {
		return ""
	}
	return ContactID(id)
}

// maxErrorDetails bounds how many entries of an error body are kept.
const maxErrorDetails = 32

// parse reads an error body in any of the shapes that Intercom uses; one in none of them changes nothing.
func (e *APIError) parse(a *answer) {
	var body struct {
		RequestID json.RawMessage `json:"request_id"`
		Errors    json.RawMessage `json:"errors"`
		Message   json.RawMessage `json:"message"`
		ErrorKey  json.RawMessage `json:"error_key"`
	}
	raw := bytes.TrimSpace(a.redactor.Bytes(redact.PlainJSON(a.body.Bytes())))
	if json.Unmarshal(raw, &body) != nil {
		e.foreign = len(raw) > 0
		return
	}
	text := func(raw json.RawMessage, n int) string {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return printable(a.redactor.String(s), n)
	}
	if id := text(body.RequestID, 128); e.RequestID == "" {
		e.RequestID = id
	}
	var list []struct{ Code, Type, Message, Field json.RawMessage }
	var fields map[string]json.RawMessage
	if json.Unmarshal(body.Errors, &list) == nil {
		for _, item := range list[:min(len(list), maxErrorDetails)] {
			// Old versions of the API say type instead of code.
			e.Errors = append(e.Errors, ErrorDetail{Code: firstOf(text(item.Code, 128), text(item.Type, 128)),
				Message: text(item.Message, 500), Field: text(item.Field, 128)})
		}
	} else if json.Unmarshal(body.Errors, &fields) == nil {
		for _, field := range slices.Sorted(maps.Keys(fields))[:min(len(fields), maxErrorDetails)] {
			e.Errors = append(e.Errors, ErrorDetail{Message: text(fields[field], 500), Field: printable(a.redactor.String(field), 128)})
		}
	}
	if len(e.Errors) == 0 && (body.Message != nil || body.ErrorKey != nil) {
		e.Errors = []ErrorDetail{{Code: text(body.ErrorKey, 128), Message: text(body.Message, 500)}}
	}
	if len(e.Errors) > 0 {
		e.Code, e.Message, e.Field = e.Errors[0].Code, e.Errors[0].Message, e.Errors[0].Field
	}
}
