#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/tour.md, typed from top to bottom as a new user would: terminal 1 is a FIFO, each line that begins with "$ " is a command of
# terminal 2, and must succeed; in a clean clone, where it builds what it changes.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
[ -z "${OUTRIGGER_SANITIZE:-}" ] || skip "the release build's tour is enough"
[ -e "$top/build/guests/aarch64/kernel" ] || skip "no guest: scripts/fetch-guests aarch64"
command -v gdb >/dev/null || skip "gdb is not installed"
command -v git >/dev/null && git -C "$top" rev-parse HEAD >/dev/null 2>&1 || skip "this is no git checkout"

git clone -q --shared "$top" "$tmp/clone" || exit 1
mkdir -p "$tmp/clone/build/release"
# What scripts/quickstart makes, made already.
ln -s "$top/build/guests" "$tmp/clone/build/guests"
ln -s "$bindir" "$tmp/clone/build/release/bin"
cd "$tmp/clone" || exit 1
page=docs/tour.md

mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
one=$(sed -n '/^## Terminal 1/,/^## /s/^    \$ //p' $page)
guest=$(sed -n 's/^    guest# //p' $page)
export PATH=$bindir:$PATH
# shellcheck disable=SC2086 # a command line
$one <&8 >"$tmp/screen" 2>"$tmp/progress" &
wait_for "$tmp/screen" "Every device of this machine" 120
printf '%s\n' "$guest" >&8
wait_for "$tmp/screen" "^tick 3 " 60

# Terminal 2: one shell with job control, in which each command is tried.
{
	echo 'set -m'
	sed -n '/^## Change a model/,$s/^    \$ //p' $page | while IFS= read -r line; do
		printf 'echo %q\n%s\n' "==> $line" "$line"
		case $line in
		*'&') # a swap that goes on watching: what follows needs it to have begun
			echo 'until outrigger ps tour | grep -q "^  rtc.*serving"; do :; done' ;;
		*) printf '[ $? = 0 ] || { echo FAILED: %q; exit 1; }\n' "$line" ;;
		esac
	done
} >"$tmp/lines"
if timeout 900 bash "$tmp/lines" >"$tmp/two" 2>&1 </dev/null; then ok; else
	bad "terminal 2:"
	tail -n 30 "$tmp/two"
fi
cat "$tmp/two"
# The wrong build was seen to be wrong, by replay, minimized, and live; the right one was promoted.
has "$tmp/two" "diverged at record"
has "$tmp/two" "exit code 1"
has "$tmp/two" "pl031_read"
has "$tmp/two" "promoted"
# Nothing of the guest's stream is missing or doubled, up to the launcher's death.
sed -n 's/^tick \([0-9]*\) .*/\1/p' "$tmp/screen" | awk 'NR == 1 {n = $1} $1 != n {print "FAILED: tick " $1 " where " n " should be"; bad = 1} {n = $1 + 1} END {print NR " ticks"; exit bad}' &&
	ok || bad "the ticks"
result
