package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"concord/events/derive"
)

// deriveMetrics returns the collectors of the events that rules make.
func deriveMetrics(stats func() derive.Stats) []prometheus.Collector {
	counter := func(name, help string, read func(derive.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "concord_derived_events" + name, Help: help},
			func() float64 { return float64(read(stats())) })
	}
	return []prometheus.Collector{
		counter("_total", "Events that rules have made of changes.", func(s derive.Stats) uint64 { return s.Derived }),
		counter("_invalid_total", "Events not made because they don't fit the schema of their type.", func(s derive.Stats) uint64 { return s.Invalid }),
		counter("_dropped_total", "Events not made because too many changes came together.", func(s derive.Stats) uint64 { return s.Dropped }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "concord_derived_events_pending", Help: "Updates of documents that are to be told."},
			func() float64 { return float64(stats().Pending) }),
	}
}
