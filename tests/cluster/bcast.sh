# bcast.sh: cmpi-bcast over nodes whose links differ; sourced by run.sh.
#
# The links are slow (tc), so that it is they, and not the machine's cores, that are measured against each
# other.  Nothing is compared with a clock but one node with another, with a wide margin.

# shellcheck shell=bash
# shellcheck disable=SC2154  # out, err, status: tests/lib.sh

# bcast_words MPI NODES PROGRAM...: in $words.
bcast_words() {
  local mpi=$1 nodes=$2 hosts; shift 2
  hosts=$(seq -s, -f 'node%g' 1 "$nodes")
  case $mpi in
    mpich) words=(mpiexec.hydra -hosts "$hosts" -n "$nodes" -bind-to none "$@") ;;
    openmpi) words=(mpiexec.openmpi --host "$hosts" -n "$nodes" --bind-to none "$@") ;;
  esac
}

# slow_node NODE RATE: its cable carries that much, each way.
slow_node() {
  local shape="root tbf rate $2 burst 32kb latency 100ms" hub
  hub=$(<"$CMPIRUN_CLUSTER/hub.pid")
  spoil_cluster
  # shellcheck disable=SC2086  # words
  on "$1" tc qdisc replace dev eth0 $shape
  # shellcheck disable=SC2086
  nsenter --target "$hub" --net -- tc qdisc replace dev "v${1#node}" $shape
}

# The program of the unit tests that says when each node had all.
need_pace() {
  local check
  check=$CLUSTER_SCRIPTS/../../build/bin/bcast_transfer_check.$1
  [[ -x $check ]] || complain "no $check"
  install -m 755 "$check" "$WORK/transfer_check.$1"
  mkdir -p -m 777 "$WORK/pace"
}

# slow_one MPI: of 16 nodes the fourth has a tenth of the others' link.  The others must not wait for it: each
# of them has all in less than half of its time.
slow_one() {
  local mpi=$1 words slow most
  need_cluster 16 200mbit
  need_pace "$mpi"
  slow_node node4 20mbit
  bcast_words "$mpi" 16 "$WORK/transfer_check.$mpi" "$WORK/pace" pace $((24 << 20))
  job_seconds=60 run bounded "${words[@]}"
  want_status 0
  want_equal "$(grep -c ' ms ' <<<"$out")" 16 'nodes with all of it'
  slow=$(awk '$1 == "node4" { print $2 }' <<<"$out")
  most=$(awk '$1 != "node4" && $3 == "ms" && $2 > most { most = $2 } END { print most + 0 }' <<<"$out")
  note "$mpi: the slow node had all after $slow ms, the last of the others after $most ms"
  ((most * 2 < slow)) || complain "the others waited for the slow node: $out"
}
test_a_slow_node_mpich() { slow_one mpich; }
test_a_slow_node_openmpi() { slow_one openmpi; }

# 3 GB: where an int no longer counts the bytes.
test_3_gb_to_two_nodes() {
  local words copy=/dev/shm/copy
  need_cluster 2
  [[ -e $WORK/3gb ]] || { head -c 100000007 /dev/urandom >"$WORK/part"; for _ in {1..30}; do cat "$WORK/part"; done >"$WORK/3gb"; }
  chmod 644 "$WORK/3gb"
  bcast_words mpich 2 "$HELPERS/cmpi-bcast.mpich" --json "$WORK/3gb" "$copy"
  job_seconds=55 run bounded "${words[@]}"
  want_status 0
  [[ $out == *'"bytes":3000000210,'* ]] || complain 'another size'
  on node2 cmp "$WORK/3gb" "$copy" || complain 'another content'
  on node1 rm -f "$copy"; on node2 rm -f "$copy"
  rm -f "$WORK/3gb" "$WORK/part"
}

# trees MPI: a directory and a file, read back, on three nodes.
trees() {
  local mpi=$1 words node
  need_cluster 3
  rm -rf "$WORK/tree"; mkdir -p "$WORK/tree/sub"
  head -c 3000001 /dev/urandom >"$WORK/tree/large"; head -c 777 /dev/urandom >"$WORK/tree/sub/small"
  ln -s sub/small "$WORK/tree/link"; head -c 20000001 /dev/urandom >"$WORK/alone"
  chmod -R a+rX "$WORK/tree" "$WORK/alone"
  bcast_words "$mpi" 3 "$HELPERS/cmpi-bcast.$mpi" --verify --json "$WORK/tree" "$WORK/alone" /dev/shm
  job_seconds=60 run bounded "${words[@]}"
  want_status 0
  [[ $out == *'"nodes":3,"files":3,"directories":2,"links":1'* ]] || complain "other counts: $out"
  for node in node1 node2 node3; do
    on "$node" diff -r --no-dereference "$WORK/tree" /dev/shm/tree || complain "another tree on $node"
    on "$node" cmp "$WORK/alone" /dev/shm/alone || complain "another file on $node"
    on "$node" rm -r /dev/shm/tree /dev/shm/alone
  done
}
test_trees_mpich() { trees mpich; }
test_trees_openmpi() { trees openmpi; }

# A node that dies in the middle ends the copy, and leaves nothing under the file's name.
test_a_node_dies_under_cmpi_bcast() {
  local words
  need_cluster 4 200mbit
  head -c $((100 << 20)) /dev/urandom >"$WORK/source"; chmod 644 "$WORK/source"
  bcast_words mpich 4 "$HELPERS/cmpi-bcast.mpich" --progress "$WORK/source" /dev/shm/copy
  setsid "$CLUSTER_SCRIPTS/vnodes" exec node1 --user "$CMPIRUN_TEST_USER" --cwd "$USER_HOME" -- \
    env PATH="$(node_path)" "${words[@]}" </dev/null >"$WORK/out" 2>"$WORK/err" & job=$!
  for _ in {1..200}; do grep -q 'of 100 MiB' "$WORK/err" && break; sleep 0.1; done
  spoil_cluster
  vnodes kill node3
  end_job 30
  [[ $status != 0 ]] || complain 'it ended well'
  on node2 test ! -e /dev/shm/copy || complain 'node2 has a copy'
}
