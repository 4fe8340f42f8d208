/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's address space and interrupt numbers as a whole: what collides with what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/config.h"

#define PORT_LAST 0xffff

/* One occupied range and who has it. */
struct place {
	uint64_t base, size;
	bool pio;
	const char *what;
	const struct config_device *dev; /* NULL: the board's */
	unsigned region;
};

/* What @ram, all of the memory, is with the machine's hole in it: one place or two. */
static size_t ram_split(const struct machine *m, struct place ram[2])
{
	uint64_t low = m->hole - m->ram_base;
	if (!m->hole_size || ram[0].size <= low)
		return 1;
	ram[1] = ram[0];
	ram[1].base = m->hole + m->hole_size;
	ram[1].size -= low;
	ram[0].size = low;
	return 2;
}

static size_t places_collect(const struct config *c, struct place **ret)
{
	const struct machine *m = c->machine;
	size_t n = 0;
	struct place *p = xalloc(c->ndevices * LIMIT_RANGES + 24, sizeof(*p));
	for (const struct machine_block *b = m->blocks; b->what; b++)
		p[n++] = (struct place){b->base, b->size, b->pio, b->what, NULL, 0};
	p[n++] = (struct place){m->ram_base, c->memory_bytes, false, "guest memory", NULL, 0};
	n += ram_split(m, &p[n - 1]) - 1;
	for (size_t i = 0; i < c->ndevices; i++)
		for (unsigned r = 0; r < c->devices[i].nranges; r++)
			p[n++] = (struct place){c->devices[i].ranges[r].base,
						c->devices[i].ranges[r].size,
						c->devices[i].ranges[r].pio,
						c->devices[i].name,
						&c->devices[i],
						r};
	*ret = p;
	return n;
}

static const struct ynode *place_node(const struct place *p)
{
	const struct ynode *n = ynode_get(p->dev->node, "address");
	return n ? n : p->dev->node;
}

static void span(char buf[64], const struct place *p)
{
	snprintf(buf, 64, "%s0x%llx to 0x%llx", p->pio ? "ports " : "", (unsigned long long)p->base,
		 (unsigned long long)(p->base + p->size - 1));
}

/* Wrap-around and the end of the address space. True: the place can be compared with others. */
static bool place_inside(const struct config *c, const struct place *p, struct diag *d)
{
	uint64_t last;
	if (__builtin_add_overflow(p->base, p->size - 1, &last)) {
		diag_add(d, place_node(p),
			 "device %s: 0x%llx bytes at address 0x%llx wrap around the end of the "
			 "address space",
			 p->what, (unsigned long long)p->size, (unsigned long long)p->base);
		return false;
	}
	if (p->pio && last > PORT_LAST) {
		diag_add(d, place_node(p),
			 "device %s: ports 0x%llx to 0x%llx go beyond the last one, 0x%x", p->what,
			 (unsigned long long)p->base, (unsigned long long)last, PORT_LAST);
		return false;
	}
	if (last >> c->machine->address_bits) {
		diag_add(d, place_node(p),
			 "device %s: address 0x%llx is beyond the machine's address space of %u "
			 "bits",
			 p->what, (unsigned long long)p->base, c->machine->address_bits);
		return false;
	}
	return true;
}

static void check_overlaps(const struct config *c, struct diag *d)
{
	AUTO_FREE struct place *p = NULL;
	size_t n = places_collect(c, &p);
	for (size_t i = 0; i < n; i++) {
		if (!p[i].dev || !place_inside(c, &p[i], d))
			continue;
		for (size_t j = 0; j < i; j++) {
			uint64_t last;
			if (p[i].pio != p[j].pio)
				continue;
			if (__builtin_add_overflow(p[j].base, p[j].size - 1, &last))
				continue;
			if (p[i].base > last || p[j].base > p[i].base + p[i].size - 1)
				continue;
			char a[64], b[64];
			span(a, &p[i]);
			span(b, &p[j]);
			if (p[j].dev)
				diag_add(d, place_node(&p[i]),
					 "devices %s (%s, line %u) and %s (%s) overlap; move one "
					 "of them",
					 p[j].what, b, place_node(&p[j])->line, p[i].what, a);
			else
				diag_add(d, place_node(&p[i]),
					 "device %s (%s) lies over %s (%s); move it", p[i].what, a,
					 p[j].what, b);
		}
	}
}

static void check_irqs(const struct config *c, struct diag *d)
{
	for (size_t i = 0; i < c->ndevices; i++) {
		const struct config_device *a = &c->devices[i];
		for (size_t j = 0; j < i; j++) {
			const struct config_device *b = &c->devices[j];
			for (unsigned k = 0; k < a->nirqs * b->nirqs; k++) {
				uint32_t irq = a->irqs[k % a->nirqs];
				if (irq != b->irqs[k / a->nirqs])
					continue;
				const struct ynode *n = ynode_get(a->node, "irq");
				diag_add(d, n ? n : a->node,
					 "devices %s (line %u) and %s both have irq %u; give one "
					 "another number",
					 b->name, b->node->line, a->name, irq);
			}
		}
	}
}

static void check_names(const struct config *c, struct diag *d)
{
	for (size_t i = 0; i < c->ndevices; i++)
		for (size_t j = 0; j < i; j++)
			if (c->devices[i].name && c->devices[j].name &&
			    strcmp(c->devices[i].name, c->devices[j].name) == 0)
				diag_add(
					d, ynode_get(c->devices[i].node, "name"),
					"device name \"%s\" is used twice; the first is in line %u",
					c->devices[i].name,
					ynode_get(c->devices[j].node, "name")->line);
}

void config_layout_check(const struct config *c, struct diag *d)
{
	check_names(c, d);
	check_overlaps(c, d);
	check_irqs(c, d);
}

static int by_base(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->pio != y->pio)
		return x->pio ? -1 : 1;
	return (x->base > y->base) - (x->base < y->base);
}

void config_layout_print(const struct config *c, struct sb *out)
{
	AUTO_FREE struct place *p = NULL;
	size_t n = places_collect(c, &p);
	qsort(p, n, sizeof(*p), by_base);
	for (size_t i = 0; i < n; i++) {
		char size[32];
		sb_addf(out,
			p[i].pio ? "  port   0x%04llx-  port   0x%04llx %8s  %s"
				 : "  0x%010llx-0x%010llx %8s  %s",
			(unsigned long long)p[i].base,
			(unsigned long long)(p[i].base + p[i].size - 1),
			text_size_format(size, p[i].size), p[i].what);
		if (p[i].dev) {
			const struct config_device *dev = p[i].dev;
			sb_addf(out, " (%s", dev->model->name);
			if (dev->nranges > 1)
				sb_addf(out, " %s", dev->model->desc->regions[p[i].region]->name);
			for (unsigned k = 0; k < dev->nirqs; k++)
				sb_addf(out, "%s%u", k ? "," : ", irq ", dev->irqs[k]);
			sb_add(out, ")");
		}
		sb_addc(out, '\n');
	}
}
