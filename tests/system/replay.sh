#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A whole boot is traced and replays clean on each model, ten times with one hash; a build with a fault is found in the trace, in
# a smaller trace, and live as a shadow; a good build is promoted. Usage: replay.sh BINDIR PLANTED_BINDIR.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guest-lib.sh"
planted=$fakedir
truncate -s 64M "$tmp/disk.img"
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 256M
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
timeout: 500
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031}
  - {name: disk0, model: virtio-blk, options: {path: disk.img, queue_size: 64}}
  - {name: rng0, model: virtio-rng}
  - {name: net0, model: virtio-net, options: {net: none}}
  - {name: con0, model: virtio-console}
END

# traced FILE OPTION...: begins a trace of all devices; $tracer.
traced() {
	local file=$1
	shift
	"$O" trace replay -o "$file" "$@" >"$tmp/trace.out" 2>&1 &
	tracer=$!
}
untraced() {
	kill -INT "$tracer"
	wait "$tracer" || bad "outrigger trace ends with $?: $(cat "$tmp/trace.out")"
}
use_all() {
	guest 'dd if=/dev/zero of=/dev/vda bs=4k count=40 oflag=direct 2>/dev/null; dd if=/dev/vda of=/dev/null bs=64k count=9 iflag=direct 2>/dev/null; head -c 300 /dev/hwrng | wc -c' 300
	guest 'hwclock -u -r >/dev/null; ifconfig eth0 up; for i in 1 2 3; do echo to the host $i >/dev/hvc0; done; echo used' used
}

vm=replay
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" run "$tmp/vm.yaml" --name "$vm" <&8 >"$tmp/console" 2>"$tmp/sup" &
sup=$!
until "$O" ps --names 2>/dev/null | grep -q "$vm"; do
	kill -0 $sup 2>/dev/null || { cat "$tmp/sup"; exit 1; }
	timeout 0.05 tail -f /dev/null
done
# The devices can be watched as soon as they serve.
until "$O" trace replay --for 10ms -o /dev/null >/dev/null 2>&1; do
	kill -0 $sup 2>/dev/null || { cat "$tmp/sup"; exit 1; }
	timeout 0.05 tail -f /dev/null
done
traced "$tmp/boot.trace" --dma bytes
wait_for "$tmp/console" "Enter 'help' for a list" 110
use_all
typed 'echo "the planted ~ is here"'
wait_for "$tmp/console" '^the planted ~ is here' 60
untraced
traced "$tmp/hash.trace"
use_all
untraced

echo "--- a whole boot"
run 0 "$O" replay "$tmp/boot.trace"
for d in uart0 rtc disk0 rng0 net0 con0; do
	has "$tmp/out" "$d ("
done
same "$(grep -c ': clean: ' "$tmp/out")" 6 "devices that replay clean"
hasnt "$tmp/out" " 0 steps"
sed 's/.*hash //' "$tmp/out" >"$tmp/hashes"
for _ in 1 2 3 4 5 6 7 8 9; do
	"$O" replay "$tmp/boot.trace" 2>/dev/null | sed 's/.*hash //' | cmp -s - "$tmp/hashes" || bad "another hash"
done
run 0 "$O" replay "$tmp/hash.trace"
same "$(grep -c ': clean: ' "$tmp/out")" 6 "devices that replay clean without the bytes"

echo "--- a fault is found"
run 1 "$O" replay "$tmp/boot.trace" --device uart0 --model "$planted/planted_differs"
has "$tmp/out" 'expected  output channel 0: 1 bytes "~"'
has "$tmp/out" 'got       output channel 0: 1 bytes "#"'
record=$(sed -n 's/^diverged at record \([0-9]*\) .*/\1/p' "$tmp/out")
run 0 "$O" replay "$tmp/boot.trace" --device uart0 --model "$planted/planted_differs" --until "$record"
has "$tmp/out" "stopped: "
run 1 "$O" replay "$tmp/boot.trace" --device uart0 --model "$planted/planted_differs" --json
has "$tmp/out" '"event": "diverged"'
run 0 "$O" replay "$tmp/boot.trace" --device uart0 --model "$planted/planted_differs" --minimize "$tmp/small.trace"
tail -n 1 "$tmp/out"
[ "$(stat -c %s "$tmp/small.trace")" -lt $(($(stat -c %s "$tmp/boot.trace") / 10)) ] || bad "the minimized trace is large"
run 1 "$O" replay "$tmp/small.trace" --model "$planted/planted_differs"
has "$tmp/out" 'got       output channel 0: 1 bytes "#"'
run 1 "$O" replay "$tmp/boot.trace" --device uart0 --model "$planted/planted_crashes"
run 0 "$O" replay "$tmp/boot.trace" --device uart0 --model "$planted/planted_crashes" --minimize "$tmp/crash.trace"
run 1 "$O" replay "$tmp/crash.trace" --model "$planted/planted_crashes"
has "$tmp/err" "signal"

echo "--- a test of the suite"
mkdir "$tmp/suite"
run 0 "$O" replay "$tmp/boot.trace" --device rtc --export-test "$tmp/suite"
run 0 "$bindir/outrigger-dm-pl031" --replay "$tmp/suite/pl031/rtc.trace"

echo "--- shadow runs"
run 0 "$O" shadow "$vm" disk0 --model virtio-blk --detach
run 0 "$O" shadow "$vm" con0 --model virtio-console --detach
run 0 "$O" shadow "$vm" uart0 --model "$planted/planted_differs" --detach
use_all
run 1 "$O" shadow "$vm" uart0 --model pl011 # there is one
typed 'echo "another ~ of them"'
wait_for "$tmp/console" '^another ~ of them' 60
wait_for "$tmp/sup" 'uart0: the shadow .* differs: .*"~".*"#"' 20
run 0 "$O" stats "$vm"
has "$tmp/out" "shadow run running"
run 0 "$O" ps "$vm"
has "$tmp/out" "shadow run running"
# compared DEVICE: until its shadow has begun and has seen something.
compared() {
	local end=$((SECONDS + 60))
	until "$O" shadow "$vm" "$1" --status >"$tmp/out" 2>&1 && ! grep -qF " 0 outputs compared" "$tmp/out"; do
		[ $SECONDS -lt $end ] || { bad "the shadow of $1 sees nothing: $(cat "$tmp/out")"; return; }
		use_all
		timeout 0.3 tail -f /dev/null
	done
	ok
}
for d in disk0 con0; do
	compared $d
	run 0 "$O" shadow "$vm" $d --stop
	has "$tmp/out" " 0 differences"
	hasnt "$tmp/out" " 0 outputs compared"
done
run 0 "$O" shadow "$vm" uart0 --stop
hasnt "$tmp/out" " 0 differences"

echo "--- a shadow that is too slow misses some, and goes on"
number() { "$O" shadow "$vm" disk0 --status --json 2>/dev/null | json "$1" /dev/stdin; }
run 0 "$O" shadow "$vm" disk0 --model virtio-blk --detach
slow=$(number pid)
# until_number NAME VALUE: the guest uses the disk until it is that much at least; 20 s.
until_number() {
	local end=$((SECONDS + 20))
	until [ "$(number "$1")" -ge "$2" ]; do
		[ $SECONDS -lt $end ] || { bad "$1 is $(number "$1"), wanted $2"; return; }
		guest 'dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; echo one' one
	done
	ok
}
until_number starts 1
kill -STOP "$slow"
guest 'dd if=/dev/vda of=/dev/null bs=64k count=160 iflag=direct 2>/dev/null; echo much' much
kill -CONT "$slow"
until_number missed_bytes 4000000
until_number starts 2
use_all
run 0 "$O" shadow "$vm" disk0 --stop
has "$tmp/out" " 0 differences"
hasnt "$tmp/out" " 0 bytes missed"

echo "--- a shadow that dies changes nothing"
before=$(pid uart0)
run 0 "$O" shadow "$vm" uart0 --model "$planted/planted_crashes" --detach
typed 'echo "a last ~ of them"'
wait_for "$tmp/console" '^a last ~ of them' 60
wait_for "$tmp/sup" 'uart0: shadow run over: it ended with (signal|exit code)' 20
same "$(pid uart0)" "$before" "the process that serves uart0"

echo "--- promotion"
cp "$bindir/outrigger-dm-pl011" "$tmp/better-pl011"
"$O" shadow "$vm" uart0 --model "$tmp/better-pl011" --promote-after 200 >"$tmp/shadow.out" 2>&1 &
shadow=$!
for _ in 1 2 3 4 5; do
	guest 'cat /proc/cpuinfo | head -n 4 >/dev/null; echo more' more
done
wait_for "$tmp/sup" 'uart0: shadow run over: promoted' 30
wait $shadow || bad "shadow --promote-after ends with $?: $(cat "$tmp/shadow.out")"
has "$tmp/shadow.out" "promoted"
guest 'echo served on' 'served on'
[ "$(pid uart0)" != "$before" ] || bad "the old process still serves uart0"

result
