package conflict

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

var titles = []string{
	"conflict", "document", "type", "kind", "status", "field", "path", "opened", "closed", "closed by", "assignee", "before",
	"op", "action", "value", "user", "device", "received", "claimed", "place", "wins", "change", "values",
}

// CSV writes all conflicts that the filter lets through as RFC 4180 says: a line
// of titles, and one for each value of each conflict. The filter's cursor and
// limit are ignored. Cells that a spreadsheet would take for formulas get an
// apostrophe in front.
func (l *Ledger) CSV(ctx context.Context, w io.Writer, company string, f Filter) error {
	const unbounded = 1 << 40
	f.Cursor = ""
	from := walk{ledger: l, company: company, filter: &f, listed: unbounded, looked: unbounded}
	if err := from.start(); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(titles); err != nil {
		return err
	}
	for ctx.Err() == nil {
		r, ok, err := from.next()
		if err != nil {
			return fmt.Errorf("write conflicts: %w", err)
		}
		if !ok {
			break
		}
		c, err := l.get(company, r.ID, nil)
		if errors.Is(err, ErrNotFound) {
			continue // it became a part of another one, or its document was purged
		}
		if err != nil {
			return fmt.Errorf("write conflict %s: %w", r.ID, err)
		}
		for i := range c.Sides {
			if err := out.Write(line(&c, &c.Sides[i])); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return errors.Join(ctx.Err(), out.Error())
}

func line(c *Conflict, v *Value) []string {
	closer := ""
	if c.Closer != nil {
		closer = c.Closer.User
	}
	wins := c.Winner != nil && c.Winner.Op == v.Op
	cells := []string{
		c.ID.String(), c.Document.String(), c.Type, string(c.Kind), string(c.Status), c.Field, c.Path, timeCell(c.Opened),
		timeCell(c.Closed), closer, c.Assignee, shownCell(c.Before),
		v.Op, v.Action, shownCell(&v.Shown), v.User, v.Device, timeCell(v.Received), timeCell(v.Claimed), v.Place,
		strconv.FormatBool(wins), v.Change, strconv.Itoa(c.Values),
	}
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	return cells
}

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func shownCell(s *Shown) string {
	switch {
	case s == nil:
		return ""
	case s.Cut != "":
		return s.Cut + "…"
	}
	return string(s.Value)
}

// harmless puts an apostrophe before what spreadsheets run. A zero byte would end
// a cell early in some of them.
func harmless(cell string) string {
	cell = strings.ReplaceAll(cell, "\x00", "\ufffd")
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
