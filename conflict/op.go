package conflict

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"concord/crdt"
)

// parseOp reads COUNTER@ACTOR, or _root.
func parseOp(s string) (crdt.OpID, error) {
	if s == "_root" {
		return crdt.OpID{}, nil
	}
	counter, actor, ok := strings.Cut(s, "@")
	n, err := strconv.ParseUint(counter, 10, 32)
	if !ok || err != nil || n == 0 {
		return crdt.OpID{}, fmt.Errorf("%q isn't an op: want COUNTER@ACTOR", clip(s, 100))
	}
	b, err := hex.DecodeString(actor)
	if err != nil {
		return crdt.OpID{}, fmt.Errorf("%q isn't an op: the actor isn't hex", clip(s, 100))
	}
	return crdt.OpID{Counter: uint32(n), Actor: crdt.ActorID(b)}, nil
}

func opTexts(ops []crdt.OpID) []string {
	texts := make([]string, len(ops))
	for i, op := range ops {
		texts[i] = opText(op)
	}
	return texts
}

func parseOps(texts []string) ([]crdt.OpID, error) {
	ops := make([]crdt.OpID, len(texts))
	for i, s := range texts {
		var err error
		if ops[i], err = parseOp(s); err != nil {
			return nil, err
		}
	}
	return ops, nil
}
