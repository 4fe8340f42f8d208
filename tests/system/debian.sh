#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian system on a disk image: boots to a login with 1 CPU and packed rings and with 2 CPUs and split ones, keeps
# 256 MiB across a reboot, is reached by ssh and reaches the host through the user network; what it leaves on the disk is
# a clean file system.
# shellcheck disable=SC2154 # lib.sh and debian-lib.sh set them
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian-lib.sh"
debian_need
net=user
command -v passt >/dev/null || net=none why="passt is not installed"
# passt confines itself in a user namespace, which a chroot and some containers do not give.
[ "$net" = none ] || unshare --user true 2>/dev/null || net=none why="passt needs a user namespace, and there is none to be had here"
command -v ssh >/dev/null || net=none why="ssh is not installed"
[ $net = user ] || echo "not looked at: ssh and apt, for $why"
debian_image
debian_config $net

# The generator's bytes are different in every block. The guest makes the same ones.
generator='seq 40000000 | head -c 268435456'
sum=$(bash -c "$generator" 2>/dev/null | sha256sum | cut -d' ' -f1)

# on_console TEXT COMMAND: types it; its output must have a line with just that text.
on_console() {
	echo "$2" >&8
	expect "$console" "(^|[^ ])$1"$'\r?$' 1 "$boot_deadline" || result
}

# The driver's choice of rings, as the kernel tells it: VIRTIO_F_RING_PACKED is bit 34.
rings='echo "packed $(cat /sys/bus/virtio/devices/*/features | cut -c 35 | tr -d "\n")"'

# A repository with one package, which apt-get can only have got from here.
repository_make() {
	local dir=$tmp/repository
	mkdir -p "$dir" "$tmp/package/DEBIAN" "$tmp/package/usr/share/outrigger-hello"
	chmod -R go+rX-w "$tmp/package"
	printf 'Package: outrigger-hello\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: a test\n' \
		>"$tmp/package/DEBIAN/control"
	echo "hello $$" >"$tmp/package/usr/share/outrigger-hello/text"
	dpkg-deb --root-owner-group -b "$tmp/package" "$dir/outrigger-hello_1_all.deb" >/dev/null
	{
		cat "$tmp/package/DEBIAN/control"
		echo "Filename: ./outrigger-hello_1_all.deb"
		echo "Size: $(stat -c %s "$dir/outrigger-hello_1_all.deb")"
		echo "SHA256: $(sha256sum <"$dir/outrigger-hello_1_all.deb" | cut -d' ' -f1)"
	} >"$dir/Packages"
	{
		echo "Date: $(date -u -R)"
		echo "SHA256:"
		echo " $(sha256sum <"$dir/Packages" | cut -d' ' -f1) $(stat -c %s "$dir/Packages") Packages"
	} >"$dir/Release"
}

# By ssh: a command, and apt-get with the host's repository; the gateway is the host's loopback (passt).
network_check() {
	same "$(guest uname -m)" aarch64 "uname -m by ssh"
	repository_make
	"$here/debian-http" "$tmp/repository" >"$tmp/http" &
	server=$!
	wait_for "$tmp/http" "^port [0-9]"
	port=$(sed -n 's/^port //p' "$tmp/http")
	guest "rm -f /etc/apt/sources.list.d/*
		gateway=\$(ip -4 route show default | cut -d' ' -f3)
		echo \"deb [trusted=yes] http://\$gateway:$port ./\" >/etc/apt/sources.list
		apt-get update && apt-get -y install outrigger-hello && cat /usr/share/outrigger-hello/text" >"$tmp/out" 2>&1
	same "$?" 0 "exit code of apt-get"
	has "$tmp/out" "hello $$"
	has "$tmp/http" "200 OK: GET /./Release"
	[ "$failed" = 0 ] || cat "$tmp/out" "$tmp/http"
	kill $server
	wait $server 2>/dev/null
}

# One CPU: a login on the console, all units up, the file written.
begin=$SECONDS
debian_start one --cpus 1
wait_login 1 || result
echo "one CPU: the login prompt after $((SECONDS - begin)) s"
console_login 1 || result
on_console "state running" 'echo "state $(systemctl is-system-running --wait)"'
on_console "devices vda eth0 hvc0 virtio" \
	'echo devices $(cd /sys/block && echo vda) $(cd /sys/class/net && echo eth0) $(cd /sys/class/tty && echo hvc0) $(cut -c 1-6 /sys/class/misc/hw_random/rng_current)'
on_console "packed 1111" "$rings"
on_console "written" "$generator >/root/big; sync; echo written"
[ $net = none ] || network_check

# The reboot is the guest's own: a reset of every device under a running VM.
echo "systemctl reboot" >&8
wait_login 2 || result
console_login 2 || result
on_console "sum $sum" 'echo "sum $(sha256sum </root/big | cut -d" " -f1)"'
echo "systemctl poweroff" >&8
wait_end 0
has "$messages" "guest powered off after"
image_clean

# Two CPUs and split rings, on the disk that the other one left.
begin=$SECONDS
split=()
for name in disk0 net0 console0 rng0; do
	split+=(--set "devices.$name.options.packed=false")
done
debian_start two --cpus 2 "${split[@]}"
wait_login 1 || result
echo "two CPUs: the login prompt after $((SECONDS - begin)) s"
console_login 1 || result
on_console "state running" 'echo "state $(systemctl is-system-running --wait)"'
on_console "cpus 2" 'echo "cpus $(nproc)"'
on_console "packed 0000" "$rings"
[ $net = none ] || same "$(guest 'cat /proc/sys/kernel/hostname')" outrigger "host name by ssh"
on_console "sum $sum" 'echo "sum $(sha256sum </root/big | cut -d" " -f1)"'
echo "systemctl poweroff" >&8
wait_end 0
image_clean
result
