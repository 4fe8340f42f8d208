/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine of one program around the software engine: RAM, an imitation of a PL011's data and flag
 *registers, and a device tree from a file. For work on the engine, without hv, daemons or ports.
 *
 *	bootmini KERNEL INITRD|- DTB|- [MIB] [CPUS]
 *
 * A kernel with the arm64 Image magic is loaded at the start of RAM, anything else 0x80000 above
 *it; x0 = DTB. The DTB's /chosen must already hold bootargs and the initramfs at RAM + 128 MiB (or
 *less: see INITRD_OFFSET).
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/soft/soft.h"

#define INITRD_OFFSET (64u << 20)
#define DTB_OFFSET (56u << 20)
#define RAW_OFFSET 0x80000u
#define CPUS_MAX 8u

struct mini {
	struct engine_vm *vm;
	struct engine_vcpu *vcpu[CPUS_MAX];
	pthread_t thread[CPUS_MAX];
	unsigned cpus;
	_Atomic bool over;
	uint64_t exits, unclaimed, chars;
	enum exit_reason how;
};

/** file_load - the whole of @path to @to, at most @max bytes. Bytes read, or -1. */
static long file_load(const char *path, uint8_t *to, size_t max)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return -1;
	for (;;) {
		ssize_t r = read(fd, to + n, max - n);
		if (r <= 0)
			return r < 0 ? -1 : (long)n;
		n += (size_t)r;
	}
}

/** uart - DR writes to standard output; FR says empty and idle; identification registers of a
 * PL011. */
static void uart(struct mini *m, struct vm_exit *x)
{
	static const uint8_t id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
	unsigned off = (unsigned)(x->addr - BOARD_UART_BASE);

	if (x->is_write) {
		if (off == 0) {
			char c = (char)x->data;
			if (write(STDOUT_FILENO, &c, 1) != 1)
				m->unclaimed++;
			m->chars++;
		}
		return;
	}
	x->data = off == 0x18 ? 0x90 : off >= 0xfe0 ? id[(off - 0xfe0) / 4] : 0;
}

static void mmio(struct mini *m, struct vm_exit *x)
{
	if (x->addr >= BOARD_UART_BASE && x->addr < BOARD_UART_BASE + 0x1000) {
		uart(m, x);
		return;
	}
	m->unclaimed++;
	if (getenv("MINI_TRACE"))
		fprintf(stderr, "unclaimed %s %#llx/%u\n", x->is_write ? "write" : "read",
			(unsigned long long)x->addr, x->len);
	if (!x->is_write)
		x->data = 0;
}

struct thread_arg {
	struct mini *m;
	unsigned index;
};

static void *vcpu_main(void *opaque)
{
	struct thread_arg *a = opaque;
	struct mini *m = a->m;
	struct engine_vcpu *v = m->vcpu[a->index];
	struct vm_exit x = {0};

	while (!m->over) {
		soft_engine.vcpu_run(v, &x);
		m->exits++;
		if (x.reason == EXIT_MMIO) {
			mmio(m, &x);
			continue;
		}
		if (x.reason == EXIT_KICKED || x.reason == EXIT_NONE)
			continue;
		m->how = x.reason;
		m->over = true;
		for (unsigned i = 0; i < m->cpus; i++)
			soft_engine.vcpu_kick(m->vcpu[i]);
	}
	return NULL;
}

static int usage(void)
{
	fprintf(stderr, "usage: bootmini KERNEL INITRD|- DTB|- [MIB] [CPUS]\n");
	return 2;
}

/** report - one line for scripts. */
static void report(const struct mini *m, uint64_t ns)
{
	struct engine_vcpu_stats st;
	uint64_t n = 0;

	for (unsigned i = 0; i < m->cpus; i++) {
		soft_engine.vcpu_stats(m->vcpu[i], &st);
		n += st.instructions;
	}
	fprintf(stderr,
		"bootmini: end=%d seconds=%.3f instructions=%llu mips=%.0f exits=%llu chars=%llu "
		"unclaimed=%llu\n",
		(int)m->how, (double)ns / 1e9, (unsigned long long)n, (double)n * 1e3 / (double)ns,
		(unsigned long long)m->exits, (unsigned long long)m->chars,
		(unsigned long long)m->unclaimed);
	if (m->how != EXIT_POWEROFF || getenv("MINI_DUMP")) {
		char buf[4096];
		for (unsigned i = 0; i < m->cpus; i++) {
			soft_engine.vcpu_dump(m->vcpu[i], buf, sizeof(buf));
			fputs(buf, stderr);
		}
	}
}

int main(int argc, char **argv)
{
	static struct guest_clock clock;
	static struct mini m;
	struct thread_arg args[CPUS_MAX];
	struct err err = {{0}};

	if (argc < 4)
		return usage();
	uint64_t size = (argc > 4 ? strtoull(argv[4], NULL, 0) : 256) << 20;
	m.cpus = argc > 5 ? (unsigned)atoi(argv[5]) : 1;
	if (m.cpus < 1 || m.cpus > CPUS_MAX || size < 128u << 20)
		return usage();
	log_init("bootmini");
	uint8_t *ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		return 1;
	long n = file_load(argv[1], ram, size);
	bool image = n > 0x40 && !memcmp(ram + 0x38, "ARM\x64", 4);
	if (n > 0 && !image) {
		memmove(ram + RAW_OFFSET, ram, (size_t)n);
		memset(ram, 0, RAW_OFFSET);
	}
	if (n <= 0 ||
	    (strcmp(argv[2], "-") &&
	     file_load(argv[2], ram + INITRD_OFFSET, size - INITRD_OFFSET) < 0) ||
	    (strcmp(argv[3], "-") && file_load(argv[3], ram + DTB_OFFSET, 2u << 20) < 0)) {
		perror("bootmini: load");
		return 1;
	}
	guest_clock_start(&clock);
	struct engine_mem mem = {.gpa = BOARD_RAM_BASE, .size = size, .hva = ram};
	struct engine_vm_config cfg = {
		.cpus = m.cpus, .clock = &clock, .mem = &mem, .mem_count = 1};
	if (soft_engine.vm_create(&cfg, &m.vm, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	for (unsigned i = 0; i < m.cpus; i++) {
		struct engine_boot boot = {.powered_on = i == 0};
		boot.entry = BOARD_RAM_BASE + (image ? 0 : RAW_OFFSET);
		boot.args[0] = BOARD_RAM_BASE + DTB_OFFSET;
		if (soft_engine.vcpu_create(m.vm, i, &m.vcpu[i], &err)) {
			fprintf(stderr, "%s\n", err.msg);
			return 1;
		}
		soft_engine.vcpu_reset(m.vcpu[i], &boot);
	}
	uint64_t start = clock_now_ns();
	for (unsigned i = 0; i < m.cpus; i++) {
		args[i] = (struct thread_arg){&m, i};
		pthread_create(&m.thread[i], NULL, vcpu_main, &args[i]);
	}
	for (unsigned i = 0; i < m.cpus; i++)
		pthread_join(m.thread[i], NULL);
	report(&m, clock_now_ns() - start);
	return m.how == EXIT_POWEROFF ? 0 : 1;
}
