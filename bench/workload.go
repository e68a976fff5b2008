package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// grants is a flat table of rights: every role with all that it holds. It has no inheritance, so that each contender can
// give the right answers.
type grants struct {
	stock       bool
	permissions []string
	roles       []roleGrants
}

type roleGrants struct {
	name        string
	permissions []string
}

// question is one pair to ask. Its strings are clones, so that no answer comes from comparing pointers.
type question struct {
	role, permission string
	allowed          bool
}

// workload is a table of rights, and questions about it with the right answers.
type workload struct {
	name      string
	about     string
	grants    grants
	questions []question
}

func (w *workload) ask(role roleGrants, permission string) {
	allowed := false
	for _, held := range role.permissions {
		allowed = allowed || held == permission
	}
	w.questions = append(w.questions, question{strings.Clone(role.name), strings.Clone(permission), allowed})
}

// stockWorkload asks all 30 pairs of the stock roles and ten of the stock permissions.
func stockWorkload() *workload {
	owner := []string{"contacts:read", "contacts:write", "contacts:delete", "conversations:read", "conversations:reply",
		"conversations:assign", "conversations:close", "articles:read", "articles:write", "settings:manage"}
	w := &workload{
		name:  "stock",
		about: "the three roles of the stock policy x ten permissions, all 30 pairs",
		grants: grants{stock: true, permissions: owner, roles: []roleGrants{
			{"owner", owner},
			{"admin", []string{"contacts:read", "contacts:write", "conversations:read", "conversations:reply",
				"conversations:assign", "conversations:close", "articles:read", "articles:write"}},
			{"agent", []string{"contacts:read", "conversations:read", "conversations:reply"}},
		}},
	}
	for _, role := range w.grants.roles {
		for _, permission := range owner {
			w.ask(role, permission)
		}
	}
	return w
}

// largeWorkload is the same table, with the same questions, in every run.
func largeWorkload() *workload {
	random := rand.New(rand.NewPCG(1, 2))
	w := &workload{name: "large", about: "1,000 roles x 200 permissions, about half of the pairs granted; 1,024 random pairs, asked in turn"}
	g := &w.grants
	for i := range 200 {
		g.permissions = append(g.permissions, fmt.Sprintf("resource_%d:action_%d", i/10, i%10))
	}
	for i := range 1000 {
		role := roleGrants{name: fmt.Sprintf("role-%d", i)}
		for _, permission := range g.permissions {
			if random.IntN(2) == 0 {
				role.permissions = append(role.permissions, permission)
			}
		}
		g.roles = append(g.roles, role)
	}
	for range 1024 {
		w.ask(g.roles[random.IntN(len(g.roles))], g.permissions[random.IntN(len(g.permissions))])
	}
	return w
}
