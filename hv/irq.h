/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Ownership of interrupt lines. What their level is lives in the interrupt controller: a line keeps
 * its level when its device dies, until a successor or a reset changes it. */
#include <stdint.h>
#include "base/err.h"

#define IRQ_MAX 1024u

/** struct irq_table - who owns which line. Control thread. Zeroed = nobody owns anything. */
struct irq_table {
	unsigned count;		    /* lines [0, count) exist */
	const char *owner[IRQ_MAX]; /* borrowed names; NULL = free */
};

/** irq_init - @count (<= IRQ_MAX) free lines. */
void irq_init(struct irq_table *t, unsigned count);

/** irq_claim - gives line @irq to @owner (borrowed). -ERANGE: no such line; -EEXIST: taken, both
 * are named. */
int irq_claim(struct irq_table *t, uint32_t irq, const char *owner, struct err *err);
