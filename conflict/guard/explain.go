package guard

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Explain writes the rules as they were understood, as a table for people, and
// the notes below it.
func (r *Rules) Explain(w io.Writer, file string) error {
	fmt.Fprintf(w, "%s: %s\n", file, count(len(r.Guards), "guard"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Guards) > 0 {
		fmt.Fprintln(t, "\nGUARD\tDOCUMENTS\tWHEN\tLOCKED\tEXCEPT ROLES")
	}
	for _, g := range r.Guards {
		when, except := "always", "nobody"
		if g.When != nil {
			when = g.When.String()
		}
		if len(g.Except) > 0 {
			except = strings.Join(g.Except, ", ")
		}
		for i, pattern := range g.Lock {
			if i == 0 {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", g.Name, g.Type, when, shown(pattern), except)
			} else {
				fmt.Fprintf(t, "\t\t\t%s\t\n", shown(pattern))
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i, n := range r.Notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "note: %s:%d:%d: %s\n", file, n.Line, n.Column, n.Text)
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
