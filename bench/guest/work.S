/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work whose number of instructions is known exactly. Each takes x0 = rounds; the counts are in
 * work.h and are those of one round, the loop's own instructions included.
 */
	.text

/* 32 instructions of integer arithmetic with a dependency chain: 30 + 2 for the loop. */
	.global work_alu
	.balign 64
work_alu:
	mov	x1, #1
	movz	x2, #0x9e37
	mov	x3, #3
1:
	.rept	3
	add	x1, x1, x2
	eor	x3, x3, x1, lsr #7
	madd	x4, x3, x2, x1
	ror	x2, x4, #13
	and	x5, x2, #0xff
	sub	x3, x3, x5
	orr	x1, x1, x5, lsl #3
	ubfx	x6, x4, #9, #21
	add	w1, w1, w6
	csel	x3, x3, x4, ne
	.endr
	subs	x0, x0, #1
	b.ne	1b
	ret

/* Reads and writes 16 KiB at x1, 64 bytes an inner turn: 256 x (16 + 4) + 4 instructions. */
	.global work_memory
	.balign 64
work_memory:
	mov	x7, #0
1:	mov	x2, x1
	mov	w3, #256
2:
	.rept	4
	ldr	x4, [x2]
	add	x7, x7, x4
	str	x7, [x2, #8]
	add	x2, x2, #16
	.endr
	ldrb	w5, [x2, #-3]
	add	x7, x7, x5
	subs	w3, w3, #1
	b.ne	2b
	subs	x0, x0, #1
	b.ne	1b
	ret

/*
 * Large code: 1024 functions of 32 instructions (30 executed and counted the same whichever way
 * their branch goes), called in a pseudo-random order: 8 + 30 instructions a round.
 */
	.global work_calls
	.balign 64
work_calls:
	mov	x8, x30
	adr	x9, functions
	movz	x10, #0x4c95
	movk	x10, #0x5851, lsl #16
	mov	x11, #12345
	mov	x1, #1
	mov	x3, #3
	mov	x2, #5
1:	madd	x11, x11, x10, x10
	ubfx	x12, x11, #33, #10
	add	x12, x9, x12, lsl #7
	eor	x1, x1, x11
	add	x2, x2, #1
	blr	x12
	subs	x0, x0, #1
	b.ne	1b
	mov	x30, x8
	ret

	.balign 128
functions:
	.set	n, 0
	.rept	1024
	.set	n, n + 1
	stp	x1, x2, [sp, #-16]!
	add	x1, x1, #(n & 0xfff)
	eor	x3, x3, x1
	tbz	x3, #(n & 31), 2f
2:
	.rept	4
	lsr	x4, x3, #(1 + (n % 60))
	add	x2, x2, x4
	sub	x1, x2, x3
	cmp	x1, x4
	csel	x3, x1, x2, hi
	.endr
	cbz	w3, 3f
3:	madd	x3, x3, x2, x1
	and	x2, x2, #0xffff
	ldp	x1, x2, [sp], #16
	add	x3, x3, x1
	ret
	.balign 128
	.endr
