package ledger

import (
	"testing"
	"fmt"
)

func TestX(t *testing.T) {
	j, err := NewJudge()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	kinds := map[string]int{}
	for b := range 10 {
		list, err := j.Samples(1, uint64(b)*50, 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			kinds["changes"] += len(s.Changes)
			kinds["decoded"] += s.Decoded
			kinds["looks"] += s.Looks
			kinds["samples"]++
			for _, r := range s.Records {
				kinds[r.Kind+" "+r.Status]++
				if r.Elem != "" { kinds["elem"]++ }
				if r.Winner == "" && r.Kind != "lost-edit" { kinds["no winner"]++ }
				if len(r.Values) > 5 { kinds["many values"]++ }
				if len(r.Root) > 1 { kinds["roots"]++ }
				if len(r.Root) > 0 && r.Kind != "lost-edit" { kinds["root"]++ }
			}
		}
	}
	fmt.Println(kinds)
}
