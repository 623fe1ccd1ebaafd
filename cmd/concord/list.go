package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"concord/internal/client"
)

// listing is a list of the server's, which comes in pages.
type listing struct {
	path    string
	query   url.Values
	name    string // of the list in a page, and of what is in it
	limit   int    // 0 or less = all
	columns []string
}

// print prints the list: as JSON if that was asked for, else as a table of the
// cells that row returns.
func (l listing) print(ctx context.Context, s streams, r remote, server *client.Client, row func(json.RawMessage) ([]string, error)) error {
	items, err := l.items(ctx, server)
	if err != nil {
		return err
	}
	if r.JSON {
		return printJSON(s.out, items)
	}
	t := newTable(s.out, l.columns...)
	for _, item := range items {
		cells, err := row(item)
		if err != nil {
			return fmt.Errorf("read the server's list: %w", err)
		}
		t.row(cells...)
	}
	return t.end(s.out, "no "+l.name)
}

// items reads page by page. It never returns nil without an error.
func (l listing) items(ctx context.Context, server *client.Client) ([]json.RawMessage, error) {
	all := []json.RawMessage{}
	for l.limit <= 0 || len(all) < l.limit {
		size := 1000
		if l.limit > 0 {
			size = min(l.limit-len(all), size)
		}
		l.query.Set("limit", fmt.Sprint(size))
		var page map[string]json.RawMessage
		if _, err := server.JSON(ctx, client.Request{Method: http.MethodGet, Path: l.path, Query: l.query}, nil, &page); err != nil {
			return nil, err
		}
		var items []json.RawMessage
		var next string
		err := json.Unmarshal(page[l.name], &items)
		if err == nil && page["next"] != nil {
			err = json.Unmarshal(page["next"], &next)
		}
		if err != nil {
			return nil, fmt.Errorf("read the server's list: %w", err)
		}
		all = append(all, items...)
		if next == "" {
			break
		}
		l.query.Set("cursor", next)
	}
	return all, nil
}
