#!/usr/bin/env bash
# Puts docs/man/cmpirun.1 together: head, what the option table says, tail.
#   docs/man/update.sh CMPIRUN [OUTPUT]
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
{ cat "$here/cmpirun.1.head"; "$1" --man-options; cat "$here/cmpirun.1.tail"; } > "${2:-$here/cmpirun.1}"
