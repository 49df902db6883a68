#!/usr/bin/env bash
# The man pages in the tree are what the option tables say today.
#   tests/man_page.sh CMPIRUN CMPI
set -euo pipefail
cd "$(dirname "$0")/.."
page=$(mktemp); trap 'rm -f "$page"' EXIT
docs/man/update.sh "$1" "$page"
diff -u docs/man/cmpirun.1 "$page" || { echo "run docs/man/update.sh $1"; exit 1; }
docs/man/update_image.sh "$2" "$page"
diff -u docs/man/cmpi-image.1 "$page" || { echo "run docs/man/update_image.sh $2"; exit 1; }
