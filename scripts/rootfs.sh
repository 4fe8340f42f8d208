# SPDX-License-Identifier: Apache-2.0
# The Debian root image (bash). Part of fetch-guests, which sources it and has set $top, $out, $work, $force and the
# functions of lib.sh; uses its apt_setup. Sets functions only.
#
# Two stages, as debootstrap has them. First, here: apt resolves and downloads, the packages are unpacked and recorded
# as such (scripts/rootfs-unpack), mke2fs makes an image of the tree (scripts/rootfs-tree). Second, in the guest, once:
# guests/rootfs/second-stage configures the packages. No step needs a mount or runs foreign code on the host, and root
# rights are only pretended (fakeroot).
# shellcheck disable=SC2154 # fetch-guests sets them

rootfs_size=2G

# rootfs_kernel DIR: name, version and digest of the kernel in DIR.
rootfs_kernel() {
	sed -n '/^linux-image-[^ ]*-cloud-/p' "$1/version"
}

# rootfs_recipe DIR: a digest of all that the image is made of but Debian's packages.
rootfs_recipe() {
	{
		find "$top/guests/rootfs" -type f -print0 | sort -z | xargs -0 cat
		cat "$top"/scripts/rootfs*
		rootfs_kernel "$1"
		echo "$rootfs_size"
	} | sha256sum | cut -d' ' -f1
}

# rootfs_names FILE: the package names in a list.
rootfs_names() {
	grep -v '^#' "$1"
}

# rootfs_resolve NAME...: the packages that an installation of these on nothing would bring, one a line.
rootfs_resolve() {
	apt-get -q "${apt_options[@]}" --no-install-recommends -s install '?essential' "$@" 2>"$work/log" |
		sed -n 's/^Inst \([^ ]*\) .*/\1/p' | sort
}

# rootfs_download DIR NAME...: their packages into DIR.
rootfs_download() {
	local dir=$1
	shift
	mkdir -p "$dir"
	if ! (cd "$dir" && apt-get -q "${apt_options[@]}" download "$@") >"$work/log" 2>&1; then
		sed 's/^/    /' "$work/log" >&2
		die "apt cannot download the packages of the root image (above)"
	fi
}

# rootfs_packages DIR: DIR/debs and DIR/fio.
rootfs_packages() {
	local dir=$1 wanted base fio
	wanted=$(rootfs_names "$top/guests/rootfs/packages")
	# shellcheck disable=SC2086 # a list of words
	base=$(rootfs_resolve $wanted)
	# shellcheck disable=SC2086
	fio=$(comm -13 <(echo "$base") <(rootfs_resolve $wanted fio) | grep -Ev '^(lib)?python|^media-types$')
	[ -n "$base" ] && [ -n "$fio" ] || die "apt cannot resolve the packages of the root image: $(cat "$work/log")"
	say "root image: fetching $(wc -w <<<"$base $fio") packages"
	# shellcheck disable=SC2086
	rootfs_download "$dir/debs" $base
	# shellcheck disable=SC2086
	rootfs_download "$dir/fio" $fio
}

# rootfs_qemu DIR IMAGE LOG: the second stage on QEMU; for a process of its own, which becomes it.
rootfs_qemu() {
	exec timeout 1800 qemu-system-aarch64 -M virt -cpu cortex-a57 -smp 1 -m 512 -nodefaults -nographic -no-reboot \
		-kernel "$1/kernel" -initrd "$1/initrd" -append "$rootfs_cmdline" -serial stdio \
		-drive "if=none,id=root,format=raw,cache=unsafe,file=$2" -device virtio-blk-device,drive=root \
		</dev/null >"$3" 2>&1
}

# rootfs_outrigger DIR IMAGE LOG: the same on our own machine.
rootfs_outrigger() {
	local config=$work/second-stage.yaml
	cat >"$config" <<-END
		machine: aarch64-virt
		memory: 512M
		kernel: $1/kernel
		initrd: $1/initrd
		cmdline: $rootfs_cmdline
		devices:
		  - name: uart0
		    model: pl011
		  - name: rtc
		    model: pl031
		  - name: disk0
		    model: virtio-blk
		    options:
		      path: $2
	END
	# A VM's name is unique, and this one must not meet another run's.
	exec timeout 1830 "$rootfs_program" run "$config" --name "rootfs-$$" --no-reboot --timeout 1800 </dev/null >"$3" 2>&1
}

# rootfs_engine: sets rootfs_runner, rootfs_program and rootfs_engine_name; OUTRIGGER_ROOTFS_ENGINE=qemu or =outrigger
# chooses, otherwise our own machine comes first, if it is built.
rootfs_engine() {
	local dir
	rootfs_runner='' rootfs_program=''
	for dir in "${OUTRIGGER_BIN:-}" "$top/build/release/bin"; do
		[ -n "$dir" ] && [ -x "$dir/outrigger" ] && [ -x "$dir/outrigger-dm-virtio-blk" ] || continue
		[ "${OUTRIGGER_ROOTFS_ENGINE:-outrigger}" = outrigger ] || continue
		rootfs_runner=rootfs_outrigger rootfs_program=$dir/outrigger
		rootfs_engine_name="outrigger ($dir)"
		return 0
	done
	if [ "${OUTRIGGER_ROOTFS_ENGINE:-qemu}" = qemu ] && command -v qemu-system-aarch64 >/dev/null; then
		rootfs_runner=rootfs_qemu
		rootfs_engine_name=$(qemu-system-aarch64 --version | head -n 1)
		return 0
	fi
	die "the root image is finished in a guest, and there is nothing to run one: build outrigger first" \
		"(cmake --preset release && cmake --build --preset release), or install qemu-system-arm"
}

# rootfs_second_stage DIR IMAGE: configures the packages in a guest, shows what it does.
rootfs_second_stage() {
	local dir=$1 image=$2 log=$work/second-stage.log begin code=0 shown=0 count total
	rootfs_cmdline="console=ttyAMA0 loglevel=4 cryptomgr.notests=1 root=/dev/vda rw init=/usr/lib/outrigger/second-stage"
	say "root image: second stage on $rootfs_engine_name"
	begin=$SECONDS
	total=$(find "$work/rootfs/debs" -name '*.deb' | wc -l)
	: >"$log"
	"$rootfs_runner" "$dir" "$image" "$log" &
	rootfs_pid=$!
	while ! timeout 10 tail --pid="$rootfs_pid" -s 0.2 -f /dev/null; do
		count=$(grep -c '^Setting up ' "$log" || true)
		[ "$count" = "$shown" ] || say "root image: $count of $total packages are configured"
		shown=$count
	done
	wait "$rootfs_pid" || code=$?
	rootfs_pid=''
	tr -d '\r' <"$log" >"$dir/rootfs.log"
	if ! grep -q '^outrigger-rootfs: done' "$dir/rootfs.log"; then
		tail -n 30 "$dir/rootfs.log" | sed 's/^/    /' >&2
		die "the second stage did not come to its end (exit code $code, above; all of it is in $dir/rootfs.log)"
	fi
	say "root image: $total packages configured in $((SECONDS - begin)) s"
}

# rootfs_fetch ISA: build/guests/ISA/rootfs.img, ssh_key and rootfs.version.
rootfs_fetch() {
	local isa=$1 dir=$out/$1 recipe tool asroot=() image=$out/$1/rootfs.img
	recipe=$(rootfs_recipe "$dir")
	if [ "$force" = 0 ] && [ -e "$image" ] && grep -qx "recipe $recipe" "$dir/rootfs.version" 2>/dev/null; then
		say "$isa has its root image already (--force makes it again)"
		return 0
	fi
	PATH=$PATH:/usr/sbin:/sbin
	for tool in mke2fs e2fsck ssh-keygen tar; do
		command -v "$tool" >/dev/null || die "$tool is missing; apt-get install e2fsprogs openssh-client"
	done
	if command -v fakeroot >/dev/null; then
		asroot=(fakeroot)
	elif [ "$(id -u)" != 0 ]; then
		die "fakeroot is missing (the image's files belong to root); apt-get install fakeroot"
	fi
	rootfs_engine
	apt_setup arm64
	mkdir -p "$work/rootfs"
	rootfs_packages "$work/rootfs"
	cp "$dir/modules.tar.gz" "$work/rootfs/"
	ssh-keygen -q -t ed25519 -N '' -C root@outrigger -f "$work/rootfs/host_key"
	ssh-keygen -q -t ed25519 -N '' -C outrigger-guests -f "$work/rootfs/ssh_key"
	cp "$work/rootfs/ssh_key.pub" "$work/rootfs/authorized_keys"
	# The guest's apt asks where this machine's does.
	mkdir -p "$work/rootfs/sources"
	cp "$work"/apt-arm64/sources.d/* "$work/rootfs/sources/"
	say "root image: unpacking"
	"${asroot[@]}" "$top/scripts/rootfs-tree" "$work/rootfs" "$dir/.rootfs.img.new" "$rootfs_size"
	rm -rf "$work/rootfs/tree" "$work/rootfs/fio-tree" "$work/rootfs/modules"
	rootfs_second_stage "$dir" "$dir/.rootfs.img.new"
	# -n changes nothing: whatever there is to repair is a fault.
	e2fsck -fn "$dir/.rootfs.img.new" >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		die "the finished image is not clean (above)"
	}
	{
		echo "recipe $recipe"
		find "$work/rootfs/debs" "$work/rootfs/fio" -name '*.deb' -printf '%f\n' | sort
	} >"$work/rootfs.version"
	rm -f "$dir/rootfs.version"
	mv -f "$work/rootfs/ssh_key" "$work/rootfs/ssh_key.pub" "$dir/"
	sed 's/^/[localhost]:2222 /' "$work/rootfs/host_key.pub" >"$dir/ssh_known_hosts"
	mv -f "$dir/.rootfs.img.new" "$image"
	mv -f "$work/rootfs.version" "$dir/rootfs.version"
	say "root image: $image is ready, $(du -h "$image" | cut -f1) of $rootfs_size used"
}
