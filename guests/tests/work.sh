# SPDX-License-Identifier: Apache-2.0
# A fixed piece of work for benchmarks: gzip and sha256 of busybox, and awk. The argument is the
# number of rounds. Prints the guest's own time for it.
rounds=${1:-1}
left=$rounds
read -r begin _ </proc/uptime
while [ "$left" -gt 0 ]; do
	gzip -c /bin/busybox | gunzip -c | sha256sum
	awk 'BEGIN { for (i = 0; i < 60000; i++) { a[i % 97] += i * 1.5; s = s + a[i % 13] } print s }'
	left=$((left - 1))
done
read -r end _ </proc/uptime
echo "work: rounds=$rounds seconds=$(awk "BEGIN { print $end - $begin }")"
