/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of the harness, and the way into and out of a case. Linux arm64 user space, no libc. */

	.text
	.global	_start
_start:
	mov	x29, #0
	mov	x30, #0
	mov	x0, sp
	and	sp, x0, #~15
	bl	harness_main
	mov	x8, #93
	svc	#0

/* long harness_syscall(nr, a, b, c, d, e, f) */
	.global	harness_syscall
harness_syscall:
	mov	x8, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	svc	#0
	ret

/*
 * void case_enter(const struct cpu_state *in, uint64_t pc)
 * Loads everything from *in and jumps to pc with the value of X30 in TPIDR_EL0: the first word of
 * each case moves it into X30. Comes back through case_exit or case_abandon.
 */
	.global	case_enter
case_enter:
	adrp	x9, harness_save
	add	x9, x9, :lo12:harness_save
	stp	x19, x20, [x9]
	stp	x21, x22, [x9, #16]
	stp	x23, x24, [x9, #32]
	stp	x25, x26, [x9, #48]
	stp	x27, x28, [x9, #64]
	stp	x29, x30, [x9, #80]
	mov	x10, sp
	str	x10, [x9, #96]
	stp	d8, d9, [x9, #104]
	stp	d10, d11, [x9, #120]
	stp	d12, d13, [x9, #136]
	stp	d14, d15, [x9, #152]
	mov	x30, x1
	add	x1, x0, #256
	ldp	q0, q1, [x1, #0]
	ldp	q2, q3, [x1, #32]
	ldp	q4, q5, [x1, #64]
	ldp	q6, q7, [x1, #96]
	ldp	q8, q9, [x1, #128]
	ldp	q10, q11, [x1, #160]
	ldp	q12, q13, [x1, #192]
	ldp	q14, q15, [x1, #224]
	ldp	q16, q17, [x1, #256]
	ldp	q18, q19, [x1, #288]
	ldp	q20, q21, [x1, #320]
	ldp	q22, q23, [x1, #352]
	ldp	q24, q25, [x1, #384]
	ldp	q26, q27, [x1, #416]
	ldp	q28, q29, [x1, #448]
	ldp	q30, q31, [x1, #480]
	ldr	x2, [x0, #240]
	msr	tpidr_el0, x2
	ldr	x2, [x0, #248]
	mov	sp, x2
	ldr	w2, [x0, #768]
	ldr	w3, [x0, #772]
	ldr	w4, [x0, #776]
	msr	fpcr, x3
	msr	fpsr, x4
	msr	nzcv, x2
	ldp	x2, x3, [x0, #16]
	ldp	x4, x5, [x0, #32]
	ldp	x6, x7, [x0, #48]
	ldp	x8, x9, [x0, #64]
	ldp	x10, x11, [x0, #80]
	ldp	x12, x13, [x0, #96]
	ldp	x14, x15, [x0, #112]
	ldp	x16, x17, [x0, #128]
	ldp	x18, x19, [x0, #144]
	ldp	x20, x21, [x0, #160]
	ldp	x22, x23, [x0, #176]
	ldp	x24, x25, [x0, #192]
	ldp	x26, x27, [x0, #208]
	ldp	x28, x29, [x0, #224]
	ldp	x0, x1, [x0]
	clrex
	br	x30

/* A finished case branches here with its own registers all in place. */
	.global	case_exit
case_exit:
	msr	tpidr_el0, x30
	adrp	x30, harness_out
	add	x30, x30, :lo12:harness_out
	stp	x0, x1, [x30]
	stp	x2, x3, [x30, #16]
	stp	x4, x5, [x30, #32]
	stp	x6, x7, [x30, #48]
	stp	x8, x9, [x30, #64]
	stp	x10, x11, [x30, #80]
	stp	x12, x13, [x30, #96]
	stp	x14, x15, [x30, #112]
	stp	x16, x17, [x30, #128]
	stp	x18, x19, [x30, #144]
	stp	x20, x21, [x30, #160]
	stp	x22, x23, [x30, #176]
	stp	x24, x25, [x30, #192]
	stp	x26, x27, [x30, #208]
	stp	x28, x29, [x30, #224]
	mrs	x0, tpidr_el0
	mov	x1, sp
	stp	x0, x1, [x30, #240]
	mrs	x0, nzcv
	mrs	x1, fpcr
	mrs	x2, fpsr
	str	w0, [x30, #768]
	str	w1, [x30, #772]
	str	w2, [x30, #776]
	str	wzr, [x30, #780]
	add	x1, x30, #256
	stp	q0, q1, [x1, #0]
	stp	q2, q3, [x1, #32]
	stp	q4, q5, [x1, #64]
	stp	q6, q7, [x1, #96]
	stp	q8, q9, [x1, #128]
	stp	q10, q11, [x1, #160]
	stp	q12, q13, [x1, #192]
	stp	q14, q15, [x1, #224]
	stp	q16, q17, [x1, #256]
	stp	q18, q19, [x1, #288]
	stp	q20, q21, [x1, #320]
	stp	q22, q23, [x1, #352]
	stp	q24, q25, [x1, #384]
	stp	q26, q27, [x1, #416]
	stp	q28, q29, [x1, #448]
	stp	q30, q31, [x1, #480]
	/* falls through */

/* Back to the caller of case_enter; the out state was written already. */
	.global	case_abandon
case_abandon:
	msr	fpcr, xzr
	adrp	x9, harness_save
	add	x9, x9, :lo12:harness_save
	ldp	x19, x20, [x9]
	ldp	x21, x22, [x9, #16]
	ldp	x23, x24, [x9, #32]
	ldp	x25, x26, [x9, #48]
	ldp	x27, x28, [x9, #64]
	ldp	x29, x30, [x9, #80]
	ldr	x10, [x9, #96]
	mov	sp, x10
	ldp	d8, d9, [x9, #104]
	ldp	d10, d11, [x9, #120]
	ldp	d12, d13, [x9, #136]
	ldp	d14, d15, [x9, #152]
	ret

	.bss
	.balign	16
harness_save:
	.skip	176
	.section .note.GNU-stack, "", %progbits
