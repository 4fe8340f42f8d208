#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The supervisor against a scripted hv and daemons (fake/): ends, deaths, consoles, detaching, signals.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
export OUTRIGGER_BINDIR=$fakedir
head -c 100000 /dev/zero >"$tmp/kernel"
vm=(run "$top/tests/guest/guest.yaml" --kernel "$tmp/kernel")

# How the guest ends is the exit code; the reason is the last line.
run 0 "$O" "${vm[@]}" --cmdline "say:hello poweroff"
same "$(cat "$tmp/out")" "hello" "console on standard output"
has "$tmp/err" "hv: spawned, pid"
has "$tmp/err" "uart0: pl011 spawned, pid"
has "$tmp/err" "uart0: docked"
has "$tmp/err" "uart0: registered and serving"
has "$tmp/err" "running: scripted engine"
same "$(tail -n1 "$tmp/err" | sed 's/[0-9.]* s$/N s/')" "outrigger: guest powered off after N s" "last line"
run 0 "$O" "${vm[@]}" --quiet --cmdline poweroff
same "$(wc -l <"$tmp/err")" 1 "lines with --quiet"
run 3 "$O" "${vm[@]}" --no-reboot --cmdline reset
run 4 "$O" "${vm[@]}" --cmdline crash
run 124 "$O" "${vm[@]}" --cmdline hang --timeout 0.2
has "$tmp/err" "timeout of 0.2 s ran out"
run 4 "$O" "${vm[@]}" --cmdline exit:7
has "$tmp/err" "ended with exit code 7; its last log lines:"
has "$tmp/err" "    hv gives up now"
run 4 "$O" "${vm[@]}" --cmdline kill
has "$tmp/err" "ended with signal 9 (Killed)"
run 1 "$O" "${vm[@]}" --cmdline early:5
has "$tmp/err" "the VM could not start: hv (pid"
run 1 "$O" "${vm[@]}" --cmdline error:no-such-thing
has "$tmp/err" "no-such-thing"
FAKE_DM_FAIL=pl031 run 1 "$O" "${vm[@]}" --cmdline hang
has "$tmp/err" "    this device does not like this host"
has "$tmp/err" "the VM could not start: device rtc (pl031, pid"
mkdir "$tmp/nohv"
cp "$fakedir"/outrigger-dm-* "$tmp/nohv"
OUTRIGGER_BINDIR=$tmp/nohv run 1 "$O" "${vm[@]}" --cmdline hang
has "$tmp/err" "cannot execute $tmp/nohv/outrigger-hv: No such file or directory"

# Nothing is lost on a slow reader, byte for byte; a reader that goes away ends the VM.
for ((i = 0; i < 20000; i++)); do echo "line $i of the flood"; done >"$tmp/want"
timeout 60 "$O" "${vm[@]}" -q --cmdline "flood:20000 poweroff" </dev/null 2>/dev/null |
	while IFS= read -r -N 50000 part || [ -n "$part" ]; do printf %s "$part"; done >"$tmp/got"
cmp -s "$tmp/want" "$tmp/got" && ok || bad "the flood did not arrive whole"
timeout 60 "$O" "${vm[@]}" -q --cmdline "flood:20000 hang" </dev/null 2>"$tmp/err" | head -n 1 >"$tmp/out"
has "$tmp/out" "line 0 of the flood"
has "$tmp/err" "standard output cannot be written: Broken pipe"
# Typed from a file and from a pipe.
printf 'abc\noff\n' >"$tmp/keys"
timeout 20 "$O" "${vm[@]}" -q --cmdline "echo poweroff" <"$tmp/keys" >"$tmp/out" 2>/dev/null
same "$?" 0 "exit code with typed input"
same "$(cat "$tmp/out")" "$(cat "$tmp/keys")" "echo from a file"
timeout 20 "$O" "${vm[@]}" -q --cmdline "echo poweroff" < <(cat "$tmp/keys") >"$tmp/out" 2>/dev/null
same "$(cat "$tmp/out")" "$(cat "$tmp/keys")" "echo from a pipe"

# Detached: ps, stats, console, stop.
exec 77<"$tmp/kernel" # what our shell has open is no business of hv or a device
run 0 "$O" "${vm[@]}" --detach --name one --cmdline "say:hi echo waitdead say:dead hang"
has "$tmp/out" "one running, supervisor pid"
run 1 "$O" "${vm[@]}" --detach --name one --cmdline hang
has "$tmp/err" "a VM named one is already running"
run 0 "$O" "${vm[@]}" --detach --name two --cmdline hang
run 0 "$O" ps --json
same "$(grep -c '"supervisor_pid"' "$tmp/out")" 2 "VMs in ps --json"
same "$(grep -c '"model"' "$tmp/out")" 4 "devices in ps --json"
run 1 "$O" stop
has "$tmp/err" "several VMs are running; name one of one, two"
run 1 "$O" stop tow
has "$tmp/err" "did you mean two?"
run 0 "$O" ps one
has "$tmp/out" "0x09000000"
run 0 "$O" stats one
has "$tmp/out" "forwarded latency, 100 samples: 50 % < 128 ns, 90 % < 128 ns, 99 % < 1024 ns"
run 0 "$O" stats one --json
has "$tmp/out" '"p99_ns": 1024'
run 1 "$O" console one rtc
has "$tmp/err" "device rtc has no console; there is one of uart0"
run 0 "$O" stop two
run 0 "$O" ps --json one
daemon=$(sed -n '/"name": "rtc"/{n;s/[^0-9]//g;p}' "$tmp/out")
hv=$(sed -n '/"hv"/{n;s/[^0-9]//g;p}' "$tmp/out")
sup=$(json supervisor_pid "$tmp/out")
uart=$(sed -n '/"name": "uart0"/{n;s/[^0-9]//g;p}' "$tmp/out")
for pid in "$hv" "$uart" "$daemon"; do
	[ -d "/proc/$pid/fd" ] && [ ! -e "/proc/$pid/fd/77" ] && ok || bad "process $pid has our descriptor 77"
done
exec 77<&-
mkfifo "$tmp/in"
"$O" console one <"$tmp/in" >"$tmp/console" 2>/dev/null &
exec 9>"$tmp/in"
wait_for "$tmp/console" "^hi"
echo "typed off" >&9
wait_for "$tmp/console" "typed off"
kill -9 "$daemon" # a daemon's death does not end the VM
wait_for "$tmp/console" "^dead"
wait_for "$XDG_RUNTIME_DIR/outrigger/one/supervisor.log" "rtc \(pl031, pid $daemon\) ended with signal 9"
kill -9 "$hv" # hv's does
wait_gone "$sup"
wait_gone "$uart"
exec 9>&-
wait
[ -z "$(ls "$XDG_RUNTIME_DIR/outrigger")" ] && ok || bad "a runtime folder was left"

# Signals: the VM is stopped, all children are gone; and all die with a launcher that is killed.
for sig in TERM INT HUP KILL; do
	"$O" "${vm[@]}" --name sig --cmdline "say:up hang" </dev/null >"$tmp/out" 2>"$tmp/err" &
	sup=$!
	wait_for "$tmp/out" "^up"
	pids=$("$O" ps --json sig | sed -n 's/^ *"pid": \([0-9]*\),*$/\1/p')
	same "$(echo $pids | wc -w)" 3 "processes before SIG$sig"
	kill -$sig $sup
	wait $sup 2>/dev/null
	same "$?" $((128 + $(kill -l $sig))) "exit code after SIG$sig"
	for pid in $pids; do
		wait_gone "$pid"
	done
	[ $sig = KILL ] || has "$tmp/err" "stopped by signal"
done
# What a killed launcher left is no hindrance.
run 0 "$O" "${vm[@]}" --name sig --cmdline poweroff
[ -z "$(ls "$XDG_RUNTIME_DIR/outrigger")" ] && ok || bad "a runtime folder was left"

# An hv that does not answer is shown as silent, and stopped all the same.
run 0 "$O" "${vm[@]}" --detach --name mute --cmdline hang
run 0 "$O" ps --json mute
hv=$(sed -n '/"hv"/{n;s/[^0-9]//g;p}' "$tmp/out")
kill -STOP "$hv"
run 0 "$O" ps mute
has "$tmp/out" "mute: silent"
same "$(grep -c serving "$tmp/out")" 2 "devices of a silent VM"
run 0 "$O" stop mute
wait_gone "$hv"

# stop --force, a name too long for a socket's path, a runtime folder of someone else.
run 0 "$O" "${vm[@]}" --detach --name three --cmdline hang
run 0 "$O" stop --force three
mkdir -p "$tmp/$(printf 'long%.0s' {1..15})"
XDG_RUNTIME_DIR="$tmp/$(printf 'long%.0s' {1..15})" run 1 "$O" "${vm[@]}" --cmdline hang
has "$tmp/err" "use a shorter --name or XDG_RUNTIME_DIR"
touch "$XDG_RUNTIME_DIR/file"
mkdir "$tmp/odd"
touch "$tmp/odd/outrigger"
XDG_RUNTIME_DIR=$tmp/odd run 1 "$O" "${vm[@]}" --cmdline hang
has "$tmp/err" "is not a folder of user"

# The other byte streams.
run 0 "$O" "${vm[@]}" -q --no-sandbox --cmdline "poweroff"
run 0 "$O" "${vm[@]}" -q --cmdline "poweroff" --set devices.uart0.options.chardev=file:$tmp/serial
[ -e "$tmp/serial" ] && ok || bad "no file for chardev file:"
run 0 "$O" "${vm[@]}" --cmdline poweroff --console pty
has "$tmp/err" "uart0: chardev is /dev/pts/"
run 0 "$O" "${vm[@]}" --cmdline poweroff --set devices.uart0.options.chardev=unix:$tmp/serial.sock
[ ! -e "$tmp/serial.sock" ] && ok || bad "the socket was left"
run 2 "$O" "${vm[@]}" --cmdline poweroff --set devices.uart0.options.chardev=file:/nonexistent/x
has "$tmp/err" "device uart0, option chardev: cannot write /nonexistent/x"
run 2 "$O" "${vm[@]}" --cmdline poweroff --set devices.uart0.options.chardev=unix:$tmp/serial
has "$tmp/err" "exists and is no socket"
run 0 "$O" "${vm[@]}" --cmdline "say:hidden poweroff" --console none
same "$(cat "$tmp/out")" "" "output with --console none"
result
