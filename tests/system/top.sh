#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# top: plain tables, JSON, and the page on a terminal (script(1) gives one), against a scripted hv (fake/).
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
export OUTRIGGER_BINDIR=$fakedir
head -c 100000 /dev/zero >"$tmp/kernel"
vm=(run "$top/tests/guest/guest.yaml" --kernel "$tmp/kernel")

run 1 "$O" top
has "$tmp/err" "no VM is running"
run 0 "$O" "${vm[@]}" --detach --name one --cmdline "say:hi hang"
run 2 "$O" top one --interval 10ms
has "$tmp/err" "write a time from 100ms to 1h"
run 2 "$O" top one --iterations 0

# The scripted hv says that between two questions half a second has passed, with 1000 posted writes,
# 200 requests and 1 MiB to the guest for each device.
run 0 "$O" top one --once --interval 100ms
has "$tmp/out" "one: running, engine scripted, up 0:00:02; the last 0.5 s, per second"
same "$(awk '$1 == "uart0" {print $3, $6, $8, $9, $11, $12, $13}' "$tmp/out")" "serving 2.00k 400 2.10M 3 2.10m 2.10m" "rates"
same "$(grep -c "$(printf '\033')" "$tmp/out")" 0 "escapes without a terminal"
run 0 "$O" top --json -n 2 -i 0.1
same "$(grep -c '"interval_ns": 500000000' "$tmp/out")" 2 "intervals in JSON"
same "$(json writes_posted "$tmp/out")" 2000 "rate in JSON"
same "$(json requests "$tmp/out" 4)" 400 "rate in JSON, the last"
run 0 "$O" ps one
same "$(awk '$1 == "uart0" {print ($11 > 5000)}' "$tmp/out")" 1 "requests in ps"
has "$tmp/out" "REQUESTS"
run 0 "$O" stats one --json
same "$(json depth "$tmp/out")" 3 "depth in stats"
run 0 "$O" stats one
has "$tmp/out" "request latency,"

# terminal NAME COMMAND...: on a terminal of 100 columns and 12 lines; keys come from $tmp/keys.
mkfifo "$tmp/keys"
terminal() {
	: >"$tmp/screen"
	rm -f "$tmp/code"
	TERM=xterm script -qfc "stty cols 100 rows 12; stty -g >'$tmp/before'; tty >'$tmp/tty'; $*; echo \$? >'$tmp/code'; stty -g >'$tmp/after'" \
		"$tmp/screen" <"$tmp/keys" >/dev/null 2>&1 &
	term=$!
	exec 8>"$tmp/keys"
}
# left CODE WHAT: it ended with that code and the terminal is as it was.
left() {
	wait_gone $term
	exec 8>&-
	wait $term 2>/dev/null
	same "$(cat "$tmp/code")" "$1" "exit code of $2"
	same "$(cat "$tmp/after")" "$(cat "$tmp/before")" "terminal's modes after $2"
	same "$(grep -aoF -e '[?1049h' -e '[?1049l' "$tmp/screen" | tail -n1)" "[?1049l" "the second screen after $2"
	same "$(grep -aoF -e '[?25h' -e '[?25l' "$tmp/screen" | tail -n1)" "[?25h" "the cursor after $2"
}
terminal "$O top one -i 0.1"
wait_for "$tmp/screen" "uart0.*2.00k"
has "$tmp/screen" "$(printf '\033[32mserving')"
printf p >&8
wait_for "$tmp/screen" "PAUSED"
printf ps >&8
wait_for "$tmp/screen" "order: accesses"
stty cols 50 rows 12 <"$(cat "$tmp/tty")"
wait_for "$tmp/screen" 'IN   OUT(.\[0m)?.\[K'
printf q >&8
left 0 "key q"
terminal "NO_COLOR=1 $O top one -i 0.1"
wait_for "$tmp/screen" "uart0.*2.00k"
same "$(grep -ac "$(printf '\033\[[0-9]*m')" "$tmp/screen")" 0 "colours with NO_COLOR"
printf '\003' >&8
left 0 "Ctrl-C"
for sig in TERM HUP INT; do
	terminal "$O top one -i 0.1"
	wait_for "$tmp/screen" "uart0"
	pid=$(pgrep -f "^$O top one -i 0.1$")
	kill -$sig "$pid"
	left $((128 + $(kill -l $sig))) "SIG$sig"
done
terminal "$O top one -i 0.1"
wait_for "$tmp/screen" "uart0"
run 0 "$O" stop one
left 0 "the VM's end"
has "$tmp/screen" "one has ended"
result
