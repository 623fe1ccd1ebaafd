package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"concord/internal/client"
	"concord/internal/id"
)

type docCommand struct {
	Ls      docListCommand    `cmd:"" help:"List documents."`
	Get     docGetCommand     `cmd:"" help:"Print a document, or a part of it, as JSON; also as it was."`
	Set     docSetCommand     `cmd:"" help:"Change a document, or create one."`
	History docHistoryCommand `cmd:"" help:"List who changed what, and when."`
	Blame   docBlameCommand   `cmd:"" help:"Say for each field who wrote it, and when."`
	Diff    docDiffCommand    `cmd:"" help:"Compare two states of a document."`
	Restore docRestoreCommand `cmd:"" help:"Bring an earlier state back, as a new change."`
	Export  docExportCommand  `cmd:"" help:"Save a document as an .automerge file."`
	Import  docImportCommand  `cmd:"" help:"Take documents from .automerge files or a folder of automerge-repo."`
	Rm      docRemoveCommand  `cmd:"" help:"Delete a document for good, with its history."`
	Sync    docSyncCommand    `cmd:"" help:"Bring an .automerge file and the server's document to the same state."`
}

// docArgument names a document as people do.
type docArgument struct {
	Doc string `arg:"" name:"document" help:"ID, automerge URL, or TYPE/REF, such as invoice/2026-0815."`
}

// find returns the ID of the document.
func (a docArgument) find(ctx context.Context, c *client.Client) (string, error) {
	if doc, err := id.Parse(strings.TrimPrefix(a.Doc, "automerge:")); err == nil {
		return doc.String(), nil
	}
	kind, ref, ok := strings.Cut(a.Doc, "/")
	if !ok || kind == "" || ref == "" {
		return "", fmt.Errorf("%q is neither the ID of a document, nor an automerge URL, nor TYPE/REF", a.Doc)
	}
	var page documentPage
	_, err := c.JSON(ctx, client.Request{Method: http.MethodGet, Path: "/v1/documents", Query: url.Values{"type": {kind}, "ref": {ref}}}, nil, &page)
	if err != nil {
		return "", err
	}
	if len(page.Documents) == 0 {
		return "", fmt.Errorf("there is no document %s; 'concord doc set %s --create' makes one", a.Doc, a.Doc)
	}
	return page.Documents[0].ID, nil
}

// open returns a client and the ID of the document.
func (a docArgument) open(ctx context.Context, r remote) (*client.Client, string, error) {
	c, err := r.client()
	if err != nil {
		return nil, "", err
	}
	doc, err := a.find(ctx, c)
	return c, doc, err
}

func documentPath(doc string, rest ...string) string {
	return "/v1/documents/" + strings.Join(append([]string{doc}, rest...), "/")
}
