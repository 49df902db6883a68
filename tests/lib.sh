# shellcheck shell=bash
#
# lib.sh: what the test scripts share; sourced.
#
# A test is a function; `run_tests` calls every function whose name begins with test_, in a
# subshell with `set -e`, prints "ok NAME" or "FAILED NAME" with what it said, and at the end the
# line "N passed, N failed".  Within a test: `run CMD...` keeps status, stdout and stderr in
# $status, $out, $err; `want_...` assert and say what was there instead.
#
# In the environment: CMPIRUN_PREFIX, where cmpirun is installed; CMPIRUN_TEST_CACHE, the images;
# CMPIRUN_TEST_USER, the ordinary user.

set -uo pipefail

: "${CMPIRUN_PREFIX:?where is cmpirun installed?}" "${CMPIRUN_TEST_CACHE:?}" "${CMPIRUN_TEST_USER:?}"
readonly BIN=$CMPIRUN_PREFIX/bin HELPERS=$CMPIRUN_PREFIX/libexec/cmpirun IMAGES=$CMPIRUN_TEST_CACHE
USER_HOME=$(getent passwd "$CMPIRUN_TEST_USER" | cut -d: -f6)
readonly USER_HOME
status=0 out='' err=''

# user CMD...: as the ordinary user, in its home (or $in), with a clean environment.
user() {
  (cd "${in:-$USER_HOME}" && exec setpriv --reuid "$CMPIRUN_TEST_USER" --regid "$(id -g "$CMPIRUN_TEST_USER")" \
    --init-groups env -i HOME="$USER_HOME" USER="$CMPIRUN_TEST_USER" LOGNAME="$CMPIRUN_TEST_USER" \
    PATH="$BIN:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" TERM=dumb "$@")
}

# run CMD...: at most $limit (60) seconds; 124 when they passed.
run() {
  local errors; errors=$(mktemp)
  out=$(limit_time "$@" 2>"$errors" </dev/null); status=$?
  err=$(<"$errors"); rm -f "$errors"
}

limit_time() {
  "$@" & local pid=$! waited=0 code
  ( sleep "${limit:-60}"; kill -KILL "$pid" ) >/dev/null 2>&1 & local guard=$!
  wait "$pid"; code=$?
  kill "$guard" 2>/dev/null; wait "$guard" 2>/dev/null
  : "$waited"
  return "$code"
}

# make_broken DIR: programs that the dynamic linker ends: lost needs a library that is gone, newer a function
# of an MPI (libmpich.so.12) that none has. And an empty file.
make_broken() {
  local dir=$1
  mkdir -p "$dir"
  echo 'int f(void) { return 0; }' | cc -shared -fPIC -Wl,-soname,libgone.so.1 -o "$dir/libgone.so" -xc -
  echo 'int f(void); int main(void) { return f(); }' | cc -o "$dir/lost" -xc - -xnone "$dir/libgone.so"
  echo 'int MPIX_Gone(void) { return 0; }' | cc -shared -fPIC -Wl,-soname,libmpich.so.12 -o "$dir/libmpich.so" -xc -
  echo 'int MPIX_Gone(void); int main(void) { return MPIX_Gone(); }' |
    cc -Wl,-z,lazy -o "$dir/newer" -xc - -xnone "$dir/libmpich.so"
  rm "$dir"/lib*.so
  : > "$dir/empty"
  chmod -R a+rX "$dir"
}

complain() {
  printf '  %s\n  status %s\n  stdout: %s\n  stderr: %s\n' "$*" "$status" "${out:0:2000}" "${err:0:3000}" >&2
  exit 1
}

want_status() { [[ $status == "$1" ]] || complain "wanted status $1"; }
want_out() { [[ $out == "$1" ]] || complain "wanted on stdout: $1"; }
want_out_like() { [[ $out =~ $1 ]] || complain "wanted on stdout, as a pattern: $1"; }
want_err_like() { [[ $err =~ $1 ]] || complain "wanted on stderr, as a pattern: $1"; }
want_no_err() { [[ -z $err ]] || complain "wanted nothing on stderr"; }
want_equal() { [[ $1 == "$2" ]] || complain "$3: '$1' is not '$2'"; }

# Nothing of ours is left: processes of the test user, session directories.
want_clean() {
  local deadline=$((SECONDS + ${1:-5})) left
  while :; do
    left=$(pgrep -a -u "$CMPIRUN_TEST_USER" 'cmpi|mpi_hello' || true
           find /tmp /dev/shm -maxdepth 1 -name 'cmpirun.*' -user "$CMPIRUN_TEST_USER" 2>/dev/null)
    [[ -z $left ]] && return
    ((SECONDS < deadline)) || complain "left behind: $left"
    sleep 0.1
  done
}

run_tests() {
  local passed=0 failed=0 name log started
  log=$(mktemp)
  for name in $(compgen -A function | grep '^test_'); do
    [[ $# == 0 || " $* " == *" ${name#test_} "* ]] || continue
    started=$EPOCHREALTIME
    if ( set -e; "$name" ) >"$log" 2>&1; then
      passed=$((passed + 1))
      printf 'ok %s (%.1f s)\n' "${name#test_}" "$(bc <<<"$EPOCHREALTIME - $started" 2>/dev/null || echo 0)"
    else
      failed=$((failed + 1)); printf 'FAILED %s\n' "${name#test_}"; cat "$log"
    fi
  done
  rm -f "$log"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
}
