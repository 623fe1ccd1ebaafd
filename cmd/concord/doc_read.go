package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"concord/internal/client"
)

// stateFlags name an earlier state of a document.
type stateFlags struct {
	At   string    `placeholder:"HEADS" help:"The state with these heads: a change hash of 'doc history', or several joined by dots."`
	Time timeValue `placeholder:"TIME" help:"What the server had received by then: 2026-11-23 17:30, or how long ago, such as 90m."`
}

func (f stateFlags) query() url.Values { return url.Values{"at": {f.At}, "time": {f.Time.query()}} }

type documentJSON struct {
	ID      string   `json:"id"`
	URL     string   `json:"url"`
	Type    string   `json:"type"`
	Ref     string   `json:"ref"`
	Heads   []string `json:"heads"`
	Changes uint64   `json:"changes"`
	Bytes   uint64   `json:"bytes"`
	Last    struct {
		User     string    `json:"user"`
		Received time.Time `json:"received"`
	} `json:"last"`
	Deleted struct {
		By       string    `json:"by"`
		PurgedAt time.Time `json:"purgedAt"`
		Reason   string    `json:"reason"`
	} `json:"deleted"`
}

type documentPage struct {
	Documents []documentJSON `json:"documents"`
}

type docListCommand struct {
	remote
	Type         string    `help:"Type of the documents."`
	Ref          string    `help:"Reference; with --type."`
	ChangedSince timeValue `placeholder:"TIME" help:"Changed at this time or later."`
	EditedBy     string    `placeholder:"USER" help:"User who has ever changed the document."`
	Deleted      bool      `help:"Those that were deleted."`
	Limit        int       `default:"100" help:"How many; 0 = all."`
}

// Run lists documents.
func (c *docListCommand) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	q := url.Values{"type": {c.Type}, "ref": {c.Ref}, "changed_since": {c.ChangedSince.query()}, "edited_by": {c.EditedBy}}
	if c.Deleted {
		q.Set("deleted", "true")
	}
	columns := []string{"DOCUMENT", "TYPE", "REF", "CHANGES", "BYTES", "LAST CHANGE", "BY"}
	if c.Deleted {
		columns = []string{"DOCUMENT", "DELETED", "BY", "REASON"}
	}
	l := listing{path: "/v1/documents", query: q, name: "documents", limit: c.Limit, columns: columns}
	return l.print(ctx, s, c.remote, server, func(raw json.RawMessage) ([]string, error) {
		var d documentJSON
		err := json.Unmarshal(raw, &d)
		if c.Deleted {
			return []string{d.ID, shortTime(d.Deleted.PurgedAt), d.Deleted.By, d.Deleted.Reason}, err
		}
		return []string{d.ID, d.Type, d.Ref, fmt.Sprint(d.Changes), fmt.Sprint(d.Bytes), shortTime(d.Last.Received), d.Last.User}, err
	})
}

type docGetCommand struct {
	remote
	docArgument
	Path string `help:"JSON Pointer to a part, such as /lines/0/price."`
	stateFlags
}

// Run prints the content, and with --json also what the server says of it.
func (c *docGetCommand) Run(ctx context.Context, s streams) error {
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	q := c.query()
	q.Set("path", c.Path)
	b, _, err := server.Bytes(ctx, client.Request{Method: http.MethodGet, Path: documentPath(doc), Query: q})
	if err != nil {
		return err
	}
	if !c.JSON {
		var wrapped struct {
			Content json.RawMessage `json:"content"`
		}
		if err := json.Unmarshal(b, &wrapped); err != nil {
			return fmt.Errorf("read the server's answer: %w", err)
		}
		b = wrapped.Content
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		out.Write(b) // nested deeper than the library goes
	}
	_, err = fmt.Fprintln(s.out, strings.TrimSpace(out.String()))
	return err
}

type changeJSON struct {
	Hash     string    `json:"hash"`
	User     string    `json:"user"`
	Device   string    `json:"device"`
	Received time.Time `json:"received"`
	Message  string    `json:"message"`
	Ops      int       `json:"ops"`
	Fields   []struct {
		Path string `json:"path"`
	} `json:"fields"`
	FieldsLeftOut bool `json:"fieldsLeftOut"`
}

type docHistoryCommand struct {
	remote
	docArgument
	Limit int `default:"50" help:"How many changes; 0 = all."`
}

// Run lists changes, the newest first.
func (c *docHistoryCommand) Run(ctx context.Context, s streams) error {
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	l := listing{
		path: documentPath(doc, "history"), query: url.Values{}, name: "changes", limit: c.Limit,
		columns: []string{"CHANGE", "RECEIVED", "USER", "DEVICE", "MESSAGE", "FIELDS"},
	}
	return l.print(ctx, s, c.remote, server, func(raw json.RawMessage) ([]string, error) {
		var x changeJSON
		err := json.Unmarshal(raw, &x)
		var fields []string
		for _, f := range x.Fields {
			fields = append(fields, f.Path)
		}
		if x.FieldsLeftOut {
			fields = append(fields, "…")
		}
		return []string{x.Hash, shortTime(x.Received), x.User, short(x.Device), x.Message, strings.Join(fields, " ")}, err
	})
}

type docBlameCommand struct {
	remote
	docArgument
	Path string `help:"JSON Pointer to a part."`
	stateFlags
	Limit int `default:"1000" help:"How many values at most."`
}

// Run says who wrote what.
func (c *docBlameCommand) Run(ctx context.Context, s streams) error {
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	q := c.query()
	q.Set("path", c.Path)
	q.Set("limit", fmt.Sprint(c.Limit))
	req := client.Request{Method: http.MethodGet, Path: documentPath(doc, "blame"), Query: q}
	return answer(ctx, s, c.remote, server, req, nil, func(blame blameJSON) error {
		t := newTable(s.out, "PATH", "VALUE", "USER", "DEVICE", "RECEIVED", "CHANGE")
		for _, v := range blame.Values {
			path := v.Path
			if v.Index != nil && *v.Index > 0 {
				path = fmt.Sprintf("%s from %d", path, *v.Index)
			}
			t.row(path, compact(v.Value), v.User, short(v.Device), shortTime(v.Received), short(v.Hash))
		}
		if blame.LeftOut {
			fmt.Fprintln(s.err, "concord: there are more values; ask for a part with --path, or raise --limit")
		}
		return t.end(s.out, "the document is empty")
	})
}

type blameJSON struct {
	Values []struct {
		changeJSON
		Path  string          `json:"path"`
		Index *int            `json:"index"`
		Value json.RawMessage `json:"value"`
	} `json:"values"`
	LeftOut bool `json:"leftOut"`
}

type docDiffCommand struct {
	remote
	docArgument
	From string `arg:"" help:"Heads of the state to compare with: a change hash of 'doc history', or several joined by dots."`
	To   string `arg:"" optional:"" help:"Heads of the other state; the present without."`
}

// Run compares two states.
func (c *docDiffCommand) Run(ctx context.Context, s streams) error {
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	q := url.Values{"from": {c.From}, "to": {c.To}}
	req := client.Request{Method: http.MethodGet, Path: documentPath(doc, "diff"), Query: q}
	return answer(ctx, s, c.remote, server, req, nil, func(diff diffJSON) error {
		t := newTable(s.out, "PATH", "ACTION", "BEFORE", "AFTER")
		for _, d := range diff.Changes {
			path := d.Path
			if d.Index != nil {
				path = fmt.Sprintf("%s from %d", path, *d.Index)
			}
			t.row(path, d.Action, compact(d.Before), compact(d.After))
		}
		return t.end(s.out, "no difference")
	})
}

type diffJSON struct {
	Changes []struct {
		Path   string          `json:"path"`
		Action string          `json:"action"`
		Index  *int            `json:"index"`
		Before json.RawMessage `json:"before"`
		After  json.RawMessage `json:"after"`
	} `json:"changes"`
}

type docExportCommand struct {
	remote
	docArgument
	Output string `short:"o" placeholder:"FILE" help:"Where to; the document's ID and .automerge without, - for the standard output."`
}

// Run saves the file.
func (c *docExportCommand) Run(ctx context.Context, s streams) error {
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	b, _, err := server.Bytes(ctx, client.Request{Method: http.MethodGet, Path: documentPath(doc, "export")})
	if err != nil {
		return err
	}
	switch c.Output {
	case "-":
		_, err = s.out.Write(b)
		return err
	case "":
		c.Output = doc + ".automerge"
	}
	if err := writeFile(c.Output, b); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, map[string]any{"id": doc, "file": c.Output, "bytes": len(b)})
	}
	_, err = fmt.Fprintf(s.out, "%s: %d bytes\n", c.Output, len(b))
	return err
}

// readBody reads a JSON argument: the text itself, or @FILE.
func readBody(text string) ([]byte, error) {
	if file, ok := strings.CutPrefix(text, "@"); ok {
		return os.ReadFile(file)
	}
	return []byte(text), nil
}
