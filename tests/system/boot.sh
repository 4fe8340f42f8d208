#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian kernel boots with every device in a process of its own; what is promised about those processes is looked at
# while it runs. Guests: OUTRIGGER_GUESTS (a folder with kernel and initrd), else build/guests/aarch64.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
for program in outrigger-hv outrigger-dm-pl011 outrigger-dm-pl031; do
	[ -x "$bindir/$program" ] || skip "no $program in $bindir"
done
vm=(run "$top/configs/aarch64-linux.yaml" --kernel "$guests/kernel" --initrd "$guests/initrd" --timeout 120)

# Boots, reports, powers off: exit code 0 and the reason.
timeout 130 "$O" "${vm[@]}" --append outrigger.mode=poweroff </dev/null >"$tmp/out" 2>"$tmp/err"
same "$?" 0 "exit code of a boot to power-off"
has "$tmp/out" "Linux version 6."
has "$tmp/out" "outrigger-guest: userland up"
has "$tmp/out" "outrigger-guest: uname: Linux"
has "$tmp/out" "outrigger-guest: rtc: 2"
has "$tmp/err" "guest powered off after"
[ "$failed" = 0 ] || { tail -n 20 "$tmp/out" "$tmp/err"; result; }

# A reset, asked for with --no-reboot, is exit code 3.
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" "${vm[@]}" --name boot --no-reboot <&8 >"$tmp/console" 2>"$tmp/err" &
sup=$!
wait_for "$tmp/console" "Welcome to a Debian kernel" 110
wait_for "$tmp/console" "Enter 'help' for a list"

# The processes: one PID for hv and each device; the daemons are sandboxed.
run 0 "$O" ps boot --json
cp "$tmp/out" "$tmp/ps"
same "$(grep -c '"model"' "$tmp/ps")" 2 "devices"
same "$(grep -c '"state": "serving"' "$tmp/ps")" 2 "devices that serve"
pids=$(sed -n 's/^ *"pid": \([0-9]*\),*$/\1/p' "$tmp/ps")
same "$(echo $pids | wc -w)" 3 "processes"
# Sanitizers' runtimes need what the sandbox takes away: their builds run without it.
[ -z "${OUTRIGGER_SANITIZE:-}" ] || echo "not looked at: the sandbox, off in a build with $OUTRIGGER_SANITIZE sanitizers"
for pid in $(echo $pids | cut -d' ' -f2-); do
	[ -z "${OUTRIGGER_SANITIZE:-}" ] || break
	status=/proc/$pid/status
	same "$(sed -n 's/^Seccomp:\t//p' $status)" 2 "Seccomp of $pid"
	same "$(sed -n 's/^NoNewPrivs:\t//p' $status)" 1 "NoNewPrivs of $pid"
	same "$(sed -n 's/^CapEff:\t0*//p' $status)" "" "CapEff of $pid"
done
run 0 "$O" stats boot --json
posted=$(json writes_posted "$tmp/out")
[ "${posted:-0}" -gt 1000 ] && ok || bad "only ${posted:-no} posted writes after a boot"

# The shell works, and a second console sees and types too.
echo 'echo sum $((40 + 2))' >&8
wait_for "$tmp/console" "^sum 42"
mkfifo "$tmp/in"
"$O" console boot <"$tmp/in" >"$tmp/console2" 2>/dev/null &
client=$!
exec 9>"$tmp/in"
wait_for "$tmp/console2" "^sum 42" # from the scroll-back
echo 'echo product $((6 * 7))' >&9
wait_for "$tmp/console2" "^product 42"
wait_for "$tmp/console" "^product 42"

# kill -9 of each daemon: another one goes on where it stopped, and the guest notices nothing.
for round in 1 2; do
	for name in rtc uart0; do
		run 0 "$O" ps --json boot
		pid=$(sed -n "/\"name\": \"$name\"/{n;s/[^0-9]//g;p}" "$tmp/out")
		kill -9 "$pid"
		wait_for "$tmp/err" "$name \(.*, pid $pid\) ended with signal 9"
		echo "hwclock -u -r >/dev/null && echo alive $round $name \$((50 - 8))" >&8
		wait_for "$tmp/console" "^alive $round $name 42"
	done
done
run 0 "$O" ps boot
hasnt "$tmp/out" "dead"
echo 'reboot' >&8
wait $sup
same "$?" 3 "exit code of a reset"
has "$tmp/err" "guest asked for a reset"
exec 9>&-
wait $client

# The end of hv is the end of the VM. (What the end of the launcher means, adopt.sh shows.)
"$O" "${vm[@]}" --name victim </dev/null >"$tmp/console" 2>"$tmp/err" &
sup=$!
wait_for "$tmp/console" "Linux version" 60
pids=$("$O" ps --json victim | sed -n 's/^ *"pid": \([0-9]*\),*$/\1/p')
same "$(echo $pids | wc -w)" 3 "processes before the end of hv"
kill -9 ${pids%%[!0-9]*}
wait $sup 2>/dev/null
same "$?" 4 "exit code after the end of hv"
for pid in $pids; do
	wait_gone "$pid"
done

# A reader that is slower than the guest loses nothing, neither on the way nor when the guest powers off behind its last
# line. It takes 200 bytes in 3 ms: what the pty itself can hold (some 900 lines) is full long before the end.
"$O" "${vm[@]}" --name slow --console pty --append "quiet outrigger.run=flood outrigger.arg=2500" </dev/null >"$tmp/out" 2>"$tmp/err" &
sup=$!
wait_for "$tmp/err" "/dev/pts/"
perl -e 'open(F, "<", $ARGV[0]) or die; while (sysread(F, $b, 200)) { print $b; select(undef, undef, undef, 0.003) }' \
	"$(grep -o '/dev/pts/[0-9]*' "$tmp/err" | head -n 1)" >"$tmp/console" 2>/dev/null
wait "$sup"
same "$?" 0 "exit code behind a slow reader"
same "$(tr -d '\r' <"$tmp/console" | sed -n 's/^flood 0*\([0-9]*\) .*/\1/p' | md5sum)" "$(seq 2500 | md5sum)" "lines at a slow reader"
has "$tmp/console" "reboot: Power down"

# Detached and stopped.
run 0 "$O" "${vm[@]}" --detach --name back
run 0 "$O" stop back
run 0 "$O" ps --names
same "$(cat "$tmp/out")" "" "VMs at the end"
result
