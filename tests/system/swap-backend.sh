#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a device of a running guest is joined to on the host is changed by a swap: another disk image, a file, a pty, a socket, the
# console, a network. What cannot be opened, and a new daemon that fails, leave the device with what it had. Guests: as boot.sh.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
for model in pl011 virtio-blk virtio-net virtio-console; do
	[ -x "$bindir/outrigger-dm-$model" ] || skip "no outrigger-dm-$model in $bindir"
done
for name in a b c; do
	printf 'image %s\n' $name >"$tmp/$name.img"
done
truncate -s 64M "$tmp/a.img"
truncate -s 32M "$tmp/b.img"
truncate -s 16M "$tmp/c.img"
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 256M
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
timeout: 280
devices:
  - {name: uart0, model: pl011}
  - {name: disk0, model: virtio-blk, options: {path: a.img}}
  - {name: disk1, model: virtio-blk, options: {path: c.img}}
  - {name: net0, model: virtio-net, options: {net: none}}
  - {name: con0, model: virtio-console, options: {chardev: "null"}}
END
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" run "$tmp/vm.yaml" --name vm <&8 >"$tmp/console" 2>"$tmp/sup" &
sup=$!
wait_for "$tmp/console" "Enter 'help' for a list" 110
echo 'stty -echo; PS1=' >&8

pid() {
	"$O" ps --json vm >"$tmp/ps" 2>/dev/null
	sed -n "/\"name\": \"$1\"/{n;s/[^0-9]//g;p}" "$tmp/ps"
}
serial=0
# guest TEXT COMMAND: what the guest's command prints last is TEXT.
guest() {
	serial=$((serial + 1))
	echo "echo result $serial: \$($2)" >&8
	wait_for "$tmp/console" "^result $serial: $1"
}
# disk NAME SECTORS: the guest's first disk is that image.
disk() {
	guest "image $1" 'dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -n 1'
	guest "$2" 'cat /sys/block/vda/size'
}
# refused DEVICE TEXT ARG...: it must fail, say so, and leave the old process.
refused() {
	local name=$1 text=$2 old
	old=$(pid "$name")
	shift 2
	run 1 "$O" swap vm "$name" "$@"
	has "$tmp/err" "$text"
	same "$(pid "$name")" "$old" "process of $name after a swap that failed"
}
# until_free FILE: nobody has it locked any more (the daemon before may still be on its way out).
until_free() {
	local end=$((SECONDS + 15))
	while find /proc/[0-9]*/fd -lname "$1" 2>/dev/null | grep -q . && [ $SECONDS -lt $end ]; do timeout 0.05 tail -f /dev/null; done
}
fails() { # STEP MODEL
	printf '#!/bin/sh\nOUTRIGGER_FAULT=%s exec %s "$@"\n' "$1" "$bindir/outrigger-dm-$2" >"$tmp/fails"
	chmod +x "$tmp/fails"
}

# A disk: other contents, another size, of which the driver is told; the locks go with it.
disk a 131072
refused disk0 "option path: there is no $tmp/none.img" --set path=none.img
refused disk0 "c.img is in use by disk1, another disk of this VM" --set path=c.img
refused disk0 "is a folder" --set path=.
fails refuse virtio-blk
refused disk0 "told to refuse" --model "$tmp/fails" --set path=b.img
disk a 131072
run 0 "$O" swap vm disk0 --set path=b.img
disk b 65536
until_free "$tmp/a.img"
refused disk1 "b.img is in use by disk0, another disk of this VM" --set path=b.img
run 0 "$O" swap vm disk0 --set path="$tmp/b.img" # the same: its lock is its own
disk b 65536
guest 0 'dd if=/dev/zero of=/dev/vda bs=4k seek=100 count=10 oflag=direct 2>/dev/null; echo $?'
kill -9 "$(pid disk0)"
wait_for "$tmp/sup" "disk0 \(.*\) serves again after"
disk b 65536 # also after a crash
fails exit virtio-blk # when it is told to take over
refused disk0 "ended" --model "$tmp/fails" --set path=a.img
disk b 65536
until_free "$tmp/a.img"
run 0 "$O" swap vm disk1 --set path=a.img # which is free, then
run 0 "$O" swap vm disk0 --set path=c.img
disk c 32768

# Byte streams: nowhere, a file, a pty, a socket, a console.
say() { guest said "echo $1 >/dev/hvc0; echo said"; }
say lost
refused con0 "option chardev: cannot write /nonexistent/x" --set chardev=file:/nonexistent/x
refused con0 "is not a byte stream" --set chardev=nonsense
run 0 "$O" swap vm con0 --set chardev=file:con.txt
say into-the-file
wait_for "$tmp/con.txt" "into-the-file"
kill -9 "$(pid con0)"
wait_for "$tmp/sup" "con0 \(.*\) serves again after"
say once-more
wait_for "$tmp/con.txt" "once-more"
run 0 "$O" swap vm con0 --set chardev=pty
wait_for "$tmp/sup" "con0: chardev is /dev/pts/"
pty=$(sed -n 's|.*con0: chardev is \(/dev/pts/[0-9]*\).*|\1|p' "$tmp/sup" | tail -n 1)
timeout 60 cat "$pty" >"$tmp/pty" 2>/dev/null &
reader=$!
say to-the-pty
wait_for "$tmp/pty" "to-the-pty"
kill $reader
run 0 "$O" swap vm con0 --set chardev=unix:con.sock
[ -S "$tmp/con.sock" ] && ok || bad "no socket"
say to-the-socket
timeout 60 perl -e 'use IO::Socket::UNIX; $| = 1; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; print $b while sysread($s, $b, 4096)' \
	"$tmp/con.sock" >"$tmp/sock" 2>/dev/null &
reader=$!
wait_for "$tmp/sock" "to-the-socket" # the newest bytes wait for whoever comes
kill $reader
run 0 "$O" swap vm con0 --set chardev=console
[ ! -e "$tmp/con.sock" ] && ok || bad "the socket was left"
say to-the-console
wait_for "$XDG_RUNTIME_DIR/outrigger/vm/con0.console" "to-the-console"
"$O" console vm con0 </dev/null >"$tmp/client" 2>/dev/null &
client=$!
wait_for "$tmp/client" "to-the-console"
run 0 "$O" swap vm con0 --set chardev=null
wait $client
same "$?" 0 "exit code of a console that is gone"
run 1 "$O" console vm con0
has "$tmp/err" "device con0 has no console; there is one of uart0"

# The guest's own console goes away and comes back, while numbered lines go through it: each is in one place.
echo 'i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); echo n $i; done; echo counted' >&8
wait_for "$tmp/console" "^n 20"
run 0 "$O" swap vm uart0 --set chardev=file:uart.txt
wait_for "$tmp/uart.txt" "^n [0-9]"
run 0 "$O" swap vm uart0 --set chardev=console
wait_for "$tmp/console" "^counted" 60
# A line may be cut between the two: all bytes in the order in which they came are what is looked at.
perl -e 'local $/; open F, $ARGV[0]; my $c = <F>; open G, $ARGV[1]; my $f = <G>; s/\r//g for $c, $f; $c =~ s/^.*?(?=^n 1$)//ms; my $want = join "", map { "n $_\n" } 1 .. 3000; my $first = index($want, $f); exit 1 if $first < 0; exit(index($c, substr($want, 0, $first) . substr($want, $first + length $f) . "counted") == 0 ? 0 : 1)' \
	"$tmp/console" "$tmp/uart.txt" && ok || { cp "$tmp/console" "$tmp/uart.txt" /tmp/; bad "numbered lines of console and file do not make one stream"; }
guest 42 'echo $((6 * 7))'

# A network.
if command -v passt >/dev/null && { [ "$(id -u)" != 0 ] || su -s /bin/sh nobody -c true 2>/dev/null; }; then
	guest 0 'ifconfig eth0 up 2>/dev/null || ip link set eth0 up; cat /sys/class/net/eth0/carrier'
	if "$O" swap vm net0 --set net=user >"$tmp/out" 2>"$tmp/err"; then
		guest 1 'cat /sys/class/net/eth0/carrier'
		run 0 "$O" swap vm net0 --set net=none
		guest 0 'cat /sys/class/net/eth0/carrier'
		pgrep -f "passt.*--fd.*" -P "$sup" >/dev/null && bad "passt is still there" || ok
	else
		has "$tmp/err" "passt did not start" # not allowed here: said, and nothing has changed
		guest 0 'cat /sys/class/net/eth0/carrier'
	fi
fi
refused net0 "network \"nonsense\" is not known" --set net=nonsense

# A supervisor that comes later knows what the swaps have brought.
kill -9 $sup
wait $sup 2>/dev/null
"$O" adopt vm <&8 >"$tmp/console" 2>"$tmp/sup" &
sup=$!
wait_for "$tmp/console" "result"
disk c 32768
run 0 "$O" restart vm disk0
disk c 32768
run 0 "$O" swap vm disk0 --set path=b.img
disk b 65536
echo poweroff >&8
wait $sup
same "$?" 0 "exit code of the VM"
[ "$failed" = 0 ] || tail -n 30 "$tmp/console" "$tmp/sup"
result
