/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The aarch64-virt board: memory map of QEMU's `virt` machine (hw/arm/virt.c's documented map), so that guests made
 * for that board run unmodified. */
#define BOARD_RAM_BASE 0x40000000ull
#define BOARD_GICD_BASE 0x08000000ull
#define BOARD_GICD_SIZE 0x10000ull
#define BOARD_GICR_BASE 0x080a0000ull
#define BOARD_GICR_SIZE_PER_CPU 0x20000ull
#define BOARD_GICR_SIZE_MAX 0xf60000ull
#define BOARD_UART_BASE 0x09000000ull	/* SPI 1 */
#define BOARD_RTC_BASE 0x09010000ull	/* SPI 2 */
#define BOARD_VIRTIO_BASE 0x0a000000ull /* + 0x200 * n, SPI 16 + n, edge */
#define BOARD_SPI_COUNT 256u
#define BOARD_APB_PCLK_HZ 24000000u
/* Generic timer: PPIs as INTIDs. */
#define BOARD_PPI_CNTP_S 29u
#define BOARD_PPI_CNTP_NS 30u
#define BOARD_PPI_CNTV 27u
#define BOARD_PPI_CNTHP 26u
/* 62.5 MHz, as QEMU: one tick is 16 ns, so scaling is a shift. */
#define BOARD_CNTFRQ_HZ 62500000u
#define BOARD_CNT_SHIFT 4u
