package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"concord/internal/id"
	"concord/internal/operator"
	"concord/internal/progress"
	"concord/internal/snapshot"
	"concord/store"
)

type backupCommand struct {
	File  string `arg:"" help:"Where to write the backup; it must not exist."`
	Data  string `env:"CONCORD_DATA" default:"./concord-data" help:"Data folder of a server, running or not."`
	Since string `placeholder:"FILE" help:"An earlier backup: only what has come after it is written."`
}

// Run writes a backup under a temporary name, so that one under its own is whole.
func (c *backupCommand) Run(ctx context.Context, s streams) error {
	if _, err := os.Stat(c.File); err == nil {
		return fmt.Errorf("%s exists; name another file, backups are never written over", c.File)
	}
	var since *store.Manifest
	if c.Since != "" {
		m, err := readManifest(c.Since)
		if err != nil {
			return err
		}
		since = &m
	}
	f, err := createPart(c.File)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails when it has been renamed
	defer f.Close()
	started := time.Now()
	out := &meter{w: bufio.NewWriterSize(f, 1<<20), bar: progress.NewLine(s.err)}
	err = operator.Backup(ctx, c.Data, since, out)
	if errors.Is(err, operator.ErrNoServer) {
		err = backupStopped(ctx, c.Data, since, out)
	}
	out.bar.Clear()
	if err == nil {
		err = out.w.(*bufio.Writer).Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return dataAdvice(err, c.Data)
	}
	m, err := readManifest(f.Name())
	if err != nil {
		return fmt.Errorf("what was written can't be read: %w", err)
	}
	if err := rename(f.Name(), c.File); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: %s, %s, %d bytes in %s\n", c.File, count(m.Documents, "document"), count(m.Changes, "change"), out.n, time.Since(started).Round(time.Millisecond))
	return nil
}

// A backup is written to a hidden file beside its place, with a number between these in its name.
const partSuffix = ".concord-part"

func partPrefix(path string) string { return "." + filepath.Base(path) + "-" }

// createPart makes such a file, which is locked until it is closed.
func createPart(path string) (*os.File, error) {
	removeStale(path)
	f, err := os.CreateTemp(filepath.Dir(path), partPrefix(path)+"*"+partSuffix)
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return nil, fmt.Errorf("write in the folder %s: %w", filepath.Dir(path.Path), path.Err)
	}
	if err != nil {
		return nil, err
	}
	lock(f)
	return f, nil
}

// removeStale removes what backups to a place have left that were killed.
func removeStale(path string) {
	dir := filepath.Dir(path)
	list, _ := os.ReadDir(dir) // an error comes again when a file is made
	for _, e := range list {
		number, begins := strings.CutPrefix(e.Name(), partPrefix(path))
		number, ends := strings.CutSuffix(number, partSuffix)
		if _, err := strconv.ParseUint(number, 10, 64); !begins || !ends || err != nil {
			continue
		}
		if f, err := os.Open(filepath.Join(dir, e.Name())); err == nil {
			if lock(f) {
				_ = os.Remove(f.Name())
			}
			_ = f.Close()
		}
	}
}

// backupStopped reads the folder of a server that doesn't run.
func backupStopped(ctx context.Context, dir string, since *store.Manifest, w io.Writer) error {
	st, err := store.OpenReadOnly(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w; name the data folder of a server with --data or CONCORD_DATA", err)
		}
		return err
	}
	_, err = st.Backup(ctx, w, store.BackupOptions{Since: since})
	return errors.Join(err, st.Close())
}

func readManifest(path string) (m store.Manifest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer f.Close()
	if m, err = store.ReadManifest(bufio.NewReaderSize(f, 1<<20)); err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return m, err
}

// meter counts and shows what is written.
type meter struct {
	w   io.Writer
	n   uint64
	bar *progress.Line
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.w.Write(b)
	m.n += uint64(n)
	m.bar.Count("backing up", m.n, "bytes")
	return n, err
}

type restoreCommand struct {
	Files    []string  `arg:"" help:"A full backup, and after it those that continue it, in their order."`
	Data     string    `required:"" help:"Data folder to make; it must not exist or be empty."`
	Company  string    `help:"Restore this company only."`
	Document string    `help:"Restore this document only; with --company."`
	Until    timeValue `placeholder:"TIME" help:"Leave out what was received after this time: 2026-11-23 17:30, or how long ago, such as 90m; with --document."`
}

// Run makes a data folder of backups.
func (c *restoreCommand) Run(ctx context.Context, s streams) error {
	bar := progress.NewLine(s.err)
	o := store.RestoreOptions{
		Company: c.Company, Until: c.Until.Time, Split: snapshot.Split, Dependencies: snapshot.Dependencies,
		Verify: func() store.DocumentVerifier { return snapshot.NewVerifier() }, Tables: verifyTables(),
		Progress: func(p store.Progress) {
			if p.Total == 0 {
				bar.Count("restoring", p.Done, "records")
			} else {
				bar.Show("checking", p.Done, p.Total, "records")
			}
		},
	}
	if c.Document == "" && !c.Until.IsZero() {
		return errors.New("--until is for one document: name it with --document")
	}
	if c.Document != "" {
		doc, err := id.Parse(strings.TrimPrefix(c.Document, "automerge:"))
		if err != nil {
			return fmt.Errorf("--document takes an ID, such as 4NMNnkMhL8jXrdJ9jamS58PAVdXu, or an automerge URL, not %q; 'concord doc ls' lists IDs", c.Document)
		}
		if c.Company == "" {
			return errors.New("--document needs --company, too: whose document it is")
		}
		o.Document = &doc
	}
	var backups []io.Reader
	for _, path := range c.Files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		backups = append(backups, bufio.NewReaderSize(f, 1<<20))
	}
	restored, err := store.Restore(ctx, c.Data, backups, o)
	bar.Clear()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, %s, all verified\nStart it with: concord serve --data %s\n",
		c.Data, count(restored.Documents, "document"), count(restored.Changes, "change"), c.Data)
	return err
}
