#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The policy `park`: a device whose daemon is dead or silent holds the guest up, and the guest does not notice: no time passes for
# it. And hangs without it: a stopped daemon delays who asks it, and nobody else. Guests: as boot.sh.
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
  - {name: rtc, model: pl031, on_failure: park, deadline: 300ms}
  - {name: disk0, model: virtio-blk, options: {path: disk.img}, then: park}
  - {name: rng0, model: virtio-rng, deadline: 20s}
END
truncate -s 8M "$tmp/disk.img"
guest_start park

# Dead: the VM stands still, whether it is asked or not, and goes on where it was when the device has a daemon again.
watch_time
run 0 "$O" kill park rtc
until_state rtc parked
same "$(vm_state)" parked "state of the VM"
"$O" ps park >"$tmp/out" 2>&1
has "$tmp/out" "ended: the guest's clock stands until \`outrigger restart\` or \`swap\`"
hold 3
run 0 "$O" restart park rtc
until_state rtc serving
guest 'hwclock -u -r >/dev/null && echo alive' alive
no_time_passed 3

# Silent: an access waits past its deadline and parks; the other daemons and vCPUs wait, too.
kill -STOP "$(pid rtc)"
watch_time
typed 'hwclock -u -r >/dev/null && echo read-it $((6 * 7))'
until_state rtc parked
"$O" ps park >"$tmp/out" 2>&1
has "$tmp/out" "an access was not answered within 300 ms, and waits: the guest's clock stands"
hold 3
kill -CONT "$(pid rtc)"
wait_for "$tmp/console" "^read-it 42"
until_state rtc serving
no_time_passed 3

# The same, and a person replaces the daemon that hangs.
kill -STOP "$(pid rtc)"
typed 'hwclock -u -r >/dev/null && echo replaced $((6 * 7))'
until_state rtc parked
run 0 "$O" restart park rtc
wait_for "$tmp/console" "^replaced 42"

# Paused and resumed while a device holds it up: both count.
run 0 "$O" kill park rtc
until_state rtc parked
run 0 "$O" pause park
same "$(vm_state)" paused "state of the VM"
run 1 "$O" resume park
has "$tmp/err" "device rtc holds it up"
run 0 "$O" restart park rtc
guest 'hwclock -u -r >/dev/null && echo alive' alive

# Another device is swapped while one is parked.
run 0 "$O" kill park rtc
until_state rtc parked
run 0 "$O" swap park uart0
run 0 "$O" swap park disk0
run 0 "$O" restart park rtc
guest 'dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null && echo alive' alive

# A crash, and the way on: the build that is right takes over from the one that died, which comes back for that, serves nothing,
# and hands its state over.
other=$tmp/other-pl031
cp "$bindir/outrigger-dm-pl031" "$other"
objcopy --dump-section .note.gnu.build-id="$tmp/note" "$other" && { head -c -1 "$tmp/note"; printf 'Z'; } >"$tmp/note2" &&
	objcopy --update-section .note.gnu.build-id="$tmp/note2" "$other"
run 0 "$O" inspect park rtc --set LR=0x1234567
kept() {
	"$O" inspect park rtc >"$tmp/out"
	grep -q "LR .*0x1234567" "$tmp/out" && ok || bad "state after $1: $(grep LR "$tmp/out")"
}
kept "inspect --set"
run 0 "$O" kill park rtc
until_state rtc parked
typed 'hwclock -u -r >/dev/null && echo fixed $((6 * 7))'
run 0 "$O" swap park rtc --model "$other"
wait_for "$tmp/console" "^fixed 42"
until_state rtc serving
kept "a swap of a dead device"
# The file is another one by now: what follows a death is still the build that knows the state.
cp "$bindir/outrigger-dm-pl031" "$tmp/new" && mv "$tmp/new" "$other"
run 0 "$O" kill park rtc
until_state rtc parked
run 0 "$O" restart park rtc
guest 'hwclock -u -r >/dev/null && echo alive' alive
kept "a restart after the file was replaced"
# A program that does not come up changes nothing.
run 0 "$O" kill park rtc
until_state rtc parked
run 1 "$O" swap park rtc --model /bin/false
until_state rtc serving
guest 'hwclock -u -r >/dev/null && echo alive' alive
kept "a swap that failed"

# Restarts that were given up, then: park.
for _ in 1 2 3 4 5 6 7; do
	[ "$(state disk0)" = parked ] && break
	kill -9 "$(pid disk0)" 2>/dev/null
	until_state disk0 "(serving|parked)"
done
until_state disk0 parked
"$O" ps park >"$tmp/out" 2>&1
has "$tmp/out" "died 6 times in a row"
run 0 "$O" restart park disk0
guest 'dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null && echo alive' alive

# Without park: a stopped daemon delays accesses to it alone. The other vCPU, the timers and the other devices go on.
kill -STOP "$(pid rng0)"
typed '(taskset 2 head -c 16 /dev/hwrng | wc -c; echo rng-came) & sleep 1; echo slept'
wait_for "$tmp/console" "^slept"
guest 'taskset 1 sh -c "dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null && hwclock -u -r >/dev/null" && echo alive' alive
same "$(state rng0)" serving "state of the stopped device"
grep -q "^rng-came" "$tmp/console" && bad "the stopped device answered" || ok
kill -CONT "$(pid rng0)"
wait_for "$tmp/console" "^rng-came"
has "$tmp/console" "16"

# stop works at once while an access waits.
kill -STOP "$(pid rtc)"
typed 'hwclock -u -r'
until_state rtc parked
begin=$SECONDS
run 0 "$O" stop park
wait $sup
[ $((SECONDS - begin)) -lt 8 ] && ok || bad "stop took $((SECONDS - begin)) s"
guest_quiet
result
