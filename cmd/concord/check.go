package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"concord/internal/progress"
	"concord/internal/snapshot"
	"concord/store"
)

type checkCommand struct {
	Data string `arg:"" help:"Data folder of a stopped server, or a copy of one."`
}

// Run verifies the folder and prints a report.
func (c *checkCommand) Run(ctx context.Context, s streams) error {
	bar := progress.NewLine(s.err)
	report, err := store.Check(ctx, c.Data, store.CheckOptions{
		NewDocument: func() store.DocumentVerifier { return snapshot.NewVerifier() },
		Tables:      verifyTables(),
		Progress:    func(p store.Progress) { bar.Show("checking", p.Done, p.Total, "records") },
	})
	bar.Clear()
	if err != nil {
		switch {
		case errors.Is(err, store.ErrLocked):
			return fmt.Errorf("%w; stop the server first, or check a copy of the folder", err)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w; name the data folder of a server, the one given with --data", err)
		case errors.Is(err, store.ErrVersion):
			return fmt.Errorf("%w; "+adviceVersion, err)
		}
		return err
	}
	for _, f := range report.Faults {
		fmt.Fprintln(s.out, f)
	}
	fmt.Fprintf(s.out, "%s: %s, %s (%d bytes), %s, %s, file of %d bytes: ",
		c.Data, count(report.Documents, "document"), count(report.Changes, "change"), report.Bytes,
		count(report.Snapshots, "snapshot"), count(report.Records, "record"), report.FileBytes)
	if report.OK() {
		fmt.Fprintln(s.out, "everything is as it should be")
		return nil
	}
	fmt.Fprintln(s.out, count(report.Count, "fault"))
	fmt.Fprintf(s.err, "concord: %s is damaged; keep a copy of it, and restore a backup before the server writes to it again\n", c.Data)
	return errReported
}
