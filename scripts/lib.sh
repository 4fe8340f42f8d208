# SPDX-License-Identifier: Apache-2.0
# Common parts of the scripts (bash). The caller sets $top, the root of the checkout. Sourced;
# sets nothing but functions, $script, $started_ms and $build_packages.

: "${top:?is the root of the checkout}"

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
	local name missing=()
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
	done
	echo "${missing[*]}"
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

# What building and running needs; the tests need more.
build_packages=(cmake ninja-build pkg-config gcc libc6-dev libnng-dev libprotobuf-c-dev
	protobuf-c-compiler libfdt-dev libuv1-dev libcyaml-dev libyaml-dev libseccomp-dev zlib1g-dev
	liburing-dev libxxhash-dev gzip perl passt)

# build_preset PRESET [CMAKE_OPTION...]: configures and builds it; on failure shows the end of the
# output and returns 1.
build_preset() {
	local preset=$1 log=$top/build/$1.log begin
	shift
	mkdir -p "$top/build"
	begin=$(date +%s%3N)
	if ! (cd "$top" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset") \
		>"$log" 2>&1 </dev/null; then
		tail -n 40 "$log" >&2
		echo "$script: the $preset build failed (above; all of it is in build/$preset.log)" >&2
		return 1
	fi
	begin=$(($(date +%s%3N) - begin))
	say "build: $preset is up to date, took $((begin / 1000)).$((begin % 1000 / 100)) s"
}

# build_owner: gives what was made under sudo to the user who called it.
build_owner() {
	[ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ -n "${SUDO_GID:-}" ] || return 0
	chown -R "$SUDO_UID:$SUDO_GID" "$top/build"
}
