// Command concord runs a Concord node and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "dev"

type commands struct {
	Serve     serveCommand     `cmd:"" help:"Run a node."`
	Doc       docCommand       `cmd:"" help:"Read, change, import and delete documents of a running server."`
	Conflicts conflictsCommand `cmd:"" help:"List, count and decide conflicts."`
	Token     tokenCommand     `cmd:"" help:"Sign a token with the configured secret."`
	Backup    backupCommand    `cmd:"" help:"Write a backup of a server, running or not."`
	Restore   restoreCommand   `cmd:"" help:"Make a data folder of backups."`
	Check     checkCommand     `cmd:"" help:"Verify every record of a data folder; the server must be stopped."`
	Bench     benchCommand     `cmd:"" help:"Measure a sync server: this one, or any that speaks the automerge-repo protocol."`
	Version   kong.VersionFlag `help:"Print the version."`
}

// streams are where a command writes.
type streams struct{ out, err io.Writer }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	unsetEmpty()
	code := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// unsetEmpty makes an empty variable count as none, as compose files with
// ${NAME:-} mean it.
func unsetEmpty() {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if value == "" && (strings.HasPrefix(name, "CONCORD_") || strings.HasPrefix(name, "WS_")) {
			_ = os.Unsetenv(name)
		}
	}
}

// run executes one command line and returns the exit code: 0 done, 1 failed,
// 2 wrong usage.
func run(ctx context.Context, args []string, s streams) (code int) {
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
	parser, err := kong.New(&commands{},
		kong.Name("concord"),
		kong.Description("Collaborative document sync for ERP systems."),
		kong.Vars{"version": "concord " + version},
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(s.err, "concord:", err)
		return 1
	}
	cli, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.err, "concord: %v\nRun 'concord --help' for the commands and 'concord COMMAND --help' for their options.\n", err)
		return 2
	}
	if err := cli.Run(); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(s.err, "concord:", err)
		}
		return 1
	}
	return 0
}

// errReported is returned by a command that has already said what is wrong.
var errReported = errors.New("reported")
