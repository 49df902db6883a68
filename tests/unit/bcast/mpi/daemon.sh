#!/usr/bin/env bash
# cmpi-bcast as the child of a daemon: daemon.sh MPI CMPI_BCAST FAKE_DAEMON
# Every rank is a fake daemon that starts cmpi-bcast; their reports must be alike.
# shellcheck source=tests/unit/bcast/mpi/run.bash
. "$(dirname "$0")/run.bash"
bcast=$2 fake=$3
MIB=1048576

# session RANKS IMAGE [KEY=VALUE...]: runs it and compares the reports; leaves the first in $report.
session() {
	local ranks=$1 image=$2 rank; shift 2
	rm -rf "$dir/out" "$dir/victim"; mkdir "$dir/out"
	run_mpi "$ranks" "$fake" "$bcast" "$dir/out" "$image" "$@" >"$dir/log" 2>&1 ||
		{ cat "$dir/log" >&2; fail "$ranks ranks, $image $*: status $?"; }
	report=$dir/out/rank.0
	for ((rank = 0; rank < ranks; rank++)); do
		cmp "$report" "$dir/out/rank.$rank" || fail "rank $rank has another report"
	done
}

good_session() {
	session "$@"
	has "$report" "content same"
	has "$report" "plan a plan of no meaning"
	has "$report" "size $1"
	has "$report" "ended 0"
	[[ $(sort -u <(grep '^card' "$report") | wc -l) == "$1" ]] || fail "not $1 cards"
	if grep -q '^key 0*$' "$report"; then fail "no key"; fi
}

echo "sizes and ranks"
for size in 0 1 $((MIB - 1)) $MIB $((MIB + 1)) $((37 * MIB)); do make_file "$dir/$size" "$size"; done
for ranks in 1 2 3 5; do good_session $ranks "$dir/$((37 * MIB))"; done
for size in 0 1 $((MIB - 1)) $MIB $((MIB + 1)); do good_session 3 "$dir/$size"; done
first=$(grep '^key' "$report")
good_session 3 "$dir/1" nodes=3
[[ $(grep '^key' "$report") != "$first" ]] || fail "the key is not random"

echo "several readers; a map of what has arrived"
good_session 5 "$dir/$((37 * MIB))" readers=3 map=1
has "$report" "map complete"
good_session 3 "$dir/1" readers=3 map=1

echo "no image"
session 2 /dev/null path=
has "$report" "bytes 0"

echo "image missing"
session 3 /dev/null path="$dir/missing.sqsh"
has "$report" "failed rank=0 exit=121"
has "$report" "$dir/missing.sqsh does not exist"

echo "the number of nodes is another"
rm -rf "$dir/out"; mkdir "$dir/out"
run_mpi 2 "$fake" "$bcast" "$dir/out" "$dir/1" nodes=7 >"$dir/log" 2>&1 || fail "status $?"
for report in "$dir"/out/none.*; do has "$report" "sees 2 nodes where the job has 7"; done

echo "no room on one node"
if mkdir "$dir/small" && mount -t tmpfs -o size=4m none "$dir/small" 2>/dev/null; then
	mounts+=("$dir/small")
	session 3 "$dir/$((37 * MIB))" victim="$dir/victim" victim-dir="$dir/small"
	has "$report" "exit=123"
	has "$report" "node $(hostname)"
	has "$report" "needs 37 MiB"
	has "$report" "has 4 MiB free"
else
	echo "  skipped: no permission to mount"
fi

echo "a daemon dies: nothing stays behind"
rm -rf "$dir/out" "$dir/victim"; mkdir "$dir/out"
if run_mpi 3 "$fake" "$bcast" "$dir/out" "$dir/$((37 * MIB))" victim="$dir/victim" die=1 \
	>"$dir/log" 2>&1; then
	fail "the job went on"
fi
for ((i = 0; i < 50; i++)); do
	pgrep -f "^$bcast --daemon-fd" >/dev/null || break
	sleep 0.1
done
if pgrep -fa "^$bcast --daemon-fd"; then fail "cmpi-bcast is left"; fi
echo passed
