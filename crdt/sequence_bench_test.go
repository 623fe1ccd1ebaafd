package crdt

import (
	"math/rand/v2"
	"testing"
)

const benchElements = 100_000

func perElement(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/element")
}

func BenchmarkSequenceType(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		typed(NewOpSet(), benchElements)
	}
	perElement(b, benchElements)
}

func BenchmarkSequenceScatter(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		scattered(NewOpSet(), benchElements)
	}
	perElement(b, benchElements)
}

func BenchmarkSequenceLoad(b *testing.B) {
	b.ReportAllocs()
	v := StringValue("x")
	for b.Loop() {
		s := NewOpSet()
		s.actors.add("typist")
		build := newSequenceBuilder(s, true)
		for i := range uint32(benchElements) {
			build.add(newLamport(i, 0), newLamport(i+1, 0), v, 0)
		}
		build.finish()
	}
	perElement(b, benchElements)
}

func BenchmarkSequenceDelete(b *testing.B) {
	for name, order := range map[string]func(i int) int{
		"forwards":  func(i int) int { return i + 1 },
		"backwards": func(i int) int { return benchElements - i },
		"scattered": func(i int) int { return i*7919%benchElements + 1 },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s := NewOpSet()
				q := typed(s, benchElements)
				b.StartTimer()
				for i := range benchElements {
					q.delete(s, newLamport(uint32(order(i)), 0), newLamport(uint32(benchElements+1+i), 0))
				}
			}
			perElement(b, benchElements)
		})
	}
}

func BenchmarkSequenceRead(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	for name, build := range map[string]func(*OpSet, int) *sequence{"typed": typed, "scattered": scattered} {
		s := NewOpSet()
		q := build(s, benchElements)
		b.Run(name+"/index", func(b *testing.B) {
			for b.Loop() {
				q.index(newLamport(1+rng.Uint32N(benchElements), 0))
			}
		})
		b.Run(name+"/at", func(b *testing.B) {
			for b.Loop() {
				q.at(rng.IntN(benchElements))
			}
		})
		b.Run(name+"/next", func(b *testing.B) {
			for b.Loop() {
				for c := q.cursor(); c.next(); {
				}
			}
			perElement(b, benchElements)
		})
	}
}
