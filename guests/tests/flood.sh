# SPDX-License-Identifier: Apache-2.0
# Numbered lines to the console as fast as it takes them: nothing may be lost or reordered.
# The argument is the number of lines.
lines=${1:-5000}
awk -v n="$lines" 'BEGIN { for (i = 1; i <= n; i++) printf "flood %06d abcdefghijklmnopqrstuvwxyz0123456789\n", i }'
echo "flood: lines=$lines"
