/* SPDX-License-Identifier: Apache-2.0 */
/* Entry, exception vectors, and the way to EL0 and back. */
	.section .text.start, "ax"
	.global	_start
_start:
	mov	x19, x0
	adrp	x1, __stack_top
	add	x1, x1, :lo12:__stack_top
	msr	spsel, #1
	mov	sp, x1
	adrp	x1, __bss_start
	add	x1, x1, :lo12:__bss_start
	adrp	x2, __bss_end
	add	x2, x2, :lo12:__bss_end
1:	cmp	x1, x2
	b.hs	2f
	stp	xzr, xzr, [x1], #16
	b	1b
2:	adr	x1, vectors
	msr	vbar_el1, x1
	isb
	mov	x0, x19
	bl	rt_main
3:	wfi
	b	3b

/* struct frame of rt.h: x0..x30, sp_el0, elr, spsr, esr, far, kind */
	.macro	vector kind
	.balign	128
	sub	sp, sp, #304
	stp	x0, x1, [sp]
	mov	x0, #\kind
	b	common_entry
	.endm

	.text
	.balign	2048
	.global	vectors
vectors:
	.irp	k, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vector	\k
	.endr

	.balign	128
common_entry:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	mrs	x1, sp_el0
	stp	x30, x1, [sp, #240]
	mrs	x1, elr_el1
	mrs	x2, spsr_el1
	stp	x1, x2, [sp, #256]
	mrs	x1, esr_el1
	mrs	x2, far_el1
	stp	x1, x2, [sp, #272]
	str	x0, [sp, #288]
	mov	x0, sp
	bl	exc_entry
	cbnz	x0, el0_leave
	ldp	x1, x2, [sp, #256]
	msr	elr_el1, x1
	msr	spsr_el1, x2
	ldp	x30, x1, [sp, #240]
	msr	sp_el0, x1
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x19, [sp, #144]
	ldp	x20, x21, [sp, #160]
	ldp	x22, x23, [sp, #176]
	ldp	x24, x25, [sp, #192]
	ldp	x26, x27, [sp, #208]
	ldp	x28, x29, [sp, #224]
	ldp	x0, x1, [sp]
	add	sp, sp, #304
	eret

/* uint64_t el0_enter(uint64_t pc, uint64_t sp, uint64_t arg, uint64_t spsr): back through SVC #0x7f, with its x0 */
	.global	el0_enter
el0_enter:
	stp	x29, x30, [sp, #-112]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	mrs	x4, daif
	str	x4, [sp, #96]
	adrp	x5, el0_saved_sp
	add	x5, x5, :lo12:el0_saved_sp
	mov	x4, sp
	str	x4, [x5]
	msr	daifset, #15
	msr	elr_el1, x0
	msr	sp_el0, x1
	msr	spsr_el1, x3
	mov	x0, x2
	adr	x30, el0_exit
	eret

/* Where a function called at EL0 returns to: runs at EL0 */
	.global	el0_exit
el0_exit:
	svc	#0x7f
	b	el0_exit

el0_leave:
	ldr	x0, [sp]
	adrp	x5, el0_saved_sp
	add	x5, x5, :lo12:el0_saved_sp
	ldr	x4, [x5]
	mov	sp, x4
	ldr	x4, [sp, #96]
	msr	daif, x4
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #112
	ret

/* uint64_t hvc_call(uint64_t fn, uint64_t a, uint64_t b, uint64_t c) */
	.global	hvc_call
hvc_call:
	hvc	#0
	ret

	.bss
	.balign	8
el0_saved_sp:
	.skip	8
