package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"concord/internal/auth"
	"concord/internal/config"
)

// demoTokenTTL is how long the tokens that --dev prints are valid.
const demoTokenTTL = 24 * time.Hour

// demoPackages is what the example needs of npm, as seen from the folder of the sources.
const demoPackages = "examples/invoice/node_modules"

// demoUsers are the tokens that --dev prints.
type demoUsers struct {
	alice, bob string
	loopback   bool
	passing    bool // the secret ends with the process
}

// prepareDemo makes a secret if there is none, and tokens of two users.
func prepareDemo(cfg *config.Serve) (*demoUsers, error) {
	d := &demoUsers{}
	if cfg.JWTSecret == "" && cfg.JWKSURL == "" && cfg.JWKSFile == "" {
		d.passing = true
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("make a secret: %w", err)
		}
		cfg.JWTSecret = config.Secret(hex.EncodeToString(secret))
	}
	if cfg.JWTSecret == "" {
		return nil, fmt.Errorf("--dev signs tokens with a secret, but only public keys are configured; set CONCORD_JWT_SECRET or leave the keys out")
	}
	for user, token := range map[string]*string{"alice": &d.alice, "bob": &d.bob} {
		var err error
		*token, err = auth.Sign([]byte(cfg.JWTSecret), auth.Claims{
			Subject: user, Company: "demo", Name: user, Role: auth.RoleEditor,
			Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Expires: time.Now().Add(demoTokenTTL),
		})
		if err != nil {
			return nil, err
		}
	}
	if host, _, err := net.SplitHostPort(cfg.Listen); err == nil {
		ip := net.ParseIP(host)
		d.loopback = host == "localhost" || ip != nil && ip.IsLoopback()
	}
	return d, nil
}

// print says how to try the server.
func (d *demoUsers) print(w io.Writer, address net.Addr) {
	validity := "the next 24 hours"
	if d.passing {
		validity += ", or until the server stops"
	}
	install := ""
	if _, err := os.Stat(demoPackages); err != nil { // make run has installed them
		install = "  npm --prefix examples/invoice ci --no-audit --no-fund --loglevel=error && \\\n"
	}
	fmt.Fprintf(w, `
Concord runs on http://%[1]s

Two users of the company "demo", with tokens for %[4]s:

  alice  %[2]s

  bob    %[3]s

See them edit an invoice together, bob offline for a while. Paste this into another terminal, in this folder:

%[5]s  CONCORD_URL=http://%[1]s \
  ALICE_TOKEN=%[2]s \
  BOB_TOKEN=%[3]s \
  node examples/invoice/invoice.mjs

Ctrl-C stops the server; the documents stay in its data folder.

`, address, d.alice, d.bob, validity, install)
	if d.passing {
		fmt.Fprint(w, `The secret that signs tokens ends with the server. Set CONCORD_JWT_SECRET, here and for bin/concord token,
to keep one and to make tokens of other users and roles.

`)
	}
	if !d.loopback {
		fmt.Fprint(w, "--dev is for trying things out, and this address may be open to your network: don't use it in production.\n\n")
	}
}
