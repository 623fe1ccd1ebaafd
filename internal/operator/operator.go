// Package operator is how a person at the server's machine asks the running
// server for what concerns all companies at once: a Unix socket in the data
// folder. Whoever may use it may read the folder as well, so that it needs no
// tokens.
package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"concord/store"
)

const socketName = "operator.sock"

// Store is what can be asked for; *store.Store is one.
type Store interface {
	Backup(ctx context.Context, w io.Writer, o store.BackupOptions) (store.Manifest, error)
}

// Server answers on the socket.
type Server struct {
	store Store
	log   *slog.Logger
	http  http.Server
	ended sync.WaitGroup
}

// Serve listens on the socket of a data folder, which the caller has locked: a
// socket that is there is a dead server's.
func Serve(dir string, s Store, log *slog.Logger) (*Server, error) {
	path, release, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("operator socket: %w", err)
	}
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("operator socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // by a path that may be gone; the next server removes it
	v := &Server{store: s, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /backup", v.backup)
	v.http = http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	v.ended.Go(func() { _ = v.http.Serve(l) })
	return v, nil
}

// Close ends what is under way and waits for it.
func (v *Server) Close() {
	_ = v.http.Close()
	v.ended.Wait()
}

const maxManifest = 1 << 30

// backup streams a backup. The manifest of the one to continue, if any, is the
// request's body.
func (v *Server) backup(w http.ResponseWriter, r *http.Request) {
	v.ended.Add(1)
	defer v.ended.Done()
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var o store.BackupOptions
	if len(b) > 0 {
		o.Since = new(store.Manifest)
		if err := o.Since.UnmarshalBinary(b); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	started := time.Now()
	w.Header().Set("Content-Type", "application/octet-stream")
	out := &counter{w: w}
	m, err := v.store.Backup(r.Context(), out, o)
	switch {
	case err != nil && out.n == 0:
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		level := slog.LevelError
		if r.Context().Err() != nil { // nobody reads it any more
			level = slog.LevelInfo
		}
		v.log.Log(r.Context(), level, "backup", "bytes", out.n, "error", err)
		panic(http.ErrAbortHandler) // so that the part isn't taken for the whole
	default:
		v.log.Info("backed up", "backup", m.ID, "bytes", out.n, "documents", m.Documents, "changes", m.Changes, "took", time.Since(started).Round(time.Millisecond))
	}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// ErrNoServer is returned when no server runs on a data folder.
var ErrNoServer = errors.New("no server runs on this data folder")

// Backup has the server of a data folder write a backup.
func Backup(ctx context.Context, dir string, since *store.Manifest, w io.Writer) error {
	path, release, err := socketPath(dir)
	if err != nil {
		return err
	}
	defer release()
	var body []byte
	if since != nil {
		if body, err = since.MarshalBinary(); err != nil {
			return err
		}
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://operator/backup", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
			return ErrNoServer
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("the server says: %s", text)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("the backup isn't complete: %w", err)
	}
	return nil
}
