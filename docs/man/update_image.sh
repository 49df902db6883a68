#!/usr/bin/env bash
# Puts docs/man/cmpi-image.1 together: head, what the option table says, tail.
#   docs/man/update_image.sh CMPI [OUTPUT]
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
{ cat "$here/cmpi-image.1.head"; printf '.SH OPTIONS\n'; "$1" image --man-options; cat "$here/cmpi-image.1.tail"; } \
  > "${2:-$here/cmpi-image.1}"
