# nodes.sh: what the tests over virtual nodes share; sourced by run.sh after tests/lib.sh.
#
# In: CMPIRUN_CLUSTER, WORK (a directory that nodes can read). Out: functions to have a cluster, to
# start a job on it, and to see that nothing of the job is left on a node.
#
# Invariants
# - Tests run in subshells, so the cluster's state is a file: $WORK/cluster says what is up. Who kills
#   or cuts a node calls `spoil_cluster`, and the next test gets a new one.
# - Every job has a time limit that ends all of its processes on node1; what would remain elsewhere is
#   found by want_clean_nodes.
# - What a node shows before the first job (its mount namespaces, mounts, listening sockets) is what
#   it must show after each.

# shellcheck shell=bash
CLUSTER_SCRIPTS=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
readonly CLUSTER_SCRIPTS
readonly JOB_SECONDS=50 # for what takes a few

vnodes() { "$CLUSTER_SCRIPTS/vnodes" "$@"; }
on() { vnodes exec "$1" --cwd / -- "${@:2}"; }

# -- the cluster -----------------------------------------------------------------------------

# need_cluster NODES [RATE]: that many nodes with sshd, and with Slurm where there is no RATE.
need_cluster() {
  local nodes=$1 rate=${2:-} node
  [[ "$(cat "$WORK/cluster" 2>/dev/null)" != "$*" ]] || return 0
  spoil_cluster
  vnodes up "$nodes" ${rate:+--rate "$rate"}
  "$CLUSTER_SCRIPTS/sshd" up --user "$CMPIRUN_TEST_USER"
  [[ -n $rate ]] || "$CLUSTER_SCRIPTS/slurm" up
  for node in $(live_nodes); do remember "$node"; done
  echo "$*" >"$WORK/cluster"
}

spoil_cluster() { rm -f "$WORK/cluster"; }

live_nodes() { vnodes list | awk '$3 != "dead" { print $1 }'; }

# -- jobs ------------------------------------------------------------------------------------

# job_words STARTER PPN [CMPIRUN'S WORDS]...: in $words: PPN slots on each of the nodes, all of them
# used; under Slurm the allocation says how many and where, over ssh a list of hosts.
job_words() {
  local starter=$1 ppn=$2 nodes; shift 2
  nodes=$(vnodes list | wc -l)
  case $starter in
    srun) words=(salloc -Q -N "$nodes" --ntasks-per-node="$ppn" cmpirun "$@") ;;
    srun-*) words=(salloc -Q -N "$nodes" --ntasks-per-node="$ppn" cmpirun --launcher "$starter" "$@") ;;
    *) words=(cmpirun --launcher "$starter" --host "node[1-$nodes]:$ppn" "$@") ;;
  esac
}

# job ...: to its end, as `run` wants it.
job() {
  local words
  job_words "$@"
  bounded "${words[@]}"
}

# run_job ...: `run job ...`. Open MPI 4.1.4 under `srun --mpi=pmix` crashes in MPI_Init in one of some forty runs,
# with any program: its TCP transport gets a message before anybody has said what to do with it. Such a
# run of cmpi-bcast is no result.
run_job() {
  run job "$@"
  [[ $1 == srun-pmix && $status != 0 && $err == *'cmpi-bcast was ended by signal 11'* ]] || return 0
  note "(Open MPI crashed in MPI_Init under srun --mpi=pmix; once more)"
  run job "$@"
}

# bounded COMMAND...: on node1, as the ordinary user, within the time limit.
bounded() {
  timeout -k 3 "${job_seconds:-$JOB_SECONDS}" "$CLUSTER_SCRIPTS/vnodes" exec node1 \
    --user "$CMPIRUN_TEST_USER" --cwd "$USER_HOME" -- env PATH="$(node_path)" "$@"
}

# What a login shell on a node would have.
node_path() { printf '%s' "${prefix_bin:-$BIN}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; }

# start_job ...: as `job`, but it goes on beside the test, as a process group of its own, $job. Bash
# starts such a one deaf to ^C, hence --default-signal.
start_job() {
  local words
  job_words "$@"
  : >"$WORK/out"; : >"$WORK/err"
  setsid "$CLUSTER_SCRIPTS/vnodes" exec node1 --user "$CMPIRUN_TEST_USER" --cwd "$USER_HOME" -- \
    env --default-signal=INT,QUIT PATH="$(node_path)" "${words[@]}" \
    </dev/null >"$WORK/out" 2>"$WORK/err" & job=$!
}

# await_lines N [PATTERN]: until the job has printed that many such lines; or it has ended.
await_lines() {
  local deadline=$((SECONDS + JOB_SECONDS))
  until (($(grep -c "${2:-}" "$WORK/out") >= $1)); do
    out=$(<"$WORK/out") err=$(<"$WORK/err")
    is_running "$job" || complain "the job ended before it had printed $1 lines"
    ((SECONDS < deadline)) || complain "the job has not printed $1 lines"
    sleep 0.05
  done
}

is_running() { [[ -e /proc/$1 && $(sed 's/.*) //;s/ .*//' "/proc/$1/stat" 2>/dev/null) != Z ]]; }

# end_job SECONDS: it must end within that time; as `run`, $status, $out and $err.
end_job() {
  local deadline
  deadline=$(bc <<<"$EPOCHREALTIME + $1")
  while is_running "$job" && [[ $(bc <<<"$EPOCHREALTIME < $deadline") == 1 ]]; do sleep 0.05; done
  if is_running "$job"; then
    kill -KILL -- "-$job"; wait "$job" || true
    spoil_cluster
    status=none out=$(<"$WORK/out") err=$(<"$WORK/err")
    complain "the job did not end within $1 s"
  fi
  status=0; wait "$job" || status=$?
  out=$(<"$WORK/out") err=$(<"$WORK/err")
}

interrupt_job() { kill -INT -- "-$job"; }

# -- what is left ----------------------------------------------------------------------------

# Given to `sh -c` on a node, with the user: a line for each thing that there is. "state" lines, of mount
# namespaces, mounts and listening sockets, are compared with those of the beginning; the others,
# the user's processes, descriptors in anyone's hand, files, are litter. (/tmp/ompi.*: of an mpiexec of Open MPI
# that was interrupted twice.)
# shellcheck disable=SC2016
readonly LOOK='
  readlink /proc/[0-9]*/ns/mnt 2>/dev/null | sort -u | sed "s/^/state namespace /"
  awk "{ print \"state mount\", \$5, \$(NF-2), \$(NF-1) }" /proc/self/mountinfo | sort
  ss -Hltnp | sed "s/,pid=[0-9]*,fd=[0-9]*//g" | awk "{ print \"state tcp\", \$4, \$6 }" | sort -u
  ps -o pid=,stat=,comm=,args= -U "$1" | awk "\$2 !~ /^Z/ { print \"process\", \$0 }"
  find /proc/[0-9]*/fd -type l "(" -lname "/memfd:*" -o -lname "*cmpirun*.sqsh*" -o -lname /dev/fuse \
    -o -lname "mnt:*" -o -lname "user:*" ")" -printf "descriptor %p %l\n" 2>/dev/null
  find /tmp /dev/shm -mindepth 1 -user "$1" ! -path "/tmp/ompi.*" -printf "file %p\n" 2>/dev/null
  true'

# What is the launchers' own, and not ours to end; cmpirun stays as the parent of one, and as long.
readonly LAUNCHERS='(cmpirun|salloc|srun|sshd?|mpiexec[.a-z]*|orterun|orted|hydra_pmi_proxy|sh +sh -c .*(hydra_pmi_proxy|orted).*)'
readonly NOT_OURS="^process +[0-9]+ [^ ]+ +$LAUNCHERS|^state tcp .*\"$LAUNCHERS\"|/memfd:hostfile"

look() { on "$1" sh -c "$LOOK" sh "$CMPIRUN_TEST_USER"; }

# remember NODE: its state before the first job.
remember() { look "$1" | grep '^state ' >"$WORK/state.$1"; }

litter() { # NODE; with ours=yes without what is the launchers'
  look "$1" >"$WORK/look.$1"
  {
    grep -v '^state ' "$WORK/look.$1"
    grep '^state ' "$WORK/look.$1" | grep -vxFf "$WORK/state.$1"
  } | if [[ -n ${ours:-} ]]; then grep -Ev "$NOT_OURS"; else cat; fi | sed "s/^/$1: /"
  true
}

# want_clean_nodes [SECONDS [SINCE]]: every living node is clean that many seconds (5) after SINCE (now),
# in the form of EPOCHREALTIME. What it took is left in $took, in seconds.
want_clean_nodes() {
  local limit=${1:-5} since=${2:-$EPOCHREALTIME} nodes node left
  nodes=$(live_nodes)
  while
    left=$(for node in $nodes; do litter "$node" & done; wait)
    took=$(bc <<<"scale=1; ($EPOCHREALTIME - $since) / 1")
    [[ -n $left ]]
  do
    if [[ $(bc <<<"$took < $limit") != 1 ]]; then
      spoil_cluster
      complain "left behind after $took s: $left"
    fi
    sleep 0.1
  done
}

# note TEXT...: a measured value, among the lines of the results.
note() { printf '   %s\n' "$*" >&3; }
