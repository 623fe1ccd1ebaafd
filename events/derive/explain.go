package derive

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"concord/internal/rules"
)

// Explain writes the rules as they were understood, as tables for people, and the
// notes below them.
func (r *Rules) Explain(w io.Writer, file string) error {
	fmt.Fprintf(w, "%s: %s\n", file, count(len(r.Events), "event"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Events) > 0 {
		fmt.Fprintln(t, "\nEVENT\tDOCUMENTS\tWHEN\tEMITS\tTO\tDATA")
	}
	for _, e := range r.Events {
		var data []string
		for _, d := range e.Data {
			data = append(data, d.Name)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.Type, e.trigger(), e.Emit, e.Room, strings.Join(data, ", "))
	}
	if len(r.Types) > 0 {
		fmt.Fprintln(t, "\nOWN TYPE\tKEPT\tSUMMARY")
	}
	for _, own := range r.Types {
		kept := "yes"
		if !own.Durable {
			kept = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", own.Name, kept, own.Summary)
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

// trigger says what the rule waits for.
func (r *Rule) trigger() string {
	var s string
	switch {
	case r.Field != "":
		s = r.Field + " changes"
		if r.From != nil {
			s += " from " + list(r.From)
		}
		if r.To != nil {
			s += " to " + list(r.To)
		}
	case r.Becomes != nil:
		s = "becomes " + r.Becomes.String()
	default:
		var names []string
		for _, m := range r.On {
			names = append(names, string(m))
		}
		s = "is " + strings.Join(names, ", ")
	}
	if r.When != nil {
		s += ", if " + r.When.String()
	}
	return s
}

func list(values []rules.Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, " or ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
