#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The devices of a running guest are swapped, again and again, while it writes to its disk and compares, prints numbered lines
# and is sent some; programs that exit, hang, are another model or refuse the state change nothing. Guests: as boot.sh.
# OUTRIGGER_TEST_FULL=1: 10000 swaps of the UART, 1000 of each other device.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
declare -A model=([uart0]=pl011 [rtc]=pl031 [disk0]=virtio-blk [rng0]=virtio-rng [net0]=virtio-net [con0]=virtio-console)
for name in "${!model[@]}"; do
	[ -x "$bindir/outrigger-dm-${model[$name]}" ] || skip "no outrigger-dm-${model[$name]} in $bindir"
	# Another path, and another build id: the last byte of the note is changed.
	cp "$bindir/outrigger-dm-${model[$name]}" "$tmp/other-${model[$name]}"
	objcopy --version >/dev/null 2>&1 &&
		objcopy --dump-section .note.gnu.build-id="$tmp/note" "$tmp/other-${model[$name]}" 2>/dev/null &&
		{ head -c -1 "$tmp/note"; printf 'Z'; } >"$tmp/note2" &&
		objcopy --update-section .note.gnu.build-id="$tmp/note2" "$tmp/other-${model[$name]}"
done
full=${OUTRIGGER_TEST_FULL:-0} full=${full#0}
rounds=${full:+1000} rounds=${rounds:-8}
uart_rounds=${full:+10000} uart_rounds=${uart_rounds:-40}
limit=${full:+7200} limit=${limit:-280}

truncate -s 64M "$tmp/disk.img"
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 256M
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
timeout: $limit
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031}
  - {name: disk0, model: virtio-blk, options: {path: disk.img, queue_size: 64}}
  - {name: rng0, model: virtio-rng}
  - {name: net0, model: virtio-net, options: {net: none}}
  - {name: con0, model: virtio-console}
END
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" run "$tmp/vm.yaml" --name swap <&8 >"$tmp/console" 2>"$tmp/sup" &
sup=$!
wait_for "$tmp/console" "Enter 'help' for a list" 110

pid() {
	"$O" ps --json swap >"$tmp/ps" 2>/dev/null
	sed -n "/\"name\": \"$1\"/{n;s/[^0-9]//g;p}" "$tmp/ps"
}
declare -A ask=(
	[uart0]='true' [rtc]='hwclock -u -r >/dev/null'
	[rng0]='[ $(head -c 64 /dev/hwrng | wc -c) = 64 ]'
	[disk0]='dd if=/dev/vda of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null'
	[net0]='ip link show eth0 >/dev/null 2>&1 || ifconfig -a | grep -q eth0'
	[con0]='echo to hvc0 >/dev/hvc0'
)
serial=0
again() {
	serial=$((serial + 1))
	echo "if ${ask[$1]}; then echo again $serial \$((6 * 7)); else echo broken $serial; fi" >&8
	wait_for "$tmp/console" "^again $serial 42"
}
# swap DEVICE [ARG...]: it must succeed. Two programs in turn.
turn=0
swap() {
	local name=$1 program=()
	shift
	turn=$((turn + 1))
	[ $((turn % 3)) = 0 ] && program=(--model "$tmp/other-${model[$name]}")
	[ $((turn % 3)) = 1 ] && program=(--model "${model[$name]}")
	timeout 20 "$O" swap swap "$name" "${program[@]}" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	if [ $? = 0 ]; then
		ok
		sed -n "s/.*rested for \([0-9.]*\) ms/\1 $name/p" "$tmp/out" >>"$tmp/rests"
	else
		bad "swap of $name: $(cat "$tmp/err")"
	fi
}
# refused DEVICE TEXT ARG...: it must fail, say so, and leave the old process.
refused() {
	local name=$1 text=$2 old
	old=$(pid "$name")
	shift 2
	run 1 "$O" swap swap "$name" "$@"
	has "$tmp/err" "$text"
	same "$(pid "$name")" "$old" "process of $name after a swap that failed"
	again "$name"
}

# The load: 1 MiB written, read back around the cache and compared, over and over.
echo 'i=0; while [ ! -e /tmp/end ]; do i=$((i + 1)); head -c 1048576 /dev/urandom >/tmp/a; dd if=/tmp/a of=/dev/vda bs=32k seek=$((i % 48 * 32)) oflag=direct 2>/dev/null; dd if=/dev/vda of=/tmp/b bs=32k skip=$((i % 48 * 32)) count=32 iflag=direct 2>/dev/null; cmp /tmp/a /tmp/b || echo DIFFERS $i; echo $i >/tmp/n; done >/tmp/load 2>&1 & echo load $((1 + 1))' >&8
wait_for "$tmp/console" "^load 2"

for name in uart0 rtc disk0 rng0 net0 con0; do
	old=$(pid "$name")
	swap "$name"
	[ "$(pid "$name")" != "$old" ] && ok || bad "$name has the same process still"
	again "$name"
done

# What must not work, and must not harm.
printf '#!/bin/sh\necho I give up >&2\nexit 3\n' >"$tmp/exits"
printf '#!/bin/sh\nexec sleep 60\n' >"$tmp/hangs"
chmod +x "$tmp/exits" "$tmp/hangs"
refused uart0 "ended with exit code 3: I give up" --model "$tmp/exits"
refused disk0 "ended with exit code 3" --model "$tmp/exits"
refused rtc "did not dock in time" --model "$tmp/hangs"
refused uart0 "is of model pl031; the config wants pl011" --model pl031
refused rtc "No such file" --model "$tmp/none"
refused disk0 "there is no $tmp/other.img" --set path=other.img
refused uart0 "has no option 'nonsense'" --set nonsense=1
# At each step: the practice is refused; told to take over, it refuses, exits, hangs. The old one goes on each time.
for step in practise refuse exit hang; do
	for name in uart0 disk0; do
		printf '#!/bin/sh\nOUTRIGGER_FAULT=%s exec %s "$@"\n' $step "$bindir/outrigger-dm-${model[$name]}" >"$tmp/fails"
		chmod +x "$tmp/fails"
		case $step in
		hang) text="did not take over in time" ;;
		exit) text="ended" ;;
		*) text="told to refuse" ;;
		esac
		refused $name "$text" --model "$tmp/fails"
	done
done
# Dead when it has the device already: a crash, and the next one of its kind goes on.
printf '#!/bin/sh\n[ -e %s ] || OUTRIGGER_FAULT=late; export OUTRIGGER_FAULT; : >%s; exec %s "$@"\n' \
	"$tmp/once" "$tmp/once" "$bindir/outrigger-dm-virtio-blk" >"$tmp/fails"
"$O" swap swap disk0 --model "$tmp/fails" >"$tmp/out" 2>"$tmp/err" </dev/null
wait_for "$tmp/sup" "disk0 \(.*\) serves again after .* ms, pid" 30
again disk0
run 1 "$O" swap swap nonesuch
has "$tmp/err" "there is no device nonesuch"
run 2 "$O" swap swap uart0 --set nonsense
# An option: the guest's clock is another one from now on, and stays so over a crash.
run 0 "$O" swap swap rtc --set base=2001-02-03T04:05:06Z
echo 'echo year1 $(hwclock -u -r | grep -c 2001)' >&8
wait_for "$tmp/console" "^year1 1"
run 0 "$O" restart swap rtc
echo 'echo year2 $(hwclock -u -r | grep -c 2001)' >&8
wait_for "$tmp/console" "^year2 1"
# Also while the VM is paused.
run 0 "$O" pause swap
swap rtc
swap disk0
run 0 "$O" resume swap
again rtc
again disk0

# Numbered lines out, and numbered lines in, while the UART is swapped.
lines=$((uart_rounds * 60))
echo "stty -echo; i=0; while [ \$i -lt $lines ]; do i=\$((i + 1)); echo n \$i; done & p=\$!; j=0; while read w x; do [ \"\$w\" = end ] && break; j=\$((j + 1)); [ \"\$w \$x\" = \"in \$j\" ] || echo WRONG \$w \$x at \$j; done; wait \$p; stty echo; echo all-in \$j" >&8
wait_for "$tmp/console" "^n 5"
sent=0
for ((k = 0; k < uart_rounds; k++)); do
	for ((m = 0; m < 5; m++)); do
		sent=$((sent + 1))
		echo "in $sent" >&8
	done
	swap uart0
done
echo "end end" >&8
wait_for "$tmp/console" "^all-in $sent" $((60 + uart_rounds / 4))
grep -q "^WRONG" "$tmp/console" && bad "input: $(grep "^WRONG" "$tmp/console" | head -n 3)" || ok
tr -d '\r' <"$tmp/console" | sed -n 's/^n \([0-9]*\)$/\1/p' >"$tmp/numbers"
seq "$lines" | cmp -s - "$tmp/numbers" && ok || bad "$(wc -l <"$tmp/numbers") of $lines numbered lines, or not in order"

for ((k = 0; k < rounds; k++)); do
	for name in disk0 rng0 net0 con0 rtc disk0; do
		swap "$name"
	done
done
for name in "${!model[@]}"; do again "$name"; done

# A daemon killed after it was swapped in is restarted: with the program that was swapped in.
run 0 "$O" swap swap disk0 --model "$tmp/other-virtio-blk"
old=$(pid disk0)
kill -9 "$old"
wait_for "$tmp/sup" "disk0 \(.*\) serves again after .* ms, pid" 30
again disk0
same "$(readlink "/proc/$(pid disk0)/exe")" "$tmp/other-virtio-blk" "program after a crash"

# --watch: each time the program changes, it is swapped in.
cp "$bindir/outrigger-dm-pl031" "$tmp/edited"
"$O" swap swap rtc --model "$tmp/edited" --watch >"$tmp/watch" 2>&1 &
watch=$!
wait_for "$tmp/watch" "watching"
for n in 1 2 3; do
	cp "$bindir/outrigger-dm-pl031" "$tmp/new"
	mv "$tmp/new" "$tmp/edited"
	end=$((SECONDS + 10))
	while [ "$(grep -c 'served by' "$tmp/watch")" -le $n ] && [ $SECONDS -lt $end ]; do timeout 0.05 tail -f /dev/null; done
	same "$(grep -c 'served by' "$tmp/watch")" $((n + 1)) "swaps of --watch"
done
cp "$tmp/exits" "$tmp/new"
mv "$tmp/new" "$tmp/edited"
wait_for "$tmp/watch" "ended with exit code 3" 10
again rtc
kill "$watch"
wait "$watch" 2>/dev/null

echo 'touch /tmp/end; wait; cat /tmp/load; echo rounds-bad $(wc -l </tmp/load) of $(cat /tmp/n); poweroff' >&8
wait $sup
same "$?" 0 "exit code of the VM"
wait_for "$tmp/console" "^rounds-bad 0 of [1-9]"
[ "$failed" = 0 ] || tail -n 30 "$tmp/console" "$tmp/sup"
sort -n "$tmp/rests" | awk '{a[NR]=$1} END {printf "devices rested (ms, %d swaps): median %s, p99 %s, longest %s\n", NR, a[int((NR+1)/2)], a[int(NR*.99+.5)], a[NR]}'
result
