/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/irq.h"
#include "base/bytes.h"
#include <errno.h>

void irq_init(struct irq_table *t, unsigned count)
{
	CHECK(count <= IRQ_MAX);
	memset(t, 0, sizeof(*t));
	t->count = count;
}

int irq_claim(struct irq_table *t, uint32_t irq, const char *owner, struct err *err)
{
	if (irq >= t->count)
		return err_set(err, ERANGE,
			       "%s: interrupt %u does not exist; this machine has 0 to %u", owner,
			       irq, t->count ? t->count - 1 : 0);
	if (t->owner[irq])
		return err_set(err, EEXIST, "%s: interrupt %u is already taken by %s", owner, irq,
			       t->owner[irq]);
	t->owner[irq] = owner;
	return 0;
}
