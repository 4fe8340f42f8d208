# SPDX-License-Identifier: Apache-2.0
# Common part of the system tests (bash; sourced). Usage of a test: NAME.sh BINDIR [FAKE_BINDIR].
# A private runtime folder and cache keep tests apart; what is left behind is stopped at the end.
set -u
bindir=$(cd "$1" && pwd) || exit 1
fakedir=${2:+$(cd "$2" && pwd)}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d /tmp/otest.XXXXXX)
export XDG_RUNTIME_DIR=$tmp/run XDG_CACHE_HOME=$tmp/cache
mkdir -p "$XDG_RUNTIME_DIR" "$XDG_CACHE_HOME"
O=$bindir/outrigger
failed=0 passed=0

finish() {
	local name
	for name in $("$O" ps --names 2>/dev/null); do
		"$O" stop --force "$name" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap finish EXIT

# skip REASON: ends the test as skipped.
skip() {
	echo "skipped: $*"
	exit 77
}

ok() { passed=$((passed + 1)); }

# bad TEXT...: counts a failure and shows it.
bad() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

# run CODE COMMAND...: runs it without input; output to $tmp/out and $tmp/err; the exit code must be CODE.
run() {
	local want=$1 code
	shift
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	code=$?
	if [ "$code" = "$want" ]; then
		ok
	else
		bad "exit code $code, wanted $want: $*"
		tail -n 15 "$tmp/out" "$tmp/err"
	fi
}

# has FILE TEXT: the file contains the text.
has() {
	if grep -qF -- "$2" "$1"; then
		ok
	else
		bad "$(basename "$1") lacks \"$2\":"
		tail -n 15 "$1"
	fi
}

# hasnt FILE TEXT: it does not.
hasnt() {
	if grep -qF -- "$2" "$1"; then
		bad "$(basename "$1") has \"$2\":"
		tail -n 15 "$1"
	else
		ok
	fi
}

# same A B WHAT
same() {
	if [ "$1" = "$2" ]; then ok; else bad "$3: \"$1\", wanted \"$2\""; fi
}

# wait_for FILE PATTERN [SECONDS]: until a line of the growing file matches (an extended regular expression). OUTRIGGER_SLOW: waits
# are so many times longer (an emulated host).
wait_for() {
	local pid
	coproc FOLLOW { exec tail -n +1 -s 0.05 -F "$1" 2>/dev/null; }
	pid=$FOLLOW_PID
	if timeout $((${3:-30} * ${OUTRIGGER_SLOW:-1})) grep -qE -m1 -- "$2" <&"${FOLLOW[0]}"; then
		ok
	else
		bad "no line \"$2\" in $(basename "$1") within ${3:-30} s; its end:"
		tail -n 15 "$1"
	fi
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

# wait_gone PID [SECONDS]: until the process has ended (it need not be our child; its parent may be slow to reap it).
wait_gone() {
	local end=$((SECONDS + ${2:-15})) state
	while state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) && [ "$state" != Z ]; do
		[ $SECONDS -lt $end ] || { bad "process $1 is still there"; return; }
		timeout 0.05 tail --pid="$1" -s 0.01 -f /dev/null
	done
	ok
}

# json EXPRESSION FILE: a value out of JSON written by outrigger: the first `"KEY": VALUE` with that key.
json() {
	sed -n "s/^ *\"$1\": \"\\{0,1\\}\\([^\",]*\\)\"\\{0,1\\},\\{0,1\\}\$/\\1/p" "$2" | head -n "${3:-1}" | tail -n 1
}

# result: the last line and the exit code.
result() {
	echo "$(basename "$0"): $passed passed, $failed failed"
	[ "$failed" = 0 ]
	exit
}
