# Sourced by the tests here: a temporary directory, mpiexec of either MPI, assertions.
set -euo pipefail

mpi=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/bcast-test.XXXXXX")
mounts=()
cleanup() {
	local mount
	for mount in "${mounts[@]}"; do umount -l "$mount" || true; done
	rm -rf "$dir"
}
trap cleanup EXIT

# run_mpi RANKS PROGRAM...: within $limit seconds, or it hung.
limit=60
run_mpi() {
	local ranks=$1; shift
	case $mpi in
	mpich) timeout -k 5 $limit mpiexec.hydra -launcher fork -n "$ranks" "$@" ;;
	openmpi)
		# One host is all there is; loopback and shared memory are enough for it.
		OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
			timeout -k 5 $limit mpiexec.openmpi --oversubscribe --bind-to none -n "$ranks" "$@" ;;
	esac </dev/null
}

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# has FILE TEXT
has() { grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "no \"$2\" in $1"; }; }

# make_file NAME BYTES: of random content.
make_file() { head -c "$2" /dev/urandom >"$1"; }
