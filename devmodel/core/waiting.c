/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/waiting.h"
#include "base/bytes.h"
#include "base/clock.h"

#define HOT_AFTER 16u	    /* short gaps in a row that make a device hot */
#define HOT_GAP_NS 50000u   /* a gap this short is worth a spin */
#define SPIN_MIN_NS 10000u  /* budget of a spin: at least, */
#define SPIN_MAX_NS 100000u /* at most, */
#define SPIN_GAPS 8u	    /* and this many usual gaps */
#define CALIBRATION_LOOKS 512u

void waiting_init(struct waiting *w)
{
	*w = (struct waiting){.pinned = -1, .excluded = -1, .gap_ns = HOT_GAP_NS};
	CPU_ZERO(&w->allowed);
	if (sched_getaffinity(0, sizeof(w->allowed), &w->allowed))
		w->cores = 1;
	else
		w->cores = CPU_COUNT(&w->allowed);
	uint64_t start = clock_now_ns();
	for (unsigned i = 0; i < CALIBRATION_LOOKS; i++)
		cpu_relax();
	uint64_t ps = (clock_now_ns() - start) * 1000 / CALIBRATION_LOOKS;
	w->look_ps = ps < 1000 ? 1000 : ps > 1000000 ? 1000000 : (uint32_t)ps;
}

static int producer_core(const struct port_consumer *pc)
{
	return (int)atomic_load_explicit(&pc->port->producer.last_core, memory_order_relaxed) - 1;
}

static bool core_allowed(const struct waiting *w, int core)
{
	return core >= 0 && core < CPU_SETSIZE && CPU_ISSET((size_t)core, &w->allowed);
}

/* Hot: anywhere but on @core. */
static bool keep_away(struct waiting *w, int core)
{
	cpu_set_t set = w->allowed;
	if (core_allowed(w, core))
		CPU_CLR((size_t)core, &set);
	if (!CPU_COUNT(&set) || sched_setaffinity(0, sizeof(set), &set))
		return false;
	w->excluded = core;
	w->pinned = -1;
	return true;
}

static void cool_down(struct waiting *w)
{
	w->hot = false;
	w->short_gaps = 0;
}

bool waiting_spin(struct waiting *w, struct port_consumer *pc, uint64_t limit_ns)
{
	if (!w->hot)
		return false;
	int core = producer_core(pc);
	if (core != w->excluded && !keep_away(w, core)) {
		cool_down(w);
		return false;
	}
	uint64_t budget = limit_ns;
	if (!budget) {
		budget = w->gap_ns * SPIN_GAPS;
		budget = budget < SPIN_MIN_NS ? SPIN_MIN_NS : budget;
		budget = budget > SPIN_MAX_NS ? SPIN_MAX_NS : budget;
	}
	uint64_t looks = budget * 1000 / w->look_ps + 1;
	for (uint64_t i = 0; i < looks; i++) {
		if (port_has_work(pc)) {
			uint64_t gap = i * w->look_ps / 1000;
			w->gap_ns = (w->gap_ns * 7 + gap) / 8;
			w->since_ns += gap + 200;
			return true;
		}
		cpu_relax();
	}
	w->since_ns += budget;
	if (!limit_ns)
		cool_down(w);
	return false;
}

bool waiting_settle(struct waiting *w, struct port_consumer *pc)
{
	int core = producer_core(pc);
	if (!core_allowed(w, core))
		return false;
	if (w->cores == 1 || w->pinned == core)
		return true;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return false;
	w->pinned = core;
	atomic_store_explicit(&pc->port->consumer.core, (uint32_t)core + 1, memory_order_relaxed);
	return true;
}

void waiting_woke(struct waiting *w, const struct port_consumer *pc, uint64_t slept_ns,
		  bool by_request)
{
	w->since_ns = 0;
	if (!by_request || slept_ns > HOT_GAP_NS) {
		w->short_gaps = 0;
		return;
	}
	if (++w->short_gaps < HOT_AFTER || w->cores < 2)
		return;
	w->short_gaps = 0;
	w->gap_ns = slept_ns;
	w->hot = keep_away(w, producer_core(pc));
}
