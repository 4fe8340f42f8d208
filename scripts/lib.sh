# SPDX-License-Identifier: Apache-2.0
# Common parts of the scripts (bash). Sourced; sets nothing but functions and $script, $started_ms.

script=$(basename "$0")
started_ms=$(date +%s%3N)

# say TEXT...: a progress line with the seconds since the script began.
say() {
	local ms=$(($(date +%s%3N) - started_ms))
	printf '[%4d.%d s] %s: %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$script" "$*"
}

# die TEXT...: ends the script with exit code 1.
die() {
	printf '%s: %s\n' "$script" "$*" >&2
	exit 1
}

# die_usage TEXT...: ends the script with exit code 2.
die_usage() {
	printf '%s: %s; see %s --help\n' "$script" "$*" "$script" >&2
	exit 2
}

# as_root COMMAND...: runs it with root rights.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "root rights are needed for: $* (run me as root, or install sudo)"
	fi
}

# packages_missing NAME...: prints those that are not installed, on one line.
packages_missing() {
	local name list=()
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || list+=("$name")
	done
	echo "${list[*]}"
}

# packages_install NAME...: installs those that are missing; no apt at all when none is.
packages_install() {
	local missing log
	missing=$(packages_missing "$@")
	if [ -z "$missing" ]; then
		say "packages: all $# are installed"
		return 0
	fi
	say "packages: installing $missing"
	log=$(mktemp)
	# shellcheck disable=SC2086 # a list of words
	if ! { as_root apt-get -q update && as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $missing; } >"$log" 2>&1 </dev/null; then
		tail -n 25 "$log" >&2
		rm -f "$log"
		die "apt-get could not install them (above); check the network and /etc/apt, or install them by hand: $missing"
	fi
	rm -f "$log"
	say "packages: installed"
}
