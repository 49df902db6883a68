#!/usr/bin/env bash
#
# run.sh: cmpirun on this one node, in real images, as an ordinary user.
#
#   tests/node/run.sh [TEST...]      all, or those named (without test_)
#
# In: see tests/lib.sh. Out: a line a test, and "N passed, N failed".

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

cmpirun() { user "$BIN/cmpirun" "$@"; }
debian=$IMAGES/debian.sqsh
tiny=$IMAGES/tiny-zstd.sqsh

# -- the program, its status, its words ------------------------------------------------------

test_true() { run cmpirun --image "$debian" true; want_status 0; want_out ''; want_no_err; want_clean; }
test_exit_status() { run cmpirun --image "$debian" sh -c 'exit 3'; want_status 3; want_no_err; }
test_exit_status_of_ranks() {
  run cmpirun -n 4 --image "$debian" sh -c '[ $CMPIRUN_RANK != 2 ] || exit 3; sleep 30'
  want_status 3; want_err_like 'rank 2 .*status 3'; want_clean
}
test_signal() {
  run cmpirun -n 3 --image "$debian" sh -c '[ $CMPIRUN_RANK != 1 ] || kill -9 $$; sleep 30'
  want_status 137; want_err_like 'rank 1 .*signal 9'; want_clean
}
test_own_root() { run cmpirun --image "$debian" cat /etc/debian_version; want_status 0; want_out_like '^12\.'; }
test_user_is_the_caller() {
  run cmpirun --image "$debian" sh -c 'echo $(id -u) $(id -un) $(id -g)'
  want_out "$(id -u "$CMPIRUN_TEST_USER") $CMPIRUN_TEST_USER $(id -g "$CMPIRUN_TEST_USER")"
}
test_stdin_goes_to_rank_0() {
  out=$(printf 'a\nb\n' | cmpirun -n 3 --label --image "$debian" cat); want_out $'0: a\n0: b'
}
test_label() {
  run cmpirun -q -n 3 --label --image "$debian" sh -c 'echo out; echo err >&2'
  want_status 0
  want_equal "$(sort <<<"$out")" $'0: out\n1: out\n2: out' labels
  want_equal "$(sort <<<"$err")" $'0: err\n1: err\n2: err' labels
}
test_whole_lines() {
  # Each rank writes its line in two halves; mixed lines would show.
  run cmpirun -n 8 --image "$debian" sh -c \
    'i=0; while [ $i -lt 200 ]; do printf "%s" "<$CMPIRUN_RANK"; printf "%s>\n" "$CMPIRUN_RANK"; i=$((i+1)); done'
  want_status 0
  want_equal "$(grep -cE '^<([0-7])\1>$' <<<"$out")" 1600 'whole lines'
}
test_much_output_slow_reader() {
  local bytes
  bytes=$(cmpirun -n 4 --image "$debian" head -c 5000000 /dev/zero | { sleep 1; wc -c; })
  want_equal "$bytes" 20000000 bytes
}
test_reader_goes_away() {
  limit=20 run bash -c "$(declare -f user); BIN=$BIN USER_HOME=$USER_HOME CMPIRUN_TEST_USER=$CMPIRUN_TEST_USER
    user cmpirun -n 2 --image $debian yes | head -n 1"
  want_out y; want_clean
}
test_nobody_is_left_behind() {
  run cmpirun --image "$debian" sh -c 'sleep 1000 & setsid sleep 1000 & exit 0'
  want_status 0
  sleep 0.3
  want_equal "$(pgrep -u "$CMPIRUN_TEST_USER" sleep | wc -l)" 0 'sleeping processes'
  want_clean
}
test_ranks_and_sizes() {
  run cmpirun -n 5 --image "$debian" sh -c 'echo $CMPIRUN_RANK/$CMPIRUN_SIZE $CMPIRUN_LOCAL_RANK/$CMPIRUN_LOCAL_SIZE'
  want_equal "$(sort <<<"$out")" $'0/5 0/5\n1/5 1/5\n2/5 2/5\n3/5 3/5\n4/5 4/5' ranks
}
test_more_ranks_than_cores_is_noted() {
  run cmpirun -n 40 --image "$debian" true; want_status 0; want_err_like '^cmpirun: 40 ranks share [0-9]+ cores'
  run cmpirun -n 40 --quiet --image "$debian" true; want_status 0; want_no_err
}
test_binding() {
  run cmpirun -n 2 --image "$debian" grep Cpus_allowed_list /proc/self/status
  want_status 0
  (($(nproc) < 2)) || want_equal "$(sort -u <<<"$out" | wc -l)" 2 'different cores'
  run cmpirun -n 2 --bind-to none --image "$debian" grep Cpus_allowed_list /proc/self/status
  want_equal "$(sort -u <<<"$out" | wc -l)" 1 'the same cores'
}
test_timeout() {
  run cmpirun --timeout 1 --image "$debian" sleep 60; want_status 124; want_err_like -- '--timeout'; want_clean
}
test_timing() {
  run cmpirun -n 2 --timing --image "$debian" true
  want_err_like 'launched 2 ranks on 1 node in [0-9.]+ ms: .*mount [0-9.]+.*exec [0-9.]+'
  run cmpirun -n 2 --timing=json --image "$debian" true
  want_equal "$(jq -r '.ranks, .nodes, (.phases.mount > 0)' <<<"$err" | tr '\n' ' ')" '2 1 true ' json
}

# -- the container ---------------------------------------------------------------------------

test_root_is_read_only() { run cmpirun --image "$debian" touch /usr/x; want_status 1; want_err_like 'Read-only'; }
test_home_and_tmp_are_there() {
  run cmpirun --image "$debian" sh -c 'echo a > ~/made && cat ~/made && rm ~/made && t=$(mktemp) && rm $t'
  want_status 0; want_out a
}
test_working_directory() {
  user mkdir -p "$USER_HOME/a b/c"
  in="$USER_HOME/a b/c" run cmpirun --image "$debian" pwd; want_out "$USER_HOME/a b/c"
  # A directory of the image is not hidden by the caller's of the same name.
  in=/usr run cmpirun --image "$debian" sh -c 'pwd; ls -d /usr/bin/dpkg'; want_status 0; want_out $'/usr\n/usr/bin/dpkg'
  run cmpirun --workdir /etc --image "$debian" pwd; want_out /etc
  run cmpirun --workdir /nowhere --image "$debian" pwd; want_status 120; want_err_like '/nowhere'
}
test_program_by_relative_path() {
  printf '#!/bin/sh\necho mine $1\n' > "$USER_HOME/app"; chmod 755 "$USER_HOME/app"
  run cmpirun --image "$debian" ./app x; want_status 0; want_out 'mine x'; rm "$USER_HOME/app"
}
test_what_a_bind_hides_stays_usable() {
  run cmpirun --image "$debian" sh -c 'ls /.cmpirun/image/tmp /.cmpirun/image/usr/bin/dpkg'
  want_status 0
}
test_no_home_no_cwd_no_tmp() {
  touch "$USER_HOME/mark" /tmp/mark-of-the-host
  run cmpirun --no-home --no-cwd --no-tmp --image "$debian" sh -c "ls $USER_HOME/mark /tmp/mark-of-the-host; echo a > /tmp/x && cat /tmp/x"
  want_out a; want_err_like 'No such file.*No such file|No such file'
  rm -f "$USER_HOME/mark" /tmp/mark-of-the-host
}
test_volumes() {
  local dir; dir=$(mktemp -d /var/tmp/volume.XXXXXX); chmod 777 "$dir"; echo in > "$dir/file"
  run cmpirun -v "$dir:/data" --image "$debian" sh -c 'cat /data/file; echo new > /data/new'
  want_status 0; want_out in; want_equal "$(cat "$dir/new")" new written
  run cmpirun -v "$dir:/data:ro" --image "$debian" touch /data/x; want_status 1
  run cmpirun -v "$dir/file:/etc/debian_version" --image "$debian" cat /etc/debian_version; want_out in
  run cmpirun -v "$dir:/made/by/us" --image "$debian" cat /made/by/us/file; want_out in
  run cmpirun -v /nowhere:/data --image "$debian" true; want_status 120; want_err_like '/nowhere'
  rm -rf "$dir"
}
test_environment() {
  run user env A=1 LD_PRELOAD= TMPDIR=/gone "$BIN/cmpirun" -x B=2 -x TMPDIR --image "$debian" sh -c 'echo $A $B $TMPDIR $PATH'
  want_out '1 2 /gone /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  run cmpirun -x NOT_SET --image "$debian" true; want_status 120; want_err_like 'NOT_SET'
}
test_no_new_privileges() { run cmpirun --image "$debian" grep NoNewPrivs /proc/self/status; want_out_like '1$'; }
test_ranks_share_one_mount_and_user_namespace() {
  run cmpirun -n 4 --image "$debian" readlink /proc/self/ns/mnt /proc/self/ns/user
  want_equal "$(sort -u <<<"$out" | wc -l)" 2 namespaces
}
for compressor in zstd gzip lz4 xz lzo; do
  eval "test_compressor_$compressor() { run cmpirun --mount fuse --image $IMAGES/tiny-$compressor.sqsh sh -c 'find / -xdev -type f ! -path \"/.cmpirun/*\" -exec cat {} + | wc -c'; want_status 0; ((out > 5000000)) || complain 'too few bytes'; }"
done
test_kernel_mount_needs_root() { run cmpirun --mount kernel --image "$debian" true; want_status 123; want_err_like 'root|privilege'; }
test_kernel_mount_as_root() {
  run "$BIN/cmpirun" --mount kernel --image "$debian" grep ' / ' /proc/mounts; want_status 0
  run "$BIN/cmpirun" -n 3 --mount fuse --image "$debian" cat /etc/debian_version; want_status 0; want_out_like '^12'
}

# -- a SIF file ----------------------------------------------------------------------------------

# Served where it is: nothing of it goes to the store.
test_sif_in_place() {
  local sif sum
  dir=$(mktemp -d /var/tmp/cmpirun-node.XXXXXX); trap 'rm -rf "$dir"' EXIT
  chmod 755 "$dir"; sif=$dir/an.sif
  python3 "$here/../image/oci.py" sif "$sif" "$debian"
  run cmpirun -n 2 --image "$sif" cat /etc/debian_version; want_status 0; want_out_like '^12.*12'; want_no_err
  mv "$sif" "$dir/image"
  run cmpirun --image "sif:$dir/image" sh -c 'find / -xdev -type f ! -path "/.cmpirun/*" -exec cat {} + | wc -c'
  want_status 0; sum=$out
  run cmpirun --image "$debian" sh -c 'find / -xdev -type f ! -path "/.cmpirun/*" -exec cat {} + | wc -c'; want_out "$sum"
  run "$BIN/cmpirun" --mount kernel --image "$dir/image" cat /etc/debian_version; want_status 0; want_out_like '^12'
  run cmpirun --verify --image "$dir/image" true; want_status 121; want_err_like 'no hash tree'
  run user "$BIN/cmpi" image info "$dir/image"; want_out_like "size  *$(stat -c %s "$debian") bytes"
  [[ -z $(find "$USER_HOME/.cache" -newer "$dir" -name '*.sqsh' 2>/dev/null) ]] || complain 'a copy in the store'
  run cmpirun --profile-record "$USER_HOME/sif.profile" --image "$dir/image" cat /etc/debian_version; want_status 0
  run "$BIN/cmpi" image optimize "$dir/image" --profile "$USER_HOME/sif.profile"; want_status 121; want_err_like 'SIF file.*-o'
  run "$BIN/cmpi" image optimize "$dir/image" --profile "$USER_HOME/sif.profile" -o "$dir/faster.sqsh"; want_status 0
  chmod 644 "$dir/faster.sqsh"; rm -f "$USER_HOME/sif.profile"
  run cmpirun --image "$dir/faster.sqsh" cat /etc/debian_version; want_status 0; want_out_like '^12'
  truncate -s -5000 "$dir/image"
  run cmpirun --image "$dir/image" true; want_status 121; want_err_like "$dir/image: .*cut off"
}

# -- MPI -------------------------------------------------------------------------------------

mpi_lines() { # IMAGE RANKS WHAT [OPTIONS]
  local image=$1 ranks=$2 what=$3 r sum=$(($2 * ($2 - 1) / 2)); shift 3
  run cmpirun -n "$ranks" "$@" --image "$IMAGES/$image.sqsh" mpi_hello
  want_status 0
  for ((r = 0; r < ranks; r++)); do
    want_out_like "(^|"$'\n'")rank $r of $ranks on $(hostname): $what[^"$'\n'"]* sum $sum"
  done
  want_equal "$(wc -l <<<"$out")" "$ranks" lines
}
test_mpich_trixie() { mpi_lines trixie-mpich 4 MPICH; want_clean; }
test_mpich_bookworm() { mpi_lines bookworm-mpich 4 MPICH; }
test_openmpi_trixie() { mpi_lines trixie-openmpi 4 'Open MPI v5'; want_clean; }
test_openmpi_bookworm() { mpi_lines bookworm-openmpi 4 'Open MPI v4'; }
test_mpich_with_the_hosts_library() { mpi_lines bookworm-mpich 3 MPICH --mpi host; }
test_openmpi_with_the_hosts_library() { mpi_lines bookworm-openmpi 3 'Open MPI v4' --mpi host; }
test_host_mpi_that_does_not_fit_is_refused() {
  run cmpirun -n 2 --mpi host --image "$debian" true; want_status 123; want_err_like 'no MPI|nothing'
}
test_mpi_abort() {
  run cmpirun -n 3 --image "$IMAGES/trixie-mpich.sqsh" mpi_hello --abort 7@1 --sleep 20
  want_status 7; want_err_like 'rank 1'; want_clean
  run cmpirun -n 3 --image "$IMAGES/trixie-openmpi.sqsh" mpi_hello --abort 7@1 --sleep 20
  want_status 7; want_err_like 'rank 1'; want_clean
}
test_ranks_that_run_alone_are_noticed() {
  # shellcheck disable=SC2016  # in the container
  local image alone='for v in $(env | grep -oE "^(PMI|JSM)[^=]*"); do unset $v; done; mpi_hello --sleep 30; echo'
  # (Debian 12's Open MPI does not run alone where there is no orted: it fails by itself.)
  for image in bookworm-mpich trixie-mpich trixie-openmpi; do
    limit=25 run cmpirun -n 2 --image "$IMAGES/$image.sqsh" sh -c "$alone"
    want_status 123; want_err_like 'runs alone: its libmpi'; want_clean
  done
}
test_mpi_rank_exits() {
  run cmpirun -n 3 --image "$IMAGES/trixie-mpich.sqsh" mpi_hello --exit 3@1 --sleep 20
  want_status 3; want_err_like 'rank 1'; want_clean
}
test_timing_names_the_transport() {
  local image
  for image in bookworm-mpich trixie-mpich; do
    run cmpirun -n 2 --timing --image "$IMAGES/$image.sqsh" mpi_hello
    want_status 0; want_err_like '; MPICH: UCX within one node$'
  done
  # libpmix keeps the fences of one node to itself: it is looked at after a second.
  run cmpirun -n 2 --timing --image "$IMAGES/bookworm-openmpi.sqsh" mpi_hello --sleep 1.5
  want_status 0; want_err_like '; Open MPI: pml [a-z0-9]+, .* within one node$'
  run cmpirun -n 2 --timing -x OMPI_MCA_pml=ob1 -x OMPI_MCA_btl_vader_single_copy_mechanism=none \
    --image "$IMAGES/bookworm-openmpi.sqsh" mpi_hello --sleep 1.5
  want_status 0; want_err_like '; Open MPI: pml ob1, btl [a-z ]*vader[a-z ]* within one node'
  want_err_like 'OMPI_MCA_btl_vader_single_copy_mechanism switches'
  run cmpirun -n 2 --timing=json -x UCX_TLS=tcp,self --image "$IMAGES/bookworm-mpich.sqsh" mpi_hello
  want_status 0; want_err_like 'UCX_TLS switches copies from process to process \(CMA\) off'
  want_equal "$(head -n 1 <<<"$err" | jq -r '.transport.kind, .transport.cma_off_by' | tr '\n' ' ')" 'local UCX_TLS ' json
  run cmpirun -n 2 -x UCX_TLS=tcp,self --image "$IMAGES/bookworm-mpich.sqsh" mpi_hello
  want_status 0; want_no_err
}
test_words_of_the_linker_are_mapped_to_decisions() {
  local image=$IMAGES/bookworm-mpich.sqsh own="the image's own MPI.*does not define MPIX_Gone" lines
  make_broken "$USER_HOME/broken"
  run cmpirun -n 2 --image "$image" broken/lost
  want_status 127; want_err_like 'cmpirun: rank [01] .*status 127'
  want_err_like 'cmpirun: the image has no libgone.so.1 .*--mpi container'
  lines=$(grep -c '^cmpirun: the image has no' <<<"$err"); want_equal "$lines" 1 'lines that explain'
  run cmpirun -n 2 --mpi host --image "$image" sh -c 'broken/lost'
  want_status 127; want_err_like 'cmpirun: the image has no libgone.so.1 .*--mpi host did not bring it along'
  run cmpirun -n 2 --image "$image" broken/newer
  want_status 127; want_err_like "cmpirun: $own, which broken/newer needs"
  run cmpirun -n 2 --mpi host --image "$image" broken/newer
  want_status 127; want_err_like "cmpirun: the host's /.*/libmpich.so.12.*place of the image's.*does not define MPIX_Gone"
  # A library of the image that a mount has taken away.
  run cmpirun -n 2 --mpi host -v "$USER_HOME/broken/empty:/usr/lib/x86_64-linux-gnu/libm.so.6" --image "$image" mpi_hello
  want_status 127; want_err_like "cmpirun: .*/libm.so.6 in the container is the host's $USER_HOME/broken/empty, by a mount"
  # A lone rank writes to our stderr itself.
  run cmpirun --mpi host --image "$image" broken/newer
  want_status 127; want_err_like "cmpirun: .*cmpi abi explain --line"
  # A failure of another kind has no such line.
  run cmpirun -n 2 --mpi host --image "$image" sh -c 'echo oh >&2; exit 127'
  want_status 127; want_equal "$(grep -c ^cmpirun: <<<"$err")" 1 'lines of cmpirun'
  rm -r "$USER_HOME/broken"; want_clean
}

# -- what users get wrong --------------------------------------------------------------------

test_image_missing() { run cmpirun --image /nowhere.sqsh true; want_status 121; want_err_like '/nowhere.sqsh'; }
test_image_is_a_directory() { run cmpirun --image /usr true; want_status 121; want_err_like '/usr'; }
test_image_is_no_squashfs() { run cmpirun --image /etc/passwd true; want_status 121; want_err_like 'squashfs'; }
test_image_truncated() {
  head -c 1000000 "$debian" > /var/tmp/truncated.sqsh; chmod 644 /var/tmp/truncated.sqsh
  run cmpirun --image /var/tmp/truncated.sqsh true; want_status 121; want_err_like 'truncated'
  rm /var/tmp/truncated.sqsh
}
test_image_is_garbage_inside() {
  cp "$tiny" /var/tmp/garbage.sqsh; chmod 644 /var/tmp/garbage.sqsh
  local size; size=$(stat -c %s "$tiny")
  dd if=/dev/urandom of=/var/tmp/garbage.sqsh bs=4096 seek=$((size / 4096 - 8)) count=8 conv=notrunc status=none
  limit=20 run cmpirun --image /var/tmp/garbage.sqsh true
  ((status != 0)) || complain 'it ran'
  want_clean; rm /var/tmp/garbage.sqsh
}
test_image_of_a_registry_that_is_not_there() {
  run cmpirun --pull never --image docker://localhost:1/debian true; want_status 121; want_err_like 'store'
}
test_program_missing() { run cmpirun -n 3 --image "$debian" no-such-program; want_status 127; want_err_like 'no-such-program'; want_clean; }
test_program_not_executable() { run cmpirun --image "$debian" /etc/passwd; want_status 126; want_err_like '/etc/passwd'; }
test_options() {
  run cmpirun -N 4 --image "$debian" true; want_status 120; want_err_like '--ppn'
  run cmpirun --imag "$debian" true; want_status 120; want_err_like 'did you mean --image'
  run cmpirun true; want_status 120; want_err_like '--image'
  run cmpirun --image "$debian"; want_status 120; want_err_like 'no program'
  run cmpirun --host a:2 -n 3 --image "$debian" true; want_status 120; want_err_like '--oversubscribe'
}
test_help_and_version() {
  run cmpirun --help; want_status 0; want_out_like '--image FILE'; run cmpirun --version; want_out_like '^cmpirun [0-9]'
}
test_dry_run_changes_nothing() {
  run strace -f -e trace=mount,unshare,clone3,fork,vfork -o /var/tmp/dry.trace "$BIN/cmpirun" -n 4 --host a:2,b:2 --dry-run --image "$debian" true
  want_status 0
  want_out_like 'image .*debian.sqsh.*zstd'; want_out_like 'ranks +4: 2 on each of 2 nodes'; want_out_like 'cmpid'; want_out_like 'mpi +the image'
  want_equal "$(grep -c '(' /var/tmp/dry.trace)" 0 'system calls that change something'; rm -f /var/tmp/dry.trace
}
test_no_user_namespaces() {
  # In a user namespace of the test's own the limit is the test's to set.
  run user unshare -U --map-current-user --keep-caps sh -c 'echo 0 > /proc/sys/user/max_user_namespaces
    exec setpriv --inh-caps=-all --ambient-caps=-all "$@"' - "$BIN/cmpirun" --image "$debian" true
  want_status 123; want_err_like 'user.max_user_namespaces'; want_clean
}
test_no_dev_fuse() {
  chmod 600 /dev/fuse; run cmpirun --image "$debian" true; chmod 666 /dev/fuse
  want_status 123; want_err_like '/dev/fuse'; want_clean
}

# -- ends ------------------------------------------------------------------------------------

# interrupt TIMES PROGRAM...: starts a job, interrupts it, gives its status
interrupt() {
  local times=$1 i pid; shift
  setsid setpriv --reuid "$CMPIRUN_TEST_USER" --regid "$(id -g "$CMPIRUN_TEST_USER")" --init-groups \
    env -i HOME="$USER_HOME" PATH="$BIN:/usr/bin:/bin" cmpirun -n 2 --image "$debian" "$@" </dev/null & pid=$!
  sleep 0.7
  for ((i = 0; i < times; i++)); do kill -INT $pid; sleep 0.3; done
  wait $pid; status=$?
}
test_interrupt_once() {
  local started=$SECONDS
  interrupt 1 sleep 60; want_status 130; want_clean; ((SECONDS - started < 5)) || complain 'too slow'
}
test_interrupt_once_stubborn() {
  local started=$SECONDS
  interrupt 1 sh -c 'trap "" TERM INT; sleep 60 & wait; sleep 60'; want_status 130; want_clean; ((SECONDS - started < 6)) || complain 'too slow'
}
test_interrupt_twice() {
  interrupt 2 sh -c 'trap "" TERM INT; while :; do sleep 1; done'; want_status 130; want_clean
}
victim() { # NAME: kills that process of a running job, -9
  user cmpirun -n 2 --image "$debian" sleep 60 </dev/null & local pid=$!
  sleep 0.7
  pkill -KILL -u "$CMPIRUN_TEST_USER" -x "$1" || complain "no process $1"
  wait $pid; status=$?
}
test_daemon_killed() { victim cmpirun; want_clean; }
test_init_killed() { victim cmpi-init 2>&1; ((status != 0)) || complain 'status 0'; want_clean; }
test_image_server_killed() { victim cmpi-imgfs 2>&1; ((status != 0)) || complain 'status 0'; want_clean; }
test_1024_ranks() {
  run cmpirun -n 1024 --quiet --image "$debian" sh -c 'echo $CMPIRUN_RANK'
  want_status 0; want_equal "$(sort -n <<<"$out" | md5sum)" "$(seq 0 1023 | md5sum)" 'all ranks'
}

run_tests "$@"
