#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Boots the Debian image with two CPUs to its login, many times in a row, and counts those that hang.
# Usage: boots.sh N [BINDIR]   N boots, by hand
#        boots.sh BINDIR       from ctest: 3, or 50 with OUTRIGGER_TEST_FULL=1
# shellcheck disable=SC2154 # lib.sh and debian-lib.sh set them
number=3
[ "${OUTRIGGER_TEST_FULL:-0}" = 1 ] && number=50
case ${1:-} in
'' | -h | --help)
	sed -n 's/^# Usage: /usage: /p; s/^#        \(boots.sh\)/       \1/p' "$0"
	exit 2
	;;
*[!0-9]*) ;;
*)
	number=$1
	shift
	[ $# -gt 0 ] || set -- "$(dirname "$0")/../../build/release/bin"
	;;
esac
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/debian-lib.sh"
debian_need
debian_image
# The network is not what this is about, and a port that is taken between two boots would look like a hang.
debian_config none

hangs=0 slowest=0 total=0
now_ms() { date +%s%3N; }

# boot_once: a boot to the login, a login, a power-off. Sets verdict, login_ms and end_ms.
boot_once() {
	local begin
	begin=$(now_ms) login_ms=0
	debian_start boots --cpus 2
	verdict="no login prompt"
	if wait_lines "$console" '^Debian GNU/Linux 12 outrigger ttyAMA0' 1 "$boot_deadline"; then
		login_ms=$(($(now_ms) - begin))
		echo root >&8
		verdict="no shell"
		if wait_lines "$console" '^permitted by applicable law' 1 "$boot_deadline"; then
			echo "systemctl poweroff" >&8
			verdict="no power-off"
			if timeout "$boot_deadline" tail --pid="$sup" -s 0.1 -f /dev/null; then
				wait "$sup"
				code=$?
				verdict="exit code $code"
				[ $code != 0 ] || verdict=ok
				! grep -q ' is dead' "$messages" || verdict="a device died"
			fi
		fi
	fi
	end_ms=$(($(now_ms) - begin))
}

# boot_failed: what a person needs to see of it; then it is ended.
boot_failed() {
	hangs=$((hangs + 1))
	echo "--- boot $1: $verdict; the console's end, messages, devices:"
	tail -n 15 "$console"
	tail -n 5 "$messages"
	timeout 10 "$O" ps boots 2>&1
	timeout 10 "$O" stats boots 2>&1 | grep -v ' 0$'
	echo "---"
	timeout 20 "$O" stop --force boots 2>/dev/null || kill -9 "$sup" 2>/dev/null
	wait "$sup" 2>/dev/null
}

printf '%5s  %8s  %8s  %s\n' boot "login s" "off s" verdict
for ((i = 1; i <= number; i++)); do
	boot_once
	printf '%5d  %4d.%03d  %4d.%03d  %s\n' "$i" $((login_ms / 1000)) $((login_ms % 1000)) $((end_ms / 1000)) $((end_ms % 1000)) "$verdict"
	total=$((total + login_ms))
	[ "$login_ms" -le "$slowest" ] || slowest=$login_ms
	if [ "$verdict" = ok ]; then
		ok
	else
		bad "boot $i: $verdict"
		boot_failed "$i"
	fi
	exec 8>&-
done
echo "$number boots with 2 CPUs, $hangs did not come to their end; login after $((total / number)) ms on average, $slowest ms at most"
image_clean
result
