package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/require"
)

// conversationJSON is a conversation as Intercom sends it, with n parts.
func conversationJSON(n int) string {
	part := `{"type":"conversation_part","id":"136","part_type":"comment","body":"<p>Thanks, I have looked into it and refunded the second charge.</p>",
"created_at":1734537584,"updated_at":1734537584,"notified_at":1734537584,"assigned_to":null,"author":{"id":"991267708","type":"admin","name":"Ana Silva","email":"ana@example.com"},
"attachments":[],"external_id":null,"redacted":false,"metadata":{},"email_message_metadata":null,"app_package_code":null}`
	return `{"type":"conversation","id":"531","created_at":1734537582,"updated_at":1734537584,"waiting_since":null,"snoozed_until":null,
"source":{"type":"conversation","id":"403918356","delivered_as":"customer_initiated","subject":"","body":"<p>I was charged twice</p>",
"author":{"type":"user","id":"6762f16e1bb69f9f2193bbc2","name":"Bo","email":"bo@example.com"},"attachments":[],"url":null,"redacted":false},
"contacts":{"type":"contact.list","contacts":[{"type":"contact","id":"6762f16e1bb69f9f2193bbc2","external_id":"70"}]},"first_contact_reply":null,
"admin_assignee_id":991267715,"team_assignee_id":5017691,"open":true,"state":"open","read":false,"tags":{"type":"tag.list","tags":[{"type":"tag","id":"86","name":"billing","applied_at":1663597223,"applied_by":{"type":"admin","id":"456"}}]},
"priority":"none","sla_applied":null,"statistics":null,"conversation_rating":null,"teammates":null,"title":null,"custom_attributes":{"plan":"pro"},
"linked_objects":{"type":"list","data":[],"total_count":0,"has_more":false},"ai_agent":null,"ai_agent_participated":false,
"conversation_parts":{"type":"conversation_part.list","conversation_parts":[` + strings.TrimSuffix(strings.Repeat(part+",", n), ",") + fmt.Sprintf(`],"total_count":%d}}`, n)
}

// handConversation is what a program without a library would decode into: the same members, in plain types.
type handConversation struct {
	Type                string         `json:"type"`
	ID                  string         `json:"id"`
	Title               string         `json:"title"`
	CreatedAt           int64          `json:"created_at"`
	UpdatedAt           int64          `json:"updated_at"`
	WaitingSince        int64          `json:"waiting_since"`
	SnoozedUntil        int64          `json:"snoozed_until"`
	Open                bool           `json:"open"`
	State               string         `json:"state"`
	Read                bool           `json:"read"`
	Priority            string         `json:"priority"`
	AdminAssigneeID     json.Number    `json:"admin_assignee_id"`
	TeamAssigneeID      json.Number    `json:"team_assignee_id"`
	CustomAttributes    map[string]any `json:"custom_attributes"`
	AIAgentParticipated bool           `json:"ai_agent_participated"`
	LinkedObjects       map[string]any `json:"linked_objects"`
	Tags                struct {
		Tags []struct {
			Type      string `json:"type"`
			ID        string `json:"id"`
			Name      string `json:"name"`
			AppliedAt int64  `json:"applied_at"`
			AppliedBy *struct {
				Type string `json:"type"`
				ID   string `json:"id"`
			} `json:"applied_by"`
		} `json:"tags"`
	} `json:"tags"`
	Source struct {
		Type        string       `json:"type"`
		ID          string       `json:"id"`
		DeliveredAs string       `json:"delivered_as"`
		Subject     string       `json:"subject"`
		Body        string       `json:"body"`
		Author      handAuthor   `json:"author"`
		Attachments []handAttach `json:"attachments"`
		URL         string       `json:"url"`
		Redacted    bool         `json:"redacted"`
	} `json:"source"`
	Contacts struct {
		Contacts []struct {
			Type       string `json:"type"`
			ID         string `json:"id"`
			ExternalID string `json:"external_id"`
		} `json:"contacts"`
	} `json:"contacts"`
	Parts struct {
		Type  string `json:"type"`
		Items []struct {
			Type        string          `json:"type"`
			ID          string          `json:"id"`
			PartType    string          `json:"part_type"`
			Body        string          `json:"body"`
			CreatedAt   int64           `json:"created_at"`
			UpdatedAt   int64           `json:"updated_at"`
			NotifiedAt  int64           `json:"notified_at"`
			Author      handAuthor      `json:"author"`
			Attachments []handAttach    `json:"attachments"`
			ExternalID  string          `json:"external_id"`
			Redacted    bool            `json:"redacted"`
			Metadata    json.RawMessage `json:"metadata"`
		} `json:"conversation_parts"`
		Total int `json:"total_count"`
	} `json:"conversation_parts"`
}

type handAuthor struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

type handAttach struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

func handGet(ctx context.Context, h *http.Client, base, token, id string) (*handConversation, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/conversations/"+id, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Intercom-Version", "2.16")
	req.Header.Set("User-Agent", "by-hand")
	resp, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	var c handConversation
	return &c, json.NewDecoder(resp.Body).Decode(&c)
}

func handClose(ctx context.Context, h *http.Client, base, token, id, admin string) (*handConversation, error) {
	body, err := json.Marshal(map[string]string{"message_type": "close", "type": "admin", "admin_id": admin})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/conversations/"+id+"/parts", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Intercom-Version", "2.16")
	req.Header.Set("User-Agent", "by-hand")
	resp, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	var c handConversation
	return &c, json.NewDecoder(resp.Body).Decode(&c)
}

// BenchmarkCall sets a plain call beside one written by hand with net/http and encoding/json, over loopback.
func BenchmarkCall(b *testing.B) {
	for _, parts := range []int{1, 20} {
		body := []byte(conversationJSON(parts))
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
			w.Header()["X-Request-Id"] = []string{"000q4r1hqhqkqr2n2tpg"}
			w.Header()["X-RateLimit-Limit"] = []string{"1000000"}
			w.Header()["X-RateLimit-Remaining"] = []string{"999999"}
			w.Header()["X-RateLimit-Reset"] = []string{fmt.Sprint(time.Now().Unix()/10*10 + 10)}
			_, _ = w.Write(body)
		}))
		b.Cleanup(srv.Close)
		hand := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: 30 * time.Second}
		c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken), intercomrbac.WithBaseURL(srv.URL))
		require.NoError(b, err)
		ctx := b.Context()
		b.Run(fmt.Sprintf("get/%d_parts/by_hand", parts), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := handGet(ctx, hand, srv.URL, testToken, "531"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("get/%d_parts/intercomrbac", parts), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Conversations.Get(ctx, "531"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("close/%d_parts/by_hand", parts), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := handClose(ctx, hand, srv.URL, testToken, "531", "991267708"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("close/%d_parts/intercomrbac", parts), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Conversations.Close(ctx, "531", intercomrbac.CloseParams{AdminID: "991267708"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
