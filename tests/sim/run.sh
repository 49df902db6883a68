#!/usr/bin/env bash
#
# run.sh: the broadcast's real code on simulated machines (perfdata/simulate): every node gets every chunk
# exactly once, and the simulated time, which is the same on every machine, is near the link's limit.
#
# In: the sources, libsimgrid-dev. Out: a line a test, and "N passed, N failed"; status 0 if nothing
# failed. Half a minute of one core.

set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
passed=0 failed=0

good() { passed=$((passed + 1)); echo "ok $1"; }
bad() { failed=$((failed + 1)); echo "FAILED: $1"; }

# simulate RESULT-FILE OPTION...
simulate() {
	local result=$1; shift
	perfdata/simulate --seconds 300 "$@" >"$result" 2>"$work/errors" || { cat "$work/errors" "$result"; return 1; }
}

# bound NAME MOST OPTION...: complete, and at most MOST times the limit.
bound() {
	local name=$1 most=$2 ratio; shift 2
	simulate "$work/result" "$@" || { bad "$name: it did not run"; return; }
	ratio=$(jq 'select(.incomplete == 0) | .ratio' "$work/result")
	if jq -e --argjson most "$most" '.incomplete == 0 and .ratio <= $most and .ratio >= 1' "$work/result" >/dev/null; then
		good "$name: $ratio"
	else
		bad "$name: $ratio, at most $most wanted: $(cat "$work/result")"
	fi
}

# same NAME OPTION...: the figure can be had again.
same() {
	local name=$1; shift
	simulate "$work/first" "$@" && simulate "$work/second" "$@" || { bad "$name: it did not run"; return; }
	if [[ $(jq .seconds "$work/first") == "$(jq .seconds "$work/second")" ]]; then good "$name"; else bad "$name"; fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The limits are what was measured when they were written, and a few hundredths more.
bound 'dragonfly of 256, 100 MB' 1.24 --nodes 256 --bytes 100000000 --chunk-size 524288 --kind two-tree
bound 'fat tree of 250, 50 MB' 1.50 --platform fat-tree --nodes 250 --bytes 50000000
bound 'chain of 8' 1.10 --nodes 8 --bytes 200000000 --kind chain --chunk-size 262144
bound 'two-tree of 5, odd end' 1.30 --nodes 5 --bytes 100000001 --kind two-tree
bound 'three readers, 64 nodes' 1.28 --nodes 64 --bytes 30000000 --readers 3
bound 'one byte' 1000000000 --nodes 2 --bytes 1
bound 'nodes in no order' 1.52 --nodes 128 --bytes 20000000 --order shuffled
same 'the same again' --nodes 40 --bytes 10000000

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
