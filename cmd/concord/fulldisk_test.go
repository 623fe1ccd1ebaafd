package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/auth"
	"concord/internal/peer"
)

// fullDiskEnv makes the test binary a server whose disk is full; it holds the data folder.
const fullDiskEnv = "CONCORD_TEST_FULL_DISK"

// diskFiller is the server's stderr. Once the server listens, its files can't grow any more.
type diskFiller struct{}

func (diskFiller) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(`"listening"`)) {
		limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return 0, err
		}
	}
	return os.Stderr.Write(p)
}

func serveOnFullDisk(data string) int {
	signal.Ignore(syscall.SIGXFSZ) // so that writing fails as on a full disk
	return run(context.Background(), []string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--log-format", "json"}, streams{os.Stdout, diskFiller{}})
}

// A server that can't store says so and ends; it acknowledges nothing more, and
// what it has acknowledged is there.
func TestFullDiskEndsTheServer(t *testing.T) {
	data := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fullDiskEnv+"="+data, "CONCORD_JWT_SECRET="+testSecret)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	log := bufio.NewReader(stderr)
	address := listeningAddress(t, log)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	doc := peer.NewDocumentID()
	author := dialPeer(t, address).Create(doc)
	var acked []crdt.Hash
	for {
		h, err := author.Set("scan", crdt.BytesValue(make([]byte, 100<<10)))
		if err == nil {
			err = author.WaitAcked(ctx, h)
		}
		if err != nil {
			break
		}
		acked = append(acked, h)
	}
	rest, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the server ended with %v, want exit code 1:\n%s", err, rest)
	}
	lines := strings.Split(strings.TrimSpace(string(rest)), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "concord: ") || !strings.Contains(last, "see to the disk, look at the folder with concord check "+data) {
		t.Errorf("the last words are %q", last)
	}

	if code, out, errs := command(t, "check", data); code != 0 {
		t.Errorf("check: %d %s %s", code, out, errs)
	}
	again := serve(t, data, "--jwt-secret", testSecret)
	reader := dialPeer(t, strings.TrimPrefix(again.url, "http://")).Open(doc)
	if available, err := reader.WaitSynced(ctx); err != nil || !available || len(acked) == 0 {
		t.Fatalf("available %v, %v, with %d acknowledged changes", available, err, len(acked))
	}
	for _, h := range acked {
		if !reader.Has(h) {
			t.Errorf("acknowledged change %v is lost", h)
		}
	}
}

// listeningAddress reads a log up to the line that tells the address.
func listeningAddress(t *testing.T, log *bufio.Reader) string {
	t.Helper()
	for {
		line, err := log.ReadBytes('\n')
		var record struct{ Msg, Address string }
		if json.Unmarshal(line, &record) == nil && record.Msg == "listening" {
			return record.Address
		}
		if err != nil {
			t.Fatalf("the server doesn't listen: %v", err)
		}
	}
}

func dialPeer(t *testing.T, address string) *peer.Peer {
	t.Helper()
	token, err := auth.Sign([]byte(testSecret), auth.Claims{Subject: "alice", Company: "acme", Role: auth.RoleEditor, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := peer.Dial(t.Context(), peer.Options{URL: "ws://" + address + "/v1/sync", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Drop)
	return p
}
