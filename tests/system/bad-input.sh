#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input gets a clear error, exit code 2, and nothing is started: hv and daemons here leave a trace when they run.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
mkdir "$tmp/bin"
for model in pl011 pl031; do
	cat >"$tmp/bin/outrigger-dm-$model" <<-END
		#!/bin/sh
		[ "\$1" = --describe=pb ] || touch $tmp/started
		exec $fakedir/outrigger-dm-$model "\$@"
	END
done
printf '#!/bin/sh\ntouch %s/started\n' "$tmp" >"$tmp/bin/outrigger-hv"
chmod +x "$tmp"/bin/*
export OUTRIGGER_BINDIR=$tmp/bin
# The fake daemons tell their model by the name they run under.
head -c 100000 /dev/zero >"$tmp/kernel"
head -c 3000000 /dev/zero >"$tmp/large"
touch "$tmp/empty"

# refused TEXT LINE...: a config of these lines (after machine and kernel) gives an error with TEXT.
refused() {
	local text=$1
	shift
	printf '%s\n' 'machine: aarch64-virt' 'kernel: kernel' "$@" >"$tmp/vm.yaml"
	run 2 "$O" run "$tmp/vm.yaml"
	has "$tmp/err" "$text"
	run 2 "$O" check "$tmp/vm.yaml"
	has "$tmp/err" "$text"
	run 2 "$O" run --detach "$tmp/vm.yaml"
}
uart=('devices:' '- name: uart0' '  model: pl011')
rtc=('- name: rtc' '  model: pl031')

refused 'vm.yaml:5: device uart0: unknown model "pl01"; did you mean "pl011"?' 'devices:' '- name: uart0' '  model: pl01'
refused 'vm.yaml:7: device uart0: model pl011 has no option "chardef"; did you mean "chardev"?' "${uart[@]}" '  options:' '    chardef: pty'
refused 'vm.yaml:8: devices uart0 (0x9000000 to 0x9000fff, line 4) and rtc (0x9000000 to 0x9000fff) overlap' "${uart[@]}" "${rtc[@]}" '  address: 0x09000000' '  irq: 9'
refused 'vm.yaml:6: device uart0 (0x40000000 to 0x40000fff) lies over guest memory' "${uart[@]}" '  address: 0x40000000' '  irq: 9'
refused 'vm.yaml:6: device uart0: 0x1000 bytes at address 0xfffffffffffff800 wrap around' "${uart[@]}" '  address: 0xfffffffffffff800' '  irq: 9'
refused 'vm.yaml:3: memory 0 is too small' 'memory: 0'
refused 'vm.yaml:8: devices uart0 (line 4) and rtc both have irq 1' "${uart[@]}" "${rtc[@]}" '  irq: 1'
refused 'vm.yaml:6: device name "uart0" is used twice; the first is in line 4' "${uart[@]}" '- name: uart0' '  model: pl031'
refused 'vm.yaml:3: config: unknown key "memroy"; did you mean "memory"?' 'memroy: 1G'
refused 'vm.yaml:4: not YAML: a tab' 'devices:' $'\t- name: x'
printf '%s\n' 'machine: aarch64-virt' 'kernel: missing' >"$tmp/vm.yaml"
run 2 "$O" run "$tmp/vm.yaml"
has "$tmp/err" "vm.yaml:2: kernel $tmp/missing cannot be read: No such file or directory"
run 2 "$O" run "$tmp/vm.yaml" --kernel "$tmp/large" --memory 2M
has "$tmp/err" "more than the guest's memory of 2M; raise memory:"
run 2 "$O" run "$tmp/vm.yaml" --kernel "$tmp/empty"
has "$tmp/err" "is empty"
run 2 "$O" run "$tmp/vm.yaml" --kernel "$tmp/kernel" --initrd "$tmp/nothing"
has "$tmp/err" "initrd $tmp/nothing cannot be read"
run 2 "$O" run "$tmp/vm.yaml" --kernel "$tmp/kernel" --set devices=none
has "$tmp/err" "--set devices=none: devices: is a plain value"
run 2 "$O" run "$tmp/no.yaml"
has "$tmp/err" "no.yaml: cannot be read: No such file or directory"
run 2 "$O" run "$tmp/vm.yaml" --kernel "$tmp/kernel" --cpus 1000
has "$tmp/err" "--cpus 1000: cpus 1000 is out of range; use 1 to 64"
if [ "$(id -u)" != 0 ]; then
	chmod 0 "$tmp/kernel"
	run 2 "$O" run "$tmp/vm.yaml" --kernel "$tmp/kernel"
	has "$tmp/err" "Permission denied"
	chmod 600 "$tmp/kernel"
fi
[ ! -e "$tmp/started" ] && ok || bad "something was started"
[ -z "$(ls "$XDG_RUNTIME_DIR/outrigger" 2>/dev/null)" ] && ok || bad "a runtime folder was left"
# The trace works: a good config starts something.
run 1 "$O" run "$tmp/vm.yaml" --kernel "$tmp/kernel" --set timeout=20
[ -e "$tmp/started" ] && ok || bad "the trace does not work"
result
