#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# button.sh BIN BINDIR MODELS: `outrigger stop --ask` presses the power button; a guest that does not listen is an error, and one
# that does switches itself off.
set -uo pipefail
bin=$1 bindir=$(realpath "$2") models=$(realpath "$3")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -r /dev/kvm ] && [ -w /dev/kvm ] || { echo "SKIP: /dev/kvm is not there, or not for this user"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/bin" "$tmp/run"
ln -s "$bindir"/outrigger* "$models"/outrigger-dm-* "$tmp/bin"
export XDG_RUNTIME_DIR=$tmp/run OUTRIGGER_BINDIR=$tmp/bin
mkfifo "$tmp/in"
"$tmp/bin/outrigger" run "$here/guest.yaml" --kernel "$bin" --initrd none --name button --timeout 60 --quiet --console stdio \
	<"$tmp/in" >"$tmp/out" 2>"$tmp/err" &
pid=$!
exec 9>"$tmp/in"
# wait_for TEXT: in the guest's console.
wait_for() {
	local i
	for ((i = 0; i < 300; i++)); do
		grep -q "$1" "$tmp/out" && return
		read -rt 0.1 <> <(:)
	done
	echo "the guest did not say $1:"
	cat "$tmp/out" "$tmp/err"
	exit 1
}
wait_for deaf
"$tmp/bin/outrigger" stop --ask button 2>"$tmp/deaf" && { echo "a deaf guest was asked"; exit 1; }
grep -q 'does not listen' "$tmp/deaf" || { cat "$tmp/deaf"; exit 1; }
echo >&9
wait_for listening
"$tmp/bin/outrigger" stop --ask button || exit 1
wait $pid
rc=$?
[ $rc = 0 ] || { echo "exit code $rc, want 0"; exit 1; }
grep -q pressed "$tmp/out"
