#!/usr/bin/env bash
# The include rule: a folder includes itself or a lower level; folders of one
# level never include each other.  cmpirun's own headers are always named by
# their folder, so a grep decides.  Tests may include anything.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A level=([common]=0 [squash]=1 [image]=2 [bcast]=2 [runtime]=2 [pmix]=2 [mpi-abi]=3 [launcher]=4)

bad=0
for folder in "${!level[@]}"; do
	while IFS=: read -r file line text; do
		header=${text#*\"}; header=${header%%\"*}; target=${header%%/*}
		case $header in
		version.h) continue ;;
		*/*) ;;
		*) echo "$file:$line: name the folder of \"$header\""; bad=1; continue ;;
		esac
		[[ $target == "$folder" ]] && continue
		if [[ -z ${level[$target]:-} ]] || ((level[$target] >= level[$folder])); then
			echo "$file:$line: $folder/ (level ${level[$folder]}) may not include $header"; bad=1
		fi
	done < <(grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder"/*.[ch] 2>/dev/null || true)
done
exit $bad
