#!/usr/bin/env bash
#
# user.sh: makes the ordinary account that tests run as, and prints its name.
#
#   tests/cluster/user.sh [NAME]      default cmpitest
#
# In: nothing. Out: the account, with a home, a cache, a shell and no password (nobody can log in with one);
# /dev/fuse as udev would have left it. A second run changes nothing.
#
# Why: cmpirun is for people without privilege. A test that runs it as root tests something else:
# root mounts what it likes.
#
# Caveats: needs root. The account stays; remove it with `userdel -r NAME`.

set -euo pipefail

readonly NAME=${1:-cmpitest}

[[ $EUID == 0 ]] || { printf 'user.sh: needs root\n' >&2; exit 1; }

if ! getent passwd "$NAME" >/dev/null; then
  useradd --create-home --shell /bin/bash --comment 'cmpirun tests' "$NAME"
fi

# The home may lie on a file system that is newer than the account (a fresh container).
home=$(getent passwd "$NAME" | cut -d: -f6)
[[ -d $home ]] || install -d -o "$NAME" -g "$(id -g "$NAME")" -m 755 "$home"

# Before root keeps images there, and it is root's.
install -d -o "$NAME" -g "$(id -g "$NAME")" -m 755 "$home/.cache" "$home/.cache/cmpirun"

# udev gives everyone /dev/fuse; a machine without udev leaves it to root, and then no ordinary user
# can mount anything, with fusermount3 or in a user namespace.
if [[ -c /dev/fuse ]]; then chmod 666 /dev/fuse; fi

printf '%s\n' "$NAME"
