package crdt

import (
	"errors"
	"testing"
)

// gated runs chunks through codec, gate and orphan pool as a server does and
// returns the first refusal.
func gated(t *testing.T, chunks []string) (g *Graph, o *Orphans, refusal *RefusalError) {
	t.Helper()
	g, o = NewGraph(), NewOrphans(OrphanLimits{})
	for _, s := range chunks {
		c, err := ParseChange(unhex(t, s), Limits{})
		if err == nil {
			err = appendAll(g, o, c)
		}
		if errors.As(err, &refusal) {
			return g, o, refusal
		}
		if err != nil && !errors.Is(err, ErrKnown) {
			t.Fatal(err)
		}
	}
	g.Publish(g.Staged())
	return g, o, nil
}

// appendAll appends c and the orphans that waited for it.
func appendAll(g *Graph, o *Orphans, c *Change) error {
	for queue := []*Change{c}; len(queue) > 0; queue = queue[1:] {
		_, err := g.Append(queue[0].Header())
		var missing *MissingDepsError
		switch {
		case errors.As(err, &missing):
			o.Add(queue[0], "peer", missing.Missing)
		case err != nil:
			return err
		default:
			for _, ready := range o.Release(queue[0].Hash) {
				queue = append(queue, ready.Change)
			}
		}
	}
	return nil
}

func TestGateAcceptance(t *testing.T) {
	for _, c := range readAcceptance(t) {
		t.Run(c.Name, func(t *testing.T) {
			g, o, refusal := gated(t, c.Chunks)
			_, later := needOpSet[c.Name]
			switch {
			case c.Want == "accept" && (refusal != nil || o.Len() > 0 || g.Len() == 0):
				t.Errorf("%d changes, %d orphans, %v", g.Len(), o.Len(), refusal)
			case c.Want == "queue" && (refusal != nil || o.Len() == 0):
				t.Errorf("%d orphans, %v", o.Len(), refusal)
			case c.Want == "reject" && later && refusal != nil:
				t.Errorf("refused before the op set: %v", refusal)
			case c.Want == "reject" && !later && refusal == nil:
				t.Error("accepted")
			}
			if want := needGraph[c.Name]; want != "" && (refusal == nil || string(refusal.Reason) != want) {
				t.Errorf("%v, want reason %s", refusal, want)
			}
		})
	}
}
