# early.sh: programs that start before their image has all arrived; sourced by run.sh.
#
# The links are slow, so that an arrival takes seconds, and what comes before its end can be told by the launch line:
# "mountable", "total" (to the last exec) and "broadcast" (to the last chunk) of one and the same run.

# shellcheck shell=bash
# shellcheck disable=SC2154  # out, err, status: tests/lib.sh

readonly SLOW=60mbit

# json KEY: a number of the launch line in $err.
launch_number() { grep '^{"ranks"' <<<"$err" | jq -r "$1"; }

# want_less A B WHAT
want_less() { [[ $(bc <<<"$1 < $2") == 1 ]] || complain "$3: $1 is not less than $2"; }

# usr_digest: of the content and names of all that is in the image's /usr; for `sh -c`.
readonly USR_DIGEST='cd /usr && find . -type f | LC_ALL=C sort | xargs -d "\n" sha256sum | sha256sum'

test_early_start() {
  need_cluster 4 "$SLOW"
  run job hydra 1 --mount fuse --timing=json --image "$IMAGES/debian.sqsh" true
  want_status 0
  want_less "$(launch_number .phases.mountable)" "$(launch_number .phases.broadcast)/2" 'mountable'
  want_less "$(launch_number .total)" "$(launch_number .phases.broadcast)" 'the last exec'
  note "first exec after $(launch_number .total) s, the image after $(launch_number .phases.broadcast) s"
  want_clean_nodes
}

test_early_start_off() {
  need_cluster 4 "$SLOW"
  run job hydra 1 --early-start off --mount fuse --timing=json --image "$IMAGES/debian.sqsh" true
  want_status 0
  want_equal "$(launch_number .phases.mountable)" null 'mountable'
  want_less "$(launch_number .phases.broadcast)" "$(launch_number .total)" 'the image'
  want_clean_nodes
}

# Reads everything while it comes: each node must see the image's bytes, no zeros.
test_early_reads_are_right() {
  local want
  need_cluster 4 "$SLOW"
  want=$(user "$BIN/cmpirun" -n 1 --image "$IMAGES/debian.sqsh" sh -c "$USR_DIGEST") || complain 'one node'
  run job hydra 1 --image "$IMAGES/debian.sqsh" sh -c "$USR_DIGEST"
  want_status 0
  want_equal "$(sort -u <<<"$out")" "$want" 'what was read'
  want_equal "$(wc -l <<<"$out")" 4 'nodes that read it'
  want_clean_nodes
}

# A rank that fails while the image still comes: its status is the job's, and nobody waits for the rest.
test_early_rank_fails() {
  need_cluster 4 "$SLOW"
  run job hydra 1 --image "$IMAGES/debian.sqsh" sh -c 'exit 7'
  want_status 7
  want_clean_nodes
}

# A node dies while the image comes and ranks run: its name is said, readers do not hang.
test_early_node_dies() {
  need_cluster 4 "$SLOW"
  start_job hydra 1 --image "$IMAGES/debian.sqsh" sh -c "echo here; $USR_DIGEST; sleep 60"
  await_lines 1 here
  vnodes kill node3
  end_job 15
  spoil_cluster
  [[ $status != 0 ]] || complain 'a job that lost a node ended well'
  want_err_like 'node3'
  want_clean_nodes 10
}
