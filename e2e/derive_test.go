package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

const derivedRules = `
guards: [{name: final, type: invoice, when: /status == paid, lock: [/status, /total]}]
events:
  - {name: paid, type: invoice, field: /status, to: paid, when: /total > 0, emit: invoice:paid, room: company, data: {total: /total}}
  - {name: assigned, type: task, field: /assignee, emit: task:assigned, room: "user:/assignee", data: {title: /title}}
  - {name: projects, type: project, on: [created, updated, deleted], emit: "project:*", room: company, data: {name: /name}}
`

// listening is a device that polls for events.
type listening struct {
	office *office
	user   string
	cursor string
}

type heard struct {
	Type, Room, From string
	Data             map[string]any
}

// next returns the next event; nothing else is to come before.
func (l *listening) next() heard {
	l.office.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		for _, e := range l.poll("&wait=5&limit=1") {
			return e
		}
	}
	l.office.t.Fatalf("%s has heard of nothing", l.user)
	return heard{}
}

func (l *listening) poll(query string) (list []heard) {
	l.office.t.Helper()
	var answer struct {
		Cursor   string
		Messages []struct {
			Type  string
			Event heard
		}
	}
	l.office.call(l.user, nil, http.MethodGet, "/v1/events/poll?types=invoice:*,task:*,project:*&cursor="+l.cursor+query, "", &answer)
	l.cursor = answer.Cursor
	for _, m := range answer.Messages {
		if m.Type == "event" {
			list = append(list, m.Event)
		}
	}
	return list
}

// What people change becomes events by the rules, for those whom they concern; what a guard undoes doesn't.
func TestDerivedEvents(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(derivedRules), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			o := &office{t: t, node: node.Start(t, node.Options{Args: []string{"--rules", rules}}), mix: m}
			carl := &listening{office: o, user: "carl"}
			carl.poll("&wait=0")

			put := func(path, content string) (url string) {
				var made struct{ URL string }
				o.call("erp", nil, http.MethodPut, "/v1/documents/"+path, `{"content": `+content+`}`, &made)
				return made.URL
			}
			url := put("invoice/4711", `{"status": "sent", "total": 100}`)
			ann, bob := o.client("ann"), o.client("bob")
			ann.FindReady(url)
			bob.FindReady(url)
			ann.Disconnect()
			ann.Change(url, stock.Set(stock.P("total"), 90), stock.Set(stock.P("status"), "draft"))
			bob.Change(url, stock.Set(stock.P("status"), "paid"))
			if e := carl.next(); e.Type != "invoice:paid" || e.Room != "company:acme" || e.From != "bob" || e.Data["total"] != 100.0 || e.Data["ref"] != "4711" {
				t.Errorf("heard %+v", e)
			}
			ann.Connect()
			if got := converge(t, url, ann, bob); got["status"] != "paid" {
				t.Errorf("the invoice is %v", got)
			}

			put("task/1", `{"title": "count", "assignee": "carl"}`)
			if e := carl.next(); e.Type != "task:assigned" || e.Room != "user:carl" || e.Data["title"] != "count" {
				t.Errorf("heard %+v", e)
			}
			put("task/2", `{"title": "count", "assignee": "dora"}`) // nothing for carl

			project := put("project/1", `{"name": "A"}`)
			if e := carl.next(); e.Type != "project:created" || e.Data["name"] != "A" {
				t.Errorf("heard %+v", e)
			}
			bob.FindReady(project)
			for _, name := range []string{"B", "C", "D"} {
				bob.Change(project, stock.Set(stock.P("name"), name))
			}
			for name := any(""); name != "D"; { // the three may lie across the end of a second
				e := carl.next()
				if name = e.Data["name"]; e.Type != "project:updated" || e.From != "bob" {
					t.Fatalf("heard %+v", e)
				}
			}
			if n := o.node.Metric("concord_derived_events_total"); n < 5 || o.node.Metric("concord_derived_events_pending") != 0 {
				t.Errorf("%v events were made by rules", n)
			}
			o.callAs(node.Claims{Sub: "root", Role: "admin"}, http.MethodDelete, "/v1/documents/"+project[len("automerge:"):], "", nil)
			if e := carl.next(); e.Type != "project:deleted" || e.From != "root" || e.Data["name"] != nil {
				t.Errorf("heard %+v", e)
			}
		})
	}
}
