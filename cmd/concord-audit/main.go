// Command concord-audit re-checks the documents of a data folder with automerge-go, the reference implementation. It
// needs cgo, which the server does without.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"concord/internal/id"
	"concord/internal/progress"
	"concord/store"
)

// version is set by the build.
var version = "dev"

type arguments struct {
	Data    string           `arg:"" help:"Data folder of a stopped server, or a copy of one or of its file."`
	JSON    bool             `name:"json" help:"Print the report as JSON."`
	Timeout time.Duration    `default:"1m" help:"How long automerge-go may take for one document."`
	Version kong.VersionFlag `help:"Print the version."`
}

const description = `Re-check stored documents with automerge-go.

Each document is loaded by Concord's engine and, in a child process, by automerge-go. Both must come to the heads that
the store names, and to the same value. A document over which automerge-go dies, hangs or gives up is reported, and the
walk goes on. Conflicts and marks aren't compared: automerge-go doesn't tell them.

Exit code: 0 all documents are the same, 1 some aren't or the audit failed, 2 wrong usage.`

func main() {
	if len(os.Args) == 2 && os.Args[1] == childArgument {
		if err := serveChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "concord-audit:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) (code int) {
	type exit int // kong exits from within, for --help and --version
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	var a arguments
	parser, err := kong.New(&a,
		kong.Name("concord-audit"),
		kong.Description(description),
		kong.Vars{"version": "concord-audit " + version},
		kong.Writers(out, errs),
		kong.Exit(func(code int) { panic(exit(code)) }),
	)
	if err == nil {
		_, err = parser.Parse(args)
	}
	if err == nil && a.Timeout <= 0 {
		err = fmt.Errorf("--timeout is %s, it must be above 0", a.Timeout)
	}
	if err != nil {
		fmt.Fprintf(errs, "concord-audit: %v\nRun 'concord-audit --help' for its options.\n", err)
		return 2
	}
	ok, err := a.run(ctx, out, errs)
	if err != nil {
		fmt.Fprintln(errs, "concord-audit:", err)
	}
	if err != nil || !ok {
		return 1
	}
	return 0
}

// run walks the folder and prints the report. It tells whether all documents are the same.
func (a *arguments) run(ctx context.Context, out, errs io.Writer) (bool, error) {
	self, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("find this program: %w", err)
	}
	s, err := store.OpenReadOnly(a.Data)
	switch {
	case errors.Is(err, store.ErrLocked):
		return false, fmt.Errorf("%w; stop the server first, or audit a copy of the folder", err)
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%w; name the data folder of a server, the one given with --data", err)
	case err != nil:
		return false, err
	}
	defer s.Close()
	ref := &reference{command: []string{self, childArgument}, timeout: a.Timeout}
	defer ref.close()
	r, err := walk(ctx, &auditor{store: s, ask: ref.ask}, progress.NewLine(errs))
	if err != nil {
		return false, err
	}
	if a.JSON {
		err = r.writeJSON(out)
	} else {
		err = r.writeText(out, a.Data)
	}
	return r.Outcomes[same] == r.Documents, err
}

// documents lists the documents of all companies.
func documents(s *store.Store) (keys []store.DocKey, err error) {
	companies, err := s.Companies()
	if err != nil {
		return nil, err
	}
	for _, company := range companies {
		err := s.Documents(company, id.DocumentID{}, func(d store.DocumentInfo) error {
			keys = append(keys, store.DocKey{Company: company, Document: d.Document})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// walk audits all documents.
func walk(ctx context.Context, a *auditor, bar *progress.Line) (*report, error) {
	keys, err := documents(a.store)
	if err != nil {
		return nil, err
	}
	defer bar.Clear()
	r := newReport()
	for _, key := range keys {
		bar.Show("auditing", uint64(r.Documents), uint64(len(keys)), "documents")
		f, err := a.document(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("audit document %s of company %q: %w", key.Document, key.Company, err)
		}
		r.add(f)
	}
	return r, nil
}
