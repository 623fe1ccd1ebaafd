package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

type docSyncCommand struct {
	remote
	docArgument
	File string `arg:"" help:"The .automerge file; a new one is written if it doesn't exist."`
}

// Run exchanges sync messages, one per call, until both sides hold the same.
func (c *docSyncCommand) Run(ctx context.Context, s streams) error {
	server, doc, err := c.open(ctx, c.remote)
	if err != nil {
		return err
	}
	local, err := os.ReadFile(c.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	storageID, err := storageID(c.File)
	if err != nil {
		return err
	}
	merged, synced, err := server.Sync(ctx, doc, storageID, local)
	if err != nil {
		return err
	}
	if synced.Received > 0 || len(local) == 0 {
		if err := writeFile(c.File, merged); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(s.out, map[string]any{"id": doc, "sent": synced.Sent, "received": synced.Received, "messages": synced.Rounds})
	}
	_, err = fmt.Fprintf(s.out, "%s: %s received, %d sent, in %s\n", c.File, count(synced.Received, "change"), synced.Sent, count(synced.Rounds, "message"))
	return err
}

// storageID names the copy of a document that a file on this machine is, as a
// UUID: the server keeps a small state for each.
func storageID(file string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	host, _ := os.Hostname() // without one, files of two machines may share a state, which costs a few bytes
	u := sha256.Sum256([]byte("concord doc sync\x00" + host + "\x00" + path))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16]), nil
}
