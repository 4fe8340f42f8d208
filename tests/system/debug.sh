#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Devices of a running guest under gdb: a breakpoint in a model's read path is held for a while, and the guest goes on with no
# time lost and no complaint. Also: killed by the debugger, the debugger itself killed, --print, --replace, --start, two at once.
# Guests: as boot.sh. OUTRIGGER_TEST_FULL=1: held for a minute instead of 4 s.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guest-lib.sh"
command -v gdb >/dev/null || skip "no gdb"
[ -z "${OUTRIGGER_SANITIZE:-}" ] || skip "a build with $OUTRIGGER_SANITIZE sanitizers is not debugged"
full=${OUTRIGGER_TEST_FULL:-0} full=${full#0}
seconds=${full:+60} seconds=${seconds:-4}
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 256M
cpus: 2
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
timeout: 500
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031}
  - {name: disk0, model: virtio-blk, options: {path: disk.img}}
END
truncate -s 8M "$tmp/disk.img"
guest_start debug

# gdb SCRIPT-LINES: what a person would type, one command an argument; each is a file for -x.
script() { printf '%s\n' 'set confirm off' 'set pagination off' "$@" >"$tmp/script"; }
ptrace_works() { # by any process on any other of ours
	sleep 100 &
	local victim=$!
	gdb -q -batch -p $victim >"$tmp/out" 2>&1
	kill $victim
	! grep -q "Operation not permitted" "$tmp/out"
}
ptrace_works || skip "this host lets no debugger attach"

# A breakpoint in the read path, held. A reader of the RTC in the guest runs into it; a timer and the other CPU run beside.
script 'break pl031_read' 'continue' 'info breakpoints' "shell timeout $seconds tail -f /dev/null" 'bt 2' 'delete' 'detach' 'quit'
old=$(pid rtc)
typed 'while [ ! -e /tmp/end ]; do sleep 0.2; done & (while [ ! -e /tmp/end ]; do :; done) & echo load $((1 + 1))'
wait_for "$tmp/console" "^load 2"
"$O" debug debug rtc -- -batch -x "$tmp/script" >"$tmp/gdb" 2>&1 &
gdb=$!
until_state rtc "(debugged|held)"
wait_for "$tmp/gdb" "Breakpoint 1 at" 60
watch_time
typed 'hwclock -u -r >/dev/null && echo read-it $((6 * 7))'
wait_for "$tmp/gdb" "breakpoint already hit 1 time" 60
until_state rtc held
"$O" ps debug >"$tmp/out" 2>&1
has "$tmp/out" "pid $old is held: the guest's clock stands"
same "$(vm_state)" parked "state of the VM"
wait $gdb
same "$?" 0 "exit code of debug"
has "$tmp/gdb" "pl031_read"
has "$tmp/gdb" "pl031.c:"
wait_for "$tmp/console" "^read-it 42" 30
until_state rtc serving
same "$(pid rtc)" "$old" "process after the debugger"
no_time_passed "$seconds"
typed 'touch /tmp/end'
guest_quiet

# Held while the guest asks it nothing: the guest stands still all the same.
script 'echo attached\n' "shell timeout 3 tail -f /dev/null" 'detach' 'quit'
watch_time
run 0 "$O" debug debug disk0 -- -batch -x "$tmp/script"
has "$tmp/out" attached
until_state disk0 serving
no_time_passed 3
guest 'dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null && echo alive' alive

# Another build is swapped in and debugged; then a fresh one of the installed model takes over.
cp "$bindir/outrigger-dm-pl031" "$tmp/mine"
script 'info inferiors' 'detach' 'quit'
run 0 "$O" debug debug rtc --model "$tmp/mine" --replace -- -batch -x "$tmp/script"
has "$tmp/out" "$tmp/mine"
has "$tmp/out" "rtc is served by $bindir/outrigger-dm-pl031"
guest 'hwclock -u -r >/dev/null && echo alive' alive

# Killed by the debugger: as any crash.
script 'kill' 'quit'
old=$(pid rtc)
run 0 "$O" debug debug rtc -- -batch -x "$tmp/script"
until_state rtc serving
[ "$(pid rtc)" != "$old" ] && ok || bad "the killed process serves"
guest 'hwclock -u -r >/dev/null && echo alive' alive
script 'kill' 'quit'
run 0 "$O" debug debug rtc --replace -- -batch -x "$tmp/script"
has "$tmp/out" "rtc is served by $bindir/outrigger-dm-pl031"
guest 'hwclock -u -r >/dev/null && echo alive' alive

# The command is killed while its debugger holds the device: nothing stays frozen.
script 'echo attached\n' 'shell timeout 100 tail -f /dev/null' 'quit'
"$O" debug debug rtc -- -batch -x "$tmp/script" >"$tmp/gdb" 2>&1 &
gdb=$!
wait_for "$tmp/gdb" "^attached" 60
until_state rtc held
kill -9 $gdb
wait $gdb 2>/dev/null
until_state rtc serving
guest 'hwclock -u -r >/dev/null && echo alive' alive

# Two at once, and the command for another terminal.
script 'echo attached\n' 'shell timeout 3 tail -f /dev/null' 'detach' 'quit'
cp "$tmp/script" "$tmp/script1"
"$O" debug debug rtc -- -batch -x "$tmp/script1" >"$tmp/gdb" 2>&1 &
gdb=$!
run 0 "$O" debug debug disk0 --print -- -batch -x "$tmp/script1"
until_state disk0 debugged
sh -c "$(cat "$tmp/out")" >"$tmp/gdb2" 2>&1 &
other=$!
until_state disk0 held
until_state rtc "(held|debugged|serving)"
wait $gdb $other
has "$tmp/gdb2" attached
until_state disk0 serving
until_state rtc serving
guest 'hwclock -u -r >/dev/null && dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null && echo alive' alive
# Nobody comes: the mark lapses.
run 0 "$O" debug debug rtc --print --wait 1
until_state rtc serving

# The debugger starts the program itself; when it quits, the program is gone and the one before follows.
script 'break pl031_read' 'run' 'bt 1' 'kill' 'quit'
sed -i '/^run/d' "$tmp/script"
script 'delete' 'kill' 'quit'
cp "$tmp/script" "$tmp/script2"
"$O" debug debug rtc --start -- -batch -ex 'set breakpoint pending on' -ex 'break pl031_read' >"$tmp/gdb" 2>&1 &
gdb=$!
until_state rtc debugged
typed 'hwclock -u -r >/dev/null && echo started $((6 * 7))'
wait $gdb
wait_for "$tmp/gdb" "pl031_read" 60
wait_for "$tmp/console" "^started 42" 30
until_state rtc serving

run 1 "$O" debug debug nonesuch
has "$tmp/err" "there is no device nonesuch"
run 1 "$O" debug debug rtc --debugger "$tmp/none"
has "$tmp/err" "cannot run $tmp/none"
until_state rtc serving
run 2 "$O" debug debug rtc --print --replace
guest_quiet
typed poweroff
wait $sup
same "$?" 0 "exit code of the VM"
result
