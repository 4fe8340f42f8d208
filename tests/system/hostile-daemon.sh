#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A daemon without manners (hostile/) against the real hv: what it registers beyond its config is refused and named;
# whatever it does once it serves, the guest's other devices and timers go on, ps, stats and stop answer, and
# nothing is left.
# Usage: hostile-daemon.sh BINDIR HOSTILE_BINDIR [MODE...]
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
shift 2
guest=$fakedir/guest.bin
[ -e "$guest" ] || skip "aarch64-linux-gnu-gcc is not installed (package gcc-aarch64-linux-gnu)"
mkdir "$tmp/bin"
ln -s "$bindir"/outrigger-* "$fakedir/outrigger-dm-hostile" "$tmp/bin"
export OUTRIGGER_BINDIR=$tmp/bin
cat >"$tmp/vm.yaml" <<-END
	machine: aarch64-virt
	engine: soft
	memory: 64M
	kernel: $guest
	devices:
	- {name: uart0, model: pl011}
	- {name: rtc, model: pl031}
	- {name: bad, model: hostile, address: 0x0a100000, irq: 40, deadline: 20ms, on_failure: ones}
END

# gone NAME PID...: none of the processes is there, nor the runtime folder.
gone() {
	local name=$1 pid
	shift
	for pid in "$@"; do wait_gone "$pid"; done
	[ ! -e "$XDG_RUNTIME_DIR/outrigger/$name" ] && ok || bad "$name: its runtime folder is left"
}

# refused MODE TEXT: the VM does not start; the reason names the device and says TEXT.
refused() {
	HOSTILE=$1 run 1 "$O" run "$tmp/vm.yaml" --name "$1" --timeout 5
	has "$tmp/err" "bad"
	has "$tmp/err" "$2"
	LC_ALL=C grep -q $'[\001-\010\013-\037]' "$tmp/err" && bad "$1: control characters were passed on: $(cat -v "$tmp/err")"
	# shellcheck disable=SC2046 # one word a PID
	gone "$1" $(sed -n 's/.*spawned, pid \([0-9]*\).*/\1/p' "$tmp/err")
}

# goes_on LOG: the guest does ten rounds more.
goes_on() {
	local round
	round=$(sed -n 's/^round \([0-9]*\) done.*/\1/p' "$1" | tail -n 1)
	wait_for "$1" "^round $((round + 10)) done"
}

# survives MODE STATE [SIGNAL]: the guest goes on for rounds, and the VM can be looked at and stopped. STATE: of the
# device, as an extended regular expression. SIGNAL: is sent to the daemon once the guest runs.
survives() {
	local mode=$1 log=$XDG_RUNTIME_DIR/outrigger/$1/uart0.console pids
	HOSTILE=$mode run 0 "$O" run "$tmp/vm.yaml" --detach --name "$mode"
	wait_for "$log" "^round 30 done"
	if [ -n "${3:-}" ]; then
		"$O" ps --json "$mode" >"$tmp/out"
		kill -"$3" "$(sed -n '/"name": "bad"/{n;s/[^0-9]//g;p}' "$tmp/out")"
	fi
	goes_on "$log"
	run 0 timeout 5 "$O" ps --json "$mode"
	pids=$(sed -n 's/^ *"\(supervisor_\)\{0,1\}pid": \([0-9]*\),*$/\2/p' "$tmp/out")
	perl -MJSON::PP -e 'local $/; decode_json(<STDIN>)' <"$tmp/out" 2>/dev/null && ok || bad "$mode: ps --json is not JSON"
	tr -d '\n' <"$tmp/out" | grep -qE "\"name\": \"bad\"[^}]*\"state\": \"($2)\"" && ok ||
		bad "$mode: the device is not $2: $(tr -d '\n ' <"$tmp/out")"
	run 0 timeout 5 "$O" stats --json "$mode"
	perl -MJSON::PP -e 'local $/; decode_json(<STDIN>)' <"$tmp/out" 2>/dev/null && ok || bad "$mode: stats --json is not JSON"
	run 0 timeout 5 "$O" stats "$mode"
	goes_on "$log"
	grep -q "line\|FAIL" "$log" && bad "$mode: the guest complains: $(grep -m3 'line\|FAIL' "$log")"
	run 0 timeout 10 "$O" stop "$mode"
	# shellcheck disable=SC2086 # one word a PID
	gone "$mode" $pids
}

if [ $# -gt 0 ]; then
	for mode; do survives "$mode" '[a-z]*'; done
	result
fi

# Silent before it says hello, or before it serves: the VM gives up after its time for starting; watched from the side.
declare -A late
for mode in mute-docked mute-registered; do
	HOSTILE=$mode "$O" run "$tmp/vm.yaml" --name $mode --timeout 30 </dev/null >/dev/null 2>"$tmp/$mode" &
	late[$mode]=$!
done

for step in start docked dialled configured registered; do
	refused exit-$step "ended"
done
refused token "no valid token"
refused hello-model 'its daemon is of model pl011; the config wants hostile'
refused hello-odd-model 'the config wants hostile'
refused hello-state 'needs 4294967295 bytes of state'
refused hello-epoch 'epoch 77'
refused error-text 'an error'
refused ranges-two 'registers 2 ranges; the config gave it 1'
refused ranges-64 'registers 64 ranges'
refused ranges-none 'registers 0 ranges'
refused range-larger 'mmio of 0x2000 bytes; the config gave it mmio of 0x1000'
refused range-huge 'mmio of 0xffffffffffffffff bytes'
refused range-zero 'mmio of 0x0 bytes'
refused range-pio 'pio of 0x1000 bytes'
refused range-odd-space 'the config gave it mmio'
refused range-widths 'access widths 0x1f'
refused range-no-widths 'access widths 0x0'
refused irqs-many 'wants 4294967295 interrupts; the config gave it 2'
refused shadow-page-1 'wants shadow page 1; the config gave 1 pages'
refused shadow-page-max 'wants shadow page 2147483647'
refused shadow-page-none 'is to be read from shadow page -1'
refused rules-513 '513 registers; at most 512'
for rule in outside wraps wide zero count stride; do
	refused rule-$rule 'that is not inside'
done
for rule in ways write-way widths; do
	refused rule-$rule 'which do not exist'
done
refused rule-twice 'two registers of range 0 overlap at 0x4'

for mode in honest flap rest waiters punch irq-storm garbage frames log-flood log-odd out-of-turn hello-twice hello-pid \
	dock-crowd; do
	survives $mode serving
done
for mode in asleep silent; do
	survives $mode serving
done
for mode in chase epoch status; do
	survives $mode quarantined
done
for mode in scribble head lines completions zero ones eventfds; do
	survives $mode 'serving|quarantined'
done
for signal in STOP KILL SEGV; do
	survives honest "serving|dead" $signal
done
for mode in dock-write dock-shutdown die; do
	survives $mode 'quarantined|dead'
done

for mode in "${!late[@]}"; do
	wait "${late[$mode]}"
	same "$?" 1 "$mode: exit code"
	has "$tmp/$mode" "did not start within 20 s; not serving: bad (docked)"
	gone $mode
done
result
