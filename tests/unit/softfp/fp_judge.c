/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arm64 program: executes cases on the CPU it runs on and writes one struct fp_result each to stdout.
 * usage: fp_judge SEED FIRST COUNT MIX
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "fpcase.h"

#define SLOTS 8192u

/* Loads everything from @s, goes to x[30], and stores everything at judge_back. Only SP leads back to @s. */
void judge_run(struct fp_state *s);
extern const char judge_back[];
__asm__(".text\n"
	".globl judge_run, judge_back\n"
	"judge_run:\n"
	"	sub sp, sp, #192\n"
	"	stp x19, x20, [sp]\n	stp x21, x22, [sp, #16]\n	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n	stp x27, x28, [sp, #64]\n	stp x29, x30, [sp, "
	"#80]\n"
	"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n	str x0, [sp, #160]\n"
	"	ldr x1, [x0, #760]\n	msr nzcv, x1\n"
	"	ldr x1, [x0, #768]\n	msr fpcr, x1\n"
	"	ldr x1, [x0, #776]\n	msr fpsr, x1\n"
	".irp n,0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n	ldr q\\n, [x0, #16*\\n]\n"
	".endr\n"
	".irp n,1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31\n	ldr q\\n, [x0, #16*\\n]\n"
	".endr\n"
	".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
	"	ldr x\\n, [x0, #512+8*\\n]\n"
	".endr\n"
	"	ldr x0, [x0, #512]\n"
	"	br x30\n"
	"judge_back:\n"
	"	str x0, [sp, #168]\n	ldr x0, [sp, #160]\n"
	".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
	"	str x\\n, [x0, #512+8*\\n]\n"
	".endr\n"
	"	ldr x1, [sp, #168]\n	str x1, [x0, #512]\n"
	".irp "
	"n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"	str q\\n, [x0, #16*\\n]\n"
	".endr\n"
	"	mrs x1, nzcv\n	str x1, [x0, #760]\n"
	"	mrs x1, fpcr\n	str x1, [x0, #768]\n"
	"	mrs x1, fpsr\n	str x1, [x0, #776]\n"
	"	msr fpcr, xzr\n"
	"	ldp x19, x20, [sp]\n	ldp x21, x22, [sp, #16]\n	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n	ldp x27, x28, [sp, #64]\n	ldp x29, x30, [sp, "
	"#80]\n"
	"	ldp d8, d9, [sp, #96]\n	ldp d10, d11, [sp, #112]\n	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #192\n"
	"	ret\n");
_Static_assert(sizeof(struct fp_state) == 784, "offsets above");

static volatile sig_atomic_t illegal;

static void on_sigill(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	(void)info;
	illegal = 1;
	u->uc_mcontext.pc += 4;
}

static void run_batch(uint32_t *code, uint64_t seed, uint64_t first, unsigned count,
		      enum fp_mix mix)
{
	for (unsigned i = 0; i < count; i++) {
		int64_t back = ((const char *)judge_back - (const char *)&code[2 * i + 1]) / 4;

		code[2 * i] = fp_case_word(seed, first + i, mix);
		if (fp_case_is_other_space(code[2 * i]))
			abort();
		code[2 * i + 1] = 0x14000000u | ((uint32_t)back & 0x03ffffffu);
	}
	__builtin___clear_cache((char *)code, (char *)&code[2 * count]);
	for (unsigned i = 0; i < count; i++) {
		struct fp_state s;
		struct fp_result r;

		fp_case_state(seed, first + i, mix, i, &s);
		illegal = 0;
		judge_run(&s);
		fp_case_result(&s, code[2 * i], illegal, &r);
		fwrite(&r, sizeof(r), 1, stdout);
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO};
	void *at = (void *)FP_X30_BASE; /* within a branch's reach of the program */
	uint32_t *code;

	if (argc != 5)
		return 2;
	code = mmap(at, SLOTS * 8, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (code != at) {
		perror("fp_judge: mmap");
		return 1;
	}
	sigaction(SIGILL, &sa, NULL);
	uint64_t seed = strtoull(argv[1], NULL, 0), first = strtoull(argv[2], NULL, 0);
	uint64_t count = strtoull(argv[3], NULL, 0);
	for (uint64_t i = 0; i < count; i += SLOTS)
		run_batch(code, seed, first + i, (unsigned)(count - i < SLOTS ? count - i : SLOTS),
			  (enum fp_mix)atoi(argv[4]));
	return fflush(stdout) != 0;
}
