package api

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"concord/sync/hub"
	"concord/sync/wire"
)

// No metric has a company, user or document in its labels.

func (s *Server) newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	s.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "concord_connections_refused_total", Help: "WebSocket connections refused before they began, by close code.",
	}, []string{"code"})
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		s.refusals, newHubCollector(s.opts.Hub))
	r.MustRegister(storeMetrics(s.opts.Store.Stats)...)
	r.MustRegister(s.eventMetrics()...)
	if s.opts.Snapshots != nil {
		r.MustRegister(snapshotMetrics(s.opts.Snapshots)...)
	}
	if s.opts.Derived != nil {
		r.MustRegister(deriveMetrics(s.opts.Derived)...)
	}
	return r
}

func (s *Server) metricsHandler() http.Handler {
	return promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{})
}

func closeLabel(c wire.CloseCode) string { return strconv.Itoa(int(c)) }

// hubCollector turns one snapshot of the hub into metrics.
type hubCollector struct {
	hub     *hub.Hub
	values  []hubMetric
	refused *prometheus.Desc
	closes  *prometheus.Desc
}

type hubMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(hub.Stats) float64
}

func newHubCollector(h *hub.Hub) *hubCollector {
	c := &hubCollector{hub: h,
		refused: prometheus.NewDesc("concord_changes_refused_total", "Changes that the gate refused, by reason.", []string{"reason"}, nil),
		closes:  prometheus.NewDesc("concord_connections_closed_total", "Connections that the server closed, by close code.", []string{"code"}, nil),
	}
	gauge := func(name, help string, read func(hub.Stats) float64) {
		c.values = append(c.values, hubMetric{prometheus.NewDesc("concord_"+name, help, nil, nil), prometheus.GaugeValue, read})
	}
	counter := func(name, help string, read func(hub.Stats) uint64) {
		c.values = append(c.values, hubMetric{prometheus.NewDesc("concord_"+name+"_total", help, nil, nil), prometheus.CounterValue,
			func(s hub.Stats) float64 { return float64(read(s)) }})
	}
	gauge("connections", "Open WebSocket connections.", func(s hub.Stats) float64 { return float64(s.Connections) })
	gauge("peers", "Connections on which a client has joined.", func(s hub.Stats) float64 { return float64(s.Peers) })
	gauge("documents", "Documents that are open or in the cache.", func(s hub.Stats) float64 { return float64(s.Documents) })
	gauge("document_cache_bytes", "Memory of the change graphs and op sets of documents.", func(s hub.Stats) float64 { return float64(s.CacheBytes) })
	counter("joins", "Clients that have joined.", func(s hub.Stats) uint64 { return s.Joins })
	counter("frames_received", "Frames received from clients.", func(s hub.Stats) uint64 { return s.FramesIn })
	counter("frames_sent", "Frames sent to clients.", func(s hub.Stats) uint64 { return s.FramesOut })
	counter("received_bytes", "Bytes of frames received.", func(s hub.Stats) uint64 { return s.BytesIn })
	counter("sent_bytes", "Bytes of frames sent.", func(s hub.Stats) uint64 { return s.BytesOut })
	counter("changes_accepted", "Changes accepted, durable and relayed.", func(s hub.Stats) uint64 { return s.Changes })
	counter("sync_messages", "Sync messages sent.", func(s hub.Stats) uint64 { return s.Generated })
	counter("sync_messages_encoded", "Sync messages encoded; the other ones were shared.", func(s hub.Stats) uint64 { return s.Encoded })
	counter("ephemerals_relayed", "Ephemeral messages relayed.", func(s hub.Stats) uint64 { return s.Ephemerals })
	counter("echoes_dropped", "Ephemeral messages dropped as echo or repeat.", func(s hub.Stats) uint64 { return s.Echoes })
	counter("ephemerals_refused", "Ephemeral messages dropped because there were too many.", func(s hub.Stats) uint64 { return s.EphemeralsRefused })
	counter("presence_dropped", "Ephemeral messages dropped for slow clients.", func(s hub.Stats) uint64 { return s.PresenceDropped })
	counter("document_loads", "Documents loaded from the store.", func(s hub.Stats) uint64 { return s.Loads })
	counter("document_unloads", "Documents that left memory.", func(s hub.Stats) uint64 { return s.Unloads })
	counter("document_op_sets", "Op sets built, for the first change to a document that was not edited before.", func(s hub.Stats) uint64 { return s.Contents })
	counter("documents_sent", "Documents sent as a whole, from their snapshots.", func(s hub.Stats) uint64 { return s.WholeDocuments })
	counter("snapshots_decoded", "Snapshots decoded for clients that miss some of their changes.", func(s hub.Stats) uint64 { return s.Decodes })
	counter("orphans_evicted", "Changes that waited for others and were dropped to stay within the limit.", func(s hub.Stats) uint64 { return s.OrphansEvicted })
	return c
}

// Describe sends the descriptors of all metrics.
func (c *hubCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.values {
		ch <- m.desc
	}
	ch <- c.refused
	ch <- c.closes
}

// Collect sends one snapshot.
func (c *hubCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.hub.Stats()
	for _, m := range c.values {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(s))
	}
	for reason, n := range s.Refused {
		ch <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(n), string(reason))
	}
	for code, n := range s.Closes {
		ch <- prometheus.MustNewConstMetric(c.closes, prometheus.CounterValue, float64(n), closeLabel(code))
	}
}
