package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"concord/internal/client"
)

// remote is what commands need that work on a running server.
type remote struct {
	Server string `env:"CONCORD_URL" default:"http://127.0.0.1:8080" help:"Address of the server."`
	Token  string `env:"CONCORD_TOKEN" help:"Token of the caller; better set the variable: arguments show in process lists. 'concord token' makes one."`
	JSON   bool   `help:"Print JSON for programs instead of tables for people."`
}

func (r remote) client() (*client.Client, error) {
	if r.Token == "" {
		return nil, errors.New("no token; set CONCORD_TOKEN to one, which 'concord token' or your sign-in makes")
	}
	return &client.Client{Server: r.Server, Token: r.Token}, nil
}

// answer sends a request and prints what the server says: as JSON if that was
// asked for, else as show does.
func answer[T any](ctx context.Context, s streams, r remote, server *client.Client, req client.Request, body any, show func(T) error) error {
	var raw json.RawMessage
	if _, err := server.JSON(ctx, req, body, &raw); err != nil {
		return err
	}
	if r.JSON {
		return printJSON(s.out, raw)
	}
	var got T
	if err := json.Unmarshal(raw, &got); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return show(got)
}

// printJSON writes a value as the server has sent it, indented.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table writes rows whose cells are aligned.
type table struct {
	w     *tabwriter.Writer
	empty bool
}

func newTable(w io.Writer, columns ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0), empty: true}
	t.write(columns)
	return t
}

func (t *table) row(cells ...string) {
	t.empty = false
	t.write(cells)
}

func (t *table) write(cells []string) {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

// end writes the table, or what to say instead of one without rows.
func (t *table) end(w io.Writer, none string) error {
	if t.empty {
		_, err := fmt.Fprintln(w, none)
		return err
	}
	return t.w.Flush()
}

const maxCell = 72 // characters

// printable keeps cells from filling the screen, and from harming the terminal.
func printable(s string) string {
	s = harmless(s)
	if r := []rune(s); len(r) > maxCell {
		s = string(r[:maxCell-1]) + "…"
	}
	return s
}

// harmless keeps what people have written into documents from moving the
// terminal's cursor.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

// shortTime shows a moment in the user's own time zone.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// compact shows a JSON value in a cell.
func compact(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "–"
	}
	return string(raw)
}

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

// count says how many there are of something.
func count[N int | int64 | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
