/* SPDX-License-Identifier: Apache-2.0 */
/* Multiboot 1 header and entry, long mode, exceptions and interrupts, start of another processor. */
	.section .text.start, "ax"
	.code32
	.global	_start
_start:
	jmp	entry32
	.balign	4
header:	/* Multiboot Specification 0.6.96, 3.1: with addresses, so that the file is flat */
	.long	0x1badb002, 0x00010003, -(0x1badb002 + 0x00010003)
	.long	header, __load_start, __load_end, __bss_end, entry32

entry32:
	cld
	mov	$__stack_top, %esp
	mov	%eax, rt_magic
	mov	%ebx, rt_info
	/* 4 GiB one to one, by pages of 2 MiB */
	mov	$pml4, %edi
	movl	$pdpt + 3, (%edi)
	mov	$pdpt, %edi
	mov	$pd + 3, %eax
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$4096, %eax
	add	$8, %edi
	loop	1b
	mov	$pd, %edi
	mov	$0x83, %eax
	mov	$2048, %ecx
2:	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	loop	2b
	call	long_mode
	ljmp	$8, $entry64

/* Paging on; the far jump is the caller's. */
long_mode:
	mov	$0x20, %eax
	mov	%eax, %cr4
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000001, %eax
	mov	%eax, %cr0
	lgdt	gdt_desc
	ret

	.code64
entry64:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	call	rt_main
3:	hlt
	jmp	3b

/* Another processor: real mode at page AP_PAGE (rt.h), where ap_start to ap_end is copied to. */
	.code16
	.global	ap_start, ap_end
ap_start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	0x8000 + ap_gdt_desc - ap_start
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	ljmpl	$24, $ap32
ap_gdt_desc:
	.word	gdt_end - gdt - 1
	.long	gdt
ap_end:
	.code32
ap32:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$__ap_stack_top, %esp
	call	long_mode
	ljmp	$8, $ap64
	.code64
ap64:
	mov	$16, %eax
	mov	%eax, %ss
	call	rt_ap_main
4:	hlt
	jmp	4b

	.balign	16
gdt:	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
gdt_end:
gdt_desc:
	.word	gdt_end - gdt - 1
	.quad	gdt

/* One stub a vector, 16 bytes each: pushes an error code where the CPU does not, and the vector. */
	.text
	.balign	16
	.global	exc_stubs
exc_stubs:
	.set	v, 0
	.rept	256
	.balign	16
	.if	(v != 8) && ((v < 10) || (v > 14)) && (v != 17) && (v != 21) && (v != 29) && (v != 30)
	push	$0
	.endif
	push	$v
	jmp	exc_common
	.set	v, v + 1
	.endr
exc_common:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbp
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	exc_entry
	mov	%rbp, %rsp
	pop	%rbp
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	.bss
	.balign	4096
pml4:	.skip	4096
pdpt:	.skip	4096
pd:	.skip	4 * 4096
