#!/usr/bin/env bash
# Runs every native fuzz target of the module for a time each.
# usage: fuzz/run.sh 60s
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
time=${1:-60s}

# On a busy machine Go's fuzzer may report its own deadline as a failure, without an input that fails: then it runs again.
run() {
	local out code=0
	out=$("$go" test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" 2>&1) || code=$?
	echo "$out"
	if [ $code -ne 0 ] && grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input written' <<<"$out" && [ "${3:-}" != again ]; then
		run "$1" "$2" again
		return
	fi
	return $code
}

grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
	grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/^func //' | sort -u | while read -r target; do
		echo "fuzz $dir $target $time"
		run "$dir" "$target"
	done
done
