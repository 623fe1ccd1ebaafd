package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"concord/internal/client"
)

type conflictsCommand struct {
	Ls      conflictListCommand    `cmd:"" default:"withargs" help:"List conflicts: who overwrote whom, and what was lost."`
	Show    conflictShowCommand    `cmd:"" help:"Print a conflict with all its values."`
	Summary conflictSummaryCommand `cmd:"" help:"Count conflicts by day, field, type and pair of users."`
	CSV     conflictCSVCommand     `cmd:"" name:"csv" help:"Print conflicts as CSV, for a spreadsheet."`
	Resolve conflictResolveCommand `cmd:"" help:"Decide a conflict: keep a value, or set another."`
	Assign  conflictAssignCommand  `cmd:"" help:"Say who is to look at a conflict."`
	Comment conflictCommentCommand `cmd:"" help:"Comment on a conflict."`
	Accept  conflictAcceptCommand  `cmd:"" help:"Accept an edit that a rule undid."`
	Dismiss conflictDismissCommand `cmd:"" help:"Dismiss an edit that a rule undid."`
}

// conflictFilters are the filters of lists.
type conflictFilters struct {
	Document string    `help:"ID of a document, automerge URL, or TYPE/REF."`
	Type     string    `help:"Type of the documents."`
	Field    string    `help:"JSON Pointer with * for indexes, such as /lines/*/price."`
	User     string    `help:"Who wrote one of the values."`
	Kind     string    `help:"update-update, delete-update, lost-edit or guarded."`
	Status   string    `help:"open, superseded, resolved, accepted or dismissed."`
	Assignee string    `help:"Who is to look at them."`
	From     timeValue `placeholder:"TIME" help:"Opened at this time or later."`
	To       timeValue `placeholder:"TIME" help:"Opened before this time."`
}

// open returns a client and the filters as a query.
func (f conflictFilters) open(ctx context.Context, r remote) (*client.Client, url.Values, error) {
	server, err := r.client()
	if err != nil {
		return nil, nil, err
	}
	q := url.Values{
		"type": {f.Type}, "field": {f.Field}, "user": {f.User}, "kind": {f.Kind}, "status": {f.Status}, "assignee": {f.Assignee},
		"from": {f.From.query()}, "to": {f.To.query()},
	}
	if f.Document != "" {
		var doc string
		doc, err = docArgument{f.Document}.find(ctx, server)
		q.Set("document", doc)
	}
	return server, q, err
}

// timeValue is a time as people write it.
type timeValue struct{ time.Time }

// UnmarshalText reads RFC 3339, a local time, a local day, or how long ago.
func (t *timeValue) UnmarshalText(b []byte) error {
	text := string(b)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if v, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			t.Time = v
			return nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		t.Time = time.Now().Add(-d)
		return nil
	}
	return fmt.Errorf("%q is no time; write 2026-11-23, 2026-11-23 17:30, 2026-11-23T17:30:00Z, or how long ago, such as 90m", text)
}

func (t timeValue) query() string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

type shownJSON struct {
	Op    string          `json:"op"`
	Value json.RawMessage `json:"value"`
	Cut   string          `json:"cut"`
}

func (s *shownJSON) text() string {
	switch {
	case s == nil:
		return "–"
	case s.Cut != "":
		return s.Cut + "…"
	}
	return compact(s.Value)
}

// conflictJSON is what the tables show of a conflict.
type conflictJSON struct {
	ID       string     `json:"id"`
	Document string     `json:"document"`
	Type     string     `json:"type"`
	Kind     string     `json:"kind"`
	Status   string     `json:"status"`
	Field    string     `json:"field"`
	Path     string     `json:"path"`
	Before   *shownJSON `json:"before"`
	Winner   *shownJSON `json:"winner"`
	Users    []string   `json:"users"`
	Values   []struct {
		shownJSON
		Action   string    `json:"action"`
		Place    string    `json:"place"`
		Change   string    `json:"change"`
		User     string    `json:"user"`
		Device   string    `json:"device"`
		Received time.Time `json:"received"`
		Removal  bool      `json:"removal"`
		Winner   bool      `json:"winner"`
	} `json:"values"`
	Opened time.Time `json:"opened"`
	Closed time.Time `json:"closed"`
	Closer *struct {
		User   string `json:"user"`
		Change string `json:"change"`
	} `json:"closer"`
	Rule     string `json:"rule"`
	Assignee string `json:"assignee"`
	Notes    []struct {
		Time time.Time `json:"time"`
		User string    `json:"user"`
		Text string    `json:"text"`
	} `json:"notes"`
}

type conflictListCommand struct {
	remote
	conflictFilters
	Limit int `default:"50" help:"How many; 0 = all."`
}

// Run lists conflicts, those opened last first.
func (c *conflictListCommand) Run(ctx context.Context, s streams) error {
	server, q, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	return listing{
		path: "/v1/conflicts", query: q, name: "conflicts", limit: c.Limit,
		columns: []string{"CONFLICT", "OPENED", "STATUS", "KIND", "TYPE", "PATH", "BEFORE", "WON", "USERS"},
	}.print(ctx, s, c.remote, server, func(raw json.RawMessage) ([]string, error) {
		var x conflictJSON
		err := json.Unmarshal(raw, &x)
		return []string{x.ID, shortTime(x.Opened), x.Status, x.Kind, x.Type, x.Path, x.Before.text(), x.Winner.text(), strings.Join(x.Users, ", ")}, err
	})
}

// conflictArgument names a conflict.
type conflictArgument struct {
	Conflict string `arg:"" help:"ID of the conflict, 32 hex digits."`
}

type conflictShowCommand struct {
	remote
	conflictArgument
}

// Run prints a conflict.
func (c *conflictShowCommand) Run(ctx context.Context, s streams) error {
	return conflictCall(ctx, s, c.remote, client.Request{Method: http.MethodGet, Path: "/v1/conflicts/" + url.PathEscape(c.Conflict)}, nil)
}

// conflictCall sends a request that is answered with a conflict, and prints that.
func conflictCall(ctx context.Context, s streams, r remote, req client.Request, body any) error {
	server, err := r.client()
	if err != nil {
		return err
	}
	return answer(ctx, s, r, server, req, body, func(x conflictJSON) error { return x.print(s.out) })
}

func (x *conflictJSON) print(w io.Writer) error {
	facts := newTable(w, "conflict", x.ID)
	facts.row("document", strings.TrimSpace(x.Type+" automerge:"+x.Document))
	facts.row("place", x.Path)
	facts.row("kind", x.Kind)
	if x.Rule != "" {
		facts.row("rule", x.Rule)
	}
	status := x.Status
	if x.Closer != nil {
		status += " by " + x.Closer.User + " at " + shortTime(x.Closed)
		if x.Closer.Change != "" {
			status += ", change " + short(x.Closer.Change)
		}
	}
	facts.row("status", status)
	if x.Assignee != "" {
		facts.row("assigned to", x.Assignee)
	}
	facts.row("opened", shortTime(x.Opened))
	facts.row("before", x.Before.text())
	facts.row("won", x.Winner.text())
	if err := facts.end(w, ""); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t := newTable(w, "", "VALUE", "USER", "DEVICE", "RECEIVED", "ACTION", "PLACE", "OP")
	for _, v := range x.Values {
		mark := ""
		if v.Winner {
			mark = "→"
		}
		value := v.text()
		if v.Action == "del" {
			value = "–" // as JSON it is null, which may be a value
		}
		t.row(mark, value, v.User, short(v.Device), shortTime(v.Received), v.Action, v.Place, v.Op)
	}
	if err := t.end(w, "no values"); err != nil {
		return err
	}
	for _, n := range x.Notes {
		fmt.Fprintf(w, "\n%s, %s:\n  %s\n", printable(n.User), shortTime(n.Time), strings.ReplaceAll(printableText(n.Text), "\n", "\n  "))
	}
	return nil
}

// printableText is printable for a text of several lines.
func printableText(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = harmless(l)
	}
	return strings.Join(lines, "\n")
}

type conflictResolveCommand struct {
	remote
	conflictArgument
	Keep  string `help:"The op of the value to keep, as 'conflicts show' prints it; of a lost edit: edits or removal."`
	Value string `help:"Another value, as JSON."`
}

// Run decides.
func (c *conflictResolveCommand) Run(ctx context.Context, s streams) error {
	body := map[string]any{}
	switch {
	case (c.Keep == "") == (c.Value == ""):
		return errors.New("name either the value to --keep or another --value")
	case c.Keep != "":
		body["keep"] = c.Keep
	default:
		if !json.Valid([]byte(c.Value)) {
			return fmt.Errorf("%s is no JSON; texts need quotes: --value '\"%s\"'", c.Value, c.Value)
		}
		body["value"] = json.RawMessage(c.Value)
	}
	return c.post(ctx, s, c.remote, "resolve", body)
}

func (a conflictArgument) post(ctx context.Context, s streams, r remote, path string, body any) error {
	return conflictCall(ctx, s, r, client.Request{Method: http.MethodPost, Path: "/v1/conflicts/" + url.PathEscape(a.Conflict) + "/" + path}, body)
}

type conflictAssignCommand struct {
	remote
	conflictArgument
	User string `arg:"" optional:"" help:"Who is to look at it; nobody without."`
}

// Run assigns.
func (c *conflictAssignCommand) Run(ctx context.Context, s streams) error {
	return c.post(ctx, s, c.remote, "assign", map[string]string{"user": c.User})
}

type conflictCommentCommand struct {
	remote
	conflictArgument
	Text string `arg:"" help:"The comment."`
}

// Run comments.
func (c *conflictCommentCommand) Run(ctx context.Context, s streams) error {
	return c.post(ctx, s, c.remote, "comments", map[string]string{"text": c.Text})
}

type conflictAcceptCommand struct {
	remote
	conflictArgument
}

// Run accepts.
func (c *conflictAcceptCommand) Run(ctx context.Context, s streams) error {
	return c.post(ctx, s, c.remote, "accept", struct{}{})
}

type conflictDismissCommand struct {
	remote
	conflictArgument
}

// Run dismisses.
func (c *conflictDismissCommand) Run(ctx context.Context, s streams) error {
	return c.post(ctx, s, c.remote, "dismiss", struct{}{})
}

type conflictCSVCommand struct {
	remote
	conflictFilters
}

// Run streams the table.
func (c *conflictCSVCommand) Run(ctx context.Context, s streams) error {
	server, q, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	resp, err := server.Do(ctx, client.Request{Method: http.MethodGet, Path: "/v1/conflicts.csv", Query: q})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(s.out, resp.Body); err != nil {
		return fmt.Errorf("the table isn't complete: %w", err)
	}
	return nil
}

type conflictSummaryCommand struct {
	remote
	From timeValue `placeholder:"TIME" help:"Opened at this time or later."`
	To   timeValue `placeholder:"TIME" help:"Opened before this time."`
}

// Run counts.
func (c *conflictSummaryCommand) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	q := url.Values{"from": {c.From.query()}, "to": {c.To.query()}}
	req := client.Request{Method: http.MethodGet, Path: "/v1/conflicts/summary", Query: q}
	return answer(ctx, s, c.remote, server, req, nil, func(sum summaryJSON) error { return sum.print(s.out) })
}

// summaryJSON is what the table shows of a summary.
type summaryJSON struct {
	Total   int         `json:"total"`
	Days    []groupJSON `json:"days"`
	Fields  []groupJSON `json:"fields"`
	Types   []groupJSON `json:"types"`
	Users   []groupJSON `json:"users"`
	Closing struct {
		Count  int     `json:"count"`
		Median float64 `json:"medianSeconds"`
		P90    float64 `json:"p90Seconds"`
	} `json:"closing"`
}

type groupJSON struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	Open  int    `json:"open"`
}

func (sum *summaryJSON) print(w io.Writer) error {
	if sum.Total == 0 {
		_, err := fmt.Fprintln(w, "no conflicts")
		return err
	}
	seconds := func(v float64) string { return time.Duration(v * float64(time.Second)).Round(time.Second).String() }
	fmt.Fprintf(w, "%s; %d closed, half of them within %s, nine of ten within %s\n\n",
		count(sum.Total, "conflict"), sum.Closing.Count, seconds(sum.Closing.Median), seconds(sum.Closing.P90))
	t := newTable(w, "BY", "", "CONFLICTS", "OPEN")
	for _, part := range []struct {
		name   string
		groups []groupJSON
	}{{"day", sum.Days}, {"field", sum.Fields}, {"type", sum.Types}, {"users", sum.Users}} {
		for _, g := range part.groups {
			t.row(part.name, g.Name, fmt.Sprint(g.Count), fmt.Sprint(g.Open))
		}
	}
	return t.end(w, "")
}
