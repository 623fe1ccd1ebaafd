package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"concord/internal/snapshot"
)

// snapshotMetrics returns the collectors of what the snapshot pool does.
func snapshotMetrics(stats func() snapshot.Stats) []prometheus.Collector {
	counter := func(name, help string, read func(snapshot.Stats) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "concord_" + name, Help: help}, func() float64 { return read(stats()) })
	}
	gauge := func(name, help string, read func(snapshot.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "concord_" + name, Help: help}, func() float64 { return read(stats()) })
	}
	return []prometheus.Collector{
		counter("snapshots_written_total", "Snapshots of documents written.", func(s snapshot.Stats) float64 { return float64(s.Written) }),
		counter("snapshots_failed_total", "Documents of which no snapshot could be written. Their changes stay as they are.", func(s snapshot.Stats) float64 { return float64(s.Failed) }),
		counter("snapshot_changes_total", "Changes in the snapshots written.", func(s snapshot.Stats) float64 { return float64(s.Changes) }),
		counter("snapshot_read_bytes_total", "Bytes of former snapshots and changes read.", func(s snapshot.Stats) float64 { return float64(s.BytesIn) }),
		counter("snapshot_written_bytes_total", "Bytes of snapshots written.", func(s snapshot.Stats) float64 { return float64(s.BytesOut) }),
		counter("snapshot_busy_seconds_total", "Time spent on snapshots.", func(s snapshot.Stats) float64 { return s.Busy.Seconds() }),
		gauge("snapshot_backlog", "Documents that wait for a snapshot.", func(s snapshot.Stats) float64 { return float64(s.Backlog) }),
		gauge("snapshot_oldest_seconds", "How long the first of them has been waiting.", func(s snapshot.Stats) float64 { return s.Oldest.Seconds() }),
	}
}
