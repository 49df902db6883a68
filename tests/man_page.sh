#!/usr/bin/env bash
# The man page in the tree is what the option table says today.
#   tests/man_page.sh CMPIRUN
set -euo pipefail
cd "$(dirname "$0")/.."
page=$(mktemp); trap 'rm -f "$page"' EXIT
docs/man/update.sh "$1" "$page"
diff -u docs/man/cmpirun.1 "$page" || { echo "run docs/man/update.sh $1"; exit 1; }
