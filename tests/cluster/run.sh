#!/usr/bin/env bash
#
# run.sh: cmpirun over virtual nodes, with a real Slurm and sshd, as an ordinary user.
#
#   tests/cluster/run.sh [TEST...]      all, or those named (without test_)
#
# In: see tests/lib.sh; root. Out: a line a test, some measured times, and "N passed, N failed".
# What is tested is in jobs.sh (what shall work) and failures.sh (what must not, and how it ends).
#
# The cluster lies in a directory of its own and goes with this script, however that ends.

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

# Where nodes and an ordinary user can read: not /tmp, which each node has for itself.
WORK=$(mktemp -d /var/tmp/cmpirun-cluster.XXXXXX)
readonly WORK
chmod 777 "$WORK"
export CMPIRUN_CLUSTER=$WORK/nodes
trap '"$here/vnodes" down; rm -rf "$WORK"' EXIT
trap 'exit 130' HUP INT TERM
exec 3>&1  # past the tests' logs

# shellcheck source=tests/cluster/nodes.sh
. "$here/nodes.sh"
# shellcheck source=tests/cluster/jobs.sh
. "$here/jobs.sh"
# shellcheck source=tests/cluster/failures.sh
. "$here/failures.sh"
# shellcheck source=tests/cluster/bcast.sh
. "$here/bcast.sh"

# shellcheck source=tests/cluster/early.sh
. "$here/early.sh"

run_tests "$@"
