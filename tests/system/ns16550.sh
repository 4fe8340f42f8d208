#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Linux on a 16550 in memory: the driver takes it for what it is, its console is whole over kill -9 and swap while
# it prints, and what it reads again and again costs no process switch.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
[ -x "$bindir/outrigger-dm-ns16550" ] || skip "no outrigger-dm-ns16550 in $bindir"

[ "${OUTRIGGER_TEST_FULL:-0}" != 0 ] || skip "known fault: output can stand still (docs/devices/ns16550.md); scripts/test --full runs it"

mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" run "$top/configs/aarch64-ns16550.yaml" --kernel "$guests/kernel" --initrd "$guests/initrd" --name com --timeout 560 \
	<&8 >"$tmp/console" 2>"$tmp/err" &
sup=$!
wait_for "$tmp/console" "Enter 'help' for a list" 300
[ "$failed" = 0 ] || { tail -n 20 "$tmp/console" "$tmp/err"; result; }
has "$tmp/console" "is a 16550A"
has "$tmp/console" "Linux version 6."

# say COMMAND PATTERN: types it and waits for a line.
say() {
	echo "$1" >&8
	wait_for "$tmp/console" "$2" 60
}
say 'head -2 /proc/tty/driver/serial | tail -1' '^0: uart:16550A mmio:0x09000000'
hasnt "$tmp/console" "ttyS0: LSR safety check"
hasnt "$tmp/console" "input overrun"

# Lines typed while the daemon dies, and printed while it dies: none is lost. (A write(2) that was cut off may be doubled.)
pid_of() { "$O" ps com --json >"$tmp/ps" && sed -n '/"name": "uart0"/,/}/s/^ *"pid": \([0-9]*\),*$/\1/p' "$tmp/ps"; }
echo 'i=0; while [ $i -lt 1000 ]; do echo "line $i of many, and some more to make it long"; i=$((i + 1)); done; echo "all" printed' >&8
for round in 1 2 3 4; do
	wait_for "$tmp/console" "^line $((round * 200)) " 120
	if [ $((round % 2)) = 0 ]; then
		run 0 "$O" swap com uart0
	else
		old=$(pid_of)
		kill -9 "$old"
		wait_gone "$old"
	fi
done
wait_for "$tmp/console" '^all printed' 240
want=1000
same "$(tr -d '\r' <"$tmp/console" | grep -oE '^line [0-9]+ of many' | sort -u | wc -l)" "$want" "lines printed while the daemon died"
say 'echo sum $((40 + 2))' '^sum 42'

# What the driver polls comes from the shadow page, what it writes is posted.
run 0 "$O" stats com --json
posted=$(json writes_posted "$tmp/out")
shadow=$(json reads_shadow "$tmp/out")
forwarded=$(json reads_forwarded "$tmp/out")
[ "${posted:-0}" -gt 10000 ] && ok || bad "only ${posted:-no} posted writes"
[ "${shadow:-0}" -gt "${forwarded:-0}" ] && ok || bad "${shadow:-no} shadow reads, ${forwarded:-no} forwarded ones"
run 0 "$O" inspect com uart0
has "$tmp/out" "receive FIFO"

echo poweroff >&8
wait "$sup"
same "$?" 0 "exit code"
has "$tmp/err" "guest powered off after"
result
