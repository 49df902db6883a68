#!/usr/bin/env bash
#
# matrix.sh: images of four Debian releases with two MPIs, on this host: what happens, cell by cell.
#
#   tests/abi/matrix.sh full     every image × {C, Fortran, Python} × {host, fabric, auto, container}
#   tests/abi/matrix.sh quick    what a check has time for: the oldest release, whose glibc is too old
#   tests/abi/matrix.sh hosts    no run: the verdict of every image on every other image's tree as the host
#
# With full and quick also: a node that differs, translators (below), odd programs and Cray's layout (odd.sh).
#
# In: as tests/lib.sh; root; the images of tests/abi/images.sh (made when they are missing). Out: a line a
# cell, a table for docs/mpi.md, and "N passed, N failed".
#
# A job has 2 ranks on each of 2 virtual nodes, as an ordinary user. A cell that runs must show: the
# world of 4, once each rank, the sum of an allreduce, the version string of the MPI, and (C and Python) the
# file that it was loaded from. A cell that must be refused shows status 123, the reason, and the thing that is
# missing. What is expected stands in a table here: an image whose verdict changes fails the test.
#
# Caveat: MPICH before 4.2 over UCX hangs in MPI_Finalize over several nodes in up to half of the runs, whoever
# started it. A Fortran or Python job that has shown everything and then hangs there counts, and says so.

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

WORK=$(mktemp -d /var/tmp/cmpirun-abi-matrix.XXXXXX)
readonly WORK
chmod 777 "$WORK"
export CMPIRUN_CLUSTER=$WORK/nodes
trap '"$here/../cluster/vnodes" down 2>/dev/null; umount "$WORK"/host-* 2>/dev/null; rm -rf --one-file-system "$WORK"' EXIT
trap 'exit 130' HUP INT TERM

# shellcheck source=tests/cluster/nodes.sh
. "$here/../cluster/nodes.sh"
# shellcheck source=tests/abi/odd.sh
. "$here/odd.sh"

readonly RANKS=4 SWAPPED=/.cmpirun/mpi/lib
declare -rA PROGRAM=([C]=mpi_hello [Fortran]=hello_f90 [Python]=hello.py)
declare -rA SONAME=([mpich]=libmpich.so.12 [openmpi]=libmpi.so.40)

# What the image's own MPI says of itself.
declare -rA OWN_VERSION=(
  [bullseye-mpich]='MPICH Version:[ \t]+3\.4' [bullseye-openmpi]='Open MPI v4\.1\.0'
  [bookworm-mpich]='MPICH Version:[ \t]+4\.0' [bookworm-openmpi]='Open MPI v4\.1\.4'
  [trixie-mpich]='MPICH Version:[ \t]+4\.2'   [trixie-openmpi]='Open MPI v5\.0'
  [forky-mpich]='MPICH Version:[ \t]+(4\.3|5\.)' [forky-openmpi]='Open MPI v(5\.0\.[89]|5\.0\.10|6\.)'
)

# IMAGE:MODE → "swap", "own", or "REASON TEXT" of a refusal, on a Debian 12 host.
declare -rA EXPECTED=(
  [bullseye-mpich:host]=swap            [bullseye-openmpi:host]=swap
  [bookworm-mpich:host]=swap            [bookworm-openmpi:host]=swap
  [trixie-mpich:host]=swap              [trixie-openmpi:host]='symbol MPI_Scatter_init'
  [forky-mpich:host]=swap               [forky-openmpi:host]='generation libopen_mpi.so.40'
  [bullseye-mpich:fabric]='no-fabric nothing in the image uses libfabric'
  [bookworm-mpich:fabric]='no-fabric nothing in the image uses libfabric'
  [trixie-mpich:fabric]='no-fabric nothing in the image uses libfabric'
  [forky-mpich:fabric]='no-fabric nothing in the image uses libfabric'
  [bullseye-openmpi:fabric]=own         [bookworm-openmpi:fabric]=own
  [trixie-openmpi:fabric]=own           [forky-openmpi:fabric]='version FABRIC_1.8'
  [bullseye-mpich:auto]=swap            [bullseye-openmpi:auto]=swap
  [bookworm-mpich:auto]=swap            [bookworm-openmpi:auto]=swap
  [trixie-mpich:auto]=swap              [trixie-openmpi:auto]=own
  [forky-mpich:auto]=swap               [forky-openmpi:auto]=own
)

# Its own MPI does not come up over these nodes, with or without us: what it says then.
declare -rA OWN_FAILS=([forky-openmpi]='Unable to find reachable pairing between local and remote interfaces')

# The version of this machine's library, as a pattern.
host_version() {
  case $1 in
    mpich) mpichversion | sed -n 's/^MPICH Version:[ \t]*\([0-9.]*\).*/MPICH Version:[ \\t]+\1/p' ;;
    openmpi) ompi_info --version | sed -n 's/^\(Open MPI v[0-9.]*\).*/\1/p' ;;
  esac
}

# want_rank_lines LANGUAGE VERSION FILE-PATTERN: each rank once, the sum, the version, the file.
want_rank_lines() {
  local language=$1 version=$2 file=$3 rank line sum=$((RANKS * (RANKS - 1) / 2)) pattern
  for ((rank = 0; rank < RANKS; rank++)); do
    line=$(grep -E "(^| )rank $rank of $RANKS " <<<"$out") || complain "no line of rank $rank"
    [[ $(wc -l <<<"$line") == 1 ]] || complain "several lines of rank $rank: $line"
    case $language in
      C) pattern="^rank $rank of $RANKS on node[12]: $version.* from $file sum $sum$" ;;
      Fortran) pattern="^fortran rank $rank of $RANKS sum $sum $version" ;;
      Python) pattern="rank $rank of $RANKS sum $sum $version.* from [^ ]*$file$" ;;
    esac
    [[ $line =~ $pattern ]] || complain "rank $rank said: $line; wanted: $pattern"
  done
}

# cell IMAGE LANGUAGE MODE; sets $word for the table.
cell() {
  local image=$1 language=$2 mode=$3 mpi=${1#*-} expected version file
  expected=${EXPECTED[$image:$mode]-own}
  job_seconds=60 run bounded cmpirun --launcher hydra --host node1:2,node2:2 --timeout 25 --mpi "$mode" \
    --image "$IMAGES/abi-$image.sqsh" "${PROGRAM[$language]}"
  case $expected in
    swap) version=$(host_version "$mpi") file=$SWAPPED/${SONAME[$mpi]} word='host' ;;
    own) version=${OWN_VERSION[$image]} file="/[a-z]*/?lib/x86_64-linux-gnu/[^ ]*${SONAME[$mpi]}[.0-9]*" word=own ;;
    *)
      want_status 123
      [[ $err == *"${expected#* }"* ]] || complain "another reason than $expected"
      word="no: ${expected%% *}"
      return ;;
  esac
  if [[ $expected == own && -n ${OWN_FAILS[$image]-} ]]; then
    [[ $status != 0 ]] || complain 'it works now: take it out of OWN_FAILS'
    want_err_like "${OWN_FAILS[$image]}"
    word='own MPI fails by itself'
    return
  fi
  if [[ $status == 124 && $language != C && $mpi == mpich && ! $version =~ (4\\.2|4\\.3) ]]; then
    word+=' (hung in Finalize)'
  else
    want_status 0
  fi
  want_rank_lines "$language" "$(printf '%b' "$version")" "$file"
}

# The cells of one image, as tests; their words go to files, since a test is a subshell.
one_cell() {
  local word=failed
  printf 'FAILED' >"$WORK/word.$1.$2.$3"
  cell "$@"
  printf '%s' "$word" >"$WORK/word.$1.$2.$3"
}

define_cells() {
  local image language mode
  for image in "${images[@]}"; do
    for mode in "${modes[@]}"; do
      for language in C Fortran Python; do
        # A level's decision does not hang on the language: all three where the MPI is swapped or the image's own.
        [[ $language == C || $mode == host || $mode == container ]] || continue
        [[ $language == C || ${EXPECTED[$image:$mode]-own} != *' '* ]] || continue
        eval "test_${image//-/_}_${language}_$mode() { one_cell $image $language $mode; }"
      done
    done
  done
}

# -- a node whose host is not as the others --------------------------------------------------

# The host's MPICH at a place of its own; what each node sees there is that node's mount.
swap_from_elsewhere() {
  run bounded cmpirun --launcher hydra --host node1:1,node2:1 --timeout 25 --mpi-path "$WORK/mpi" --mpi host \
    --image "$IMAGES/abi-bullseye-mpich.sqsh" mpi_hello
}

make_elsewhere() {
  mkdir -p "$WORK/mpi" "$WORK/other"
  cp -L /usr/lib/x86_64-linux-gnu/libmpich{,fort,cxx}.so.12 "$WORK/mpi/"
  cp "$WORK/mpi/libmpich.so.12" "$WORK/other/"
  printf x >>"$WORK/other/libmpich.so.12"
}

test_same_on_all_nodes() {
  make_elsewhere
  swap_from_elsewhere
  want_status 0
  want_out_like "rank 1 of 2 on node2: .*$SWAPPED/libmpich.so.12"
}

test_another_library_on_one_node() {
  make_elsewhere
  on node2 mount --bind "$WORK/other/libmpich.so.12" "$WORK/mpi/libmpich.so.12"
  swap_from_elsewhere
  on node2 umount "$WORK/mpi/libmpich.so.12"
  want_status 123
  want_err_like "^cmpirun: node node2: the host's $WORK/mpi/libmpich.so.12 is another there: [0-9]+ bytes, build-id [0-9a-f]+, and"
  [[ $(grep -c '^cmpirun: ' <<<"$err") == 1 ]] || complain 'wanted it once'
}

test_missing_library_on_one_node() {
  make_elsewhere
  on node2 mount -t tmpfs none "$WORK/mpi"
  swap_from_elsewhere
  on node2 umount "$WORK/mpi"
  want_status 123
  want_err_like "^cmpirun: node node2: host file $WORK/mpi/libmpich.so.12: No such file or directory [(]and [0-9]+ more[)]; the swapped MPI must"
}

# -- translators ------------------------------------------------------------------------------

# A translator of our own (translator.c), described by a site's file on node1.
make_translator() {
  local name library=/usr/lib/x86_64-linux-gnu/libmpi.so.40 dir=$WORK/translator
  local -a sizes=()
  for name in comm_world int long byte op_sum op_min info_null; do
    sizes+=("-DSIZE_ompi_mpi_$name=0x$(nm -DS "$library" | sed -n "s/^[0-9a-f]* \([0-9a-f]*\) . ompi_mpi_$name\$/\1/p")")
  done
  mkdir -p "$dir/stub"
  gcc -shared -fPIC -O1 "${sizes[@]}" -o "$dir/libtranslator.so" "$here/translator.c" -ldl
  gcc -shared -fPIC -x c -Wl,-soname,libmpi.so.40 -o "$dir/stub/libmpi.so.40" /dev/null
  on node1 mkdir -p /etc/cmpirun/mpi.d
  on node1 tee /etc/cmpirun/mpi.d/test.conf >/dev/null <<EOF
[translator test]
from = openmpi.40
to = mpich
prefix = $dir
preload = libtranslator.so
library-path = stub
environment = TRANSLATE_TO={mpi}
EOF
}

# Open MPI's program, MPICH's --mpi-path, so that the same ABI is not to be had.
translate() {
  make_elsewhere
  run bounded cmpirun --launcher hydra --host node1:2,node2:2 --timeout 25 --mpi-path "$WORK/mpi" --mpi host \
    --image "$1" mpi_hello "${@:2}"
}

test_translator() {
  local rank
  make_translator
  translate "$IMAGES/bookworm-openmpi.sqsh" --bytes 100000
  want_status 0
  for rank in 0 1 2 3; do
    want_out_like "rank $rank of 4 on node[12]: MPICH Version: [ 0-9.]+from $WORK/translator/libtranslator.so sum 6"
  done
}

# The whole image counts: mpi4py calls what the small translator lacks.
test_translator_that_lacks_a_call() {
  make_translator
  translate "$IMAGES/abi-bullseye-openmpi.sqsh"
  want_status 123
  want_err_like 'the image uses Open MPI, the host has only MPICH'
  run bounded cmpi abi explain --mpi-path "$WORK/mpi" "$IMAGES/abi-bullseye-openmpi.sqsh"
  want_status 123
  want_out_like 'not the translator \(symbol\): [^ ]+ in the image needs '
}

print_table() {
  local image mode language text part
  printf '\n| image | %s |\n|---|%s\n' "$(IFS='|'; echo "${modes[*]}")" "$(printf -- '---|%.0s' "${modes[@]}")"
  for image in "${images[@]}"; do
    printf '| %s |' "$image"
    for mode in "${modes[@]}"; do
      text=
      for language in C Fortran Python; do
        part=$(cat "$WORK/word.$image.$language.$mode" 2>/dev/null) || continue
        text+="${text:+, }$language $part"
      done
      printf ' %s |' "$text"
    done
    printf '\n'
  done
}

# Verdicts alone, with the trees of the images themselves as hosts: newer and older than the image.
print_hosts() {
  local image host line
  printf '| image | host: %s |\n|---|---|---|---|---|\n' "$(echo bullseye bookworm trixie forky | sed 's/ / | host: /g')"
  for image in "${images[@]}"; do
    printf '| %s |' "$image"
    for host in bullseye bookworm trixie forky; do
      host=$host-${image#*-}
      mkdir -p "$WORK/host-$host"
      mountpoint -q "$WORK/host-$host" || mount -o loop,ro "$IMAGES/abi-$host.sqsh" "$WORK/host-$host"
      line=$("$BIN/cmpi" abi explain --json --host-root "$WORK/host-$host" "$IMAGES/abi-$image.sqsh" |
        jq -r 'if .verdict == "swap" then "swap" + (if .glibc then " with glibc" else "" end) else "no: " + .reason end')
      printf ' %s |' "$line"
    done
    printf '\n'
  done
}

main() {
what=${1:-full}
case $what in
  quick) images=(bullseye-openmpi bullseye-mpich) modes=(host fabric) ;;
  full | hosts) mapfile -t images < <("$here/images.sh" list); modes=(host fabric auto container) ;;
  *) printf 'usage: matrix.sh full | quick | hosts [TEST...]\n' >&2; exit 2 ;;
esac
"$here/images.sh" "${images[@]}" >/dev/null || exit 1
if [[ $what == hosts ]]; then print_hosts; exit; fi
"$here/../images/make.sh" bookworm-openmpi trixie-mpich >/dev/null || exit 1
define_cells
vnodes up 2 >/dev/null
"$CLUSTER_SCRIPTS/sshd" up --user "$CMPIRUN_TEST_USER" >/dev/null
[[ $# == 0 ]] || shift
run_tests "$@"; result=$?
print_table
exit "$result"
}
main "$@"  # all of the script has been read by now, so it may be edited while it runs
