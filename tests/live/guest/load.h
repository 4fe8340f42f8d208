/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A guest that uses every device at once and checks all that it gets, while the rig beside it (tests/live/rig) swaps, kills
 * and stops their daemons. It is told what to do, and says what it found, on a UART that is left alone.
 *
 * Each load has a poll function that does a little and never waits. What it has done it counts; what is wrong it says at once:
 *
 *   E text            an error: the rig fails
 *   L name n at       input stream @name: @n bytes did not come, at byte @at
 *   R net n           @n frames were sent again
 *   S name=n ...      the answer to 's': how much each load has done
 *   Q name=n ...      the answer to 'q', the last word
 */
#include "gic.h"
#include "tests/virtio/drv.h"

#define STUCK_S                                                                                    \
	40u /* a load that does nothing for so long is stuck; beyond it the rig's own deadlines */

/* ---- talking (main.c) ------------------------------------------------------------------------------------- */

void say(const char *text);
void say_dec(uint64_t v);
/** fault - says "E @what @a @b". */
void fault(const char *what, uint64_t a, uint64_t b);
/** dice - below @n. */
uint32_t dice(uint32_t n);
static inline uint64_t now(void)
{
	return read_sysreg(cntvct_el0);
}
static inline uint64_t seconds(uint64_t n)
{
	return n * read_sysreg(cntfrq_el0);
}

/** struct counts - what was done, for 's'. */
struct counts {
	uint64_t uart_out, uart_in, con_out, con_in, blk, net, rng, rtc, alarms;
};
extern struct counts counts;
extern bool quitting; /* nothing new is begun */

/* ---- streams (stream.c): blocks of 16 bytes, number and checksum ------------------------------------------ */

/** struct stream_in - what comes in is compared with what must come. */
struct stream_in {
	const char *name;
	uint32_t seed;
	uint64_t pos;
	uint8_t odd[80]; /* since something did not fit */
	unsigned nodd;
};
/** stream_byte - byte @pos of the stream of @seed. */
uint8_t stream_byte(uint32_t seed, uint64_t pos);
void stream_take(struct stream_in *s, uint8_t c);

/* ---- virtio (vdev.c) -------------------------------------------------------------------------------------- */

/** struct vdev - one virtio device. */
struct vdev {
	struct drv drv;
	uint64_t base;
	unsigned intid;
	volatile unsigned irqs; /* since somebody looked */
	uint64_t alive;		/* when something came back last */
};
/** vdev_open - finds device @id and negotiates; @bytes of memory at @arena. False: there is none. */
bool vdev_open(struct vdev *v, uint32_t id, uint8_t *arena, uint64_t bytes, uint64_t features);
/** vdev_go - DRIVER_OK, interrupts on. */
void vdev_go(struct vdev *v);
/** vdev_add - a chain, by an indirect table where that was negotiated. Its id. */
int vdev_add(struct vdev *v, struct drv_queue *q, const struct drv_seg *seg, unsigned n);
/** vdev_look - true: there was an interrupt, or it is time to say that one is missing (@busy: something is with the device). */
bool vdev_look(struct vdev *v, struct drv_queue *q, bool busy, const char *name);
/** vdev_irq - interrupt @intid came. False: it is of no virtio device. */
bool vdev_irq(unsigned intid);

/* ---- the loads -------------------------------------------------------------------------------------------- */

void uart_open(void);
void uart_poll(void);
bool uart_irq(unsigned intid);
void rtc_open(void);
void rtc_poll(void);
bool rtc_irq(unsigned intid);
void blk_open(void);
void blk_poll(void);
bool blk_idle(void);
void net_open(void);
void net_poll(void);
bool net_idle(void);
void con_open(void);
void con_poll(void);
bool con_idle(void);
void rng_open(void);
void rng_poll(void);
