#!/usr/bin/env bash
#
# selftest.sh: proves that the virtual cluster is one, before cmpirun is tested on it.
#
#   tests/cluster/selftest.sh
#
# In: the packages of tests/deps.sh check, root. Out: a line a test, and `N passed, N failed`;
# status 0 if none failed.
#
# What: 4 nodes with Slurm and sshd; mpi_hello, compiled with the machine's two MPIs, started the four
# ways that cmpirun builds on (srun with PMI-2 and PMIx, Hydra and Open MPI's mpiexec over ssh), as an
# ordinary user; a node that dies, a cable that is cut; and that nothing at all remains.
#
# Invariants: every command has a time-out; whatever happens, the trap takes the nodes down. It uses
# a cluster directory of its own, so it may run beside other clusters.

set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# Where the nodes, and an ordinary user, can read: not /tmp, which each node has for itself.
WORK=$(mktemp -d /var/tmp/cmpirun-selftest.XXXXXX)
readonly WORK
export CMPIRUN_CLUSTER=$WORK/cluster
readonly LIMIT=60   # seconds, for what should take one
passed=0 failed=0

cleanup() { "$HERE/vnodes" down; rm -rf "$WORK"; }
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

# check NAME COMMAND...: one test; its output is shown when it fails. It runs as a job of its own: as the
# condition of an `if` it would run on after a command in it failed.
check() {
  local name=$1 started=$EPOCHREALTIME
  shift
  ("$@") > "$WORK/out" 2>&1 &
  if wait $!; then
    passed=$((passed + 1))
    printf 'ok      %-44s %4d ms\n' "$name" $(((${EPOCHREALTIME/./} - ${started/./}) / 1000))
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$name"
    sed 's/^/        /' "$WORK/out"
  fi
}

# user COMMAND...: on node1, as the ordinary user.
user() { timeout -k 5 "$LIMIT" "$HERE/vnodes" exec node1 --user "$ACCOUNT" -- "$@"; }

# hello LIBRARY SIZE COMMAND...: what a right run of mpi_hello prints: each rank once, on a node that
# holds its share, with a library of that name, and the right sum.
hello() {
  local library=$1 size=$2 rank line
  shift 2
  user "$@" > "$WORK/hello"
  cat "$WORK/hello"
  [[ $(wc -l < "$WORK/hello") == "$size" ]]
  for ((rank = 0; rank < size; rank++)); do
    line=$(grep "^rank $rank of $size on node" "$WORK/hello")
    [[ $line == *" from "*"/$library.so."*" sum $((size * (size - 1) / 2))" ]]
  done
  [[ $(sed 's/.* on \(node[0-9]*\): .*/\1/' "$WORK/hello" | sort | uniq -c | awk '{ print $1, $2 }') \
     == $(for node in 1 2 3 4; do echo "$((size / 4)) node$node"; done) ]]
}

# status WANTED COMMAND...: the command ends with just that.
status() {
  local wanted=$1 got=0
  shift
  "$@" || got=$?
  [[ $got == "$wanted" ]] || { echo "status $got, not $wanted"; return 1; }
}

compile() {
  local mpi
  for mpi in mpich openmpi; do
    "mpicc.$mpi" -std=c17 -O2 -o "$WORK/hello.$mpi" "$HERE/../images/mpi_hello.c"
  done
}

# isolated: of the nodes, the machine's network sees nothing, and they see nothing of it.
isolated() {
  if ip -o addr | grep -F ' 10.77.'; then return 1; fi
  [[ $("$HERE/vnodes" exec node1 -- ip -o link | wc -l) == 2 ]]
  [[ -z $("$HERE/vnodes" exec node1 -- ip route show default) ]]
}

connects() { "$HERE/vnodes" exec node1 -- timeout 1 bash -c ": < /dev/tcp/$1/22" 2>/dev/null; }

cable() {
  connects node2
  "$HERE/vnodes" cut node2
  status 124 connects node2
  "$HERE/vnodes" join node2
  connects node2
}

death() {
  "$HERE/vnodes" kill node4
  [[ $("$HERE/vnodes" list | tail -n 1) == 'node4 '*' dead' ]]
  status 1 "$HERE/vnodes" exec node4 -- true
  user hostname
}

# inhabitants: PID and start time of all processes that live on the nodes, and of the hub.
inhabitants() {
  local pid net nets=' ' process
  while read -r pid; do nets+="$(readlink "/proc/$pid/ns/net") "; done \
    < <(cat "$CMPIRUN_CLUSTER"/*.pid)
  for process in /proc/[0-9]*; do
    net=$(readlink "$process/ns/net" 2>/dev/null) || continue
    [[ $nets == *" $net "* ]] && born "${process#/proc/}"
  done
  true
}

# born PID: the process as no other will ever be called. A zombie is dead: it only waits until the
# machine's first process looks its way.
born() {
  local stat
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra stat <<< "${stat##*) }"
  [[ ${stat[0]} != Z ]] || return 1
  printf '%s %s\n' "$1" "${stat[19]}"
}

# outside: what the machine itself shows of links and of namespaces that a mount keeps alive.
outside() {
  ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort
  grep -c ' - nsfs ' /proc/self/mountinfo || true
}

# litter: processes that would like to stay, in each node and out of everyone's session.
litter() {
  user setsid -f sleep 1000 </dev/null
  "$HERE/vnodes" exec node2 -- setsid -f sh -c 'trap "" TERM HUP; sleep 1000' </dev/null
  inhabitants > "$WORK/inhabitants"
  [[ $(wc -l < "$WORK/inhabitants") -ge 9 ]]
}

# nothing_left: not one of the processes that were, no file, mount or link.
nothing_left() {
  local pid start
  while read -r pid start; do
    if [[ $(born "$pid" || true) == "$pid $start" ]]; then ps -fp "$pid"; return 1; fi
  done < "$WORK/inhabitants"
  [[ ! -e $CMPIRUN_CLUSTER ]]
  if grep -F "$CMPIRUN_CLUSTER" /proc/self/mountinfo; then return 1; fi
  outside > "$WORK/outside-after"
  diff "$WORK/outside-before" "$WORK/outside-after"
}

main() {
  [[ $EUID == 0 ]] || { echo 'selftest.sh: needs root' >&2; exit 1; }
  ACCOUNT=$("$HERE/user.sh")
  chmod 755 "$WORK"
  outside > "$WORK/outside-before"
  compile

  check 'vnodes up 4'                   "$HERE/vnodes" up 4
  check 'nodes are isolated'            isolated
  check 'sshd up'                       "$HERE/sshd" up
  check 'slurm up'                      "$HERE/slurm" up
  check 'exit status through exec'      status 7 user sh -c 'exit 7'
  check 'ssh asks nothing'              user ssh node3 true
  check '/dev/fuse is for everyone'     user sh -c ': <> /dev/fuse'
  check 'srun pmi2, MPICH, 8 ranks'     hello libmpich 8 srun -N4 --ntasks-per-node=2 --mpi=pmi2 "$WORK/hello.mpich"
  check 'srun pmix, Open MPI, 8 ranks'  hello libmpi 8 srun -N4 --ntasks-per-node=2 --mpi=pmix "$WORK/hello.openmpi"
  check 'srun pmi2, MPICH, 32 ranks'    hello libmpich 32 srun -N4 --ntasks-per-node=8 --mpi=pmi2 "$WORK/hello.mpich"
  check 'srun pmix, Open MPI, 32 ranks' hello libmpi 32 srun -N4 --ntasks-per-node=8 --mpi=pmix "$WORK/hello.openmpi"
  check 'Hydra over ssh, 8 ranks'       hello libmpich 8 mpiexec.hydra -hosts node1,node2,node3,node4 -ppn 2 -n 8 "$WORK/hello.mpich" --bytes 100000
  check 'Open MPI over ssh, 8 ranks'    hello libmpi 8 mpiexec.openmpi --host node1:2,node2:2,node3:2,node4:2 -n 8 "$WORK/hello.openmpi" --bytes 100000
  check 'srun hands on a rank'\''s status' status 3 user srun -N4 --ntasks-per-node=1 --mpi=pmi2 "$WORK/hello.mpich" --exit 3@2
  check 'a cut cable is silent'         cable
  check 'a node dies alone'             death
  check 'slurm down'                    "$HERE/slurm" down
  check 'sshd down'                     "$HERE/sshd" down
  check 'vnodes up 2 --rate 200mbit'    "$HERE/vnodes" up 2 --rate 200mbit
  check 'processes that want to stay'   litter
  check 'vnodes down'                   "$HERE/vnodes" down
  check 'nothing is left'               nothing_left
  check 'vnodes down again'             "$HERE/vnodes" down

  printf '%d passed, %d failed\n' "$passed" "$failed"
  [[ $failed == 0 ]]
}

main "$@"
