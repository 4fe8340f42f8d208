# SPDX-License-Identifier: Apache-2.0
# Common part of the tests that boot the Debian image (bash; sourced behind lib.sh).
# Guests: OUTRIGGER_GUESTS (a folder with kernel, initrd and rootfs.img), else build/guests/aarch64.
# shellcheck disable=SC2154 # lib.sh sets them
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
# A loaded machine with few cores is slow, and a hang is for ever: no deadline here is meant to measure.
boot_deadline=${OUTRIGGER_BOOT_DEADLINE:-300}
PATH=$PATH:/usr/sbin:/sbin

# debian_need: skips the test where something is missing.
debian_need() {
	local name
	for name in kernel initrd rootfs.img ssh_key; do
		[ -r "$guests/$name" ] || skip "no $name in $guests: run scripts/fetch-guests --rootfs aarch64"
	done
	for name in outrigger-hv outrigger-dm-pl011 outrigger-dm-pl031 outrigger-dm-virtio-blk outrigger-dm-virtio-net \
		outrigger-dm-virtio-console outrigger-dm-virtio-rng; do
		[ -x "$bindir/$name" ] || skip "no $name in $bindir"
	done
	command -v e2fsck >/dev/null || skip "e2fsck is not installed (package e2fsprogs)"
	[ -z "${OUTRIGGER_SANITIZE:-}" ] || [ "${OUTRIGGER_TEST_FULL:-0}" = 1 ] ||
		skip "a whole system with $OUTRIGGER_SANITIZE sanitizers takes minutes to boot; run with --full"
}

# debian_image: a copy of the image to write to, $image.
debian_image() {
	image=$tmp/rootfs.img
	cp --sparse=always --reflink=auto "$guests/rootfs.img" "$image" || skip "no room for a copy of the root image in $tmp"
}

# debian_config user|none: the shipped config with the copy as its disk, $config; $ssh_port leads to the guest's port 22.
debian_config() {
	config=$tmp/debian.yaml
	ssh_port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
	sed -e "s,: \.\./build/guests/aarch64/rootfs.img,: $image," -e "s,: \.\./build/guests/aarch64,: $guests," \
		-e "s/tcp:2222:22/tcp:$ssh_port:22/" "$top/configs/aarch64-debian.yaml" >"$config"
	[ "$1" = user ] || sed -i -e 's/net: user/net: none/' -e '/forward:/d' "$config"
}

# debian_start NAME [OPTION...]: a VM in the foreground of a process of ours: $sup, its console $console, its keys on fd 8.
debian_start() {
	local name=$1
	shift
	console=$tmp/$name.console messages=$tmp/$name.err
	rm -f "$tmp/keys"
	mkfifo "$tmp/keys"
	exec 8<>"$tmp/keys"
	: >"$console"
	"$O" run "$config" --name "$name" "$@" <&8 >"$console" 2>"$messages" &
	sup=$!
}

# wait_lines FILE PATTERN N [SECONDS]: until N lines of it match; the end of the VM $sup ends the wait. Status 1: they do not.
wait_lines() {
	local tail_pid got
	coproc FOLLOW { exec tail --pid="$sup" -n +1 -s 0.05 -F "$1" 2>/dev/null; }
	tail_pid=$FOLLOW_PID
	got=$(timeout "${4:-60}" grep -cE -m"$3" -- "$2" <&"${FOLLOW[0]}")
	kill "$tail_pid" 2>/dev/null
	wait "$tail_pid" 2>/dev/null
	[ "${got:-0}" = "$3" ]
}

# expect FILE PATTERN N [SECONDS]: the same as a check, shown when it fails.
expect() {
	if wait_lines "$@"; then
		ok
	else
		bad "no $3 lines \"$2\" in $(basename "$1") within ${4:-60} s; its end:"
		tail -n 25 "$1"
		tail -n 5 "$messages"
		return 1
	fi
}

# wait_login N: until the console's Nth login prompt. The prompt ends no line; the line before it is the terminal's name.
wait_login() {
	expect "$console" '^Debian GNU/Linux 12 outrigger ttyAMA0' "$1" "$boot_deadline"
}

# console_login N: logs in for the Nth time; root has no password on a console.
console_login() {
	echo root >&8
	expect "$console" '^permitted by applicable law' "$1" "$boot_deadline"
}

# wait_end CODE [SECONDS]: until the VM has ended, with that exit code.
wait_end() {
	if timeout "${2:-$boot_deadline}" tail --pid="$sup" -s 0.1 -f /dev/null; then
		wait "$sup"
		same "$?" "$1" "exit code of the VM"
	else
		bad "the VM did not end within ${2:-$boot_deadline} s; its end:"
		tail -n 25 "$console"
		kill "$sup"
		timeout 10 tail --pid="$sup" -s 0.1 -f /dev/null || kill -9 "$sup"
		wait "$sup"
	fi
	exec 8>&-
}

# image_clean: nothing for e2fsck to repair; -f looks at all of it, -n changes nothing.
image_clean() {
	if e2fsck -fn "$image" >"$tmp/fsck" 2>&1; then
		ok
	else
		bad "e2fsck finds something:"
		tail -n 25 "$tmp/fsck"
	fi
}

# guest COMMAND: runs it in the guest by ssh. The key of the host is checked: it is the one in the image.
guest() {
	local known=$tmp/known_hosts
	[ -e "$known" ] || sed "s/^\[localhost\]:[0-9]*/outrigger-guest/" "$guests/ssh_known_hosts" >"$known"
	[ -e "$tmp/ssh_key" ] || install -m 600 "$guests/ssh_key" "$tmp/ssh_key"
	timeout "${guest_deadline:-$boot_deadline}" ssh -F /dev/null -i "$tmp/ssh_key" -p "$ssh_port" -o HostKeyAlias=outrigger-guest \
		-o UserKnownHostsFile="$known" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o BatchMode=yes \
		-o ConnectTimeout=60 -o LogLevel=ERROR -o ServerAliveInterval=0 root@127.0.0.1 "$@" </dev/null
}
