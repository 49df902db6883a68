#!/usr/bin/env bash
#
# images.sh: makes the images of the ABI matrix: a Debian suite, one MPI, and programs in three languages.
#
#   tests/abi/images.sh NAME...   makes what is missing or outdated; prints one path a name
#   tests/abi/images.sh all       every name
#   tests/abi/images.sh list      the names: {bullseye,bookworm,trixie,forky}-{mpich,openmpi}
#
# In each image: /usr/bin/mpi_hello (C, tests/images/mpi_hello.c), /usr/bin/hello_f90 (Fortran) and
# /usr/bin/hello.py (mpi4py). Debian packages mpi4py for Open MPI alone; with MPICH hello.py takes an
# extension module of our own, hello_ext.c, which is to the dynamic linker what mpi4py is.
#
# Out: abi-NAME.sqsh and abi-NAME.key in the cache directory of tests/images/make.sh; the key is a
# hash of this file and the programs. An image is whole or not there.
#
# How: mmdebstrap makes a base a suite; over it lies an overlay with the MPI's runtime, and over that
# one with compilers and headers, in which the programs are compiled and from which they are copied down.
#
# Caveats: needs root, a network, and 3 GB below $TMPDIR; two to three minutes for an image.

set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly SELF=$HERE/images.sh
readonly CACHE=${CMPIRUN_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cmpirun/test-images}
readonly -a NAMES=({bullseye,bookworm,trixie,forky}-{mpich,openmpi})

declare -rA RUNTIME=(
  [bullseye-mpich]='libmpich12'        [bullseye-openmpi]='libopenmpi3 openmpi-common python3-mpi4py'
  [bookworm-mpich]='libmpich12'        [bookworm-openmpi]='libopenmpi3 openmpi-common python3-mpi4py'
  [trixie-mpich]='libmpich12'          [trixie-openmpi]='libopenmpi40 openmpi-common python3-mpi4py'
  [forky-mpich]='libmpich12'           [forky-openmpi]='libopenmpi40 openmpi-common python3-mpi4py'
)
declare -rA DEVELOPMENT=(
  [mpich]='gcc gfortran libc6-dev libmpich-dev mpich python3-dev'
  [openmpi]='gcc gfortran libc6-dev libopenmpi-dev openmpi-bin'
)

die() { printf 'images.sh: %s\n' "$*" >&2; exit 1; }

key() { { printf '%s\n' "$1"; cat "$SELF" "$HERE"/hello.* "$HERE/../images/mpi_hello.c"; } | sha256sum | cut -d' ' -f1; }

fresh() { [[ -f $CACHE/abi-$1.sqsh && -f $CACHE/abi-$1.key && $(<"$CACHE/abi-$1.key") == "$(key "$1")" ]]; }

mirror() {
  local uri
  # shellcheck disable=SC2016  # the format is apt's
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
        grep -v security | head -n 1) || true
  [[ -n $uri ]] || die "apt on this machine knows no Debian mirror (apt-get update first?)"
  printf '%s\n' "$uri"
}

base_tree() {
  mmdebstrap --quiet --mode=root --variant=apt --components=main --dpkgopt=force-unsafe-io \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' \
    --aptopt='APT::Install-Recommends "false"' --include=python3-minimal,libpython3-stdlib \
    --skip=cleanup/apt/lists "$1" "$2" "$(mirror)"
  printf 'path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' '/usr/lib/*/ucx/*rocm*' \
    > "$2/etc/dpkg/dpkg.cfg.d/cmpirun"
  cp /etc/resolv.conf "$2/etc/resolv.conf"
}

# layer DIR LOWER: mounts DIR/root, an overlay that writes to DIR/upper.
layer() {
  mkdir -p "$1"/{upper,work,root}
  mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
}

install_in() {
  local root=$1; shift
  mount -t proc proc "$root/proc"
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq -y -o Acquire::Check-Valid-Until=false \
    -o APT::Sandbox::User=root --no-install-recommends install "$@" </dev/null
  umount "$root/proc"
}

# compile NAME RUNTIME-ROOT DEVELOPMENT-ROOT
compile() {
  local mpi=${1#*-} to=$2 in=$3
  cp "$HERE/hello.f90" "$HERE/../images/mpi_hello.c" "$in/tmp/"
  chroot "$in" "mpicc.$mpi" -O2 -o /usr/bin/mpi_hello /tmp/mpi_hello.c -ldl
  chroot "$in" "mpif90.$mpi" -O2 -o /usr/bin/hello_f90 /tmp/hello.f90
  cp "$in"/usr/bin/{mpi_hello,hello_f90} "$to/usr/bin/"
  install -m 755 "$HERE/hello.py" "$to/usr/bin/hello.py"
  [[ $mpi == mpich ]] || return 0
  cp "$HERE/hello_ext.c" "$in/tmp/"
  # shellcheck disable=SC2016  # in the chroot
  chroot "$in" sh -ec 'mpicc.mpich -O2 -shared -fPIC $(python3-config --includes) \
    -o /usr/lib/python3/dist-packages/hello_ext.so /tmp/hello_ext.c'
  cp "$in/usr/lib/python3/dist-packages/hello_ext.so" "$to/usr/lib/python3/dist-packages/"
}

build_suite() {
  local suite=$1 name tree; shift
  base_tree "$suite" "$WORK/base"
  for name; do
    layer "$WORK/$name" "$WORK/base"
    tree=$WORK/$name/root
    # shellcheck disable=SC2086  # words
    install_in "$tree" ${RUNTIME[$name]} libgfortran5 python3-minimal
    layer "$WORK/$name.dev" "$WORK/$name/upper:$WORK/base"
    # shellcheck disable=SC2086
    install_in "$WORK/$name.dev/root" ${DEVELOPMENT[${name#*-}]}
    mkdir -p "$tree/usr/lib/python3/dist-packages"
    compile "$name" "$tree" "$WORK/$name.dev/root"
    chroot "$tree" ldconfig
    umount "$WORK/$name.dev/root"
    mksquashfs "$tree" "$CACHE/.abi-$name.sqsh" -noappend -no-progress -quiet -all-root -b 131072 \
      -comp zstd -Xcompression-level 3 -wildcards -e 'var/cache/*' 'var/lib/apt/lists/*' 'var/log/*' 'tmp/*' >&2
    chmod 644 "$CACHE/.abi-$name.sqsh"
    rm -f "$CACHE/abi-$name.key"
    mv -f "$CACHE/.abi-$name.sqsh" "$CACHE/abi-$name.sqsh"
    key "$name" > "$CACHE/abi-$name.key"
    umount "$tree"
  done
}

inside() {
  WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/cmpirun-abi.XXXXXX")
  trap 'umount -l "$WORK"/*/root 2>/dev/null || true; rm -rf --one-file-system "$WORK"' EXIT
  umask 022
  build_suite "$@"
}

main() {
  local name suite
  local -a wanted=("$@") stale
  [[ $# -gt 0 ]] || die 'usage: images.sh NAME... | all | list'
  case $1 in
    --inside) shift; inside "$@"; return ;;
    list) printf '%s\n' "${NAMES[@]}"; return ;;
    all) wanted=("${NAMES[@]}") ;;
  esac
  for name in "${wanted[@]}"; do [[ -n ${RUNTIME[$name]-} ]] || die "no image '$name'"; done
  install -d -m 755 "$CACHE"
  for suite in bookworm trixie bullseye forky; do
    stale=()
    exec {lock}> "$CACHE/.lock.abi-$suite"
    for name in "${wanted[@]}"; do
      if [[ $name == "$suite"-* ]] && ! fresh "$name"; then stale+=("$name"); fi
    done
    if [[ ${#stale[@]} -gt 0 ]]; then
      flock "$lock"
      printf 'images.sh: making %s\n' "${stale[*]}" >&2
      unshare --mount --propagation private -- "$SELF" --inside "$suite" "${stale[@]}" \
        > "$CACHE/abi-$suite.log" 2>&1 {lock}>&- ||
        { tail -n 20 "$CACHE/abi-$suite.log" >&2; die "could not make ${stale[*]}"; }
    fi
    exec {lock}>&-
  done
  printf "$CACHE/abi-%s.sqsh\n" "${wanted[@]}"
}

main "$@"
