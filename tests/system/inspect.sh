#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# inspect and --set through the supervisor, against a scripted hv (fake/); a console's size follows the terminal.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
export OUTRIGGER_BINDIR=$fakedir
head -c 100000 /dev/zero >"$tmp/kernel"
vm=(run "$top/tests/guest/guest.yaml" --kernel "$tmp/kernel")

run 2 "$O" inspect
run 0 "$O" "${vm[@]}" --detach --name one --cmdline "say:hi echo hang"
run 1 "$O" inspect one urt0
has "$tmp/err" "there is no device urt0; did you mean uart0? it has uart0, rtc"
run 0 "$O" inspect uart0
has "$tmp/out" "uart0: pl011, serving"
has "$tmp/out" "was set"
has "$tmp/out" "writes posted"
has "$tmp/out" "can be set"
run 0 "$O" inspect one uart0 --set size=80x24
same "$(cat "$tmp/out")" "uart0: size is now 80x24" "what --set says"
run 0 "$O" inspect one uart0
has "$tmp/out" "uart0 size=80x24"
run 0 "$O" inspect one uart0 --json
has "$tmp/out" '"was set": "uart0 size=80x24"'
has "$tmp/out" '"process_state": "serving"'
run 0 "$O" inspect one uart0 --set size=1x1 --set size=2x2 --json
has "$tmp/out" '"size": "2x2"'
run 1 "$O" inspect one uart0 --set size=bad
has "$tmp/err" "uart0: size=bad: VM one: that is ?[2Jbad"
run 1 "$O" inspect one uart0 --set speed=9
has "$tmp/err" "device uart0 (pl011) has no control and no register speed; its controls are size;"
run 1 "$O" inspect one rtc --set size=1x1
has "$tmp/err" "device rtc (pl031) has no control and no register size;"
run 2 "$O" inspect one uart0 --set size
has "$tmp/err" "write NAME=VALUE"

# A device that gives no answer holds up whoever asks, and nobody else.
run 0 "$O" inspect one uart0 --set size=mute
mkfifo "$tmp/in"
"$O" console one <"$tmp/in" >"$tmp/console" 2>/dev/null &
exec 9>"$tmp/in"
wait_for "$tmp/console" "^hi"
"$O" inspect one uart0 >/dev/null 2>"$tmp/late" &
asker=$!
echo "still here" >&9
wait_for "$tmp/console" "still here" 3
kill -0 $asker 2>/dev/null && ok || bad "inspect of a mute device ended at once"
wait $asker
same "$?" 1 "exit code of inspect of a mute device"
has "$tmp/late" "the device gives no answer"
run 0 "$O" inspect one uart0 --set size=3x3
run 0 "$O" inspect one uart0
exec 9>&-

# The size of the terminal that shows a console goes to its device.
mkfifo "$tmp/keys"
TERM=xterm script -qfc "stty cols 91 rows 17; tty >'$tmp/tty'; $O console one" "$tmp/screen" <"$tmp/keys" >/dev/null 2>&1 &
term=$!
exec 8>"$tmp/keys"
# size_is TEXT: until the device was told so.
size_is() {
	local end=$((SECONDS + 10))
	until "$O" inspect one uart0 | grep -qF "size=$1"; do
		[ $SECONDS -lt $end ] || { bad "the device was not told $1"; return; }
	done
	ok
}
size_is 91x17
stty cols 44 rows 11 <"$(cat "$tmp/tty")"
size_is 44x11
printf '\001x' >&8
wait_gone $term
exec 8>&-
run 0 "$O" stop one
TERM=xterm script -qfc "stty cols 77 rows 22; $O ${vm[*]} --name two --cmdline 'say:hi hang'" "$tmp/screen2" <"$tmp/keys" >/dev/null 2>&1 &
term=$!
exec 8>"$tmp/keys"
wait_for "$tmp/screen2" "^hi"
run 0 "$O" inspect two uart0
has "$tmp/out" "size=77x22"
printf '\001x' >&8
wait_gone $term
exec 8>&-
wait
result
