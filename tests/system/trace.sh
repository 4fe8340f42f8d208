#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Recording a running Linux guest: all devices from its start, counts against `stats`, readers that are killed, daemons that are
# killed and swapped meanwhile, full disks, the VM's end. Guests: as boot.sh.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
for model in pl011 pl031 virtio-blk virtio-rng virtio-net; do
	[ -x "$bindir/outrigger-dm-$model" ] || skip "no outrigger-dm-$model in $bindir"
done
truncate -s 64M "$tmp/disk.img"
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
memory: 256M
cpus: 2
kernel: $guests/kernel
initrd: $guests/initrd
cmdline: console=ttyAMA0 cryptomgr.notests=1 quiet
timeout: 280
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031}
  - {name: disk0, model: virtio-blk, options: {path: disk.img}}
  - {name: rng0, model: virtio-rng}
  - {name: net0, model: virtio-net, options: {net: none}}
END
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" run "$tmp/vm.yaml" --name vm <&8 >"$tmp/console" 2>"$tmp/sup" &

# until COMMAND...: until it succeeds; half a minute at most.
until_ok() {
	local end=$((SECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { bad "not within 30 s: $*"; return; }
		timeout 0.05 tail -f /dev/null
	done
	ok
}
# begin FILE ARG...: a recording in the background; returns when it records. $tracer is its pid.
begin() {
	local file=$1
	shift
	"$O" trace vm --out "$file" "$@" 2>"$file.err" >/dev/null </dev/null &
	tracer=$!
	until_ok test -s "$file"
}
# end FILE: ends the recording; it must have been a good one.
end() {
	kill -INT "$tracer"
	wait "$tracer"
	same $? 0 "exit code of the recording ($(tail -n 1 "$1.err"))"
	run 0 "$O" trace info "$1"
	hasnt "$tmp/out" "its end is missing"
}
# guest TEXT COMMAND: runs it in the guest; its line "TEXT 42" tells that it is done.
guest() {
	echo "$2; echo $1 \$((6 * 7))" >&8
	wait_for "$tmp/console" "^$1 42"
}

# From the first instruction on.
until_ok "$O" ps vm
begin "$tmp/boot.trace"
boot=$tracer
wait_for "$tmp/console" "Enter 'help' for a list" 110
guest disk 'dd if=/dev/urandom of=/dev/vda bs=64k count=8 oflag=direct 2>/dev/null; dd if=/dev/vda of=/dev/null bs=64k count=8 iflag=direct 2>/dev/null'


# Two at once; then one is killed, the other one goes on.
begin "$tmp/second.trace" disk0 rtc --dma bytes
second=$tracer
guest both 'dd if=/dev/vda of=/dev/null bs=4k count=4 iflag=direct 2>/dev/null; hwclock -u -r >/dev/null'
kill -9 "$second"
wait "$second" 2>/dev/null
tracer=$boot
end "$tmp/boot.trace"
run 0 "$O" trace info --json "$tmp/boot.trace"
for name in uart0 rtc disk0 rng0 net0; do has "$tmp/out" "\"device\": \"$name\""; done
run 0 "$O" trace decode "$tmp/boot.trace"
cp "$tmp/out" "$tmp/boot.txt"
for text in "start     pl011" "start     virtio-blk" "QueueNumMax" "push chain" "disk submit" "host-out  channel 0" \
	"line      0 high" "(posted)" "(by the core)" " us"; do
	has "$tmp/boot.txt" "$text"
done
hasnt "$tmp/boot.txt" " unknown "
run 0 "$O" trace decode "$tmp/boot.trace" --device rtc --json
if command -v python3 >/dev/null; then
	same "$(python3 -c 'import json, sys
print(len({json.loads(l)["device"] for l in sys.stdin}))' <"$tmp/out")" 1 "devices in the decoded JSON"
fi
run 0 "$O" trace decode "$tmp/second.trace" # whose end is missing
has "$tmp/err" "its end is missing"
has "$tmp/out" "disk0"
hasnt "$tmp/out" "uart0"
for format in chrome vcd pcap; do
	run 0 "$O" trace export "$tmp/boot.trace" --format $format --out "$tmp/export.$format"
	[ -s "$tmp/export.$format" ] && ok || bad "the export to $format is empty"
done

# Nothing stays on: the areas' memory was given back.
hv=$("$O" ps --json vm | sed -n 's/.*"hv_pid": \([0-9]*\).*/\1/p')
# Blocks of 512 bytes that all areas have beyond their heads.
traced_blocks() {
	local fd sum=0
	for fd in /proc/"$hv"/fd/*; do
		case $(readlink "$fd") in
		*memfd:trace*) sum=$((sum + $(stat -L -c %b "$fd") / 17)) ;; # 8 KiB are 16 blocks
		esac
	done
	echo $sum
}
nothing_on() { [ "$(traced_blocks)" = 0 ]; }
if [ -n "$hv" ] && ls /proc/"$hv"/fd >/dev/null 2>&1; then
	until_ok nothing_on
	guest quiet 'hwclock -u -r >/dev/null'
	same "$(traced_blocks)" 0 "memory of the trace areas while nobody records"
fi

# The counts are those of stats: both taken while the VM stands still.
# counts DEVICE: forwarded and posted accesses so far.
counts() {
	"$O" stats --json vm >"$tmp/stats"
	sed -n "/\"name\": \"$1\"/,/\"policy_answers\"/p" "$tmp/stats" |
		awk -F'[:,]' '/"reads_forwarded"|"writes_forwarded"|"writes_posted"/ {s += $2} END {print s + 0}'
}
# traced FILE DEVICE: the same in a trace.
traced() {
	"$O" trace info --json "$1" | sed -n "/\"device\": \"$2\"/,/}/p" |
		awk -F'[:,]' '/"(read|write)":/ {s += $2} END {print s + 0}'
}
run 0 "$O" pause vm
declare -A before
for name in uart0 rtc disk0; do before[$name]=$(counts $name); done
begin "$tmp/counted.trace"
run 0 "$O" resume vm
guest counted 'for i in 1 2 3 4 5 6 7 8; do hwclock -u -r >/dev/null; done; dmesg | head -n 200; dd if=/dev/vda of=/dev/null bs=4k count=64 iflag=direct 2>/dev/null'
run 0 "$O" pause vm
end "$tmp/counted.trace"
hasnt "$tmp/out" "LOST"
for name in uart0 rtc disk0; do
	same "$(traced "$tmp/counted.trace" $name)" $(($(counts $name) - before[$name])) "accesses of $name in the trace"
done
run 0 "$O" resume vm

# Daemons that are killed and swapped while it goes on.
begin "$tmp/changes.trace"
run 0 "$O" restart vm rtc
run 0 "$O" swap vm disk0
guest changes 'hwclock -u -r >/dev/null; dd if=/dev/vda of=/dev/null bs=4k count=4 iflag=direct 2>/dev/null'
end "$tmp/changes.trace"
run 0 "$O" trace decode "$tmp/changes.trace"
# Each serves from the second start on.
for name in rtc disk0; do
	grep -qE " $name +start .* start [2-9]," "$tmp/out" && ok || bad "no start of the new $name in the trace"
	grep -qE " $name +(read|queue) " "$tmp/out" && ok || bad "no record of the new $name in the trace"
done

# Limits and errors.
run 0 "$O" trace vm rtc --out "$tmp/short.trace" --for 300ms
has "$tmp/err" "of 1 device in 0.3 s"
run 1 "$O" trace vm --out /dev/full --for 10s
has "$tmp/err" "cannot write /dev/full: No space left on device"
if mkdir "$tmp/small" && mount -t tmpfs -o size=64k tmpfs "$tmp/small" 2>/dev/null; then
	"$O" trace vm --out "$tmp/small/t" 2>"$tmp/err" </dev/null &
	tracer=$!
	until_ok test -s "$tmp/small/t"
	guest full 'dmesg | head -n 300; dmesg | head -n 300'
	wait "$tracer"
	same $? 1 "exit code with a full disk"
	has "$tmp/err" "No space left on device"
	run 0 "$O" trace decode "$tmp/small/t"
	umount "$tmp/small"
fi
run 1 "$O" trace vm urt0 --out "$tmp/x"
has "$tmp/err" "there is no device urt0; did you mean uart0?"
run 2 "$O" trace vm
has "$tmp/err" "say --out FILE, or --live"
run 2 "$O" trace vm --out "$tmp/x" --raw
has "$tmp/err" "--raw has no meaning"
run 1 "$O" trace decode /etc/passwd
has "$tmp/err" "it is no trace"
"$O" trace vm uart0 --live >"$tmp/live" 2>/dev/null </dev/null &
tracer=$!
for ((i = 1; i <= 50; i++)); do
	guest live$i true
	grep -qE 'uart0 +host-out +channel 0' "$tmp/live" && break
done
grep -qE 'uart0 +host-out +channel 0' "$tmp/live" && ok || bad "--live shows nothing"
kill -INT "$tracer"
wait "$tracer"
same $? 0 "exit code of trace --live"

# The VM's end is the trace's.
begin "$tmp/last.trace"
run 0 "$O" stop vm
wait "$tracer"
same $? 0 "exit code when the VM ended ($(tail -n 1 "$tmp/last.trace.err"))"
run 0 "$O" trace info "$tmp/last.trace"
hasnt "$tmp/out" "its end is missing"
result
