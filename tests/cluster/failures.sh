# failures.sh: what goes wrong over several nodes, and that all of it ends well; sourced by run.sh.
#
# After each: the status, the words (a lost node's name is in them), and that within five seconds every living
# node is clean: no process of the user, no mount, no memory file, no descriptor of the image, no listening
# socket, no file in /tmp and /dev/shm. A node whose cable is pulled says nothing, and its neighbours
# know only after four seconds without an answer; there it is ten.
#
# What is the launcher's and not ours
# - srun ends when slurmctld has given the dead node up (SlurmdTimeout), which takes longer than a test:
#   there all that is ours must be gone in time, and srun is ended by ^C, at last by force. An mpiexec
#   that does not notice is ended by cmpirun, its parent.
# - srun has a status of its own after ^C.

# shellcheck shell=bash
# shellcheck disable=SC2154  # out, err, status, job, took: tests/lib.sh, nodes.sh

readonly LAUNCHER_SECONDS=15 # Open MPI's mpiexec takes some seconds on a loaded machine
readonly SLOW=20mbit # the image of 30 MB takes over ten seconds

# this_test: the name of the test that we are in.
this_test() { printf '%s\n' "${FUNCNAME[@]}" | sed -n 's/^test_//p' | tail -n 1; }

# end_clean SECONDS SINCE: all that is ours is gone in that time, and what is the launcher's a little later.
end_clean() {
  local gone
  ours=yes want_clean_nodes "$1" "$2"
  gone=$took
  end_job "$LAUNCHER_SECONDS"
  want_clean_nodes "$LAUNCHER_SECONDS" "$2"
  note "$(this_test) ($starter): clean of ours after $gone s, of the launcher after $took s; status $status"
}

want_failed() { [[ $status != 0 ]] || complain 'wanted a failure'; }

# lose kill|cut NODE SECONDS: the running job loses that node.
lose() {
  local how=$1 node=$2 limit=$3 since=$EPOCHREALTIME
  spoil_cluster
  vnodes "$how" "$node"
  ours=yes want_clean_nodes "$limit" "$since"
  if [[ $how == kill && $starter != srun ]]; then
    end_clean "$limit" "$since"
  elif [[ $starter != srun ]]; then
    note "$(this_test) ($starter): clean of ours after $took s"
    end_job "$LAUNCHER_SECONDS"
  else
    note "$(this_test) ($starter): clean of ours after $took s"
    interrupt_job
    sleep 1
    kill -KILL -- "-$job" 2>/dev/null || true
    wait "$job" || true
    status=none out=$(<"$WORK/out") err=$(<"$WORK/err")
  fi
  [[ $starter == srun ]] || want_status 122
  want_err_like "(^|"$'\n'")cmpirun: [^"$'\n'"]*$node was lost"
}

# -- a node is lost --------------------------------------------------------------------------

# slow_broadcast STARTER [IMAGE]: a job of which the last node has some of the image and not all.
slow_broadcast() {
  local before deadline=$((SECONDS + JOB_SECONDS))
  starter=$1
  need_cluster 3 "$SLOW"
  before=$(received node3)
  start_job "$starter" 1 --image "${2:-$DEBIAN}" sleep 60
  until (($(received node3) >= before + (4 << 20))); do
    is_running "$job" || complain "the job ended: $(cat "$WORK/err")"
    ((SECONDS < deadline)) || complain 'no image on node3'
    sleep 0.05
  done
  (($(received node3) < before + (20 << 20))) || complain 'the broadcast is over already'
}

# received NODE: bytes, by its network interface.
received() { on "$1" cat /sys/class/net/eth0/statistics/rx_bytes; }

test_node_dies_in_the_broadcast_by_hydra() { slow_broadcast hydra; lose kill node3 5; }
test_node_dies_in_the_broadcast_by_openmpi() { slow_broadcast openmpi; lose kill node3 5; }
test_middle_node_dies_in_the_broadcast() { slow_broadcast hydra; lose kill node2 5; }
test_silence_in_the_broadcast() { slow_broadcast hydra; lose cut node3 10; }

# wiring_up STARTER: ranks of all nodes but node3 are in MPI_Init, and wait.
wiring_up() {
  starter=$1
  need_cluster 4
  start_job "$starter" 2 --image "$IMAGES/trixie-$2.sqsh" sh -c '
    echo here; [ $CMPIRUN_NODE != 2 ] || sleep 60; exec mpi_hello'
  await_lines 8 here
  sleep 0.5
}
test_node_dies_in_the_wire_up_by_hydra() { wiring_up hydra mpich; lose kill node3 5; }
test_node_dies_in_the_wire_up_by_srun() { wiring_up srun openmpi; lose kill node3 5; }
test_silence_in_the_wire_up() { wiring_up openmpi openmpi; lose cut node3 10; }

# running STARTER: ranks of an MPI program have found each other.
running() {
  starter=$1
  need_cluster 4
  start_job "$starter" 2 --image "$IMAGES/trixie-$2.sqsh" mpi_hello --sleep 60
  await_lines 8 '^rank'
}
test_node_dies_while_running_by_hydra() { running hydra openmpi; lose kill node4 5; }
test_node_dies_while_running_by_openmpi() { running openmpi mpich; lose kill node2 5; }
test_node_dies_while_running_by_srun() { running srun mpich; lose kill node4 5; }
test_silence_while_running_by_hydra() { running hydra mpich; lose cut node2 10; }
test_silence_while_running_by_srun() { running srun openmpi; lose cut node4 10; }

# -- a process of ours is lost ---------------------------------------------------------------

# victim NODE NAME: kill -9. The node lives on, and must be clean as well.
victim() {
  local node=$1 name=$2 since=$EPOCHREALTIME
  on "$node" pkill -KILL -u "$CMPIRUN_TEST_USER" "^$name" || complain "no process $name on $node"
  end_clean 5 "$since"
  want_failed
}
test_daemon_killed() {
  local starter
  for starter in srun hydra openmpi; do running "$starter" mpich; victim node3 cmpid; want_err_like 'cmpirun: .*node3'; done
}
test_daemon_of_node_0_killed() {
  local starter
  for starter in srun hydra; do running "$starter" openmpi; victim node1 cmpid; want_err_like 'cmpirun: .*node1'; done
}
test_init_killed() { running hydra mpich; victim node2 cmpi-init; want_err_like 'cmpirun: .*node2'; }
test_image_server_killed() { running hydra mpich; victim node2 cmpi-imgfs; want_err_like 'cmpirun: .*node2'; }
# Here the launcher knows first, and kills the others as well: who says it first is open.
test_bcast_killed_by_hydra() { slow_broadcast hydra; victim node2 cmpi-bcast; want_err_like 'cmpirun: node node[1-4]: .*cmpi-bcast'; }
test_bcast_killed_by_openmpi() { slow_broadcast openmpi; victim node2 cmpi-bcast; want_err_like 'cmpirun: node node[1-4]: .*cmpi-bcast'; }

# -- a rank fails ----------------------------------------------------------------------------

test_rank_exits() {
  local starter
  need_cluster 4
  for starter in $STARTERS; do
    run_job "$starter" 1 --image "$DEBIAN" sh -c '[ $CMPIRUN_RANK != 2 ] || exit 3; sleep 40'
    want_status 3; want_err_like 'rank 2 on node node3 ended with status 3'; want_clean_nodes
  done
}
test_rank_is_killed() {
  local starter
  need_cluster 4
  for starter in srun hydra; do
    run_job "$starter" 1 --image "$DEBIAN" sh -c '[ $CMPIRUN_RANK != 2 ] || kill -9 $$; sleep 40'
    want_status 137; want_err_like 'rank 2 on node node3 was ended by signal 9'; want_clean_nodes
  done
}
test_rank_aborts() {
  local starter mpi
  need_cluster 4
  for starter in hydra srun; do
    for mpi in mpich openmpi; do
      run_job "$starter" 1 --image "$IMAGES/trixie-$mpi.sqsh" mpi_hello --abort 7@2
      want_status 7; want_err_like 'rank 2 on node node3'; want_clean_nodes
    done
  done
}
test_program_missing() {
  need_cluster 4
  run_job hydra 2 --image "$DEBIAN" no-such-program
  want_status 127; want_err_like 'no-such-program'
  want_equal "$(grep -c '^cmpirun:' <<<"$err")" 1 'messages'
  want_clean_nodes
}
test_timeout() {
  need_cluster 4
  run_job hydra 1 --timeout 2 --image "$DEBIAN" sleep 60
  want_status 124; want_err_like -- '--timeout'; want_clean_nodes
}

# -- ^C --------------------------------------------------------------------------------------

# Programs that do not care for TERM show the difference.
readonly STUBBORN='trap "" TERM INT; echo here; while :; do sleep 1; done'

test_interrupt_once() {
  local starter since
  for starter in srun hydra openmpi; do
    need_cluster 4
    start_job "$starter" 1 --image "$DEBIAN" sh -c 'echo here; exec sleep 60'
    await_lines 4 here
    since=$EPOCHREALTIME
    interrupt_job
    end_clean 5 "$since"
    [[ $starter == srun ]] || want_status 130
  done
}
test_interrupt_once_stubborn() {
  local starter since
  for starter in srun hydra; do
    need_cluster 4
    start_job "$starter" 1 --image "$DEBIAN" sh -c "$STUBBORN"
    await_lines 4 here
    since=$EPOCHREALTIME
    interrupt_job
    end_clean 6 "$since"
  done
}
test_interrupt_twice() {
  local starter since
  for starter in srun hydra openmpi; do
    need_cluster 4
    start_job "$starter" 1 --image "$DEBIAN" sh -c "$STUBBORN"
    await_lines 4 here
    since=$EPOCHREALTIME
    interrupt_job
    sleep 0.3
    interrupt_job
    end_clean 5 "$since"
  done
}
test_interrupt_in_the_broadcast() {
  local since
  slow_broadcast hydra
  since=$EPOCHREALTIME
  interrupt_job
  end_clean 5 "$since"
}

# -- strangers -------------------------------------------------------------------------------

# Given to bash on a node: host, port. Connections that say nothing, nonsense, half of what looks like a
# hello, or just end; all at once they are more than the daemon keeps.
# shellcheck disable=SC2016
readonly STRANGERS='
  exec 2>/dev/null
  for i in $(seq 50); do
    exec {silent}<>"/dev/tcp/$1/$2" || exit 0
    exec {garbage}<>"/dev/tcp/$1/$2" && head -c 5000 /dev/urandom >&$garbage
    exec {half}<>"/dev/tcp/$1/$2" && printf "\20\0\0\0\1\0\0\0" >&$half
    exec {ended}<>"/dev/tcp/$1/$2" && exec {ended}>&-
  done
  sleep 1'

# own_ports NODE: at which a daemon of ours listens. (It may have inherited a launcher's socket.)
own_ports() { on "$1" ss -Hltnp | sed -n 's/.*:\([0-9]*\) .*users:(("cmpid",pid=[0-9]*,fd=[0-9]*)) *$/\1/p'; }

test_strangers() {
  local node port ports=0 attack
  local -a attacks=()
  need_cluster 4
  start_job hydra 2 --image "$IMAGES/trixie-openmpi.sqsh" mpi_hello --sleep 5
  await_lines 8 '^rank'
  for node in node1 node2; do
    for port in $(own_ports "$node"); do
      on node4 bash -c "$STRANGERS" bash "$node" "$port" & attacks+=($!)
      on "$node" bash -c "$STRANGERS" bash 127.0.0.1 "$port" & attacks+=($!)
      ports=$((ports + 1))
    done
  done
  ((ports >= 4)) || complain "only $ports ports: a daemon has one of the tree and one of PMIx"
  for attack in "${attacks[@]}"; do wait "$attack" || true; done
  is_running "$job" || complain 'the job has ended'
  end_job 30
  want_status 0
  want_no_err
  want_clean_nodes
}

# -- a node that cannot ----------------------------------------------------------------------

# In the node's own view of /dev, for the device is the machine's.
test_node_without_dev_fuse() {
  need_cluster 4
  spoil_cluster
  on node3 sh -c 'mknod -m 600 /run/fuse c 10 229 && mount --bind /run/fuse /dev/fuse'
  remember node3
  run_job hydra 1 --image "$DEBIAN" true
  want_status 123; want_err_like 'node3[^'$'\n'']*/dev/fuse'
  want_equal "$(grep -c '^cmpirun:' <<<"$err")" 1 'messages'
  want_clean_nodes
}

# In the node's own view of /proc, for the memory is the machine's. The job needs three fields of it.
test_node_without_memory() {
  need_cluster 4
  spoil_cluster
  on node3 sh -c 'printf "MemTotal: 8192 kB\nMemFree: 4096 kB\nMemAvailable: 4096 kB\n" >/run/meminfo
    mount --bind /run/meminfo /proc/meminfo'
  remember node3
  run_job hydra 1 --image "$DEBIAN" true
  want_status 123; want_err_like 'node3[^'$'\n'']*4 MiB are available'
  want_equal "$(grep -c '^cmpirun:' <<<"$err")" 1 'messages'
  want_clean_nodes
}

# A copy of the image gets shorter while node 0 reads it and the others wait for it.
test_image_truncated_in_the_broadcast() {
  local image=$WORK/short.sqsh
  cp "$DEBIAN" "$image"; chmod 644 "$image"
  slow_broadcast hydra "$image"
  truncate -s 20M "$image"
  end_job 40
  rm -f "$image"
  want_status 121; want_err_like 'short.sqsh'
  want_clean_nodes
}

# The daemon of node3 is started in a user namespace of its own, where the limit is the test's to set.
test_node_without_user_namespaces() {
  need_cluster 4
  cat >"$WORK/start" <<'END'
#!/bin/sh
[ "$(hostname)" = node3 ] || exec "$@"
exec unshare -U --map-current-user --keep-caps sh -c 'echo 0 > /proc/sys/user/max_user_namespaces
  exec setpriv --inh-caps=-all --ambient-caps=-all "$@"' - "$@"
END
  chmod 755 "$WORK/start"
  run bounded cmpirun --host 'node[1-4]' --image "$DEBIAN" \
    --launcher "mpiexec.hydra -hosts {hosts} -ppn 1 -n {nodes} $WORK/start {daemon}" true
  want_status 123; want_err_like 'node3[^'$'\n'']*user.max_user_namespaces'
  want_clean_nodes
}
