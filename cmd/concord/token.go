package main

import (
	"errors"
	"fmt"
	"time"

	"concord/internal/auth"
)

type tokenCommand struct {
	Sub      string        `required:"" help:"User (the claim sub)."`
	Company  string        `required:"" help:"Tenant."`
	Role     auth.Role     `default:"editor" enum:"viewer,editor,admin,service" help:"viewer, editor, admin or service."`
	Name     string        `help:"Name for display."`
	Docs     []string      `placeholder:"ID,…" help:"Narrow the token to these document IDs."`
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
	token, err := auth.Sign([]byte(c.Secret), auth.Claims{
		Subject: c.Sub, Company: c.Company, Name: c.Name, Role: c.Role, Docs: c.Docs,
		Issuer: c.Issuer, Audience: c.Audience, Expires: time.Now().Add(c.TTL),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, token)
	return err
}
