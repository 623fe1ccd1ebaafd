package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"concord/conflict"
	"concord/crdt"
)

// decide has people resolve some conflicts through the server.
func (c *comparison) decide(rng *rand.Rand) error {
	resolver := conflict.NewResolver(c.rig.ledger, c.rig.hub, nil)
	for _, d := range c.deliveries {
		page, err := c.rig.ledger.List(d.key.Company, conflict.Filter{Status: conflict.Open})
		if err != nil {
			return err
		}
		for range min(len(page.Records), rng.IntN(4)) {
			if err := c.decideOne(rng, resolver, d, page.Records[rng.IntN(len(page.Records))].ID); err != nil {
				return fmt.Errorf("sample %d: %w", d.sample.Number, err)
			}
		}
		if err := d.learn(c.rig); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) decideOne(rng *rand.Rand, resolver *conflict.Resolver, d *delivery, x conflict.ID) error {
	company := d.key.Company
	now, err := c.rig.ledger.Get(company, x, nil)
	if err != nil {
		return fmt.Errorf("get conflict %s: %w", x, err)
	}
	choice := conflict.Choice{Keep: now.Sides[rng.IntN(len(now.Sides))].Op}
	switch {
	case now.Kind == conflict.LostEdit:
		choice.Keep = []string{conflict.KeepEdits, conflict.KeepRemoval}[rng.IntN(2)]
	case rng.IntN(4) == 0:
		choice = conflict.Choice{Value: json.RawMessage(`{"decided":[1,"two",null]}`)}
	}
	decided, err := resolver.Resolve(c.rig.tb.Context(), company, x, choice, conflict.By{User: "cat"})
	switch {
	case errors.Is(err, conflict.ErrChoice), errors.Is(err, conflict.ErrNotOpen) && now.Status != conflict.Open:
		return nil // such as an increment that is to be kept; another decision that closed this one, too
	case err != nil:
		return fmt.Errorf("decide %s, status %s, with %+v: %w", x, now.Status, choice, err)
	case decided.Status != conflict.Resolved:
		return fmt.Errorf("conflict %s is %s after it was decided", x, decided.Status)
	}
	c.decided++
	return nil
}

// learn reads the changes that the server has written.
func (d *delivery) learn(r *rig) error {
	file, err := r.hub.Export(r.tb.Context(), d.key)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	doc, err := crdt.Load(file, crdt.Limits{})
	if err != nil {
		return fmt.Errorf("load what was exported: %w", err)
	}
	for _, change := range doc.Changes(nil) {
		if _, ok := d.byHash[change.Hash]; !ok {
			d.servers = append(d.servers, change)
		}
	}
	return nil
}
