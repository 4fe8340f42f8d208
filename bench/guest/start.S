/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of the benchmark guest: a raw image at RAM base + 0x80000, EL1, MMU off, x0 = device tree.
 * Sets a stack and an identity map (device memory below 1 GiB, normal memory above), then main.
 */
	.section .text.start, "ax"
	.global _start
_start:
	/* The first thing that can be seen from outside: the UART on, and one byte to it. */
	mov	x1, #0x09000000
	mov	w2, #0x301			/* CR: enable, transmit, receive */
	str	w2, [x1, #0x30]
	mov	w2, #'@'
	strb	w2, [x1]
	adrp	x1, stack_top
	add	x1, x1, :lo12:stack_top
	mov	sp, x1
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1

	/* Clear the BSS. */
	adrp	x1, bss_start
	add	x1, x1, :lo12:bss_start
	adrp	x2, bss_end
	add	x2, x2, :lo12:bss_end
0:	cmp	x1, x2
	b.hs	1f
	str	xzr, [x1], #8
	b	0b
1:
	/* One level-1 table of 1 GiB blocks: T0SZ 25 makes level 1 the start level. */
	adrp	x1, page_table
	add	x1, x1, :lo12:page_table
	movz	x2, #0x0401			/* block, AF, attribute 0 */
	movk	x2, #0x0060, lsl #48		/* UXN, PXN */
	str	x2, [x1]
	movz	x2, #0x0705			/* block, AF, inner shareable, attribute 1 */
	movk	x2, #0x4000, lsl #16
	str	x2, [x1, #8]
	dsb	ish
	msr	ttbr0_el1, x1
	mov	x2, #0xff04			/* attribute 1 normal write-back, 0 device nGnRE */
	msr	mair_el1, x2
	movz	x2, #0x3519			/* T0SZ 25, write-back walks, inner shareable, 4 KiB */
	movk	x2, #0x0080, lsl #16		/* EPD1 */
	movk	x2, #0x0002, lsl #32		/* IPS 40 bits */
	msr	tcr_el1, x2
	isb
	tlbi	vmalle1
	dsb	ish
	isb
	movz	x2, #0x1805			/* M, C, I and the RES1 bits */
	movk	x2, #0x30d0, lsl #16
	msr	sctlr_el1, x2
	isb
	bl	guest_main
	/* guest_main powers off. */
2:	wfi
	b	2b

	/* Any exception ends the run with a line that says what it was. */
	.balign	2048
vectors:
	.rept	16
	.balign	128
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	mrs	x2, far_el1
	b	guest_exception
	.endr

	.section .bss
	.balign	4096
page_table:
	.skip	4096
	.skip	16384
	.balign	16
stack_top:
