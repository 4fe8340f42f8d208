#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The supervisor of a running guest is killed: hv, the daemons and the guest go on, nothing of the console is lost or doubled,
# other commands find the VM, `adopt` supervises it again, and nothing is left when hv ends with nobody to see it.
# Guests: as boot.sh. OUTRIGGER_TEST_FULL=1: 100 rounds.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
for model in pl011 pl031 virtio-blk virtio-rng virtio-net; do
	[ -x "$bindir/outrigger-dm-$model" ] || skip "no outrigger-dm-$model in $bindir"
done
full=${OUTRIGGER_TEST_FULL:-0} full=${full#0}
rounds=${full:+100} rounds=${rounds:-4}
passt=none
command -v passt >/dev/null && unshare -Ur true 2>/dev/null && passt=user
truncate -s 16M "$tmp/disk.img"
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 256M
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031}
  - {name: disk0, model: virtio-blk, deadline: 60s, options: {path: disk.img}}
  - {name: rng0, model: virtio-rng, deadline: 60s}
  - {name: net0, model: virtio-net, options: {net: $passt}}
END
dir=$XDG_RUNTIME_DIR/outrigger/vm
log=$dir/uart0.console

# pid DEVICE: its process now. pid hv: that of hv.
pid() {
	"$O" ps --json vm >"$tmp/ps" 2>/dev/null
	if [ "$1" = hv ]; then
		sed -n '/"hv"/{n;s/[^0-9]//g;p}' "$tmp/ps"
	else
		sed -n "/\"name\": \"$1\"/{n;s/[^0-9]//g;p}" "$tmp/ps"
	fi
}
# all_pids: of hv and all daemons.
all_pids() { "$O" ps --json vm | sed -n 's/^ *"pid": \([0-9]*\),*$/\1/p'; }
# supervisor: its pid, 0 for none.
supervisor() {
	"$O" ps --json vm >"$tmp/ps" 2>/dev/null
	json supervisor_pid "$tmp/ps"
}
# say LINE: types it at the guest's console, by a client that leaves again.
say() {
	perl -e 'use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!\n"; print $s "$ARGV[1]\n"; $s->flush; shutdown($s, 1); 1 while sysread($s, my $b, 65536)' \
		"$dir/console.uart0" "$1" 2>"$tmp/say" || bad "cannot type: $(cat "$tmp/say")"
}
# kill_supervisor: SIGKILL, and until it is gone.
kill_supervisor() {
	local sup
	sup=$(supervisor)
	kill -9 "$sup"
	wait_gone "$sup"
}
# numbers: those of the lines "n NUMBER" in the log, from $1 on, are without a gap and without a double.
numbers() {
	tr -d '\r' <"$log" | sed -n '$d;s/^\(~ # \)\{0,1\}n \([0-9]*\)$/\2/p' >"$tmp/numbers"
	local first last
	first=$(head -n 1 "$tmp/numbers") # the log keeps the newest
	last=$(tail -n 1 "$tmp/numbers")
	[ "$(wc -l <"$tmp/numbers")" -gt 5 ] && seq "$first" "${last:-0}" | cmp -s - "$tmp/numbers" && ok ||
		bad "the console's lines up to ${last:-none} are not all there once: $(seq "$first" "${last:-0}" | diff - "$tmp/numbers" | head -n 5)"
}
# no_vms: until there are none; hv's last thread may outlive its first for a moment.
no_vms() {
	local end=$((SECONDS + 15))
	while [ -n "$("$O" ps --names)" ] && [ $SECONDS -lt $end ]; do timeout 0.05 tail -f /dev/null; done
	same "$("$O" ps --names)" "" "VMs"
}
last_line() { tr -d '\r' <"$log" | sed -n 's/^n \([0-9]*\)$/\1/p' | tail -n 1; }
# goes_on: the guest prints ten more lines.
goes_on() { wait_for "$log" "^n $(($(last_line) + 10))"; }

run 0 "$O" run "$tmp/vm.yaml" --name vm --detach
wait_for "$log" "Enter 'help' for a list" 110
hv=$(pid hv)
run 1 "$O" adopt vm
has "$tmp/err" "VM vm has a supervisor"
say 'PS1=; stty -echo; i=0; while [ ! -e /tmp/end ]; do i=$((i + 1)); echo n $i; done & echo begun $((6 * 7))'
wait_for "$log" "^begun 42"
goes_on

# The gap: everything goes on, and is found.
sup=$(supervisor)
pids=$(all_pids)
"$O" console vm </dev/null >"$tmp/console" 2>"$tmp/err2" &
client=$!
wait_for "$tmp/console" "^n [0-9]"
kill_supervisor
wait $client
same "$?" 1 "exit code of a console whose supervisor was killed"
has "$tmp/err2" "the VM's supervisor has ended; the VM goes on"
for p in $pids; do [ -d "/proc/$p" ] && ok || bad "process $p has ended with the supervisor"; done
run 0 "$O" ps vm
has "$tmp/out" "vm: unsupervised"
has "$tmp/out" "no supervisor"
same "$(grep -c serving "$tmp/out")" 5 "devices that serve without a supervisor"
run 0 "$O" ps --json vm
same "$(json state "$tmp/out")" unsupervised "state in JSON"
same "$(json supervisor_pid "$tmp/out")" 0 "supervisor in JSON"
run 1 "$O" run "$tmp/vm.yaml" --name vm --detach
has "$tmp/err" "a VM named vm is already running"
run 0 "$O" adopt vm --detach
has "$tmp/out" "vm supervised, supervisor pid"
[ "$(supervisor)" != "$sup" ] && [ "$(supervisor)" != 0 ] && ok || bad "the supervisor is $(supervisor)"
same "$(pid hv)" "$hv" "hv after the adoption"
goes_on
numbers
say 'echo typed $((40 + 2))'
wait_for "$log" "^typed 42"
run 0 "$O" ps vm
has "$tmp/out" "vm: running"

# At random moments of a console that never rests, several times.
for ((k = 0; k < rounds; k++)); do
	kill_supervisor
	run 0 "$O" adopt vm --detach
	goes_on
	numbers
	[ "$failed" = 0 ] || break
done

# What dies in the gap is repaired: of two devices the one died with its successor on the way, so to say.
kill_supervisor
olds=()
for name in rng0 disk0; do
	olds[${#olds[@]}]=$(pid $name)
	kill -9 "$(pid $name)"
	wait_gone "${olds[-1]}"
done
run 0 "$O" ps vm
same "$(grep -c restarting "$tmp/out")" 2 "devices without a daemon"
run 0 "$O" adopt vm --detach
for name in rng0 disk0; do
	wait_for "$dir/supervisor.log" "$name \(.*\) serves again after"
done
say 'dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null && [ $(head -c 64 /dev/hwrng | wc -c) = 64 ] && echo repaired $((50 - 8))'
wait_for "$log" "^repaired 42"
# And so is what dies later, of which it is not the parent; and it swaps.
old=$(pid rtc)
kill -9 "$old"
wait_for "$dir/supervisor.log" "rtc \(pl031, pid $old\) ended with .*it is started again"
wait_for "$dir/supervisor.log" "rtc \(pl031\) serves again"
run 0 "$O" swap vm disk0
run 0 "$O" swap vm uart0
run 0 "$O" restart vm net0
run 0 "$O" pause vm
kill_supervisor
run 0 "$O" ps vm
has "$tmp/out" "vm: paused, unsupervised"
# Verbs that need a supervisor see to it.
run 0 "$O" resume vm
has "$tmp/err" "had no supervisor any more; it has one again"
goes_on
# A program that was swapped in is remembered, and so are its options.
cp "$bindir/outrigger-dm-pl031" "$tmp/other-pl031"
run 0 "$O" swap vm rtc --model "$tmp/other-pl031" --set base=2001-02-03T04:05:06Z
kill_supervisor
run 0 "$O" inspect vm rtc
has "$tmp/err" "had no supervisor any more"
run 0 "$O" restart vm rtc
same "$(readlink "/proc/$(pid rtc)/exe")" "$tmp/other-pl031" "program after an adoption and a restart"
say 'echo year $(hwclock -u -r | grep -c 2001)'
wait_for "$log" "^year 1"
# A supervisor that dies in the middle of a swap takes the swap with it, and not the device.
printf '#!/bin/sh\nexec sleep 60\n' >"$tmp/hangs"
chmod +x "$tmp/hangs"
old=$(pid rtc)
"$O" swap vm rtc --model "$tmp/hangs" >"$tmp/out" 2>"$tmp/err" </dev/null &
swap=$!
wait_for "$dir/supervisor.log" "rtc: pl031 spawned" 1 2>/dev/null >/dev/null
kill_supervisor
wait $swap
run 0 "$O" adopt vm --detach
same "$(pid rtc)" "$old" "process of rtc after a swap without a supervisor"
run 0 "$O" swap vm rtc
numbers

# In the foreground: the end of the console, then what follows; and its exit code is the guest's.
kill_supervisor
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" adopt vm <&8 >"$tmp/console" 2>"$tmp/err" &
sup=$!
wait_for "$tmp/console" "^n [0-9]"
"$O" console vm </dev/null >"$tmp/console2" 2>/dev/null & # a second one, which leaves with the VM
client=$!
wait_for "$tmp/console2" "^n [0-9]"
echo 'touch /tmp/end; wait; echo ended $((6 * 7)); poweroff' >&8
wait_for "$tmp/console" "^ended 42" 60
wait $sup
same "$?" 0 "exit code of an adoption in the foreground"
has "$tmp/err" "guest powered off after"
wait $client
for p in $pids $(all_pids 2>/dev/null); do wait_gone "$p"; done
[ ! -e "$dir" ] && ok || bad "the runtime folder was left"

# SIGTERM to one that has adopted ends the VM.
start() {
	run 0 "$O" run "$tmp/vm.yaml" --name vm --detach "$@"
	pids=$(all_pids)
}
start
kill_supervisor
run 0 "$O" adopt vm --detach
sup=$(supervisor)
kill "$sup"
for p in $pids $sup; do wait_gone "$p"; done
[ ! -e "$dir" ] && ok || bad "the runtime folder was left after SIGTERM"
# stop, and stop --force, of a VM without a supervisor.
for how in "" --force; do
	start
	kill_supervisor
	run 0 "$O" stop $how vm
	for p in $pids; do wait_gone "$p" 1; done
	[ ! -e "$dir" ] && ok || bad "the runtime folder was left after stop $how"
done
# hv ends with nobody to see it: no daemon is left, not even one that is stopped, and the next command cleans up.
start --set devices.uart0.options.chardev=unix:$tmp/serial.sock
helpers=$(pgrep -f "passt.*--fd" 2>/dev/null | while read -r p; do [ "$(sed -n 's/^PPid:\t//p' "/proc/$p/status" 2>/dev/null)" = "$(supervisor)" ] && echo "$p"; done)
kill_supervisor
kill -STOP "$(pid rng0)"
hv=$(pid hv)
kill -9 "$hv"
for p in $pids $helpers; do wait_gone "$p"; done
no_vms
[ ! -e "$dir" ] && [ ! -e "$tmp/serial.sock" ] && ok || bad "something was left after the end of hv"
run 1 "$O" adopt vm
has "$tmp/err" "no VM is running"
# A launcher that dies before the guest runs takes all with it: nobody else could finish the start.
mkdir "$tmp/bin"
ln -s "$bindir"/outrigger-* "$tmp/bin"
rm "$tmp/bin/outrigger-dm-pl031"
printf '#!/bin/sh\ncase "$*" in *describe*) exec %s "$@" ;; esac\nexec sleep 60\n' "$bindir/outrigger-dm-pl031" >"$tmp/bin/outrigger-dm-pl031"
chmod +x "$tmp/bin/outrigger-dm-pl031"
OUTRIGGER_BINDIR=$tmp/bin "$O" run "$tmp/vm.yaml" --name vm >"$tmp/out" 2>"$tmp/err" </dev/null &
sup=$!
wait_for "$tmp/err" "uart0: registered and serving"
pids=$(sed -n 's/.*spawned, pid \([0-9]*\).*/\1/p' "$tmp/err")
same "$(echo $pids | wc -w)" 6 "processes of a start that waits"
kill -9 $sup
wait $sup 2>/dev/null
for p in $pids; do wait_gone "$p"; done
no_vms
result
