#!/usr/bin/env bash
# cmpi-bcast alone: tool.sh MPI CMPI_BCAST
# All ranks are on one host, so one copies; nodes that differ are for tests/cluster, but a UTS
# namespace each makes two of them here where that is permitted.
# shellcheck source=tests/unit/bcast/mpi/run.bash
. "$(dirname "$0")/run.bash"
bcast=$2

make_file "$dir/src" 5000001
chmod 750 "$dir/src"; touch -d 2001-02-03 "$dir/src"

echo "a copy with mode and time"
run_mpi 2 "$bcast" --json --verify "$dir/src" "$dir/dst" >"$dir/json" 2>"$dir/err" || fail "$(cat "$dir/err")"
cmp "$dir/src" "$dir/dst"
[[ $(stat -c '%a %Y' "$dir/dst") == "$(stat -c '%a %Y' "$dir/src")" ]] || fail "mode or time differ"
has "$dir/json" '"bytes":5000001'
has "$dir/err" "one a node copies"

echo "into a directory; over an older file"
mkdir "$dir/d"; echo old >"$dir/d/src"
run_mpi 1 "$bcast" "$dir/src" "$dir/d" 2>"$dir/err"
cmp "$dir/src" "$dir/d/src"
[[ ! -s $dir/err ]] || fail "not quiet: $(cat "$dir/err")"

echo "several sources, trees"
mkdir -p "$dir/tree/sub/empty" "$dir/many"
make_file "$dir/tree/large" 3000001; make_file "$dir/tree/sub/small" 1000; : >"$dir/tree/none"
ln -s sub/small "$dir/tree/link"; ln "$dir/tree/none" "$dir/tree/twin"
chmod 500 "$dir/tree/sub/empty"; touch -d 2001-02-03 "$dir/tree/sub"
run_mpi 2 "$bcast" --json --verify --progress "$dir/tree" "$dir/src" "$dir/many" >"$dir/json" 2>"$dir/err" || fail "$(cat "$dir/err")"
diff -r --no-dereference "$dir/tree" "$dir/many/tree" || fail "another tree"
cmp "$dir/src" "$dir/many/src"
listed() { (cd "$1" && find . ! -type l -printf '%p %m %n %T@\n' | sort); }
[[ $(listed "$dir/tree") == "$(listed "$dir/many/tree")" ]] || fail "other modes or times"
has "$dir/json" '"files":4,"directories":3,"links":2'
jq -e '.bytes >= 8001002 and .total_ns > 0 and .schedule == "chain"' "$dir/json" >/dev/null || fail "$(cat "$dir/json")"
has "$dir/err" "of 7 MiB"
run_mpi 1 "$bcast" "$dir/tree" "$dir/renamed"
diff -r --no-dereference "$dir/tree" "$dir/renamed" || fail "another tree under a new name"
run_mpi 1 "$bcast" "$dir/tree/sub/." "$dir/many"
[[ -f $dir/many/sub/small ]] || fail "the directory itself has no name"

# refused CODE TEXT ARGUMENTS...
refused() {
	local code=$1 text=$2 status=0; shift 2
	run_mpi 2 "$bcast" "$@" >"$dir/log" 2>&1 || status=$?
	[[ $status == "$code" ]] || { cat "$dir/log" >&2; fail "$*: status $status, not $code"; }
	has "$dir/log" "$text"
	[[ $(grep -cF -- "$text" "$dir/log") == 1 ]] || fail "$text: said more than once"
}
echo "failures"
refused 120 "missing does not exist" "$dir/missing" "$dir/x"
refused 120 "exists, and a directory does not replace anything" "$dir/tree" "$dir/many"
refused 120 "is not a directory that is there" "$dir/tree" "$dir/src" "$dir/x"
refused 120 "would get the same name" "$dir/src" "$dir/d/src" "$dir/many"
refused 120 "unknown option" --frob "$dir/src" "$dir/x"
refused 120 "wanted: cmpi-bcast" "$dir/src"
refused 120 "No such file or directory" "$dir/src" "$dir/no/such/place"
[[ ! -e $dir/x ]] || fail "a file was left"
[[ -z $(find "$dir" -name '.cmpi-bcast*') ]] || fail "a temporary file was left"

echo "two nodes"
if [[ $mpi == mpich ]] && unshare --uts --mount true 2>/dev/null; then
	mkdir "$dir/mnt"
	# Each rank: its own node name and its own directory; the copy is looked at from inside.
	# shellcheck disable=SC2016
	run_mpi 3 unshare --uts --mount bash -c '
		hostname "n$PMI_RANK"; mount -t tmpfs none "$1/mnt"
		"$2" "$1/src" "$1/mnt/dst" && cmp "$1/src" "$1/mnt/dst" && touch "$1/good.$PMI_RANK"
	' _ "$dir" "$bcast" || fail "status $?"
	for rank in 0 1 2; do [[ -e $dir/good.$rank ]] || fail "no copy on node $rank"; done
	# A tree, by several readers.
	# shellcheck disable=SC2016
	run_mpi 3 unshare --uts --mount bash -c '
		hostname "n$PMI_RANK"; mount -t tmpfs none "$1/mnt"
		"$2" --readers 2 "$1/tree" "$1/src" "$1/mnt" && diff -r --no-dereference "$1/tree" "$1/mnt/tree" &&
			cmp "$1/src" "$1/mnt/src" && touch "$1/tree.$PMI_RANK"
	' _ "$dir" "$bcast" || fail "a tree: status $?"
	for rank in 0 1 2; do [[ -e $dir/tree.$rank ]] || fail "no tree on node $rank"; done
	# A node that has something of that name.
	# shellcheck disable=SC2016
	run_mpi 3 unshare --uts --mount bash -c '
		hostname "n$PMI_RANK"; mount -t tmpfs none "$1/mnt"; [[ $PMI_RANK != 2 ]] || mkdir "$1/mnt/tree"
		"$2" "$1/tree" "$1/mnt"; status=$?
		[[ $(ls -A "$1/mnt") == "$([[ $PMI_RANK != 2 ]] || echo tree)" ]] && touch "$1/clean-tree.$PMI_RANK"
		exit $status
	' _ "$dir" "$bcast" >"$dir/log" 2>&1 && fail "a node had something of that name"
	has "$dir/log" "node n2: $dir/mnt/tree exists"
	for rank in 0 1 2; do [[ -e $dir/clean-tree.$rank ]] || fail "half a tree on node $rank"; done
	# Several readers; one of them sees another file.
	# shellcheck disable=SC2016
	run_mpi 3 unshare --uts --mount bash -c '
		hostname "n$PMI_RANK"; mount -t tmpfs none "$1/mnt"
		"$2" --readers 3 "$1/src" "$1/mnt/dst" && cmp "$1/src" "$1/mnt/dst" && touch "$1/read.$PMI_RANK"
	' _ "$dir" "$bcast" || fail "several readers: status $?"
	for rank in 0 1 2; do [[ -e $dir/read.$rank ]] || fail "several readers: no copy on node $rank"; done
	# shellcheck disable=SC2016
	run_mpi 3 unshare --uts --mount bash -c '
		hostname "n$PMI_RANK"; mount -t tmpfs none "$1/mnt"
		[[ $PMI_RANK != 1 ]] || mount --bind /etc/passwd "$1/src"
		"$2" --readers 3 "$1/src" "$1/mnt/dst"
	' _ "$dir" "$bcast" >"$dir/log" 2>&1 && fail "readers of different files"
	has "$dir/log" "is another file on n1"
	# shellcheck disable=SC2016
	run_mpi 3 unshare --uts --mount bash -c '
		hostname "n$PMI_RANK"; mount -t tmpfs -o size=$((PMI_RANK == 1 ? 1 : 100))m none "$1/mnt"
		"$2" "$1/src" "$1/mnt/dst"; status=$?
		[[ -z $(ls -A "$1/mnt") ]] && touch "$1/clean.$PMI_RANK"
		exit $status
	' _ "$dir" "$bcast" >"$dir/log" 2>&1 && fail "one node had no room"
	has "$dir/log" "node n1: the file needs 5 MiB"
	for rank in 0 1 2; do [[ -e $dir/clean.$rank ]] || fail "half a file on node $rank"; done
else
	echo "  skipped"
fi
"$bcast" --help >"$dir/log"; has "$dir/log" "--verify"
"$bcast" --version >"$dir/log"; has "$dir/log" "cmpirun"
echo passed
