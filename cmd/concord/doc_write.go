package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"concord/internal/client"
)

type docSetCommand struct {
	remote
	docArgument
	Path    string `arg:"" optional:"" help:"JSON Pointer to what is set, such as /status."`
	Value   string `arg:"" optional:"" help:"The value as JSON; text that isn't JSON is taken as a string. @FILE reads a file."`
	Merge   string `placeholder:"JSON" help:"A merge patch (RFC 7386) instead of path and value; @FILE reads a file."`
	Patch   string `placeholder:"JSON" help:"A JSON Patch (RFC 6902) instead; @FILE reads a file."`
	Delete  bool   `help:"Remove what the path names."`
	Create  bool   `help:"Create TYPE/REF first if it isn't there."`
	Message string `short:"m" help:"Message of the change, for the history."`
	IfMatch string `placeholder:"HEADS" help:"Only if the document is in this state."`
}

// Run changes the document, as one change or not at all.
func (c *docSetCommand) Run(ctx context.Context, s streams) error {
	body, media, err := c.body()
	if err != nil {
		return err
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	if c.Create {
		if err := c.create(ctx, server); err != nil {
			return err
		}
	}
	doc, err := c.find(ctx, server)
	if err != nil {
		return err
	}
	req := client.Request{Method: http.MethodGet, Path: documentPath(doc), Query: url.Values{"path": {""}}}
	if body != nil {
		req = client.Request{
			Method: http.MethodPatch, Path: documentPath(doc), Query: url.Values{"message": {c.Message}},
			Body: bytes.NewReader(body), Type: media, Header: http.Header{},
		}
		if c.IfMatch != "" {
			req.Header.Set("If-Match", `"`+c.IfMatch+`"`)
		}
	}
	return answer(ctx, s, c.remote, server, req, nil, func(d documentJSON) error {
		_, err := fmt.Fprintf(s.out, "%s\nheads %s\n", d.URL, strings.Join(d.Heads, "."))
		return err
	})
}

// create makes the document if it isn't there.
func (c *docSetCommand) create(ctx context.Context, server *client.Client) error {
	kind, ref, ok := strings.Cut(c.Doc, "/")
	if !ok {
		return fmt.Errorf("--create needs a document named TYPE/REF, not %q", c.Doc)
	}
	_, err := server.JSON(ctx, client.Request{Method: http.MethodPut, Path: "/v1/documents/" + url.PathEscape(kind) + "/" + url.PathEscape(ref)}, nil, nil)
	return err
}

// body returns the patch and its media type; nil when there's nothing to change.
func (c *docSetCommand) body() ([]byte, string, error) {
	const merge, patch = "application/merge-patch+json", "application/json-patch+json"
	ways := 0
	for _, given := range []bool{c.Merge != "", c.Patch != "", c.Path != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 0 && c.Create:
		return nil, "", nil
	case ways != 1:
		return nil, "", errors.New("name either a path with a value, or --merge, or --patch")
	case c.Merge != "":
		b, err := readBody(c.Merge)
		return b, merge, err
	case c.Patch != "":
		b, err := readBody(c.Patch)
		return b, patch, err
	case c.Delete:
		b, err := json.Marshal([]map[string]string{{"op": "remove", "path": c.Path}})
		return b, patch, err
	case c.Value == "":
		return nil, "", errors.New(`the value is missing; an empty text is '""'`)
	}
	value, err := readBody(c.Value)
	if err != nil {
		return nil, "", err
	}
	if !json.Valid(value) {
		if value, err = json.Marshal(string(value)); err != nil {
			return nil, "", err
		}
	}
	// "replace" would insist on a value that is there, "add" would insert into lists.
	op := "add"
	if last := c.Path[strings.LastIndexByte(c.Path, '/')+1:]; strings.Trim(last, "0123456789") == "" && last != "" {
		op = "replace"
	}
	b, err := json.Marshal([]map[string]any{{"op": op, "path": c.Path, "value": json.RawMessage(value)}})
	return b, patch, err
}

type docRestoreCommand struct {
	remote
	docArgument
	stateFlags
	Path    string `help:"JSON Pointer to the part to bring back; everything without."`
	Message string `short:"m" help:"Message of the change, for the history."`
}

// Run brings a state back.
func (c *docRestoreCommand) Run(ctx context.Context, s streams) error {
	if c.At == "" && c.Time.IsZero() {
		return errors.New("name the state to bring back with --at or --time; 'concord doc history' lists changes")
	}
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	body := map[string]any{}
	for name, v := range map[string]string{"at": c.At, "time": c.Time.query(), "path": c.Path, "message": c.Message} {
		if v != "" {
			body[name] = v
		}
	}
	req := client.Request{Method: http.MethodPost, Path: documentPath(doc, "restore")}
	return answer(ctx, s, c.remote, server, req, body, func(d documentJSON) error {
		_, err := fmt.Fprintf(s.out, "restored; heads %s\n", strings.Join(d.Heads, "."))
		return err
	})
}

type docRemoveCommand struct {
	remote
	docArgument
	Reason string `help:"Kept with the ID, and in the audit log."`
	Yes    bool   `help:"Don't ask."`
}

// Run deletes, after asking a person.
func (c *docRemoveCommand) Run(ctx context.Context, s streams) error {
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	if !c.Yes {
		fmt.Fprintf(s.err, "Delete document %s with its whole history, for everybody and for good? Type its ID to go on: ", doc)
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		if strings.TrimSpace(line) != doc {
			return errors.New("nothing was deleted; programs pass --yes")
		}
	}
	req := client.Request{Method: http.MethodDelete, Path: documentPath(doc), Query: url.Values{"reason": {c.Reason}}}
	return answer(ctx, s, c.remote, server, req, nil, func(struct{}) error {
		_, err := fmt.Fprintf(s.out, "%s is deleted\n", doc)
		return err
	})
}
