package api

import "github.com/prometheus/client_golang/prometheus"

// eventMetrics returns the collectors of who hears events.
func (s *Server) eventMetrics() []prometheus.Collector {
	all := []prometheus.Collector{&closingCollector{s.audience, prometheus.NewDesc("concord_event_connections_closed_total",
		"Event connections that the server closed, by close code.", []string{"code"}, nil)}}
	for _, via := range transports {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "concord_event_connections", Help: "Open event connections, and calls that wait for events.", ConstLabels: prometheus.Labels{"transport": via},
		}, func() float64 { return float64(s.audience.count(via)) }))
	}
	return all
}

// closingCollector counts the event connections that were closed.
type closingCollector struct {
	audience *audience
	desc     *prometheus.Desc
}

// Describe sends the descriptor.
func (c *closingCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect sends the counts.
func (c *closingCollector) Collect(ch chan<- prometheus.Metric) {
	for code, n := range c.audience.closings() {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n), closeLabel(code))
	}
}
