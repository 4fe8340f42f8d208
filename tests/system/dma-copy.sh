#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dma: copy with a Linux guest: a disk and an entropy source whose processes see no guest memory do the same as others.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel-full" ] && [ -r "$guests/initrd-full" ] ||
	skip "no kernel-full and initrd-full in $guests: run scripts/fetch-guests"
for program in outrigger-hv outrigger-dm-pl011 outrigger-dm-virtio-blk outrigger-dm-virtio-rng; do
	[ -x "$bindir/$program" ] || skip "no $program in $bindir"
done

image=$tmp/disk.img
head -c 8M /dev/urandom >"$image"
head -c 1M /dev/zero >"$image.map"
cat >"$tmp/copy.yaml" <<CONFIG
machine: aarch64-virt
memory: 256M
cpus: 1
kernel: $guests/kernel-full
initrd: $guests/initrd-full
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
devices:
  - name: uart0
    model: pl011
  - name: rng0
    model: virtio-rng
    dma: copy
  - name: disk0
    model: virtio-blk
    dma: copy
    options: {path: $image, packed: PACKED}
  - name: disk1
    model: virtio-blk
    options: {path: $image.map}
CONFIG

md5() { md5sum | cut -d' ' -f1; }

# disk_part N: checksum of the N-th 2 MiB of the image.
disk_part() { dd if="$image" bs=2M skip="$1" count=1 2>/dev/null | md5; }

# guest PACKED: boots, uses the devices, powers off.
guest() {
	local pid maps name
	rm -f "$tmp/keys"
	mkfifo "$tmp/keys"
	exec 8<>"$tmp/keys"
	sed "s/PACKED/$1/" "$tmp/copy.yaml" >"$tmp/$1.yaml"
	"$O" run "$tmp/$1.yaml" --name copy --timeout 200 <&8 >"$tmp/console" 2>"$tmp/err" &
	sup=$!
	wait_for "$tmp/console" "Enter 'help' for a list" 110

	# Guest memory is mapped by the daemon of the disk beside them, and not by theirs.
	run 0 "$O" ps copy --json
	for name in rng0 disk0 disk1; do
		pid=$(tr -d '\n' <"$tmp/out" | sed -n "s/.*\"name\": \"$name\"[^}]*\"pid\": \([0-9]*\).*/\1/p")
		maps=$(grep -c memfd:guest-ram "/proc/$pid/maps")
		if [ "$name" = disk1 ]; then
			[ "$maps" -gt 0 ] && ok || bad "$name (dma: map), pid $pid, does not map guest memory"
		else
			same "$maps" 0 "mappings of guest memory in $name, pid $pid"
			grep -q memfd:copy "/proc/$pid/maps" && ok || bad "$name does not map its channel"
		fi
	done

	echo 'echo disk=$(md5sum </dev/vda)' >&8
	wait_for "$tmp/console" "^disk=$(md5 <"$image")" 60
	# 2 MiB back to the disk, in large and in small requests, and read again past the cache
	echo 'dd if=/dev/vda of=/tmp/x bs=1M count=2; dd if=/tmp/x of=/dev/vda bs=1M seek=2 conv=fsync' >&8
	echo 'dd if=/tmp/x of=/dev/vda bs=4k seek=1024 oflag=direct; echo 3 >/proc/sys/vm/drop_caches' >&8
	echo 'echo back=$(dd if=/dev/vda bs=4k skip=1024 count=512 iflag=direct | md5sum)' >&8
	wait_for "$tmp/console" "^back=$(disk_part 0)" 60
	echo 'echo random=$(dd if=/dev/hwrng bs=64 count=64 iflag=fullblock | wc -c)' >&8
	wait_for "$tmp/console" "^random=4096" 60
	echo 'poweroff -f' >&8
	wait "$sup"
	same "$?" 0 "exit code of the run, packed: $1"
	same "$(disk_part 1)" "$(disk_part 0)" "what the image holds at 2 MiB"
	same "$(disk_part 2)" "$(disk_part 0)" "what the image holds at 4 MiB"
	exec 8>&-
}

guest true
guest false
result
