# early.sh: programs that start before their image has all arrived; sourced by run.sh.
#
# The links are slow, so that an arrival takes seconds, and what comes before its end can be told by the launch line:
# "mountable", "total" (to the last exec) and "broadcast" (to the last chunk) of one and the same run.

# shellcheck shell=bash
# shellcheck disable=SC2154  # out, err, status: tests/lib.sh

readonly SLOW_LINK=60mbit

# json KEY: a number of the launch line in $err.
launch_number() { grep '^{"ranks"' <<<"$err" | jq -r "$1"; }

# want_less A B WHAT
want_less() { [[ $(bc <<<"$1 < $2") == 1 ]] || complain "$3: $1 is not less than $2"; }

# usr_digest: of the content and names of all that is in the image's /usr; for `sh -c`.
readonly USR_DIGEST='cd /usr && find . -type f | LC_ALL=C sort | xargs -d "\n" sha256sum | sha256sum'

test_early_start() {
  need_cluster 4 "$SLOW_LINK"
  # Kept, so that all of it comes although the program is short.
  run job hydra 1 --keep-image --mount fuse --timing=json --image "$IMAGES/debian.sqsh" true
  want_status 0
  want_less "$(launch_number .phases.mountable)" "$(launch_number .phases.broadcast)/2" 'mountable'
  want_less "$(launch_number .total)" "$(launch_number .phases.broadcast)" 'the last exec'
  note "first exec after $(launch_number .total) s, the image after $(launch_number .phases.broadcast) s"
  forget_images
  want_clean_nodes
}

# What cmpid of each node saw, in its order: every rank of a short program has come and gone before the image is whole,
# with a profile of an earlier run beside the image.  Kept, so that it comes whole all the same.
test_profiled_start_precedes_the_image() {
  local image=$WORK/profiled.sqsh node order
  need_cluster 4 20mbit
  install -m 644 -o "$CMPIRUN_TEST_USER" "$IMAGES/debian.sqsh" "$image"
  user "$BIN/cmpirun" -n 1 --mount fuse --profile-record "$WORK/profile" --image "$image" perl -e 'print "hi\n"' ||
    complain 'the recorded run'
  user "$BIN/cmpi" image index "$image" --profile "$WORK/profile" || complain 'the index'
  run job hydra 1 --verbose --verbose --keep-image --mount fuse --image "$image" perl -e 'print "hi\n"'
  want_status 0
  want_equal "$(grep -c '^hi$' <<<"$out")" 4 'ranks'
  for node in node1 node2 node3 node4; do
    order=$(grep -E "$node.*(rank [0-9] has ended|the image is whole)" <<<"$err" | grep -oE 'ended|whole' | tr '\n' ' ')
    want_equal "$order" 'ended whole ' "the order on $node"
  done
  forget_images
  want_clean_nodes
}

test_early_start_off() {
  need_cluster 4 "$SLOW_LINK"
  run job hydra 1 --early-start off --mount fuse --timing=json --image "$IMAGES/debian.sqsh" true
  want_status 0
  want_equal "$(launch_number .phases.mountable)" null 'mountable'
  want_less "$(launch_number .phases.broadcast)" "$(launch_number .total)" 'the image'
  want_clean_nodes
}

# Reads everything while it comes: each node must see the image's bytes, no zeros.
test_early_reads_are_right() {
  local want
  need_cluster 4 "$SLOW_LINK"
  want=$(user "$BIN/cmpirun" -n 1 --image "$IMAGES/debian.sqsh" sh -c "$USR_DIGEST") || complain 'one node'
  run job hydra 1 --image "$IMAGES/debian.sqsh" sh -c "$USR_DIGEST"
  want_status 0
  want_equal "$(sort -u <<<"$out")" "$want" 'what was read'
  want_equal "$(wc -l <<<"$out")" 4 'nodes that read it'
  want_clean_nodes
}

# unneeded STARTER: a program that ends when little of the image has come ends the broadcast, in good order: no
# word, the ranks' status, and most of the image has not travelled.
unneeded() {
  local before moved node
  if [[ $1 == srun ]]; then
    need_cluster 4
    for node in $(live_nodes); do slow_node "$node" 20mbit; done
  else
    need_cluster 4 20mbit
  fi
  before=$(received node3)
  run_job "$1" 1 --image "$IMAGES/debian.sqsh" sh -c 'exit 0'
  moved=$(($(received node3) - before))
  want_status 0
  err=$(grep -v 'lacks support for cpu binding' <<<"$err" || true)
  want_no_err
  want_less "$moved" 20000000 'bytes of an image of 31 MB'
  note "$1: $moved bytes of the image came to node3"
  want_clean_nodes
}
test_unneeded_image_by_hydra() { unneeded hydra; }
test_unneeded_image_by_openmpi() { unneeded openmpi; }
test_unneeded_image_by_srun() { unneeded srun; }

# An image that is to be kept comes whole, whoever needs it.
test_unneeded_image_is_kept() {
  need_cluster 4 "$SLOW_LINK"
  run job hydra 1 --keep-image --image "$IMAGES/debian.sqsh" sh -c 'exit 0'
  want_status 0
  want_equal "$(kept_on node3 | wc -l)" 1 'images kept on node3'
  forget_images
  want_clean_nodes
}

# A rank that fails while the image still comes: its status is the job's, and nobody waits for the rest.
test_early_rank_fails() {
  need_cluster 4 "$SLOW_LINK"
  run job hydra 1 --image "$IMAGES/debian.sqsh" sh -c 'exit 7'
  want_status 7
  want_clean_nodes
}

# A node dies while the image comes and ranks run: its name is said, readers do not hang.
test_early_node_dies() {
  need_cluster 4 "$SLOW_LINK"
  start_job hydra 1 --image "$IMAGES/debian.sqsh" sh -c "echo here; $USR_DIGEST; sleep 60"
  await_lines 1 here
  vnodes kill node3
  end_job 15
  spoil_cluster
  [[ $status != 0 ]] || complain 'a job that lost a node ended well'
  want_err_like 'node3'
  want_clean_nodes 10
}

# received NODE: bytes that its link has brought so far.
received() { on "$1" cat /sys/class/net/eth0/statistics/rx_bytes; }

# forget_images: on all nodes, so that nothing is left.
forget_images() {
  local node
  for node in $(live_nodes); do
    vnodes exec "$node" --user "$CMPIRUN_TEST_USER" --cwd / -- "${prefix_bin:-$BIN}/cmpi" node rm --all
  done
}

kept_on() { vnodes exec "$1" --user "$CMPIRUN_TEST_USER" --cwd / -- "${prefix_bin:-$BIN}/cmpi" node ls; }

# keep_run IMAGE: a run that keeps the image; in $moved the bytes that node2 received meanwhile.
keep_run() {
  local before
  before=$(received node2)
  run job hydra 1 --keep-image --timing=json --image "$1" sh -c "$USR_DIGEST"
  moved=$(($(received node2) - before))
  want_status 0
  want_equal "$(sort -u <<<"$out" | wc -l)" 1 'different contents'
}

# The second run moves no byte of the image, sees the same, and nothing is left once it is forgotten.
test_kept_image_is_not_moved() {
  local image=$WORK/kept.sqsh first
  need_cluster 4 "$SLOW_LINK"
  install -m 644 -o "$CMPIRUN_TEST_USER" "$IMAGES/debian.sqsh" "$image"
  keep_run "$image"
  first=$out
  want_less 20000000 "$moved" 'bytes of the first run'
  want_equal "$(kept_on node3 | wc -l)" 1 'images kept on node3'
  keep_run "$image"
  want_less "$moved" 4000000 'bytes of the second run'
  want_equal "$out" "$first" 'what the second run read'
  note "the second run: $(launch_number .total) s to the last exec, $moved bytes on node2's link"
  forget_images
  want_clean_nodes
}

# One node lacks what the others keep: it alone gets it.
test_kept_image_that_one_node_lacks() {
  local node first
  local -A before=()
  need_cluster 4 "$SLOW_LINK"
  forget_images
  keep_run "$IMAGES/debian.sqsh"
  first=$out
  vnodes exec node3 --user "$CMPIRUN_TEST_USER" --cwd / -- "${prefix_bin:-$BIN}/cmpi" node rm --all
  for node in node3 node4; do before[$node]=$(received "$node"); done
  keep_run "$IMAGES/debian.sqsh"
  want_less 20000000 "$(($(received node3) - before[node3]))" 'bytes to node3, which has nothing'
  want_less "$(($(received node4) - before[node4]))" 4000000 'bytes to node4, which has it'
  want_less "$moved" 4000000 'bytes to node2, which has it'
  want_equal "$out" "$first" 'what the second run read'
  want_equal "$(kept_on node3 | wc -l)" 1 'images kept on node3'
  forget_images
  want_clean_nodes
}

# An image that was rebuilt: only what is new of it moves.
test_kept_image_that_changed() {
  local image=$WORK/changed.sqsh first
  need_cluster 4 "$SLOW_LINK"
  install -m 644 -o "$CMPIRUN_TEST_USER" "$IMAGES/debian.sqsh" "$image"
  keep_run "$image"
  first=$out
  head -c 3000000 /dev/urandom >>"$image"
  vnodes exec node1 --user "$CMPIRUN_TEST_USER" --cwd / -- "${prefix_bin:-$BIN}/cmpi" image index "$image"
  keep_run "$image"
  want_less "$moved" 12000000 'bytes of the second run'
  want_equal "$out" "$first" 'what the second run read'
  want_equal "$(kept_on node3 | wc -l)" 1 'images kept on node3'
  forget_images
  want_clean_nodes
}
