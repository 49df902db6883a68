# odd.sh: programs that look for their MPI in odd ways, and hosts that are laid out in odd ways; sourced by matrix.sh.
#
# The image has MPICH 4.2, the host 4.0: the version that a rank prints says whose was loaded. All on one node, where
# MPICH 4.0's MPI_Finalize does not hang.

# shellcheck shell=bash
# shellcheck disable=SC2154  # out, err, status: tests/lib.sh

readonly LIBRARY_DIR=usr/lib/x86_64-linux-gnu

# $WORK/odd.sqsh: trixie's MPICH, and in /odd a second copy of it and programs that want that one.
make_odd_image() {
  local tree=$WORK/odd/odd script
  [[ ! -e $WORK/odd.sqsh ]] || return 0
  mkdir -p "$tree/lib"
  unsquashfs -n -q -d "$WORK/trixie" "$IMAGES/trixie-mpich.sqsh" "$LIBRARY_DIR/libmpich*" >/dev/null
  cp -L "$WORK/trixie/$LIBRARY_DIR/libmpich.so.12" "$tree/lib/"
  mpicc.mpich -O1 -o "$tree/rpath" "$here/../images/mpi_hello.c" -Wl,--disable-new-dtags,-rpath,/odd/lib -ldl
  cp "$tree/rpath" "$tree/absolute"
  patchelf --remove-rpath --replace-needed libmpich.so.12 /odd/lib/libmpich.so.12 "$tree/absolute"
  gcc -O1 -o "$tree/dlopen" "$here/dlopen.c" -ldl
  cp "$tree/rpath" "$tree/setuid"
  chmod 4755 "$tree/setuid"
  # shellcheck disable=SC2016  # in the script
  printf '#!/bin/sh\nexec env -i $(env | grep -E "^(PMI|MPI)") %s\n' /odd/rpath >"$tree/script"
  chmod 755 "$tree/script"
  cp "$IMAGES/trixie-mpich.sqsh" "$WORK/odd.sqsh.new"
  mksquashfs "$tree" "$WORK/odd.sqsh.new" -keep-as-directory -no-progress -quiet -all-root >/dev/null
  chmod 644 "$WORK/odd.sqsh.new"
  mv "$WORK/odd.sqsh.new" "$WORK/odd.sqsh"
}

# odd MODE VERSION PROGRAM...: two ranks, and both say that version.
odd() {
  local mode=$1 version=$2 rank; shift 2
  make_odd_image
  run bounded cmpirun -n 2 --timeout 25 --mpi "$mode" --image "$WORK/odd.sqsh" "$@"
  want_status 0
  for rank in 0 1; do want_out_like "rank $rank of 2 on [^ ]+: MPICH Version:[[:space:]]+$version.* sum 1"; done
}

# That these programs would take the image's, if they could.
test_odd_programs_alone() {
  odd container 4.2 /odd/rpath
  want_out_like ' from /odd/lib/libmpich.so.12 '
  odd container 4.2 /odd/dlopen /odd/lib/libmpich.so.12
}
test_odd_rpath() { odd host 4.0 /odd/rpath; }
test_odd_absolute_needed() { odd host 4.0 /odd/absolute; }
test_odd_dlopen_by_path() { odd host 4.0 /odd/dlopen /odd/lib/libmpich.so.12; }
test_odd_dlopen_by_name() { odd host 4.0 /odd/dlopen; }
test_odd_setuid() { odd host 4.0 /odd/setuid; }
test_odd_script_without_environment() { odd host 4.0 /odd/script; }
test_odd_env_i() { odd host 4.0 sh -c 'exec env -i $(env | grep -E "^(PMI|MPI)") /odd/absolute'; }

# -- Cray's layout, of Debian's MPICH ------------------------------------------------------------

# A library for each compiler, under a name of its own; a directory with MPICH's names; a provider's library.
make_cray() {
  local lib=$WORK/cray/ofi/gnu/lib
  [[ ! -e $WORK/cray/ready ]] || return 0
  mkdir -p "$lib" "$WORK/cray/ofi/gnu/lib-abi-mpich"
  gcc -shared -fPIC -x c -Wl,-soname,libcxi.so.1 -o "$lib/libcxi.so.1" /dev/null
  cp -L "/$LIBRARY_DIR/libmpich.so.12" "$lib/libmpi_gnu_112.so.12.0.0"
  # One by one: together patchelf 0.14 mixes the texts up.
  patchelf --set-soname libmpi_gnu_112.so.12 "$lib/libmpi_gnu_112.so.12.0.0"
  patchelf --set-rpath "\$ORIGIN" "$lib/libmpi_gnu_112.so.12.0.0"
  patchelf --add-needed libcxi.so.1 "$lib/libmpi_gnu_112.so.12.0.0"
  ln -s libmpi_gnu_112.so.12.0.0 "$lib/libmpi_gnu_112.so.12"
  ln -s ../lib/libmpi_gnu_112.so.12 "$WORK/cray/ofi/gnu/lib-abi-mpich/libmpi.so.12"
  touch "$WORK/cray/ready"
}

# cray WORDS...: a program of the image with these words for cmpirun; its MPI is the stand-in.
cray() {
  local rank
  make_cray
  run bounded "$@" cmpirun -n 2 --timeout 25 "${mpi_path[@]}" --mpi host --image "$IMAGES/trixie-mpich.sqsh" mpi_hello
  want_status 0
  for rank in 0 1; do
    want_out_like "rank $rank of 2 on [^ ]+: MPICH Version: +4\\.0[^ ]* +from $SWAPPED/libmpich.so.12 sum 1"
  done
  run bounded "$@" cmpi abi explain "${mpi_path[@]}" "$IMAGES/trixie-mpich.sqsh"
  want_out_like "bind file $WORK/cray/ofi/gnu/lib/libmpi_gnu_112.so.12.0.0 $SWAPPED/libmpich.so.12 new"
  want_out_like "bind file $WORK/cray/ofi/gnu/lib/libcxi.so.1 $SWAPPED/libcxi.so.1 new"
  want_out_like 'drop MPICH_\*'
}

test_cray_by_prefix() { local mpi_path=(--mpi-path "$WORK/cray/ofi/gnu"); cray env; }
test_cray_by_alias_directory() { local mpi_path=(--mpi-path "$WORK/cray/ofi/gnu/lib-abi-mpich"); cray env; }
# As its module says it; there is no other MPI in that PATH.
test_cray_by_module() {
  local mpi_path=()
  mkdir -p "$WORK/path"
  ln -sf "$BIN/cmpirun" "$BIN/cmpi" "$WORK/path/"
  cray env PATH="$WORK/path" CRAY_MPICH_DIR="$WORK/cray/ofi/gnu"
}
