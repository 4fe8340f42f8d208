# SPDX-License-Identifier: Apache-2.0
# Reads the RTC over and over: it must not go backwards, nor away from the kernel's clock.
# The argument is the number of reads.
reads=${1:-200}
rtc=/sys/class/rtc/rtc0/since_epoch
[ -r "$rtc" ] || { echo "rtc: there is no $rtc"; exit 1; }
i=0
last=0
while [ "$i" -lt "$reads" ]; do
	read -r now <"$rtc"
	[ "$now" -ge "$last" ] || { echo "rtc: went from $last back to $now"; exit 1; }
	last=$now
	i=$((i + 1))
done
kernel=$(date -u +%s)
diff=$((kernel - last))
echo "rtc: reads=$reads rtc=$last kernel=$kernel difference=$diff"
[ "$diff" -ge -2 ] && [ "$diff" -le 2 ]
