package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering returns what a call makes of a response.
func answering[T any](t *testing.T, response string, call func(context.Context, *intercomrbac.Client) (T, error)) T {
	t.Helper()
	got, err := call(t.Context(), newMock(t, json200(response)).Client)
	require.NoError(t, err)
	return got
}

func wildAdmin(t *testing.T, response string) *intercomrbac.Admin {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.Admin, error) {
		return c.Admins.Get(ctx, "4410")
	})
}

func wildMe(t *testing.T, response string) *intercomrbac.Me {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.Me, error) { return c.Admins.Me(ctx) })
}

func wildTeam(t *testing.T, response string) *intercomrbac.Team {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.Team, error) {
		return c.Teams.Get(ctx, "6101")
	})
}

func wildConversation(t *testing.T, response string) *intercomrbac.Conversation {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.Conversation, error) {
		return c.Conversations.Get(ctx, "70551")
	})
}

func wildContact(t *testing.T, response string) *intercomrbac.Contact {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.Contact, error) {
		return c.Contacts.Get(ctx, "66a0c1")
	})
}

func wildEvents(t *testing.T, response string) *intercomrbac.Page[intercomrbac.DataEvent] {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.Page[intercomrbac.DataEvent], error) {
		return c.DataEvents.List(ctx, intercomrbac.ListEventsParams{UserID: "cust-7"})
	})
}

func wildList(t *testing.T, response string) *intercomrbac.Page[intercomrbac.Conversation] {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.Page[intercomrbac.Conversation], error) {
		return c.Conversations.List(ctx, intercomrbac.ListParams{})
	})
}

// wildOwn reads a response into a type of the caller's own, made of the package's types, for a call without a method.
func wildOwn[T any](t *testing.T, response string) T {
	t.Helper()
	return answering(t, response, func(ctx context.Context, c *intercomrbac.Client) (T, error) {
		var out T
		op := intercomrbac.Operation{Name: "wild.get", Method: "GET", Path: "/wild", Effect: intercomrbac.Read}
		return out, c.Do(ctx, op, intercomrbac.Call{}, &out)
	})
}

func TestResponsesSeenInTheWild(t *testing.T) {
	t.Parallel()
	moment := seconds(1701000000)
	for name, check := range map[string]func(*testing.T){
		"ids of admins and teams: string or number": func(t *testing.T) {
			assert.Equal(t, intercomrbac.AdminID("4410"), wildAdmin(t, `{"type":"admin","id":"4410"}`).ID)
			assert.Equal(t, intercomrbac.AdminID("4410"), wildAdmin(t, `{"type":"admin","id":4410}`).ID)
			assert.Equal(t, intercomrbac.TeamID("9007199254740993"), wildTeam(t, `{"type":"team","id":9007199254740993}`).ID)
		},
		"team_ids, admin_ids and priority levels: numbers, strings or null": func(t *testing.T) {
			admin := wildAdmin(t, `{"id":"4410","team_ids":[6101,"6102"],"team_priority_level":{"primary_team_ids":[6101],"secondary_team_ids":null}}`)
			assert.Equal(t, []intercomrbac.TeamID{"6101", "6102"}, admin.TeamIDs)
			assert.Equal(t, &intercomrbac.TeamPriorityLevel{PrimaryTeamIDs: []intercomrbac.TeamID{"6101"}}, admin.TeamPriorityLevel)
			assert.Empty(t, wildAdmin(t, `{"id":"4410","team_ids":null,"team_priority_level":null}`).TeamIDs)
			team := wildTeam(t, `{"id":"6101","admin_ids":[4410,"4411"],"admin_priority_level":{"primary_admin_ids":[4410],"secondary_admin_ids":[]}}`)
			assert.Equal(t, []intercomrbac.AdminID{"4410", "4411"}, team.AdminIDs)
			assert.Equal(t, []intercomrbac.AdminID{"4410"}, team.AdminPriorityLevel.PrimaryAdminIDs)
		},
		"conversation.id: string or number": func(t *testing.T) {
			assert.Equal(t, convoID("70551"), wildConversation(t, `{"id":"70551"}`).ID)
			assert.Equal(t, convoID("70551"), wildConversation(t, `{"id":70551}`).ID)
		},
		"assignees of a conversation: number, string, 0 or null": func(t *testing.T) {
			for _, none := range []string{`null`, `0`, `"0"`, `""`} {
				c := wildConversation(t, `{"id":"1","admin_assignee_id":`+none+`,"team_assignee_id":`+none+`}`)
				assert.Empty(t, c.AdminAssigneeID)
				assert.Empty(t, c.TeamAssigneeID)
			}
			c := wildConversation(t, `{"id":"1","admin_assignee_id":4410,"team_assignee_id":"6101"}`)
			assert.Equal(t, intercomrbac.AdminID("4410"), c.AdminAssigneeID)
			assert.Equal(t, intercomrbac.TeamID("6101"), c.TeamAssigneeID)
		},
		"assignees of a ticket: string or number": func(t *testing.T) {
			type ticket struct {
				Admin intercomrbac.AdminID `json:"admin_assignee_id"`
				Team  intercomrbac.TeamID  `json:"team_assignee_id"`
			}
			assert.Equal(t, ticket{Team: "6101"}, wildOwn[ticket](t, `{"admin_assignee_id":"0","team_assignee_id":"6101"}`))
			assert.Equal(t, ticket{Admin: "4410"}, wildOwn[ticket](t, `{"admin_assignee_id":4410,"team_assignee_id":0}`))
		},
		"assignee_id and admin_id are sent as strings": func(t *testing.T) {
			m := newMock(t, json200(`{}`))
			require.NoError(t, assignToTeam(t.Context(), m.Client))
			assert.JSONEq(t, `{"message_type":"assignment","type":"team","admin_id":"7","assignee_id":"9"}`, m.onlyRequest(t).Body)
		},
		"away_status_reason_id: number, string or null": func(t *testing.T) {
			for reason, want := range map[string]intercomrbac.AwayReasonID{`null`: "", `31`: "31", `"31"`: "31"} {
				assert.Equal(t, want, wildAdmin(t, `{"id":"4410","away_status_reason_id":`+reason+`}`).AwayReasonID)
			}
		},
		"contact.owner_id: number or string": func(t *testing.T) {
			for owner, want := range map[string]intercomrbac.AdminID{`null`: "", `4410`: "4410", `"4410"`: "4410", `0`: ""} {
				assert.Equal(t, want, wildContact(t, `{"id":"66a0c1","owner_id":`+owner+`}`).OwnerID)
			}
		},
		"author_id and parent_ids of articles: numbers": func(t *testing.T) {
			type article struct {
				Author  intercomrbac.AdminID `json:"author_id"`
				Parents []intercomrbac.ID    `json:"parent_ids"`
			}
			assert.Equal(t, article{"4410", []intercomrbac.ID{"5", "6"}}, wildOwn[article](t, `{"author_id":4410,"parent_ids":[5,"6"]}`))
		},
		"timestamps: whole, fraction, string, null, 0": func(t *testing.T) {
			for at, want := range map[string]intercomrbac.Timestamp{`1701000000`: moment, `1701000000.0`: moment, `"1701000000"`: moment, `null`: {}, `0`: {}} {
				c := wildConversation(t, `{"id":"1","created_at":`+at+`,"updated_at":`+at+`,"waiting_since":`+at+`,"snoozed_until":`+at+`}`)
				assert.Equal(t, []intercomrbac.Timestamp{want, want, want, want}, []intercomrbac.Timestamp{c.CreatedAt, c.UpdatedAt, c.WaitingSince, c.SnoozedUntil})
			}
		},
		"ISO strings for timestamps": func(t *testing.T) {
			for _, at := range []string{`"2023-11-26T12:00:00Z"`, `"2023-11-26T12:00:00.000+00:00"`, `"2023-11-26T14:00:00+02:00"`, `"2023-11-26T12:00:00"`} {
				contact := wildContact(t, `{"id":"66a0c1","created_at":`+at+`,"last_seen_at":`+at+`,"signed_up_at":null}`)
				assert.Equal(t, []intercomrbac.Timestamp{moment, moment, {}}, []intercomrbac.Timestamp{contact.CreatedAt, contact.LastSeenAt, contact.SignedUpAt})
				conversation := wildConversation(t, `{"id":"1","statistics":{"first_close_at":`+at+`,"last_contact_reply_at":null}}`)
				assert.Equal(t, moment, conversation.Statistics.FirstCloseAt)
				assert.True(t, conversation.Statistics.LastContactReplyAt.IsZero())
			}
		},
		"avatar: URL, object or null": func(t *testing.T) {
			const url = "https://img.example.org/mara.png"
			for avatar, want := range map[string]intercomrbac.Avatar{`"` + url + `"`: url, `{"type":"avatar","image_url":"` + url + `"}`: url,
				`{"type":"avatar","image_url":null}`: "", `{}`: "", `null`: "", `""`: ""} {
				assert.Equal(t, want, wildAdmin(t, `{"id":"4410","avatar":`+avatar+`}`).Avatar)
				assert.Equal(t, want, wildMe(t, `{"id":"4410","avatar":`+avatar+`}`).Avatar)
				assert.Equal(t, want, wildContact(t, `{"id":"66a0c1","avatar":`+avatar+`}`).Avatar)
			}
			assert.Empty(t, wildAdmin(t, `{"id":"4410"}`).Avatar)
		},
		"admin.role: absent, null or object": func(t *testing.T) {
			assert.Nil(t, wildAdmin(t, `{"id":"4410"}`).Role)
			assert.Nil(t, wildAdmin(t, `{"id":"4410","role":null}`).Role)
			assert.Equal(t, &intercomrbac.AdminRole{Type: "role", ID: "19", Name: "Ägare"}, wildAdmin(t, `{"id":"4410","role":{"type":"role","id":"19","name":"Ägare"}}`).Role)
			assert.Nil(t, wildMe(t, `{"id":"4410","role":null}`).Role)
		},
		"admin.email_verified: true, false, null or absent": func(t *testing.T) {
			assert.True(t, wildMe(t, `{"id":"4410","email_verified":true}`).EmailVerified)
			for _, response := range []string{`{"id":"4410","email_verified":false}`, `{"id":"4410","email_verified":null}`, `{"id":"4410"}`} {
				assert.False(t, wildMe(t, response).EmailVerified)
			}
		},
		"has_inbox_seat: true, false or absent": func(t *testing.T) {
			assert.True(t, wildAdmin(t, `{"id":"4410","has_inbox_seat":true}`).HasInboxSeat)
			assert.False(t, wildAdmin(t, `{"id":"4410","has_inbox_seat":null}`).HasInboxSeat)
			assert.False(t, wildAdmin(t, `{"id":"4410"}`).HasInboxSeat)
		},
		"tags: tag.list, list with data, array or null": func(t *testing.T) {
			want := intercomrbac.Tags{{Type: "tag", ID: "88", Name: "billing"}}
			const tag = `{"type":"tag","id":"88","name":"billing"}`
			for _, tags := range []string{`{"type":"tag.list","tags":[` + tag + `]}`, `{"type":"list","data":[` + tag + `]}`, `[` + tag + `]`} {
				assert.Equal(t, want, wildConversation(t, `{"id":"1","tags":`+tags+`}`).Tags)
			}
			for _, tags := range []string{`{"type":"tag.list","tags":[]}`, `{"type":"tag.list","tags":null}`, `{}`, `[]`, `null`} {
				assert.Empty(t, wildConversation(t, `{"id":"1","tags":`+tags+`}`).Tags)
			}
			contact := wildContact(t, `{"id":"66a0c1","tags":{"type":"list","data":[{"type":"tag","id":88,"url":"/tags/88"}],"total_count":1,"has_more":false}}`)
			assert.Equal(t, []intercomrbac.TagRef{{Type: "tag", ID: "88", URL: "/tags/88"}}, contact.Tags.Items)
			assert.Empty(t, wildContact(t, `{"id":"66a0c1","tags":null}`).Tags.Items)
		},
		"pages.next: object, URL, null or absent": func(t *testing.T) {
			for pages, want := range map[string]string{
				`{"type":"pages","next":{"per_page":20,"starting_after":"c"}}`:                  "c",
				`{"next":"https://api.intercom.io/conversations?starting_after=c&per_page=20"}`: "c",
				`{"type":"pages","next":null}`:                                                  "",
				`{"type":"pages"}`:                                                              "",
				`null`:                                                                          "",
			} {
				assert.Equal(t, want, wildList(t, `{"conversations":[],"pages":`+pages+`}`).Next, pages)
			}
			assert.Empty(t, wildList(t, `{"conversations":[]}`).Next)
		},
		"per_page and total_count: number, string or null": func(t *testing.T) {
			for _, n := range []string{`20`, `"20"`} {
				page := wildList(t, `{"conversations":[],"total_count":`+n+`,"pages":{"type":"pages","page":`+n+`,"per_page":`+n+`,"total_pages":`+n+`,"next":{"per_page":`+n+`,"starting_after":"c"}}}`)
				assert.Equal(t, 20, page.Total)
				assert.Equal(t, "c", page.Next)
			}
			for _, n := range []string{`null`, `0`, `"0"`} {
				assert.Zero(t, wildList(t, `{"conversations":[],"total_count":`+n+`}`).Total)
			}
		},
		"priority: of any version": func(t *testing.T) {
			for _, priority := range []string{"none", "low", "medium", "high", "urgent", "priority", "not_priority", "never_heard_of"} {
				assert.Equal(t, priority, wildConversation(t, `{"id":"1","priority":"`+priority+`"}`).Priority)
			}
			assert.Empty(t, wildConversation(t, `{"id":"1","priority":null}`).Priority)
		},
		"deleted objects: object where type was": func(t *testing.T) {
			for _, body := range []string{`{"id":"70551","object":"conversation","deleted":true}`, `{"type":"contact","id":"66a0c1","external_id":null,"deleted":true}`, ``} {
				client := newMock(t, json200(body)).Client
				assert.NoError(t, client.Conversations.Delete(t.Context(), "70551"))
				assert.NoError(t, client.Contacts.Delete(t.Context(), "66a0c1"))
			}
		},
		"metadata of activities: anything": func(t *testing.T) {
			type activity struct{ Metadata map[string]json.RawMessage }
			got := wildOwn[activity](t, `{"metadata":{"before":"agent","after":{"name":"owner"},"auto_changed":"true","external":false}}`)
			assert.JSONEq(t, `{"name":"owner"}`, string(got.Metadata["after"]))
		},
		"metadata of events: anything": func(t *testing.T) {
			page := wildEvents(t, `{"type":"event.list","events":[{"metadata":{"s":"x","n":1.5,"b":true,"z":null,"o":{"amount":1},"l":[1]}},{"metadata":null},{}]}`)
			assert.Equal(t, map[string]any{"s": "x", "n": 1.5, "b": true, "z": nil, "o": map[string]any{"amount": 1.0}, "l": []any{1.0}}, page.Items[0].Metadata)
			assert.Nil(t, page.Items[1].Metadata)
			assert.Nil(t, page.Items[2].Metadata)
		},
		"custom attributes: anything": func(t *testing.T) {
			const attributes = `{"s":"x","n":1.5,"b":true,"z":null,"o":{"a":1},"l":[1]}`
			want := map[string]any{"s": "x", "n": 1.5, "b": true, "z": nil, "o": map[string]any{"a": 1.0}, "l": []any{1.0}}
			assert.Equal(t, want, wildConversation(t, `{"id":"1","custom_attributes":`+attributes+`}`).CustomAttributes)
			assert.Equal(t, want, wildContact(t, `{"id":"1","custom_attributes":`+attributes+`}`).CustomAttributes)
			assert.Nil(t, wildContact(t, `{"id":"1","custom_attributes":null}`).CustomAttributes)
		},
		"errors: array, object or text": func(t *testing.T) {
			for _, body := range []string{`{"errors":[{"code":"x","message":"no"}]}`, `{"errors":{"field":"no"}}`, `{"type":"error","message":"no"}`, `{"error_key":"x","message":"no"}`} {
				e, ok := errors.AsType[*intercomrbac.APIError](getConversation(t.Context(), newMock(t, mockAnswer{status: 422, body: body}).Client))
				require.True(t, ok)
				assert.Equal(t, "no", e.Message, body)
			}
		},
		"request_id: UUID, other text, null or absent": func(t *testing.T) {
			for body, want := range map[string]string{`{"request_id":"c0ffee00-0000-4000-8000-000000000001"}`: "c0ffee00-0000-4000-8000-000000000001",
				`{"request_id":"req_01"}`: "req_01", `{"request_id":null}`: "", `{}`: ""} {
				e, ok := errors.AsType[*intercomrbac.APIError](getConversation(t.Context(), newMock(t, mockAnswer{status: 404, body: body}).Client))
				require.True(t, ok)
				assert.Equal(t, want, e.RequestID)
			}
		},
		"enums: unknown values survive": func(t *testing.T) {
			c := wildConversation(t, `{"id":"1","state":"dormant","source":{"type":"fax","delivered_as":"pigeon","author":{"type":"robot","id":7}},
				"sla_applied":{"sla_status":"unknown"},"conversation_parts":{"conversation_parts":[{"part_type":"teleport","state":"dormant"}]}}`)
			assert.Equal(t, intercomrbac.ConversationState("dormant"), c.State)
			assert.Equal(t, "fax", c.Source.Type)
			assert.Equal(t, intercomrbac.Author{Type: "robot", ID: "7"}, c.Source.Author)
			assert.Equal(t, "unknown", c.SLA.Status)
			assert.Equal(t, "teleport", c.Parts.Items[0].PartType)
			assert.Equal(t, intercomrbac.ContactRole("visitor"), wildContact(t, `{"id":"1","role":"visitor"}`).Role)
			assert.Equal(t, intercomrbac.Region("MARS"), wildMe(t, `{"id":"1","app":{"region":"MARS"}}`).App.Region)
			assert.Equal(t, "by_mood", wildTeam(t, `{"id":"1","distribution_method":"by_mood"}`).DistributionMethod)
		},
		"read and open beside state": func(t *testing.T) {
			c := wildConversation(t, `{"id":"1","open":true,"read":true,"state":"snoozed"}`)
			assert.Equal(t, []any{true, true, intercomrbac.StateSnoozed}, []any{c.Open, c.Read, c.State})
		},
		"unknown members, null members and empty objects": func(t *testing.T) {
			assert.Equal(t, &intercomrbac.Conversation{ID: "1"}, wildConversation(t, `{"id":"1","brand_new":{"a":[1]},"title":null,"source":null,"contacts":null,"teammates":null,
				"conversation_parts":null,"statistics":null,"conversation_rating":null,"custom_attributes":null,"first_contact_reply":null,"sla_applied":null,"open":null}`))
			assert.Equal(t, &intercomrbac.Contact{}, wildContact(t, `{}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

func TestConversationsSeenInTheWild(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(*testing.T){
		"teammates under the name of admins": func(t *testing.T) {
			want := intercomrbac.Teammates{{Type: "admin", ID: "4410"}}
			for _, teammates := range []string{`{"type":"admin.list","admins":[{"type":"admin","id":"4410"}]}`, `{"type":"admin.list","teammates":[{"type":"admin","id":4410}]}`,
				`[{"type":"admin","id":"4410"}]`} {
				assert.Equal(t, want, wildConversation(t, `{"id":"1","teammates":`+teammates+`}`).Teammates)
			}
		},
		"assigned_to after an unassignment": func(t *testing.T) {
			c := wildConversation(t, `{"id":"1","conversation_parts":{"conversation_parts":[
				{"id":"1","assigned_to":{"type":"nobody_admin","id":null}},{"id":2,"assigned_to":null},{"id":"3","assigned_to":{"type":"bot","id":7}}]}}`)
			require.Len(t, c.Parts.Items, 3)
			assert.Equal(t, &intercomrbac.Reference{Type: "nobody_admin"}, c.Parts.Items[0].AssignedTo)
			assert.Nil(t, c.Parts.Items[1].AssignedTo)
			assert.Equal(t, &intercomrbac.Reference{Type: "bot", ID: "7"}, c.Parts.Items[2].AssignedTo)
		},
		"the conversation that was created, not its message": func(t *testing.T) {
			created := answering(t, `{"type":"user_message","id":"40307","conversation_id":"70552"}`, func(ctx context.Context, c *intercomrbac.Client) (*intercomrbac.CreatedConversation, error) {
				return c.Conversations.Create(ctx, intercomrbac.CreateConversationParams{From: "66a0c1", Body: "Hi"})
			})
			assert.Equal(t, convoID("70552"), created.ID)
			assert.Equal(t, intercomrbac.ID("40307"), created.MessageID)
		},
		"teams among the admins, as of API 1.0": func(t *testing.T) {
			admins := answering(t, `{"type":"admin.list","admins":[{"type":"admin","id":"4410"},{"type":"team","id":"6101"}]}`,
				func(ctx context.Context, c *intercomrbac.Client) ([]intercomrbac.Admin, error) {
					return c.Admins.List(ctx)
				})
			assert.Equal(t, "team", admins[1].Type)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

func TestItemsOfNotificationsSeenInTheWild(t *testing.T) {
	t.Parallel()
	t.Run("admin with a number for an id and an object for an avatar", func(t *testing.T) {
		t.Parallel()
		var admin intercomrbac.Admin
		require.NoError(t, json.Unmarshal([]byte(`{"type":"admin","id":4410,"name":"Mara","away_mode_enabled":true,"avatar":{"type":"avatar","image_url":"https://img.example.org/m.png"}}`), &admin))
		assert.Equal(t, intercomrbac.Admin{Type: "admin", ID: "4410", Name: "Mara", AwayModeEnabled: true, Avatar: "https://img.example.org/m.png"}, admin)
	})
	t.Run("contact with ISO strings for times", func(t *testing.T) {
		t.Parallel()
		var contact intercomrbac.Contact
		require.NoError(t, json.Unmarshal([]byte(`{"type":"contact","id":"66a0c1","created_at":"2023-11-26T12:00:00.250+00:00","updated_at":"2023-11-26T12:00:00Z","last_seen_at":null}`), &contact))
		assert.Equal(t, time.Date(2023, 11, 26, 12, 0, 0, 250e6, time.UTC), contact.CreatedAt.Time)
		assert.Equal(t, seconds(1701000000), contact.UpdatedAt)
	})
	t.Run("contact that was deleted", func(t *testing.T) {
		t.Parallel()
		var contact intercomrbac.Contact
		require.NoError(t, json.Unmarshal([]byte(`{"id":"66a0c1","external_id":"cust-7","type":"contact","deleted":true}`), &contact))
		assert.Equal(t, intercomrbac.Contact{Type: "contact", ID: "66a0c1", ExternalID: "cust-7"}, contact)
	})
	t.Run("conversation with ISO strings in its statistics", func(t *testing.T) {
		t.Parallel()
		var conversation intercomrbac.Conversation
		require.NoError(t, json.Unmarshal([]byte(`{"type":"conversation","id":"1","statistics":{"first_admin_reply_at":"2023-11-26T12:00:00.000Z","last_close_at":null}}`), &conversation))
		assert.Equal(t, seconds(1701000000), conversation.Statistics.FirstAdminReplyAt)
	})
}
