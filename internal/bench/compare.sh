#!/usr/bin/env bash
# Measures this server and the stock Node sync server in turn, in one run, so that
# their figures can be compared by ratio. Both run on this machine, like the clients.
# usage: internal/bench/compare.sh [arguments of concord bench]
set -euo pipefail
cd "$(dirname "$0")/../.."
args=("$@")
[ ${#args[@]} -gt 0 ] || args=(--edits 40 --duration 5s --connections 10000)

coproc REFERENCE { exec node internal/testkit/stock/js/v2/reference-server.mjs; }
pid=$REFERENCE_PID
trap 'kill "$pid" 2>/dev/null || true' EXIT
read -r line <&"${REFERENCE[0]}"
address=$(sed -E 's/.*"address": ?"([^"]+)".*/\1/' <<<"$line")

for scenario in fan-out closed first-sync idle; do
	echo "== Concord"
	bin/concord bench --scenario "$scenario" "${args[@]}"
	echo "== stock Node server, without storage"
	env -u CONCORD_JWT_SECRET bin/concord bench --url "ws://$address" --pid "$pid" --scenario "$scenario" "${args[@]}"
done
