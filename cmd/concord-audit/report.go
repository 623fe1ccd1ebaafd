package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// report is what a walk found. Documents that are the same only count.
type report struct {
	Documents int             `json:"documents"`
	Changes   uint64          `json:"changes"`
	Outcomes  map[outcome]int `json:"outcomes"`
	Findings  []finding       `json:"findings"` // all but those that are the same
}

func newReport() *report { return &report{Outcomes: map[outcome]int{}, Findings: []finding{}} }

func (r *report) add(f finding) {
	r.Documents++
	r.Changes += f.Changes
	r.Outcomes[f.Outcome]++
	if f.Outcome != same {
		r.Findings = append(r.Findings, f)
	}
}

// writeJSON prints the report as one JSON object.
func (r *report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// writeText prints a table of findings and a summary.
func (r *report) writeText(w io.Writer, data string) error {
	if len(r.Findings) > 0 {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "OUTCOME\tCOMPANY\tDOCUMENT\tCHANGES\tDETAIL")
		for _, f := range r.Findings {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", f.Outcome, f.Company, f.Document, f.Changes, f.Detail)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s: %d documents, %d changes: %d are the same for crdt and automerge-go",
		data, r.Documents, r.Changes, r.Outcomes[same])
	for _, o := range []outcome{different, unreadable, refused, rejected, died, hung} {
		if n := r.Outcomes[o]; n > 0 {
			fmt.Fprintf(w, ", %d %s", n, o)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}
