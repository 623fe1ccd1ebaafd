#!/usr/bin/env bash
# Runs every native fuzz target of the module for a time each.
# usage: fuzz/run.sh 60s
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
time=${1:-60s}
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
	grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/^func //' | sort -u | while read -r target; do
		echo "fuzz $dir $target $time"
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir"
	done
done
