#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a guest sees of a swap: the longest gap of a loop that reads the device, by the guest's own counter. For the clock (its
# reads are forwarded), and for the same loop while another device is swapped, or none.
# OUTRIGGER_TEST_FULL=1: 1000 of each.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
guest=$bindir/../tests/swap-bin/gap.bin
[ -r "$guest" ] || skip "no $guest: aarch64-linux-gnu-gcc is not installed"
full=${OUTRIGGER_TEST_FULL:-0} full=${full#0}
n=${full:+1000} n=${OUTRIGGER_TEST_SWAPS:-${n:-60}}
cat >"$tmp/vm.yaml" <<END
machine: aarch64-virt
engine: soft
memory: 64M
cpus: 1
kernel: $guest
timeout: 900
devices:
  - {name: uart0, model: pl011}
  - {name: rtc, model: pl031}
  - {name: rng0, model: virtio-rng}
END
mkfifo "$tmp/keys"
exec 8<>"$tmp/keys"
"$O" run "$tmp/vm.yaml" --name gap --quiet <&8 >"$tmp/console" 2>"$tmp/sup" &
sup=$!
wait_for "$tmp/console" "^ready"
exec 7< <(exec tail -n +1 -s 0.01 -F "$tmp/console" 2>/dev/null)
follower=$!
trap 'kill $follower 2>/dev/null; finish' EXIT # it would hold our standard output for ever

# gap: asks the guest; its answer in $gap.
gap() {
	local line
	printf r >&8
	while read -r -t 20 line <&7; do
		case $line in
		gap*) line=${line%$'\r'} && set -- $line && gap=$2 && return ;;
		clock*) bad "the guest's clock jumped: $line" ;;
		esac
	done
	bad "the guest does not answer"
	gap=-1
}
# measure WHAT [DEVICE]: n gaps, each over one swap of the device.
measure() {
	local i
	: >"$tmp/gaps"
	for ((i = 0; i < n; i++)); do
		gap
		if [ -n "${2:-}" ]; then
			"$O" swap gap "$2" >"$tmp/out" 2>"$tmp/err" </dev/null || bad "swap: $(cat "$tmp/err")"
		else
			timeout 0.02 tail -f /dev/null
		fi
		gap
		echo "$gap" >>"$tmp/gaps"
	done
	sort -n "$tmp/gaps" | awk -v what="$1" '{a[NR]=$1} END {printf "%s: %d gaps, median %.2f ms, p99 %.2f ms, longest %.2f ms\n", what, NR, a[int((NR+1)/2)]/1e3, a[int(NR*.99+.5)]/1e3, a[NR]/1e3}'
	median=$(sort -n "$tmp/gaps" | sed -n "$(((n + 1) / 2))p")
}
measure "no swap"
measure "another device is swapped" rng0
measure "the device is swapped" rtc
# A coarse bound, for any machine: the goals are in docs/performance.md.
[ "$median" -lt 50000 ] && ok || bad "median gap of $median us"
printf q >&8
wait $sup
result
