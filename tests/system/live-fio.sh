#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fio --verify in a Debian guest on a disk that is swapped, and killed, meanwhile: with the page cache and around it, split and
# packed rings. Guests: as debian.sh; the root image is read only.
# OUTRIGGER_TEST_FULL=1: 1000 swaps and 1000 kills of each disk.
# shellcheck disable=SC2154 # lib.sh and debian-lib.sh set them
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian-lib.sh"
debian_need
full=${OUTRIGGER_TEST_FULL:-0} full=${full#0}
n=${full:+1000} n=${OUTRIGGER_TEST_SWAPS:-${n:-15}}

truncate -s 64M "$tmp/a.img" "$tmp/b.img"
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 512M
cpus: 2
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet root=/dev/vda ro init=/bin/sh
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031}
  - {name: root, model: virtio-blk, options: {path: $guests/rootfs.img, readonly: true}}
  - {name: disk0, model: virtio-blk, deadline: 60s, restart_window: 0s, options: {path: a.img, queues: 2}}
  - {name: job, model: virtio-blk, options: {path: job, readonly: true}}
  - {name: disk1, model: virtio-blk, deadline: 60s, restart_window: 0s, options: {path: b.img, cache: none, packed: false}}
END
console=$tmp/console messages=$tmp/sup
mkfifo "$tmp/keys"
# fio writes and reads back what it wrote, in batches: --verify_backlog. One job has depth 1, one 32.
cat >"$tmp/job" <<'END'
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
mount -t tmpfs t /tmp; mount -t proc p /proc; mount -t sysfs s /sys; cd /tmp
go() {
	i=0
	while [ ! -e end ]; do
		fio --eta=never --name=$2 --filename=/dev/$1 --direct=1 --ioengine=libaio --bsrange=4k-64k --rw=randwrite --offset=$3 --size=6M --iodepth=$4 --verify=crc32c --verify_fatal=1 --verify_backlog=64 --randseed=$i --fsync=200 --output=$2.out || { echo FIO-FAILED $2; cat $2.out; }
		i=$((i + 1)); echo $i >$2.n
	done
}
for d in vdb vdd; do go $d $d.one 0 1 & go $d $d.many 32M 32 & done
until [ "$(cat *.n 2>/dev/null | wc -l)" = 4 ]; do sleep 1; done; echo load is on
END
truncate -s 64K "$tmp/job"
exec 8<>"$tmp/keys"
"$O" run "$tmp/vm.yaml" --name fio <&8 >"$console" 2>"$messages" &
sup=$!
expect "$console" "can't access tty; job control turned off" 1 "$boot_deadline" || result # typed before that, it is lost
echo "mount -t tmpfs t /run; tr -d '\\000' </dev/vdc >/run/job; . /run/job" >&8
expect "$console" '^load is on' 1 "$boot_deadline" || result

pid() {
	"$O" ps --json fio >"$tmp/ps" 2>/dev/null
	sed -n "/\"name\": \"$1\"/{n;s/[^0-9]//g;p}" "$tmp/ps"
}
next=$SECONDS
for ((k = 1; k <= n; k++)); do
	for name in disk0 disk1; do
		timeout 60 "$O" swap fio "$name" >"$tmp/out" 2>"$tmp/err" </dev/null && ok || bad "swap of $name: $(cat "$tmp/err")"
		old=$(pid "$name")
		again=$(grep -c "^outrigger: $name (virtio-blk) serves again" "$messages")
		kill -9 "$old"
		wait_lines "$messages" "^outrigger: $name \(virtio-blk\) serves again" $((again + 1)) 60 && ok || bad "$name, pid $old, is not followed"
	done
	[ $SECONDS -lt $next ] || { next=$((SECONDS + 10)); echo "$k of $n swaps and kills of each disk"; }
	[ "$failed" = 0 ] || break
done
echo 'touch end; wait; echo rounds $(cat *.n); echo fio-bad $(grep -L "err= 0" *.out | wc -l) of $(ls *.out | wc -l); dmesg | grep -i "i/o error\|blk_update\|hung" | head; echo o >/proc/sysrq-trigger' >&8
expect "$console" '^fio-bad 0 of 4' 1 "$boot_deadline"
hasnt "$console" FIO-FAILED
hasnt "$console" "I/O error"
wait_end 0
[ "$failed" = 0 ] || tail -n 40 "$console" "$messages"
grep -a "^rounds" "$console"
result
