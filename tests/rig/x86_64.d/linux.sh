#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the rig: Debian's cloud kernel boots to userland on KVM with every device in its own process, reads its clock and powers itself off.
# usage: linux.sh [CPUS [MEMORY [KERNEL]]]
cpus=${1:-1} memory=${2:-256M} kernel=${3:-/o/build/guests/x86_64/kernel}
log=/tmp/linux.$$
for model in ns16550 rtc-cmos; do
	[ -e /o/bin/outrigger-dm-$model ] || { echo "the model $model is not in this build"; exit 77; }
done
export OUTRIGGER_BINDIR=/o/bin
timeout 110 /o/bin/outrigger run /o/configs/x86_64-linux.yaml --engine kvm --cpus "$cpus" --memory "$memory" --kernel "$kernel" \
	--append "outrigger.mode=poweroff" --name linux --timeout 100 --no-reboot --console stdio </dev/null >$log
rc=$?
cat $log
[ $rc = 0 ] || { echo "exit code $rc, want 0"; exit 1; }
bad=0
want() {
	grep -q "$1" $log || { echo "missing: $1"; bad=1; }
}
want '^outrigger-guest: userland up'
want '^outrigger-guest: rtc: 20'
want 'irq: *4: .*ttyS0'
want 'irq: *16: .*virtio0'
want "Brought up 1 node, $cpus CPU"
want 'ACPI: PM: Preparing to enter system sleep state S5'
exit $bad
