#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `outrigger replay` on the traces of tests/replay: what it says, exit codes, files that are none. No guest is needed.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"
traces=$top/tests/replay

for f in "$traces"/*/*.trace; do
	run 0 "$O" replay "$f"
	has "$tmp/out" ": clean: "
done
run 0 "$O" replay "$traces/pl011/session.trace" --json
has "$tmp/out" '"result": "clean"'
run 0 "$O" replay "$traces/pl011/session.trace" --until 20
has "$tmp/out" "stopped: 20 records"
run 0 "$bindir/outrigger-dm-pl011" --replay "$traces/pl011/session.trace" --until 20 --stop-at
has "$tmp/out" "clean: "

echo "--- what it cannot do"
run 2 "$O" replay "$traces/pl011/session.trace" --device nothing
has "$tmp/err" "there is no device nothing in it"
run 2 "$O" replay "$traces/pl011/session.trace" --until twenty
has "$tmp/err" "not a number"
run 2 "$O" replay "$traces/pl011/session.trace" more
run 2 "$O" replay "$traces/pl011/session.trace" --model nothing
has "$tmp/err" "there is no model nothing"
run 2 "$bindir/outrigger-dm-pl031" --replay "$traces/pl011/session.trace"
has "$tmp/err" "no pl031 in it"
run 2 "$O" replay "$traces/pl011/session.trace" --minimize "$tmp/none.trace"
has "$tmp/err" "nothing to minimize"
run 2 "$O" replay "$tmp/none.trace"
run 2 "$O" replay /dev/null
head -c 3000 "$traces/virtio-blk/crash.trace" >"$tmp/cut.trace"
run 2 "$O" replay "$tmp/cut.trace"
head -c 20000 "$traces/virtio-blk/crash.trace" | tail -c 1000 >"$tmp/noise.trace"
run 2 "$O" replay "$tmp/noise.trace"

echo "--- a test of the suite"
mkdir "$tmp/suite"
run 0 "$O" replay "$traces/virtio-net/frames.trace" --export-test "$tmp/suite"
has "$tmp/out" "$tmp/suite/virtio-net/virtio-net.trace"
run 0 "$O" replay "$tmp/suite/virtio-net/virtio-net.trace"
run 0 "$O" replay "$traces/virtio-net/frames.trace" --export-test "$tmp/again.trace"
run 0 "$O" replay "$tmp/again.trace"

echo "--- under a program"
run 0 "$O" replay "$traces/pl031/alarm.trace" --under env -- TRIED=1
has "$tmp/out" "clean: "
if command -v gdb >/dev/null; then
	run 0 "$O" replay "$traces/pl011/session.trace" --until 20 --under gdb -- -batch -ex bt
	has "$tmp/out" "replay_stop (record="
else
	echo "gdb is not there: --under gdb is not tried"
fi

result
