// Package api is Concord's face to the network: it authenticates requests,
// upgrades WebSockets and hands them to the hub, and serves the REST endpoints,
// health and metrics.
package api
