# jobs.sh: jobs over four nodes that end well; sourced by run.sh.
#
# The matrix: program × starter × whose MPI × ranks. For each: the size of the world, each rank's line
# exactly once and on its node (blocks), the sum of an allreduce, which MPI it was and from which file.
#
#                     container, 8 ranks   container, 32   host, 8         host, 32
#   trixie (2 MPIs)   every starter        every starter   one starter     -
#   bookworm (2)      one starter          -               every starter   one starter
#
# Left out, for the time: a rank's wire-up depends on the image and on the number of ranks, not on who
# started cmpid, and a swapped library is some more mounts. So every starter runs each MPI of the image's and of the
# host's, 32 ranks once each, and what is left is run once somewhere.

# shellcheck shell=bash
# shellcheck disable=SC2154  # out, err, status: tests/lib.sh

readonly STARTERS='srun srun-pmix hydra openmpi'

# What the MPI of an image says of itself, as a pattern, and where it lies.
declare -rA MPI_VERSION=(
  [trixie-mpich]='MPICH Version: +4\.2\.' [trixie-openmpi]='Open MPI v5\.0\.'
  [bookworm-mpich]='MPICH Version: +4\.0\.' [bookworm-openmpi]='Open MPI v4\.1\.'
)
declare -rA MPI_SONAME=([mpich]=libmpich.so.12 [openmpi]=libmpi.so.40)
readonly IN_IMAGE=/lib/x86_64-linux-gnu SWAPPED=/.cmpirun/mpi/lib

# want_hello RANKS NODES VERSION PATH: $out is what mpi_hello must have printed.
want_hello() {
  local ranks=$1 nodes=$2 version=$3 path=$4 rank sum=$(($1 * ($1 - 1) / 2)) line
  want_status 0
  want_equal "$(wc -l <<<"$out")" "$ranks" 'lines'
  for ((rank = 0; rank < ranks; rank++)); do
    line=$(grep "^rank $rank of $ranks " <<<"$out") || complain "no line of rank $rank"
    [[ $line =~ ^"rank $rank of $ranks on node$((rank * nodes / ranks + 1)): "$version.*" from $path sum $sum"$ ]] ||
      complain "rank $rank said: $line"
  done
}

# hello STARTER IMAGE RANKS: the image's own MPI.
hello() {
  local starter=$1 image=$2 ranks=$3
  need_cluster 4
  run_job "$starter" $((ranks / 4)) --image "$IMAGES/$image.sqsh" mpi_hello
  want_hello "$ranks" 4 "${MPI_VERSION[$image]}" "$IN_IMAGE/${MPI_SONAME[${image#*-}]}"
  want_clean_nodes
}

# The version of this machine's library, as a pattern.
host_version() {
  case $1 in
    mpich) mpichversion | sed -n 's/^MPICH Version:[ \t]*\([0-9.]*\).*/MPICH Version: +\1/p' ;;
    openmpi) ompi_info --version | sed -n 's/^\(Open MPI v[0-9.]*\).*/\1/p' ;;
  esac
}

# hello_host STARTER IMAGE RANKS: `cmpi abi explain` says whether the host's MPI fits; cmpirun must do
# so, or refuse with the same reason.
hello_host() {
  local starter=$1 image=$2 ranks=$3 explained fits=0
  need_cluster 4
  explained=$("$BIN/cmpi" abi explain "$IMAGES/$image.sqsh" 2>&1) || fits=$?
  run_job "$starter" $((ranks / 4)) --mpi host --image "$IMAGES/$image.sqsh" mpi_hello
  if [[ $fits == 0 ]]; then
    want_hello "$ranks" 4 "$(host_version "${image#*-}")" "$SWAPPED/${MPI_SONAME[${image#*-}]}"
  else
    [[ $image == trixie-* ]] || complain "the host's own release does not fit: $explained"
    want_status 123
    [[ $err == *"$(head -n 1 <<<"$explained")"* ]] || complain "another reason than: $explained"
  fi
  want_clean_nodes
}

define_matrix() {
  local starter image name
  for starter in $STARTERS; do
    name=${starter//-/_}
    for image in trixie-mpich trixie-openmpi; do
      eval "test_8_ranks_${image//-/_}_by_$name() { hello $starter $image 8; }"
      eval "test_32_ranks_${image//-/_}_by_$name() { hello $starter $image 32; }"
    done
    for image in bookworm-mpich bookworm-openmpi; do
      eval "test_8_ranks_${image//-/_}_with_the_hosts_mpi_by_$name() { hello_host $starter $image 8; }"
    done
  done
}
define_matrix
test_8_ranks_bookworm_mpich() { hello hydra bookworm-mpich 8; }
test_8_ranks_bookworm_openmpi() { hello openmpi bookworm-openmpi 8; }
test_8_ranks_trixie_mpich_with_the_hosts_mpi() { hello_host openmpi trixie-mpich 8; }
test_8_ranks_trixie_openmpi_with_the_hosts_mpi() { hello_host hydra trixie-openmpi 8; }
test_32_ranks_bookworm_mpich_with_the_hosts_mpi() { hello_host srun bookworm-mpich 32; }
test_32_ranks_bookworm_openmpi_with_the_hosts_mpi() { hello_host srun bookworm-openmpi 32; }

test_words_of_the_linker_are_mapped_to_decisions() {
  local starter
  need_cluster 4
  make_broken "$WORK/broken"
  for starter in srun hydra; do
    # The last rank's: node 0 hears of it from another node.
    run_job "$starter" 1 --mpi host -v "$WORK/broken:/broken" --image "$IMAGES/bookworm-mpich.sqsh" \
      sh -c '[ $CMPIRUN_RANK != 3 ] || exec /broken/newer; sleep 30'
    want_status 127
    want_err_like 'cmpirun: rank 3 on node node4 ended with status 127'
    want_err_like "cmpirun: the host's /.*/libmpich.so.12.*place of the image's.*does not define MPIX_Gone, which /broken/newer"
    want_clean_nodes
  done
}

# -- over what the ranks talk ----------------------------------------------------------------

# A libfabric that has nothing but a Slingshot adapter; see launcher/fabric_probe.c for the structs.
make_fabric() {
  mkdir -p "$1"
  cc -shared -fPIC -Wl,-soname,libfabric.so.1 -o "$1/libfabric.so.1" -xc - <<'EOF_C'
#include <stddef.h>
#include <stdint.h>
static struct { void *domain; const char *name; } domain = {0, "cxi9"};
static struct { void *fabric; const char *name, *provider; } fabric = {0, "cxi", "cxi"};
static struct { void *next; uint64_t caps, mode; uint32_t format; size_t sizes[2]; void *others[6]; void *domain, *fabric; }
  info = {.domain = &domain, .fabric = &fabric};
int fi_getinfo(uint32_t version, const char *node, const char *service, uint64_t flags, void *hints, void **out)
{
  *out = &info;
  return 0;
}
EOF_C
}

# timed IMAGE [ENV...]: four ranks on four nodes.
timed() {
  local image=$1; shift
  run bounded env "$@" cmpirun --launcher hydra --host 'node[1-4]:1' --timing --image "$IMAGES/$image.sqsh" mpi_hello
  want_status 0
}
test_transport_is_named() {
  need_cluster 4
  timed trixie-mpich
  want_err_like 'launched 4 ranks on 4 nodes .*; MPICH: UCX over TCP'
  [[ $err != *'but the host has'* ]] || complain 'a fabric that is not there'
  timed bookworm-openmpi
  want_err_like 'launched 4 ranks on 4 nodes .*; Open MPI: pml [a-z0-9]+, .* over TCP'
  timed bookworm-openmpi OMPI_MCA_pml=ob1
  want_err_like 'launched 4 ranks on 4 nodes .*; Open MPI: pml ob1, btl [a-z ]*tcp[a-z ]* over TCP'
  want_clean_nodes
}
test_tcp_is_warned_of_where_the_host_has_a_fabric() {
  need_cluster 4
  make_fabric "$WORK/fabric"
  timed bookworm-openmpi LD_LIBRARY_PATH="$WORK/fabric"
  want_err_like 'cmpirun: the ranks on node node[1-4] \(Open MPI: pml .* over TCP\) .*but the host has cxi \(cxi9\)'
  want_equal "$(grep -c 'but the host has' <<<"$err")" 1 'warnings'
  want_clean_nodes
}

# -- options that show over nodes only -------------------------------------------------------

readonly DEBIAN=$IMAGES/debian.sqsh
# shellcheck disable=SC2016
readonly WHERE='echo $CMPIRUN_RANK/$CMPIRUN_SIZE $CMPIRUN_NODE:$(hostname) $CMPIRUN_LOCAL_RANK/$CMPIRUN_LOCAL_SIZE'

test_template_as_launcher() {
  need_cluster 4
  run bounded cmpirun --host node1:2,node2:2,node3:2 \
    --launcher 'mpiexec.hydra -hosts {hosts} -ppn 1 -n {nodes} {daemon}' --image "$DEBIAN" sh -c "$WHERE"
  want_status 0
  want_equal "$(sort <<<"$out")" "$(printf '%s\n' '0/6 0:node1 0/2' '1/6 0:node1 1/2' '2/6 1:node2 0/2' \
    '3/6 1:node2 1/2' '4/6 2:node3 0/2' '5/6 2:node3 1/2')" places
  want_clean_nodes
}
test_hostfile() {
  need_cluster 4
  printf '# two kinds\nnode2 slots=1\n\nnode1:2\nnode4 slots=1\n' >"$WORK/hosts"
  run bounded cmpirun --hostfile "$WORK/hosts" --image "$DEBIAN" sh -c "$WHERE"
  want_status 0
  want_equal "$(sort <<<"$out")" "$(printf '%s\n' '0/4 0:node2 0/1' '1/4 1:node1 0/2' '2/4 1:node1 1/2' \
    '3/4 2:node4 0/1')" places
  want_clean_nodes
}
test_fewer_ranks_than_slots() {
  local starter
  need_cluster 4
  for starter in srun hydra; do
    run_job "$starter" 2 -n 3 --image "$DEBIAN" sh -c "$WHERE"
    want_status 0
    want_equal "$(sort <<<"$out")" "$(printf '%s\n' '0/3 0:node1 0/2' '1/3 0:node1 1/2' '2/3 1:node2 0/1')" \
      "places by $starter"
  done
}
test_ppn() {
  local starter
  need_cluster 4
  for starter in srun hydra; do
    run_job "$starter" 3 --ppn 1 -n 3 --image "$DEBIAN" sh -c "$WHERE"
    want_status 0
    want_equal "$(sort <<<"$out")" "$(printf '%s\n' '0/3 0:node1 0/1' '1/3 1:node2 0/1' '2/3 2:node3 0/1')" \
      "places by $starter"
  done
}
test_stdin_goes_to_rank_0() {
  local starter
  need_cluster 4
  for starter in srun hydra openmpi; do
    out=$(printf 'a\nb\n' | job "$starter" 1 --label --image "$DEBIAN" cat 2>"$WORK/err") || true
    err=$(<"$WORK/err")
    want_out $'0: a\n0: b'
  done
}
test_labels() {
  need_cluster 4
  run_job hydra 2 -q --label --image "$DEBIAN" sh -c 'echo out; echo err >&2'
  want_status 0
  want_equal "$(sort <<<"$out")" "$(printf '%s: out\n' 0 1 2 3 4 5 6 7)" labels
  want_equal "$(sort <<<"$err")" "$(printf '%s: err\n' 0 1 2 3 4 5 6 7)" labels
}
test_quiet_on_success() {
  local starter
  need_cluster 4
  for starter in $STARTERS; do
    run_job "$starter" 1 --image "$DEBIAN" true
    want_status 0; want_out ''
    # The virtual Slurm has no task plug-in, and its srun says so.
    err=$(grep -v 'lacks support for cpu binding' <<<"$err" || true)
    want_no_err
  done
}
test_timing_names_a_node() {
  need_cluster 4
  run_job hydra 2 --timing --image "$DEBIAN" true
  want_status 0
  want_err_like 'launched 8 ranks on 4 nodes in [0-9.]+ ms: .*broadcast [0-9.]+.*node[1-4]'
}

# -- the image's way -------------------------------------------------------------------------

# tracing_prefix DIR: an installation of which those processes that know the image's name (the others
# have the node's memory only) write down what they read. The ranks and cmpi-imgfs must not be traced: a page
# of a rank's memory may be one that cmpi-imgfs brings, and strace, looking at it, has stopped cmpi-imgfs.
tracing_prefix() {
  local file each
  mkdir -p "$1/bin" "$1/libexec/cmpirun"
  chmod 777 "$1"
  cp "$BIN/cmpirun" "$1/bin/"
  cp "$HELPERS"/* "$1/libexec/cmpirun/"
  for file in "$1/bin/cmpirun" "$1/libexec/cmpirun/cmpid" "$1/libexec/cmpirun/cmpi-bcast.mpich"; do
    mv "$file" "$file.real"
    each=''; [[ $file != *cmpi-bcast* ]] || each=-ff  # it has threads, and no children
    cat >"$file" <<END
#!/bin/sh
exec strace $each -D -qq -y -e signal=none -o $1/trace.\$(hostname).\$\$ \
  -e trace=read,readv,pread64,preadv,preadv2,mmap,sendfile,splice,copy_file_range,io_uring_enter $file.real "\$@"
END
    chmod 755 "$file"
  done
}

# bytes_read FILE TRACE...: what was read of it; a way of reading that cannot be counted is an error.
bytes_read() {
  local file=$1; shift
  ! grep -hE "(mmap|sendfile|splice|copy_file_range)\(.*<$file>" "$@" || complain "$file is read another way"
  grep -hE "^(read|readv|pread64|preadv|preadv2)\([0-9]+<$file>" "$@" |
    awk '{ sum += $NF } END { print sum + 0 }'
}

test_image_is_read_once() {
  local size bytes dir=$WORK/traced image=$IMAGES/trixie-mpich.sqsh
  need_cluster 4
  cp "$image" "$WORK/once.sqsh"
  tracing_prefix "$dir"
  size=$(stat -c %s "$WORK/once.sqsh")
  prefix_bin=$dir/bin run_job hydra 2 --image "$WORK/once.sqsh" mpi_hello
  want_hello 8 4 "${MPI_VERSION[trixie-mpich]}" "$IN_IMAGE/libmpich.so.12"
  want_equal "$(find "$dir" -name 'trace.node*' | grep -oE 'trace\.node[0-9]+\.[0-9]+' | sort -u | wc -l)" 9 'traces (cmpirun; cmpid and cmpi-bcast on 4 nodes)'
  bytes=$(bytes_read "$WORK/once.sqsh" "$dir"/trace.node*)
  ((bytes >= size && bytes <= size + 4096)) || complain "$bytes bytes were read of an image of $size"
  bytes=$(bytes_read "$WORK/once.sqsh" "$dir"/trace.node[2-4].*)
  want_equal "$bytes" 0 'bytes read on other nodes'
  rm "$WORK/once.sqsh"
}

# Of a SIF file its partition, and its table by those who look for that.
test_sif_is_read_in_place() {
  local size bytes dir=$WORK/traced
  need_cluster 4
  python3 "$here/../image/oci.py" sif "$WORK/once.sif" "$IMAGES/trixie-mpich.sqsh"
  chmod 644 "$WORK/once.sif"
  tracing_prefix "$dir"
  size=$(stat -c %s "$IMAGES/trixie-mpich.sqsh")
  prefix_bin=$dir/bin run_job hydra 2 --image "$WORK/once.sif" mpi_hello
  want_hello 8 4 "${MPI_VERSION[trixie-mpich]}" "$IN_IMAGE/libmpich.so.12"
  bytes=$(bytes_read "$WORK/once.sif" "$dir"/trace.node*)
  ((bytes >= size && bytes <= size + 100000)) || complain "$bytes bytes were read of a partition of $size"
  bytes=$(bytes_read "$WORK/once.sif" "$dir"/trace.node[2-4].*)
  want_equal "$bytes" 0 'bytes read on other nodes'
  rm "$WORK/once.sif"
}

# Given to sh on a node: device, inode and blocks of the files of the image's size that processes of the
# user have open, and nothing that they have in memory besides.
# shellcheck disable=SC2016
readonly IMAGE_COPIES='
  for pid in $(pgrep -u "$1"); do
    for fd in /proc/$pid/fd/*; do
      stat -L -c "%d %i %s %b %F" "$fd" 2>/dev/null
    done
  done | awk -v size="$2" "\$3 >= size && \$5 == \"regular\" { print \$1, \$2, \$4 * 512 }" | sort -u'

test_image_is_in_memory_once_a_node() {
  local node copies size device inode bytes
  need_cluster 4
  size=$(stat -c %s "$DEBIAN")
  start_job hydra 2 --image "$DEBIAN" sh -c 'echo here; exec sleep 30'
  await_lines 8 here
  for node in $(live_nodes); do
    copies=$(on "$node" sh -c "$IMAGE_COPIES" sh "$CMPIRUN_TEST_USER" "$size")
    want_equal "$(wc -l <<<"$copies")" 1 "copies on $node ($copies)"
    read -r device inode bytes <<<"$copies"
    ((bytes >= size && bytes < size + (4 << 20))) || complain "$bytes bytes of memory on $node (file $device:$inode)"
  done
  interrupt_job
  end_job 10
  want_clean_nodes
}
