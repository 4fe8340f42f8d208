#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line itself: help, exit codes, completion, man pages, and verbs without a VM.
# shellcheck disable=SC2154 # lib.sh sets them
. "$(dirname "$0")/lib.sh"

run 2 "$O"
has "$tmp/err" "Usage: outrigger VERB"
run 0 "$O" --help
has "$tmp/out" "Exit codes: 0"
cp "$tmp/out" "$tmp/help"
run 0 "$O" --version
has "$tmp/out" "outrigger "
for verb in run ps stop adopt console stats top inspect models check doctor completion man; do
	has "$tmp/help" "  $verb "
	run 0 "$O" $verb --help
	has "$tmp/out" "Usage: outrigger $verb"
	same "$(awk 'length > 79' "$tmp/help" "$tmp/out")" "" "lines of the help of $verb wider than a terminal"
	run 0 "$O" help $verb
	run 0 "$O" man $verb
	has "$tmp/out" ".SH OPTIONS"
	run 2 "$O" $verb --no-such-option
	has "$tmp/err" "unknown option --no-such-option"
done
run 2 "$O" rum
has "$tmp/err" 'did you mean "run"?'
run 2 "$O" run
has "$tmp/err" "missing operand; usage: outrigger run CONFIG"
run 2 "$O" run a b
run 2 "$O" run --memory
run 2 "$O" run x.yaml --console teletype
run 2 "$O" run x.yaml --detach --console stdio
run 2 "$O" completion zsh
run 0 "$O" completion bash
bash -n "$tmp/out" && ok || bad "the completion is no bash"
words() { # COMP_WORDS...: what completion offers for the last word
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _outrigger; echo "${COMPREPLY[*]}"' _ "$tmp/out" "$@"
}
same "$(words outrigger st)" "stop stats" "completion of st"
same "$(words outrigger run --de)" "--detach" "completion of run --de"
same "$(words outrigger run --engine s)" "soft" "completion of run --engine s"
run 0 "$O" man --dir "$tmp"
[ -s "$tmp/outrigger.1" ] && [ -s "$tmp/outrigger-run.1" ] && ok || bad "no man pages"

run 0 "$O" ps
has "$tmp/err" "no VM is running"
run 0 "$O" ps --json
same "$(cat "$tmp/out")" "[]" "ps --json without a VM"
for verb in stop stats console; do
	run 1 "$O" $verb nobody
	has "$tmp/err" "no VM is running"
	run 1 "$O" $verb
done
run 1 "$O" ps nobody
[ -n "$fakedir" ] && export OUTRIGGER_BINDIR=$fakedir
run 0 "$O" models
has "$tmp/out" "pl011"
run 0 "$O" models pl031 --json
has "$tmp/out" '"name": "base"'
run 0 "$O" models --names
same "$(paste -sd' ' "$tmp/out")" "pl011 pl031" "models --names"
run 1 "$O" models pl01
has "$tmp/err" 'did you mean "pl011"?'
run 0 "$O" doctor
has "$tmp/out" "seccomp"
run 0 "$O" doctor --json
has "$tmp/out" '"name": "engine kvm, x86_64"'
OUTRIGGER_BINDIR=$tmp run 1 "$O" doctor
has "$tmp/out" "not there: nothing can run"
XDG_RUNTIME_DIR=/nonexistent run 0 "$O" ps
result
