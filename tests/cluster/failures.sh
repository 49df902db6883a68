# failures.sh
