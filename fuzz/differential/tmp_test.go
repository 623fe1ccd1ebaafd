package differential

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"concord/fuzz/history"
	"concord/fuzz/oracle"
)

func TestTmp(t *testing.T) {
	js, err := oracle.JS()
	if err != nil {
		t.Fatal(err)
	}
	defer js.Close()
	gg, err := oracle.Go()
	if err != nil {
		t.Fatal(err)
	}
	defer gg.Close()
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	n, _ := strconv.Atoi(os.Getenv("N"))
	var tg, tj, ta time.Duration
	bad := 0
	without, _ := strconv.ParseUint(os.Getenv("WITHOUT"), 0, 32)
	jf, gf, ok, msgs := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for b := 0; b < n && bad < 3; b++ {
		var cases []oracle.Case
		var hs []*history.History
		t0 := time.Now()
		for i := range 50 {
			rng := rand.New(rand.NewPCG(uint64(seed), uint64(b*50+i)))
			h, err := history.Random(rng, history.Shape{Without: history.Oddity(without)})
			if err != nil {
				t.Fatal(b, i, err)
			}
			hs = append(hs, h)
			cases = append(cases, oracle.Case{Changes: h.Bytes(), Batches: h.Delivery(rng), Views: h.Views(rng, 2)})
		}
		tg += time.Since(t0)
		t0 = time.Now()
		ja, err := js.Cases(cases)
		if err != nil {
			t.Fatal(err)
		}
		tj += time.Since(t0)
		t0 = time.Now()
		for i := range cases {
			cases[i].Batches = hs[i].InOrder(rand.New(rand.NewPCG(uint64(seed), uint64(i))))
		}
		ga, err := gg.Cases(cases)
		if err != nil {
			t.Fatal(err)
		}
		ta += time.Since(t0)
		for i := range cases {
			j, g := ja[i], ga[i]
			for k := range 16 {
				o := history.Oddity(1 << k)
				if hs[i].Oddities&o != 0 {
					if j.Error != "" {
						jf[o.String()]++
					}
					if g.Error != "" {
						gf[o.String()]++
					}
					if j.Error == "" && g.Error == "" {
						ok[o.String()]++
					}
				}
			}
			if os.Getenv("STAT") != "" {
				if j.Error != "" {
					msgs[j.Error]++
				}
				if g.Error != "" {
					msgs["go "+g.Error]++
				}
				continue
			}
			if j.Error != "" || g.Error != "" || oracle.Plain(j.Dump) != g.Dump || j.Live != "" || g.Live != "" {
				bad++
				t.Errorf("case %d/%d: js error %q (%v) go error %q\nJS live %s\n JS plain %s\nGO %s\nGO live %s", b, i, j.Error, j.Panic, g.Error, j.Live, oracle.Plain(j.Dump), g.Dump, g.Live)
				if os.Getenv("HIST") != "" {
					t.Log("\n" + hs[i].String())
				}
				if os.Getenv("DUMP") != "" {
					t.Log(j.Dump)
				}
				break
			}
		}
	}
	t.Log("js", jf)
	t.Log("go", gf)
	t.Log("ok", ok)
	t.Log(msgs)
	t.Log("gen", tg, "js", tj, "go", ta)
}
