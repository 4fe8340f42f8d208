# SPDX-License-Identifier: Apache-2.0
# Floating point by awk, bit for bit against what IEEE 754 doubles give (any host's
# perl -e, with the same operations in the same order, prints the same).
# The argument is the number of terms; only the default has a known result.
terms=${1:-5000}
result=$(awk -v n="$terms" 'BEGIN {
	for (i = 1; i <= n; i++) {
		r = i
		for (k = 0; k < 8; k++) r = (r + i / r) / 2
		s += r
		p += 1 / (i * i)
		m = m / 3 - i * 0.1
	}
	printf "%.17g %.17g %.17g", s, p, m
}')
echo "float: terms=$terms $result"
exact=$(awk 'BEGIN { printf "%.17g %.17g %.0f", 1 / 3, 9007199254740991, 7e15 / 7 }')
echo "float: exact $exact"
[ "$exact" = "0.33333333333333331 9007199254740991 1000000000000000" ] || exit 1
if [ "$terms" = 5000 ]; then
	[ "$result" = "235830.25035587177 1.6447340868469014 -749.92500000000007" ] || exit 1
fi
