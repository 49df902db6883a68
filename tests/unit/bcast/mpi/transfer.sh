#!/usr/bin/env bash
# The engine's cases on 1, 2 and 5 ranks: transfer.sh MPI TRANSFER_CHECK
# CMPIRUN_TEST_LARGE=1: also 3 GB, where an int no longer counts the bytes.
# shellcheck source=tests/unit/bcast/mpi/run.bash
. "$(dirname "$0")/run.bash"
check=$2
for ranks in 1 2 5; do
	echo "$ranks ranks"
	run_mpi $ranks "$check" "$dir" || fail "$ranks ranks: status $?"
done
if [[ ${CMPIRUN_TEST_LARGE-} == 1 ]]; then
	echo "3 GB"
	limit=280
	run_mpi 3 "$check" "$dir" large || fail "3 GB: status $?"
fi
echo passed
