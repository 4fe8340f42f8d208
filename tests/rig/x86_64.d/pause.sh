#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the rig: a guest that was paused for four seconds sees nothing of it, neither in its TSC nor in its kvmclock.
export OUTRIGGER_BINDIR=/o/bin
log=$XDG_RUNTIME_DIR/outrigger/still/uart0.console out=/tmp/still.$$
/o/bin/outrigger run /o/guest/guest.yaml --kernel /o/progs/still.bin --initrd none --name still --timeout 100 --console stdio \
	</dev/null >$out 2>&1 &
pid=$!
for ((i = 0; i < 600; i++)); do
	grep -q ^begin "$log" 2>/dev/null && break
	usleep 100000
done
/o/bin/outrigger pause still || exit 1
sleep 4
/o/bin/outrigger resume still || exit 1
wait $pid
rc=$?
cat $out
[ $rc = 0 ] || { echo "exit code $rc"; exit 1; }
# A kernel that does not trust the TSC below it (QEMU's emulation) moves its guests' TSC when they change CPUs.
source=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
[ "$source" != tsc ] || ! grep -q backwards $out || exit 1
# Two seconds are for a slow host: the four must not be there.
sed -n 's/^gap tsc \([0-9]*\) ms, kvmclock \([0-9]*\) ms.*/\1 \2/p' $out | tr -d '\r' | {
	read -r tsc clock || exit 1
	[ "$tsc" -lt 2000 ] && [ "$clock" -lt 2000 ]
}
