/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a static arm64 program for Linux user space that runs each case of a case
 * file and writes one case_record for each (with -d one case_dump). qemu-aarch64 runs it, so
 * QEMU is the judge; a real arm64 machine could run it as well.
 *
 * A case owns every register. X30 gets in through TPIDR_EL0 (the case's first word moves it) and
 * out the same way, so nothing of the harness is visible to the case. Signals end a case early:
 * the handler copies the interrupted state and goes back to the loop without returning from the
 * signal; it runs on an alternate stack and nothing is masked (SA_NODEFER), so this is safe.
 *
 * Freestanding: glibc would want TPIDR_EL0 for itself.
 */
#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>
#include "case.h"

#define AT_FDCWD_ (-100)
#define O_RDWR_CREAT_TRUNC 01102
#define PROT_RWX 7
#define MAP_PRIVATE_FIXED_ANON 0x32

struct cpu_state harness_out;
static struct cpu_state in_state;
static uint8_t alt_stack[16384] __attribute__((aligned(16)));
static struct case_record cur;
static uint64_t cur_body; /* address of body word 0 */
static uint8_t out_buf[65536];
static size_t out_len;
static int out_fd;

void harness_main(long *sp);
long harness_syscall(long nr, ...);
void case_enter(const struct cpu_state *in, uint64_t pc);
void case_exit(void);
__attribute__((noreturn)) void case_abandon(void);
void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);

_Static_assert(offsetof(struct cpu_state, sp) == 248, "harness_entry.S knows this");
_Static_assert(offsetof(struct cpu_state, v) == 256, "harness_entry.S knows this");
_Static_assert(offsetof(struct cpu_state, nzcv) == 768, "harness_entry.S knows this");

void *memcpy(void *d, const void *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)d)[i] = ((const uint8_t *)s)[i];
	return d;
}

void *memset(void *d, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)d)[i] = (uint8_t)c;
	return d;
}

static __attribute__((noreturn)) void die(const char *msg)
{
	size_t n = 0;

	while (msg[n])
		n++;
	harness_syscall(__NR_write, 2, msg, n);
	harness_syscall(__NR_exit, 2);
	__builtin_unreachable();
}

static void out_flush(void)
{
	size_t done = 0;

	while (done < out_len) {
		long r = harness_syscall(__NR_write, out_fd, out_buf + done, out_len - done);

		if (r <= 0)
			die("harness: write failed\n");
		done += (size_t)r;
	}
	out_len = 0;
}

static void out_put(const void *p, size_t n)
{
	if (out_len + n > sizeof(out_buf))
		out_flush();
	memcpy(out_buf + out_len, p, n);
	out_len += n;
}

/* The end of a case that trapped. */
static void on_signal(int sig, void *info, void *uctx)
{
	struct ucontext *uc = uctx;
	struct sigcontext *m = &uc->uc_mcontext;
	const struct fpsimd_context *f = (const void *)m->__reserved;

	(void)info;
	if (f->head.magic != FPSIMD_MAGIC)
		die("harness: no FP state in the signal frame\n");
	cur.status = sig == SIGILL		       ? CASE_UNDEF
		     : sig == SIGSEGV || sig == SIGBUS ? CASE_FAULT
						       : CASE_OTHER;
	cur.where = (uint8_t)((m->pc - cur_body) / 4);
	for (int i = 0; i < 31; i++)
		harness_out.x[i] = m->regs[i];
	harness_out.sp = m->sp;
	for (int i = 0; i < 32; i++) {
		harness_out.v[i][0] = (uint64_t)f->vregs[i];
		harness_out.v[i][1] = (uint64_t)(f->vregs[i] >> 64);
	}
	harness_out.nzcv = (uint32_t)m->pstate & 0xf0000000u;
	harness_out.fpcr = f->fpcr;
	harness_out.fpsr = f->fpsr;
	harness_out.pad = 0;
	case_abandon();
}

static void signals_init(void)
{
	static const int sigs[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
	stack_t ss = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)};
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = (__sighandler_t)(void *)on_signal;
	sa.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
	if (harness_syscall(__NR_sigaltstack, &ss, 0))
		die("harness: sigaltstack failed\n");
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		if (harness_syscall(__NR_rt_sigaction, sigs[i], &sa, 0, 8))
			die("harness: sigaction failed\n");
}

static void *map_fixed(uint64_t addr, uint64_t len)
{
	long r = harness_syscall(__NR_mmap, addr, len, PROT_RWX, MAP_PRIVATE_FIXED_ANON, -1, 0);

	if ((uint64_t)r != addr)
		die("harness: mmap failed\n");
	return (void *)addr;
}

static void read_all(int fd, void *p, uint64_t n)
{
	while (n) {
		long r = harness_syscall(__NR_read, fd, p, n);

		if (r <= 0)
			die("harness: case file is short\n");
		p = (uint8_t *)p + r;
		n -= (uint64_t)r;
	}
}

/* Writes the way out over each word that is not to run. */
static void code_finish(const struct case_desc *d)
{
	uint32_t *w = (uint32_t *)(CASE_CODE_BASE + d->code_off) + 1;

	for (unsigned i = d->nrun; i <= d->nwords; i++) {
		int64_t off = (int64_t)(uint64_t)&case_exit - (int64_t)(uint64_t)&w[i];

		w[i] = 0x14000000u | ((uint32_t)(off >> 2) & 0x03ffffffu);
	}
}

static void case_run(const struct case_desc *d, uint32_t id, int dump)
{
	uint64_t *win = (uint64_t *)CASE_WIN_BASE;

	cur = (struct case_record){.id = id};
	cur_body = CASE_CODE_BASE + d->code_off + 4;
	case_state_init(d, &in_state, win);
	case_enter(&in_state, cur_body - 4);
	cur.hash = case_state_hash(&harness_out, win);
	out_put(&cur, sizeof(cur));
	if (dump) {
		out_put(&harness_out, sizeof(harness_out));
		out_put(win, CASE_WIN_SIZE);
	}
}

/* argv: [-d] CASES RECORDS */
void harness_main(long *sp)
{
	long argc = sp[0];
	char **argv = (char **)(sp + 1);
	int dump = argc > 1 && argv[1][0] == '-' && argv[1][1] == 'd';
	struct blob_header h;
	struct case_desc *d;
	long fd;

	if (argc != 3 + dump)
		die("usage: harness [-d] CASES RECORDS\n");
	fd = harness_syscall(__NR_openat, AT_FDCWD_, argv[1 + dump], 0, 0);
	out_fd = (int)harness_syscall(__NR_openat, AT_FDCWD_, argv[2 + dump], O_RDWR_CREAT_TRUNC,
				      0644);
	if (fd < 0 || out_fd < 0)
		die("harness: cannot open the files\n");
	read_all((int)fd, &h, sizeof(h));
	if (h.magic != CASE_MAGIC || h.version != CASE_VERSION ||
	    h.code_off + (uint64_t)h.code_bytes > CASE_CODE_MAX)
		die("harness: not a case file of this version\n");
	d = map_fixed(0x20000000, (h.ncases * sizeof(*d) + 4095) & ~4095ull);
	map_fixed(CASE_CODE_BASE, CASE_CODE_MAX);
	map_fixed(CASE_SCRATCH_BASE, CASE_SCRATCH_SIZE);
	read_all((int)fd, d, h.ncases * sizeof(*d));
	read_all((int)fd, (void *)(CASE_CODE_BASE + h.code_off), h.code_bytes);
	for (uint32_t i = 0; i < h.ncases; i++)
		code_finish(&d[i]);
	__builtin___clear_cache((char *)CASE_CODE_BASE + h.code_off,
				(char *)CASE_CODE_BASE + h.code_off + h.code_bytes);
	signals_init();
	for (uint32_t i = 0; i < h.ncases; i++)
		case_run(&d[i], h.first_id + i, dump);
	out_flush();
	harness_syscall(__NR_exit, 0);
}
