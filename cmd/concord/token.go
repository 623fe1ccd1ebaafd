package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"concord/internal/auth"
	"concord/internal/id"
)

type tokenCommand struct {
	Sub      string        `required:"" help:"User (the claim sub)."`
	Company  string        `required:"" help:"Tenant."`
	Role     auth.Role     `default:"editor" enum:"viewer,editor,admin,service" help:"viewer, editor, admin or service."`
	Roles    []string      `placeholder:"NAME,…" help:"Roles of the company's own, which its rules may name."`
	Name     string        `help:"Name for display."`
	Docs     []string      `placeholder:"ID,…" help:"Narrow the token to these documents, given as IDs or automerge URLs."`
	TTL      time.Duration `default:"1h" help:"How long the token is valid."`
	Secret   string        `name:"jwt-secret" env:"CONCORD_JWT_SECRET" help:"Secret to sign with, at least 32 bytes. Better set the variable: arguments show in process lists."`
	Issuer   string        `name:"jwt-issuer" env:"CONCORD_JWT_ISSUER" help:"The claim iss."`
	Audience string        `name:"jwt-audience" env:"CONCORD_JWT_AUDIENCE" help:"The claim aud."`
}

// Run prints the token and nothing else.
func (c *tokenCommand) Run(s streams) error {
	if c.Secret == "" {
		return errors.New("no secret to sign with; set CONCORD_JWT_SECRET to the one that the server has")
	}
	docs, err := documentIDs(c.Docs)
	if err != nil {
		return err
	}
	token, err := auth.Sign([]byte(c.Secret), auth.Claims{
		Subject: c.Sub, Company: c.Company, Name: c.Name, Role: c.Role, Roles: c.Roles, Docs: docs,
		Issuer: c.Issuer, Audience: c.Audience, Expires: time.Now().Add(c.TTL),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, token)
	return err
}

// documentIDs returns IDs in the form in which the claim docs has to hold them;
// nil, which doesn't narrow the token, for none.
func documentIDs(texts []string) ([]string, error) {
	var ids []string
	for _, text := range texts {
		d, err := id.Parse(strings.TrimPrefix(text, "automerge:"))
		if err != nil {
			return nil, fmt.Errorf("--docs: %w; want IDs of documents, such as the part of an automerge URL after the colon", err)
		}
		ids = append(ids, d.String())
	}
	return ids, nil
}
