# lib.sh: what the scripts that put services on virtual nodes share. Sourced by bash.
#
# In: --dir DIR among the arguments given to `cluster_args`, or $CMPIRUN_CLUSTER, as vnodes takes it.
# Out: DIR (exported as CMPIRUN_CLUSTER, so that vnodes finds the same cluster), ARGS (the arguments
# without --dir), NODES (the names of those that live); functions to work on nodes.
#
# Invariant: on_each ends only when its command has ended on every node, and fails if one did.

# shellcheck shell=bash
CLUSTER_HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly CLUSTER_HERE
readonly VNODES=$CLUSTER_HERE/vnodes

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# cluster_args ARG...: sets DIR, ARGS and NODES.
# shellcheck disable=SC2034  # ARGS is for the caller
cluster_args() {
  DIR=${CMPIRUN_CLUSTER:-/run/cmpirun-vnodes}
  ARGS=()
  NODES=()
  while [[ $# -gt 0 ]]; do
    case $1 in
      --dir) DIR=${2:?--dir needs a value}; shift 2 ;;
      *) ARGS+=("$1"); shift ;;
    esac
  done
  DIR=$(readlink -m -- "$DIR")
  export CMPIRUN_CLUSTER=$DIR
  [[ $EUID == 0 ]] || die 'needs root'
  mapfile -t NODES < <("$VNODES" list | awk '$3 != "dead" { print $1 }')
}

need_nodes() { [[ ${#NODES[@]} -gt 0 ]] || die "no virtual nodes in $DIR; vnodes up N makes them"; }

# on NODE COMMAND...: as root.
on() { "$VNODES" exec "$1" --cwd / -- "${@:2}"; }

# on_each COMMAND...: on all nodes at once.
on_each() {
  local node pid failed=0
  local -a pids=()
  for node in "${NODES[@]}"; do
    on "$node" "$@" </dev/null &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return "$failed"
}

# stop_service PIDFILE: in a node; the daemon goes, at last by force.
# Given to `sh -c` there, since the PID is one of the node's.
# shellcheck disable=SC2016,SC2034
readonly STOP='
  for file; do
    pid=$(cat "$file" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null
    for try in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null
    rm -f "$file"
  done
  true'
