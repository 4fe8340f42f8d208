#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest that writes to its disk and compares what it reads back goes on while its devices' processes are killed,
# restarted, and the whole VM is paused. Guests: as boot.sh.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
# OUTRIGGER_ISA: the guest's (aarch64); OUTRIGGER_ENGINE: auto.
isa=${OUTRIGGER_ISA:-aarch64}
guests=${OUTRIGGER_GUESTS:-$top/build/guests/$isa}
[ -d "$guests/$isa" ] && guests=$guests/$isa
case $isa in
aarch64) machine=aarch64-virt tty=ttyAMA0 uart=pl011 rtc=pl031 spare='address: 0x0b000000, irq: 50' ;;
x86_64) machine=x86_64-pc tty=ttyS0 uart=ns16550 rtc=rtc-cmos spare='address: 0xd0101000' ;;
esac
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
for model in $uart $rtc pl031 virtio-blk virtio-rng virtio-net; do
	[ -x "$bindir/outrigger-dm-$model" ] || skip "no outrigger-dm-$model in $bindir"
done

truncate -s 64M "$tmp/disk.img"
cat >"$tmp/vm.yaml" <<END
machine: $machine
engine: ${OUTRIGGER_ENGINE:-auto}
memory: 256M
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=$tty cryptomgr.notests=1 quiet
timeout: $((240 * ${OUTRIGGER_SLOW:-1}))
devices:
  - {name: uart0, model: $uart}
  - {name: rtc, model: $rtc}
  - {name: disk0, model: virtio-blk, options: {path: disk.img, queue_size: 64}}
  - {name: rng0, model: virtio-rng}
  - {name: net0, model: virtio-net, options: {net: none}}
  - {name: spare, model: pl031, $spare, restart_limit: 2, restart_backoff: 10ms, restart_window: 1h}
END
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" run "$tmp/vm.yaml" --name live <&8 >"$tmp/console" 2>"$tmp/sup" &
sup=$!
wait_for "$tmp/console" "Enter 'help' for a list" 110

# pid DEVICE: the pid of its process now.
pid() {
	"$O" ps --json live >"$tmp/ps" 2>/dev/null
	sed -n "/\"name\": \"$1\"/{n;s/[^0-9]//g;p}" "$tmp/ps"
}
# again DEVICE: the guest still talks to it.
declare -A ask=(
	[uart0]='true' [rtc]='hwclock -u -r >/dev/null'
	[rng0]='[ $(head -c 64 /dev/hwrng | wc -c) = 64 ]'
	[disk0]='dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null'
	[net0]='ip link show eth0 >/dev/null 2>&1 || ifconfig -a | grep -q eth0'
)
serial=0
again() {
	serial=$((serial + 1))
	echo "if ${ask[$1]}; then echo again $serial \$((6 * 7)); else echo broken $serial; fi" >&8
	wait_for "$tmp/console" "^again $serial 42"
}

# The load: each round writes 1 MiB of its own, reads it back around the cache, and compares.
echo 'i=0; while [ ! -e /tmp/end ]; do i=$((i + 1)); head -c 1048576 /dev/urandom >/tmp/a; dd if=/tmp/a of=/dev/vda bs=32k seek=$((i % 48 * 32)) oflag=direct 2>/dev/null; dd if=/dev/vda of=/tmp/b bs=32k skip=$((i % 48 * 32)) count=32 iflag=direct 2>/dev/null; cmp /tmp/a /tmp/b || echo DIFFERS $i; echo $i >/tmp/n; done >/tmp/load 2>&1 & echo load $((1 + 1))' >&8
wait_for "$tmp/console" "^load 2"

for round in 1 2; do
	for name in disk0 rng0 rtc uart0 net0 disk0; do
		old=$(pid "$name")
		kill -9 "$old"
		wait_for "$tmp/sup" "$name \(.*, pid $old\) ended with signal 9"
		for ((i = 0; i < 1000; i++)); do # each look is a command: some seconds in all
			new=$(pid "$name")
			[ -n "$new" ] && [ "$new" != "$old" ] && break
		done
		[ -n "$new" ] && [ "$new" != "$old" ] && ok || bad "$name has the same process still"
		again "$name"
	done
done

# restart and kill as verbs.
run 0 "$O" restart live disk0
has "$tmp/out" "disk0 serves again"
again disk0
run 0 "$O" kill live rng0
again rng0
run 1 "$O" kill live nonesuch
has "$tmp/err" "there is no device nonesuch"

# A pause: the guest's clock stands still, and everything goes on afterwards.
echo 'cut -d. -f1 /proc/uptime | sed "s/^/before /"' >&8
wait_for "$tmp/console" "^before [0-9]"
run 0 "$O" pause live
run 0 "$O" pause live # already: no error
run 0 "$O" ps live
has "$tmp/out" "paused"
exits=$("$O" ps --json live | sed -n 's/.*"instructions": \([0-9]*\).*/\1/p')
timeout 3 tail -f /dev/null # three seconds of the host's time: nothing is waited for, they are what is tested
same "$("$O" ps --json live | sed -n 's/.*"instructions": \([0-9]*\).*/\1/p')" "$exits" "instructions while paused"
run 0 "$O" resume live
echo 'cut -d. -f1 /proc/uptime | sed "s/^/after /"' >&8
wait_for "$tmp/console" "^after [0-9]"
before=$(tr -d '\r' <"$tmp/console" | sed -n 's/^before \([0-9]*\)$/\1/p')
after=$(tr -d '\r' <"$tmp/console" | sed -n 's/^after \([0-9]*\)$/\1/p')
[ $((after - before)) -le 2 ] && ok || bad "the guest's clock went from $before to $after over a pause of 3 s"

# A row of restarts has its limit, and then there is the policy.
for round in 1 2; do
	old=$(pid spare)
	kill -9 "$old"
	wait_for "$tmp/sup" "spare \(.*, pid $old\) ended with signal 9.*started again$([ $round = 2 ] && echo ' in a moment')"
	for ((i = 0; i < 1000; i++)); do
		new=$(pid spare)
		[ -n "$new" ] && [ "$new" != "$old" ] && grep -q '"state": "serving"' <(sed -n '/"name": "spare"/,/"why"/p' "$tmp/ps") && break
	done
done
run 0 "$O" ps live
has "$tmp/out" "restarts: 2, of them 2 of at most 2 in a row"
kill -9 "$(pid spare)"
wait_for "$tmp/sup" "spare \(pl031\) is dead: its daemon died 3 times in a row, at last with signal 9 .*; policy: ones"
again uart0

echo 'touch /tmp/end; wait; cat /tmp/load; echo rounds-bad $(wc -l </tmp/load) of $(cat /tmp/n); poweroff' >&8
wait $sup
same "$?" 0 "exit code of the VM"
wait_for "$tmp/console" "^rounds-bad 0 of [1-9]"
[ "$failed" = 0 ] || tail -n 30 "$tmp/console" "$tmp/sup"
result
