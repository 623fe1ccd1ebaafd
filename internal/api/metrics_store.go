package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"concord/store"
)

// storeMetrics returns the collectors of what the store does.
func storeMetrics(stats func() store.Stats) []prometheus.Collector {
	counter := func(name, help string, read func(store.Stats) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "concord_store_" + name, Help: help}, func() float64 { return read(stats()) })
	}
	gauge := func(name, help string, read func(store.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "concord_store_" + name, Help: help}, func() float64 { return read(stats()) })
	}
	return []prometheus.Collector{
		counter("commits_total", "Group commits, each with its fsync.", func(s store.Stats) float64 { return float64(s.Commits) }),
		counter("writes_total", "Writes in the group commits.", func(s store.Stats) float64 { return float64(s.Writes) }),
		gauge("last_commit_seconds", "How long the latest group commit took.", func(s store.Stats) float64 { return s.LastCommit.Seconds() }),
		gauge("queued_writes", "Writes that wait for the next group commit.", func(s store.Stats) float64 { return float64(s.Queued) }),
	}
}
