/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/goals.h"

/* What virtio devices do for the guest is held against QEMU's in-process device. */
#define FASTER(row, text)                                                                          \
	{                                                                                          \
		row, row, REPORT_QEMU, 1.0, text ": at least 1.0 times QEMU's", true               \
	}

/* Names are those that measure_*.c give to the rows. */
/* clang-format off */
const struct report_goal goals[] = {
	{"boot.quiet.userland", "boot.quiet.userland", REPORT_QEMU, 1.5,
	 "boot to userland: at most 1.5 times QEMU's", false},
	{"boot.chatty.userland", "boot.chatty.userland", REPORT_QEMU, 1.5,
	 "boot with the kernel's log on the console: at most 1.5 times QEMU's", false},
	{"access.rtc_dr_read", "host.pingpong_spin_two_cores", REPORT_HOST, 4,
	 "forwarded read, daemon awake: at most 4 times the two-process ping-pong", false},
	{"access.uart_fr_read", "access.uart_fr_read", REPORT_QEMU, 2,
	 "shadow read: at most 2 times QEMU's in-process read", false},
	{"access.uart_dr_write", "access.uart_fr_read", REPORT_QEMU, 2,
	 "posted write: at most 2 times QEMU's in-process read", false},
	{"access.rtc_dr_read_after_300us_busy", "host.pingpong_futex_one_core", REPORT_HOST, 1.5,
	 "cold access (daemon asleep): at most 1.5 times a futex ping-pong on one core", false},
	{"access.rtc_dr_read_after_10ms_busy", "host.pingpong_futex_one_core_after_10ms",
	 REPORT_HOST, 1.5, "cold access after 10 ms: at most 1.5 times a futex ping-pong as seldom",
	 false},
	{"boot.instruction_rate", NULL, REPORT_OURS, 250,
	 "interpreter over the kernel's boot: at least 250 M instructions a second", true},
	{"start.first_instruction", NULL, REPORT_OURS, 0.060,
	 "command to first guest instruction: at most 60 ms", false},
	{"memory.beyond_guest_ram", NULL, REPORT_OURS, 20.0,
	 "memory beyond guest RAM, all processes: at most 20 MiB", false},
	{"memory.largest_device_process", NULL, REPORT_OURS, 1.0,
	 "memory of a device process: at most 1 MiB", false},
	{"idle.cpu", NULL, REPORT_OURS, 1.0, "idle guest: below 1 % of one core", false},
	FASTER("disk.none.seq_read_128k.qd1", "disk, cache=none, 128 KiB in order, read, depth 1"),
	FASTER("disk.none.seq_write_128k.qd1", "disk, cache=none, 128 KiB in order, written, depth 1"),
	FASTER("disk.none.seq_read_128k.qd32", "disk, cache=none, 128 KiB in order, read, depth 32"),
	FASTER("disk.none.seq_write_128k.qd32", "disk, cache=none, 128 KiB in order, written, depth 32"),
	FASTER("disk.none.rand_read_4k.qd1", "disk, cache=none, 4 KiB at random, read, depth 1"),
	FASTER("disk.none.rand_write_4k.qd1", "disk, cache=none, 4 KiB at random, written, depth 1"),
	FASTER("disk.none.rand_read_4k.qd32", "disk, cache=none, 4 KiB at random, read, depth 32"),
	FASTER("disk.none.rand_write_4k.qd32", "disk, cache=none, 4 KiB at random, written, depth 32"),
	FASTER("disk.writeback.seq_read_128k.qd1", "disk, cache=writeback, 128 KiB in order, read, depth 1"),
	FASTER("disk.writeback.seq_write_128k.qd1", "disk, cache=writeback, 128 KiB in order, written, depth 1"),
	FASTER("disk.writeback.seq_read_128k.qd32", "disk, cache=writeback, 128 KiB in order, read, depth 32"),
	FASTER("disk.writeback.seq_write_128k.qd32", "disk, cache=writeback, 128 KiB in order, written, depth 32"),
	FASTER("disk.writeback.rand_read_4k.qd1", "disk, cache=writeback, 4 KiB at random, read, depth 1"),
	FASTER("disk.writeback.rand_write_4k.qd1", "disk, cache=writeback, 4 KiB at random, written, depth 1"),
	FASTER("disk.writeback.rand_read_4k.qd32", "disk, cache=writeback, 4 KiB at random, read, depth 32"),
	FASTER("disk.writeback.rand_write_4k.qd32", "disk, cache=writeback, 4 KiB at random, written, depth 32"),
	FASTER("net.tap.guest_to_host", "network by tap, guest to host"),
	FASTER("net.tap.host_to_guest", "network by tap, host to guest"),
	FASTER("net.passt.guest_to_host", "network by passt, guest to host"),
	FASTER("net.passt.host_to_guest", "network by passt, host to guest"),
	{"disk.wakes_per_sleep_of_daemon", NULL, REPORT_OURS, 1.0,
	 "notify: no system call of the vCPU while the daemon is awake: at most one for each time that it slept", false},
	{"disk.irq_syscalls_per_request_busy", NULL, REPORT_OURS, 0.01,
	 "interrupt to a running vCPU: no system call (at most 0.01 a request while the guest computes)", false},
	{"memory.virtio_blk", NULL, REPORT_OURS, 1.5,
	 "memory of an idle virtio-blk daemon: at most 1.5 MiB", false},
	{"memory.virtio_net", NULL, REPORT_OURS, 1.5,
	 "memory of an idle virtio-net daemon: at most 1.5 MiB", false},
	{"memory.virtio_rng", NULL, REPORT_OURS, 1.5,
	 "memory of an idle virtio-rng daemon: at most 1.5 MiB", false},
	{"memory.virtio_console", NULL, REPORT_OURS, 1.5,
	 "memory of an idle virtio-console daemon: at most 1.5 MiB", false},
};
/* clang-format on */
const size_t goals_count = sizeof goals / sizeof goals[0];
