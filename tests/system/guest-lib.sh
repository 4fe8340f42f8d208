# SPDX-License-Identifier: Apache-2.0
# For tests that talk to the small guest of boot.sh on its console (bash; sourced after lib.sh). guest_start VM runs $tmp/vm.yaml.
# shellcheck disable=SC2154 # lib.sh sets them
guests=${OUTRIGGER_GUESTS:-$top/build/guests/aarch64}
[ -d "$guests/aarch64" ] && guests=$guests/aarch64
[ -r "$guests/kernel" ] && [ -r "$guests/initrd" ] || skip "no kernel and initrd in $guests: run scripts/fetch-guests"

# guest_start VM: in the background ($sup), until its shell is there.
guest_start() {
	vm=$1
	mkfifo "$tmp/keys"
	exec 8<>"$tmp/keys"
	"$O" run "$tmp/vm.yaml" --name "$vm" <&8 >"$tmp/console" 2>"$tmp/sup" &
	sup=$!
	wait_for "$tmp/console" "Enter 'help' for a list" 110
	[ "$failed" = 0 ] || { tail -n 15 "$tmp/sup"; result; }
}

# typed TEXT: into the guest's shell.
typed() { echo "$1" >&8; }

# guest COMMAND WORD: it must print the word on a line, numbered here so that no older line is taken for it.
serial=0
guest() {
	serial=$((serial + 1))
	typed "{ $1; } | sed 's/\$/ '$serial' said/'"
	wait_for "$tmp/console" "^$2 $serial said" 60
}

# pid DEVICE, state DEVICE, vm_state: as `ps` shows them.
pid() {
	"$O" ps --json "$vm" >"$tmp/ps" 2>/dev/null
	sed -n "/\"name\": \"$1\"/{n;s/[^0-9]//g;p}" "$tmp/ps"
}
state() {
	"$O" ps --json "$vm" >"$tmp/ps" 2>/dev/null
	sed -n "/\"name\": \"$1\"/,/\"state\"/s/^ *\"state\": \"\(.*\)\",*\$/\1/p" "$tmp/ps" | head -n 1
}
vm_state() {
	"$O" ps --json "$vm" >"$tmp/ps" 2>/dev/null
	json state "$tmp/ps"
}

# until_state DEVICE STATE: within 20 s.
until_state() {
	local end=$((SECONDS + 20)) now
	while now=$(state "$1") && ! [[ $now =~ ^$2$ ]]; do
		[ $SECONDS -lt $end ] || { bad "$1 is $now, wanted $2"; return; }
		timeout 0.05 tail -f /dev/null
	done
	ok
}

# hold SECONDS: the time that the guest is not to see.
hold() { timeout "$1" tail -f /dev/null; }

now_ms() { date +%s%3N; }
# The guest's clock against ours. A reading lies somewhere between the moments before and after it was asked for.
uptime_ms() {
	serial=$((serial + 1))
	before=$(now_ms)
	typed "echo up $serial \$(cat /proc/uptime)"
	wait_for "$tmp/console" "^up $serial [0-9.]+ " 60
	after=$(now_ms)
	up=$(tr -d '\r' <"$tmp/console" | sed -n "s/^up $serial \([0-9]*\)\.\([0-9]*\) .*/\1\20/p")
}
watch_time() {
	uptime_ms
	guest_then=$up
	host_then=$before
}
# no_time_passed SECONDS: since watch_time the guest has seen at least so much less than we have.
no_time_passed() {
	uptime_ms
	local saw=$((up - guest_then)) was=$((after - host_then))
	[ $saw -le $((was - $1 * 1000 + 50)) ] && ok || bad "the guest saw $saw ms of $was ms; it was held for $1 s"
}

# guest_quiet: nothing in its console says that it noticed.
guest_quiet() {
	local text
	for text in "rcu: INFO" "soft lockup" "clocksource:.*unstable" "hung_task" "blocked for more than" "Unable to handle"; do
		grep -qE "$text" "$tmp/console" && bad "the guest noticed: $(grep -E -m1 "$text" "$tmp/console")" || ok
	done
}
