package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// wholeQuery is the middleware that refuses what would be read in part only: a
// filter with a slip in its name must not list everything.
func wholeQuery(rest huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		at := ctx.URL()
		if wrong := checkQuery(ctx.Operation(), at.RawQuery); wrong != "" {
			_ = huma.WriteErr(rest, ctx, http.StatusUnprocessableEntity, wrong)
			return
		}
		next(ctx)
	}
}

// checkQuery says what is wrong with the first part of a query that isn't
// name=value for a parameter of the operation; "" if there is none.
func checkQuery(op *huma.Operation, query string) string {
	var known []string
	for _, p := range op.Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
		}
	}
	slices.Sort(known)
	takes := "it takes no parameters"
	if len(known) > 0 {
		takes = "it takes " + strings.Join(known, ", ")
	}
	seen := make(map[string]bool)
	for pair := range strings.SplitSeq(query, "&") {
		name, _, ok := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name) // what can't be read is no name
		switch {
		case pair == "":
		case !slices.Contains(known, name):
			return fmt.Sprintf("this call has no parameter %.100q; %s", name, takes)
		case !ok:
			return fmt.Sprintf("the parameter %s has no value; write %s=…", name, name)
		case seen[name]:
			return fmt.Sprintf("the parameter %s is there twice", name)
		}
		seen[name] = true
	}
	return ""
}
