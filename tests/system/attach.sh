#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Daemons that a person starts take a device over; one device is paused; a register is set by name. Guests: as boot.sh.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guest-lib.sh"
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 256M
cpus: 2
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
timeout: 280
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031, on_failure: park}
  - {name: disk0, model: virtio-blk, options: {path: disk.img}}
END
truncate -s 8M "$tmp/disk.img"
guest_start attach
rtc='hwclock -u -r >/dev/null && echo alive'
disk='dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null && echo alive'

# attach DEVICE [ARG...]: the verb in the background ($attach); its command line goes to $command.
attach() {
	rm -f "$tmp/attach"
	"$O" attach attach "$@" >"$tmp/attach" 2>"$tmp/attach.err" &
	attach=$!
	wait_for "$tmp/attach" "OUTRIGGER_TOKEN=" 20
	command=$(grep -m1 OUTRIGGER_TOKEN= "$tmp/attach")
}
# by_hand: runs that command line; its process is $hand.
by_hand() {
	sh -c "exec env $command" >"$tmp/hand" 2>&1 </dev/null &
	hand=$!
	wait $attach
	same "$?" 0 "exit code of attach"
	has "$tmp/attach" "is served by pid $hand, which was started by hand"
}

# Beside one that serves.
old=$(pid disk0)
attach disk0
guest "$disk" alive # the old one serves meanwhile
by_hand
same "$(pid disk0)" "$hand" "process of disk0"
until_state disk0 debugged
"$O" ps attach >"$tmp/out"
has "$tmp/out" "pid $hand was started by hand"
wait_gone "$old"
guest "$disk" alive
# Stopped, as by a debugger: the guest stands still, however long.
watch_time
kill -STOP $hand
until_state disk0 held
hold 3
kill -CONT $hand
until_state disk0 debugged
no_time_passed 3
guest "$disk" alive
# Killed: the launcher's program follows.
kill -9 $hand
wait $hand 2>/dev/null
until_state disk0 serving
guest "$disk" alive
same "$(pid disk0)" "$(pgrep -P $sup -x outrigger-dm-vi)" "process of disk0 is the supervisor's own again"
# Handed back by a swap: the one started by hand ends.
attach disk0
by_hand
run 0 "$O" swap attach disk0
wait_gone $hand
wait $hand 2>/dev/null
until_state disk0 serving
guest "$disk" alive
# restart and kill find it, too.
attach disk0
by_hand
run 0 "$O" restart attach disk0
wait $hand 2>/dev/null
guest "$disk" alive

# A device that nobody serves: as after a crash.
run 0 "$O" kill attach rtc
until_state rtc parked
attach rtc
by_hand
until_state rtc debugged
guest "$rtc" alive
kill -9 $hand # on_failure: park
wait $hand 2>/dev/null
until_state rtc parked
run 0 "$O" restart attach rtc
guest "$rtc" alive

# Cancelled, too late, used twice: the token is good for nothing, and the old one goes on.
old=$(pid rtc)
attach rtc
kill -INT $attach
wait $attach
same "$?" 130 "exit code of a cancelled attach"
has "$tmp/attach.err" "cancelled"
sh -c "env $command" >"$tmp/hand" 2>&1 </dev/null
has "$tmp/hand" "no valid token"
attach rtc --wait 1
wait $attach
same "$?" 1 "exit code of an attach that nobody came to"
has "$tmp/attach.err" "did not dock in time"
same "$(pid rtc)" "$old" "process of rtc"
attach rtc --json
command=$(json command "$tmp/attach")
sh -c "exec env $command" >"$tmp/hand" 2>&1 </dev/null &
hand=$!
wait $attach
sh -c "env $command" >"$tmp/hand2" 2>&1 </dev/null
has "$tmp/hand2" "no valid token"
guest "$rtc" alive
run 0 "$O" swap attach rtc
wait $hand 2>/dev/null
# The wrong program.
attach rtc
wrong=${command//outrigger-dm-pl031/outrigger-dm-pl011}
sh -c "env $wrong" >"$tmp/hand" 2>&1 </dev/null
wait $attach
same "$?" 1 "exit code of an attach by another model"
has "$tmp/attach.err" "is of model pl011; the config wants pl031"
guest "$rtc" alive
run 2 "$O" attach attach rtc --wait nonsense
run 1 "$O" attach attach nonesuch

# Under valgrind it is slow, and nothing is answered by policy.
if command -v valgrind >/dev/null && [ -z "${OUTRIGGER_SANITIZE:-}" ]; then
	attach rtc
	command=${command/ \// valgrind -q /}
	sh -c "exec env $command" >"$tmp/hand" 2>&1 </dev/null &
	hand=$!
	wait $attach
	same "$?" 0 "exit code of attach with valgrind"
	guest "$rtc" alive
	run 0 "$O" swap attach rtc
	wait $hand 2>/dev/null
fi

# One device is paused: the guest goes on, until it asks the device.
run 0 "$O" pause attach rtc
until_state rtc paused
guest 'echo alive' alive
guest "$disk" alive
watch_time
typed 'hwclock -u -r >/dev/null && echo resumed $((6 * 7))'
until_state rtc parked
"$O" ps attach >"$tmp/out"
has "$tmp/out" "paused by a person, and an access waits"
hold 2
run 0 "$O" swap attach rtc # a paused device can be swapped, and stays paused
same "$(state rtc)" parked "state of the device after the swap"
run 0 "$O" resume attach rtc
wait_for "$tmp/console" "^resumed 42"
no_time_passed 2
until_state rtc serving
run 0 "$O" pause attach
run 0 "$O" pause attach disk0
run 0 "$O" resume attach
until_state disk0 paused
run 0 "$O" resume attach disk0
guest "$disk" alive

# Registers by name: the guest reads what was set, and its interrupt follows.
run 0 "$O" inspect attach rtc --set LR=0x12345678
"$O" inspect attach rtc >"$tmp/out"
has "$tmp/out" "0x12345678"
run 0 "$O" inspect attach rtc --set RIS.RTC=1 --json
"$O" inspect attach rtc --json >"$tmp/out"
grep -A2 '"RIS"' "$tmp/out" | grep -q 0x1 && ok || bad "RIS was not set: $(grep -A2 '"RIS"' "$tmp/out")"
run 1 "$O" inspect attach rtc --set DR=1
has "$tmp/err" "DR has no stored value: the model computes it at each read"
run 1 "$O" inspect attach rtc --set RIS.NONE=1
has "$tmp/err" "RIS has no field \"NONE\"; it has RTC"
guest "$rtc" alive
guest_quiet
typed poweroff
wait $sup
same "$?" 0 "exit code of the VM"
result
