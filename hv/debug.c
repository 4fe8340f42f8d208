/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/debug.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/report.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS 5
/* A single step ends in a stop again at once: it goes on only when it is seen running this often in a row. */
#define RUNNING_LOOKS 2u
#define COME_MS_MAX 3600000ul
#define AGAIN_NS 500000000ull /* a debugger that detached may attach again within this time */

/* State letter and tracer of process @pid. False: there is none. */
static bool process_look(pid_t pid, char *ret_state, int *ret_tracer)
{
	char path[40], text[2048];
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	const char *state = strstr(text, "\nState:\t"), *tracer = strstr(text, "\nTracerPid:\t");
	if (!state || !tracer)
		return false;
	*ret_state = state[8];
	*ret_tracer = atoi(tracer + 12);
	return true;
}

static bool client_lives(const struct device_debug *g)
{
	struct pollfd p = {.fd = g->client_fd, .events = POLLIN};
	return g->client_fd >= 0 && poll(&p, 1, 0) == 0;
}

/* True: nobody debugs it any more. */
static bool mark_over(struct device_debug *g, bool traced)
{
	uint64_t now = clock_now_ns();
	if (traced) {
		g->seen = true;
		g->until_ns = now + AGAIN_NS;
	}
	return !traced && !g->by_hand && !client_lives(g) &&
	       (g->client_fd >= 0 || now >= g->until_ns);
}

static void device_tick(struct device *d)
{
	struct device_debug *g = &d->debug;
	char state = '?';
	int tracer = 0;
	if (d->stage != STAGE_UP || !process_look(d->pid, &state, &tracer))
		return; /* its end is told otherwise */
	if (mark_over(g, tracer != 0)) {
		debug_end(d);
		return;
	}
	bool stopped = state == 't' || state == 'T';
	g->running = stopped ? 0 : g->running + 1;
	bool held = stopped || (g->held && g->running < RUNNING_LOOKS);
	if (held == g->held)
		return;
	g->held = held;
	devices_review(d->vm);
}

static void tick(uv_timer_t *t)
{
	struct vm *vm = t->data;
	bool any = false;
	for (unsigned i = 0; i < vm->n_devices; i++) {
		struct device *d = &vm->devices[i];
		if (d->debug.on)
			device_tick(d);
		any |= d->debug.on;
	}
	if (!any)
		uv_timer_stop(t);
}

static void debug_begin(struct device *d, int client_fd, uint64_t wait_ms, bool by_hand)
{
	struct device_debug *g = &d->debug;
	fd_close(&g->client_fd);
	*g = (struct device_debug){.on = true,
				   .by_hand = by_hand,
				   .client_fd = client_fd,
				   .held = g->held,
				   .until_ns = clock_now_ns() + wait_ms * 1000000};
	device_hold_update(d);
	log_info("device=%s pid=%d may be held by a debugger", d->cfg->name, d->pid);
	if (!uv_is_active((uv_handle_t *)&d->vm->debug_timer))
		uv_timer_start(&d->vm->debug_timer, tick, LOOK_MS, LOOK_MS);
	devices_review(d->vm);
}

void debug_by_hand(struct device *d)
{
	debug_begin(d, -1, 0, true);
}

void debug_clear(struct device *d)
{
	if (!d->debug.on)
		return;
	fd_close(&d->debug.client_fd);
	d->debug = (struct device_debug){.client_fd = -1};
	device_hold_update(d);
	log_info("device=%s is not debugged any more", d->cfg->name);
}

void debug_end(struct device *d)
{
	debug_clear(d);
	devices_review(d->vm);
}

void debug_request(struct device *d, const char *value, uint64_t launcher_id)
{
	char *end;
	unsigned long pid = strtoul(value, &end, 10), ms = strtoul(end, &end, 10);
	if (!value[0]) {
		if (!d->debug.by_hand)
			debug_end(d);
		report_reply(d->vm, launcher_id, 0, "", NULL, 0);
		return;
	}
	if (*end || pid > INT32_MAX || ms > COME_MS_MAX) {
		report_reply(d->vm, launcher_id, EINVAL, "not a process and a time", NULL, 0);
		return;
	}
	if (d->stage != STAGE_UP || d->vm->state != VM_RUNNING) {
		report_reply(d->vm, launcher_id, ENXIO,
			     "the device has no daemon that serves; `restart` starts one", NULL, 0);
		return;
	}
	int fd = pid ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
	if (pid && fd < 0) {
		report_reply(d->vm, launcher_id, ESRCH, "the process that asks is gone", NULL, 0);
		return;
	}
	if (d->debug.by_hand) /* marked as long as it serves */
		fd_close(&fd);
	else
		debug_begin(d, fd, ms, false);
	report_reply(d->vm, launcher_id, 0, "", NULL, 0);
}
