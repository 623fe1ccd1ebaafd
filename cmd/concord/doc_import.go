package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"concord/internal/client"
	"concord/internal/nodefs"
	"concord/internal/progress"
)

type docImportCommand struct {
	remote
	Files  []string `arg:"" optional:"" help:"The .automerge files."`
	Type   string   `help:"Type of the document; with --ref."`
	Ref    string   `help:"Reference of the document within its type; for one file."`
	ID     string   `name:"id" help:"ID of the document, which takes the changes in addition to those that it has; for one file. A new one without."`
	Nodefs string   `placeholder:"DIR" help:"Import all documents of a folder of automerge-repo's NodeFSStorageAdapter, under their IDs."`
}

// imported is the server's answer.
type imported struct {
	ID      string `json:"id"`
	URL     string `json:"url"`
	New     int    `json:"new"`
	Known   int    `json:"known"`
	Waiting int    `json:"waiting"`
	Refused []struct {
		Hash   string `json:"hash"`
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	} `json:"refused"`
}

// Run sends the files.
func (c *docImportCommand) Run(ctx context.Context, s streams) error {
	switch {
	case (c.Nodefs == "") == (len(c.Files) == 0):
		return errors.New("name either files or, with --nodefs, a folder")
	case (c.ID != "" || c.Ref != "") && len(c.Files) != 1:
		return errors.New("--id and --ref are for one file")
	case (c.Type == "") != (c.Ref == ""):
		return errors.New("--type and --ref go together: they are the document's key")
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	if c.Nodefs != "" {
		return (&folderImport{dir: c.Nodefs, server: server, out: s.out, errs: s.err, json: c.JSON}).run(ctx)
	}
	for _, file := range c.Files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		got, err := importChunks(ctx, server, url.Values{"type": {c.Type}, "ref": {c.Ref}, "id": {strings.TrimPrefix(c.ID, "automerge:")}}, b)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if c.JSON {
			if err := printJSON(s.out, got); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(s.out, "%s: %s, %s, %d known\n", file, got.URL, count(got.New, "new change"), got.Known)
		got.complain(s.err, file)
	}
	return nil
}

// complain says what of a file isn't in the document.
func (i imported) complain(w io.Writer, file string) {
	for _, r := range i.Refused {
		fmt.Fprintf(w, "%s: change %s refused: %s: %s\n", file, short(r.Hash), r.Reason, r.Detail)
	}
	if i.Waiting > 0 {
		fmt.Fprintf(w, "%s: %d changes wait for others that the file doesn't hold; import those, too\n", file, i.Waiting)
	}
}

func importChunks(ctx context.Context, server *client.Client, q url.Values, b []byte) (got imported, err error) {
	err = client.Retry(ctx, func() error {
		_, err := server.JSON(ctx, client.Request{
			Method: http.MethodPost, Path: "/v1/documents/import", Query: q,
			Body: bytes.NewReader(b), Type: "application/octet-stream",
		}, nil, &got)
		return err
	})
	return got, err
}

// folderImport sends the documents of a folder one after the other. What has
// been sent is noted beside the folder, so that an import that was interrupted
// goes on where it was; sending a document again would do no harm.
type folderImport struct {
	dir       string
	server    *client.Client
	out, errs io.Writer
	json      bool

	documents, changes, skipped, resumed int
	damaged                              int
}

const (
	// importFile bounds a file of the folder, and importBatch what goes into one call.
	importFile  = 64 << 20
	importBatch = 8 << 20
)

func (f *folderImport) run(ctx context.Context) error {
	docs, err := nodefs.Open(f.dir)
	if err != nil {
		return err
	}
	journal, err := openJournal(f.journal(), f.server.Server)
	if err != nil {
		return err
	}
	defer journal.close()
	bar := progress.NewLine(f.errs)
	for i, d := range docs {
		bar.Show("importing", uint64(i), uint64(len(docs)), "documents")
		if journal.has(d) {
			f.resumed++
			continue
		}
		whole, err := f.document(ctx, d, bar)
		if err != nil {
			bar.Clear()
			return fmt.Errorf("document %s: %w; run the same command again to go on after the %d documents that are done", d.ID, err, f.documents+f.resumed)
		}
		if whole {
			if err := journal.add(d); err != nil {
				return err
			}
		}
		f.documents++
	}
	bar.Clear()
	return f.report(len(docs))
}

// journal is the file that says what has been imported.
func (f *folderImport) journal() string { return filepath.Clean(f.dir) + ".imported" }

func (f *folderImport) report(total int) error {
	if f.json {
		return printJSON(f.out, map[string]int{"documents": f.documents, "alreadyImported": f.resumed, "changes": f.changes, "filesSkipped": f.skipped})
	}
	fmt.Fprintf(f.out, "%s: %d of %s imported, %s", f.dir, f.documents, count(total, "document"), count(f.changes, "new change"))
	if f.resumed > 0 {
		fmt.Fprintf(f.out, "; %d had been imported before, as %s says", f.resumed, f.journal())
	}
	fmt.Fprintln(f.out)
	if f.skipped > 0 {
		fmt.Fprintf(f.errs, "concord: %s of %s skipped, see above\n", count(f.skipped, "damaged file"), count(f.damaged, "document"))
		return errReported
	}
	return nil
}

// document sends one document in calls of bounded size; whole is false when
// files had to be skipped.
func (f *folderImport) document(ctx context.Context, d nodefs.Document, bar *progress.Line) (whole bool, err error) {
	var batch []byte
	before := f.skipped
	waiting := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		got, err := importChunks(ctx, f.server, url.Values{"id": {d.ID.String()}}, batch)
		batch = batch[:0]
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError && refused.Status != http.StatusUnauthorized && refused.Status != http.StatusForbidden {
			f.skip(bar, d.ID.String(), err)
			return nil
		}
		if err != nil {
			return err
		}
		f.changes += got.New
		waiting = got.Waiting
		for _, r := range got.Refused {
			f.skip(bar, d.ID.String(), fmt.Errorf("change %s refused: %s: %s", short(r.Hash), r.Reason, r.Detail))
		}
		return nil
	}
	for _, file := range d.Files {
		b, err := nodefs.Read(f.dir, file, importFile)
		if err != nil {
			f.skip(bar, filepath.Join(f.dir, file.Path), err)
			continue
		}
		if len(batch) > 0 && len(batch)+len(b) > importBatch {
			if err := send(); err != nil {
				return false, err
			}
		}
		batch = append(batch, b...)
	}
	if err := send(); err != nil {
		return false, err
	}
	if waiting > 0 {
		f.skip(bar, d.ID.String(), fmt.Errorf("%d changes wait for others that no file holds", waiting))
	}
	if f.skipped > before {
		f.damaged++
	}
	return f.skipped == before, nil
}

func (f *folderImport) skip(bar *progress.Line, what string, err error) {
	f.skipped++
	bar.Clear()
	fmt.Fprintf(f.errs, "skipped: %s: %v\n", what, err)
}

// journal names the documents that have been imported, as they were then.
type journal struct {
	file   *os.File
	server string // to which they went
	done   map[string]bool
}

func openJournal(path, server string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("note what is imported: %w", err)
	}
	j := &journal{file: f, server: strings.TrimSuffix(server, "/"), done: make(map[string]bool)}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		j.done[lines.Text()] = true
	}
	return j, nil
}

// line changes when files of the document do.
func (j *journal) line(d nodefs.Document) string {
	return fmt.Sprintf("%s %d files %d bytes to %s", d.ID, len(d.Files), d.Size(), j.server)
}

func (j *journal) has(d nodefs.Document) bool { return j.done[j.line(d)] }

func (j *journal) add(d nodefs.Document) error {
	_, err := fmt.Fprintln(j.file, j.line(d))
	return err
}

func (j *journal) close() { _ = j.file.Close() }
