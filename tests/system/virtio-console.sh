#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Linux guest on virtio-console: bytes both ways, byte for byte, on packed and split rings; ports with names; sizes; and
# what inspect, top and ps show of it. Guests as boot.sh.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"
for program in outrigger-hv outrigger-dm-pl011 outrigger-dm-virtio-console; do
	[ -x "$bindir/$program" ] || skip "no $program in $bindir"
done
cat >"$tmp/con.yaml" <<END
machine: aarch64-virt
memory: 256M
cmdline: console=ttyAMA0 cryptomgr.notests=1
devices:
  - name: uart0
    model: pl011
  - name: con0
    model: virtio-console
    options:
      chardev: console
      size: 100x30
      port1: file:bulk
      port1_name: org.example.bulk
      port2: unix:late.sock
END
seq 1 15000 >"$tmp/want"
md5=$(md5sum <"$tmp/want" | cut -d' ' -f1)
bytes=$(stat -c %s "$tmp/want")
mkfifo "$tmp/keys" "$tmp/in"

# shell_reads: until the guest's shell answers; it throws away what was typed before its prompt.
shell_reads() {
	local i
	for ((i = 0; i < 20; i++)); do
		echo 'echo alive' >&8
		(failed=0; wait_for "$tmp/console" "^alive" 2 >/dev/null; [ $failed = 0 ]) && { ok; return; }
	done
	bad "the guest's shell does not answer"
}

# with PACKED: one VM from boot to power-off.
with() {
	exec 8<>"$tmp/keys" 9<>"$tmp/in"
	"$O" run "$tmp/con.yaml" --name vc --kernel "$guests/kernel" --initrd "$guests/initrd" --timeout 150 \
		--set devices.con0.options.packed="$1" <&8 >"$tmp/console" 2>"$tmp/err" &
	sup=$!
	wait_for "$tmp/console" "Enter 'help' for a list" 110
	shell_reads
	echo 'echo name $(cat /sys/class/virtio-ports/*/name) end' >&8
	wait_for "$tmp/console" "^name org.example.bulk end"
	echo 'echo size $(stty -F /dev/hvc0 size) end' >&8
	wait_for "$tmp/console" "^size 30 100 end"

	# Guest to host: a port into a file, and the console to a client.
	echo "seq 1 15000 >/dev/vport0p1; echo sent \$?" >&8
	wait_for "$tmp/console" "^sent 0"
	cmp -s "$tmp/want" "$tmp/bulk" && ok || bad "the file of port 1 differs (packed=$1)"
	"$O" console vc con0 <&9 >"$tmp/hvc" 2>/dev/null &
	client=$!
	echo '(stty raw -echo; seq 1 15000 >&0; echo last >&0) <>/dev/hvc0' >&8
	wait_for "$tmp/hvc" "^last"
	sed -i '$d' "$tmp/hvc"
	cmp -s "$tmp/want" "$tmp/hvc" && ok || bad "what the client of hvc0 got differs (packed=$1)"

	# Host to guest.
	echo "(stty raw -echo; echo go >/dev/ttyAMA0; head -c $bytes | md5sum | sed 's/^/got /') </dev/hvc0" >&8
	wait_for "$tmp/console" "^go"
	cat "$tmp/want" >&9
	wait_for "$tmp/console" "^got $md5"

	# A port whose socket nobody has connected to is closed for the guest.
	run 0 "$O" inspect vc con0
	has "$tmp/out" "port 2                     no name; guest closed, host closed"
	has "$tmp/out" "port 1                     org.example.bulk; guest closed, host open"
	grep -q "queue 3 .*$([ "$1" = true ] && echo packed || echo split), 64 entries" "$tmp/out" && ok ||
		bad "queue 3 is not as wanted (packed=$1)"
	run 0 "$O" inspect vc con0 --set size=132x43
	echo 'echo size $(stty -F /dev/hvc0 size) end' >&8
	wait_for "$tmp/console" "^size 43 132 end"
	run 0 "$O" ps vc --json
	same "$(grep -c "\"in_bytes\": $bytes,\$" "$tmp/out")" 1 "bytes to the guest in ps"
	echo 'yes >/dev/vport0p1 & sleep 2; kill $!' >&8
	run 0 "$O" top vc --once --interval 1s --json
	rate=$(sed -n '/"name": "con0"/,$p' "$tmp/out" | sed -n 's/^ *"requests": \([0-9]*\),$/\1/p')
	[ "${rate:-0}" -gt 100 ] && ok || bad "only ${rate:-no} requests a second in top"
	grep -q "nobody cared" "$tmp/console" && bad "the guest turned our interrupt off (packed=$1)"
	echo poweroff >&8
	wait $sup
	same "$?" 0 "exit code (packed=$1)"
	wait $client
	exec 8>&- 9>&-
}
with true
with false
result
