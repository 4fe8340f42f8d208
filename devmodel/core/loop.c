/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a daemon: serve the ring; when it is empty, move host bytes, arm the timer, tell of interrupts,
 * and wait.
 */
#include "devmodel/core/daemon.h"
#include "devmodel/core/record.h"
#include "base/clock.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>

#define BATCH 256u	       /* requests served before looking at anything else */
#define LOOK_AROUND_NS 500000u /* hot: this often at descriptors */
#define COALESCE_NS 5000u      /* hot: output waits this long for more of it */
#define TURN_NS 5000u	   /* what a turn of left-over work counts as, until the next look around */
#define BUSY_LOOKS 20u	   /* looks at a host that is at work, and at the ring... */
#define BUSY_LOOK_NS 2000u /* ...this far apart */
#define HAND_OVER_LOOK_MS                                                                          \
	20		  /* the host tells by an event; this is for what is settled without one */
#define DRAIN_TURNS 1000u /* of left-over work, before a quiesce or the end */
#define LINES_RECHECK_MS                                                                           \
	1 /* a vCPU samples lines after its completion; if it has not by then, kick */
#define LAST_WORDS_NS 1000000000u /* at the end: output still held waits this long for its reader */
#define READER_RECHECK_MS 1000	  /* a pty without a reader gets one without an event */

static uint64_t env_now(void *ctx)
{
	const struct daemon *d = ctx;
	uint64_t now = clock_now_ns(), off = d->clock_offset_ns;
	if (d->srv.port.port) { /* else a standby */
		/* Acquire: pairs with slot_clock(). A clock that goes on again has its new offset. */
		const struct port_producer_line *p = &d->srv.port.port->producer;
		uint64_t at = atomic_load_explicit(&p->clock_stopped_at, memory_order_acquire);
		if (at)
			return at - 1;
		uint64_t port_off = atomic_load_explicit(&p->clock_offset_ns, memory_order_relaxed);
		off = port_off ? port_off : off;
	}
	return now > off ? now - off : 0;
}

static void env_random(void *ctx, void *buf, size_t len)
{
	uint8_t *p = buf;
	(void)ctx;
	while (len) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		CHECK(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

static void env_count(void *ctx, enum dm_count what, uint64_t n)
{
	server_count(&((struct daemon *)ctx)->srv, (unsigned)what, n);
}

static void env_latency(void *ctx, uint64_t ns)
{
	server_latency(&((struct daemon *)ctx)->srv, ns);
}

static void env_depth(void *ctx, unsigned n)
{
	server_depth(&((struct daemon *)ctx)->srv, n);
}

static uint64_t env_realtime(void *ctx)
{
	(void)ctx;
	return clock_real_ns();
}

static void env_log(void *ctx, enum dm_level level, const char *text)
{
	struct daemon *d = ctx;
	log_write((enum log_level)level, "%s", text);
	if (level > DM_LOG_WARN || !d->ctl)
		return;
	Outrigger__LogLine line = OUTRIGGER__LOG_LINE__INIT;
	line.level = (uint32_t)level;
	line.text = (char *)(uintptr_t)text;
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_LOG;
	m.log = &line;
	ctl_send(d->ctl, &m.base, 0); /* never waits: a guest can cause it */
}

const struct dm_env daemon_env = {.now_ns = env_now,
				  .realtime_ns = env_realtime,
				  .log = env_log,
				  .random = env_random,
				  .count = env_count,
				  .latency = env_latency,
				  .depth = env_depth};

/* ---- what is due when the ring is empty -------------------------------------------------------------------- */

static void run_timers(struct daemon *d)
{
	uint64_t next = dm_timers_next(d->dm);
	if (next == UINT64_MAX || env_now(d) < next)
		return;
	step_at("timer");
	if (dm_timers_run(d->dm, env_now(d)))
		server_commit(&d->srv);
}

static void arm_timer(struct daemon *d)
{
	uint64_t next = d->quiesced ? UINT64_MAX : dm_timers_next(d->dm);
	uint64_t at = UINT64_MAX;
	if (next != UINT64_MAX && __builtin_add_overflow(next, d->clock_offset_ns, &at))
		at = UINT64_MAX;
	if (at > INT64_MAX)
		at = UINT64_MAX;
	if (at == d->timer_armed_ns)
		return;
	struct itimerspec its = {{0, 0}, {0, 0}};
	if (at != UINT64_MAX)
		its.it_value = clock_timespec(at ? at : 1);
	timerfd_settime(d->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
	d->timer_armed_ns = at;
}

static void move_bytes(struct daemon *d)
{
	for (unsigned c = 0; c < d->channels; c++)
		chardev_run(&d->ch[c], EV_CHANNEL + c);
}

/* Doorbells, what the host has finished, and left-over work: one turn of each. True: something was done. */
static bool run_queues(struct daemon *d)
{
	/* Before a hand-over what is with the host comes back, and nothing new goes there. */
	bool did = !d->hand_over && server_doorbells(&d->srv);
	step_at("host");
	if (d->host && d->cls->host->run(d->host)) {
		step_at("hosted");
		server_commit(&d->srv);
		did = true;
	}
	return (!d->hand_over && server_work(&d->srv)) || did;
}

static bool host_busy(const struct daemon *d)
{
	return d->host && d->cls->host->busy && d->cls->host->busy(d->host);
}

/* Requests are with the host, and the guest is quick: looks at both for a while. True: one of them has something. */
static bool spin_busy(struct daemon *d)
{
	for (unsigned i = 0; i < BUSY_LOOKS; i++) {
		if (waiting_spin(&d->wait, &d->srv.port, BUSY_LOOK_NS))
			return true;
		if (d->cls->host->run(d->host)) {
			step_at("hosted");
			server_commit(&d->srv);
			return true;
		}
	}
	return false;
}

static bool output_pending(const struct daemon *d)
{
	for (unsigned c = 0; c < d->channels; c++)
		if (dm_output_pending(d->dm, c))
			return true;
	return false;
}

void loop_drain(struct daemon *d)
{
	while (server_run(&d->srv, BATCH) == BATCH)
		continue;
	for (unsigned i = 0; i < DRAIN_TURNS && run_queues(d); i++)
		continue;
	move_bytes(d);
	server_kick(&d->srv, true);
}

static void handle_event(struct daemon *d, const struct epoll_event *ev)
{
	switch (ev->data.u64) {
	case EV_KICK:
	case EV_TIMER: /* looked at in every round */
		break;
	case EV_CONTROL:
		control_run(d);
		break;
	case EV_DOCK:
		log_debug("the hypervisor is gone");
		d->done = true;
		break;
	default:
		if (ev->data.u64 >= EV_HOST && ev->data.u64 < EV_CHANNEL) {
			d->cls->host->event(d->host, (unsigned)(ev->data.u64 - EV_HOST),
					    ev->events);
			break;
		}
		chardev_event(&d->ch[ev->data.u64 - EV_CHANNEL], ev->events, ev->data.u64);
		break;
	}
}

/* Returns the number of events handled. */
static int wait_events(struct daemon *d, int timeout_ms)
{
	struct epoll_event ev[8];
	int n = epoll_wait(d->epfd, ev, 8, timeout_ms);
	for (int i = 0; i < n; i++)
		handle_event(d, &ev[i]);
	return n;
}

static int sleep_limit(const struct daemon *d)
{
	int ms = -1;
	for (unsigned c = 0; c < d->channels; c++)
		if (chardev_wants_poll(&d->ch[c]))
			ms = READER_RECHECK_MS;
	return d->srv.lines_changed && port_lines_unseen((struct port_consumer *)&d->srv.port)
		       ? LINES_RECHECK_MS
		       : ms;
}

static void sleep_until_event(struct daemon *d)
{
	if (d->quiesced && !d->hand_over) { /* requests stay in the ring; only control wakes us */
		wait_events(d, -1);
		return;
	}
	if (d->hand_over) {
		/* For what the host still has. Not by looking again and again: it may need this very core. Doorbells, which
		 * nobody takes now, do not keep us awake. */
		if (d->quiesced) {
			wait_events(d, HAND_OVER_LOOK_MS);
		} else if (port_sleep_begin_requests(&d->srv.port)) {
			wait_events(d, HAND_OVER_LOOK_MS);
			port_sleep_end(&d->srv.port);
		}
		return;
	}
	bool local = waiting_settle(&d->wait, &d->srv.port);
	int limit = sleep_limit(d);
	if (!port_sleep_begin(&d->srv.port, local))
		return;
	uint64_t start = clock_now_ns();
	int n = wait_events(d, limit);
	port_sleep_end(&d->srv.port);
	waiting_woke(&d->wait, &d->srv.port, clock_now_ns() - start, port_has_work(&d->srv.port));
	if (n == 0)
		server_kick(&d->srv, true);
}

/* One round with an empty ring, or with a look around that is due. */
static void idle_round(struct daemon *d)
{
	if (!d->quiesced) {
		run_timers(d);
		move_bytes(d);
	}
	server_kick(&d->srv, false);
	arm_timer(d);
}

/*
 * At the end, be it asked for or hv's: what the guest had posted before is served, and what it had said is written out.
 * A guest that prints and powers off at once is over before its last bytes are looked at.
 */
static void finish(struct daemon *d)
{
	uint64_t until = clock_now_ns() + LAST_WORDS_NS;
	if (d->quiesced) { /* `resume` may have come just before the end */
		d->done = false;
		control_run(d);
		d->done = true;
	}
	if (d->quiesced || d->handed_over) /* the requests belong to a successor */
		return;
	loop_drain(d);
	while (output_pending(d) && clock_now_ns() < until) {
		struct epoll_event ev[8];
		int n = epoll_wait(d->epfd, ev, 8, 10);
		for (int i = 0; i < n; i++)
			if (ev[i].data.u64 >= EV_CHANNEL)
				handle_event(d, &ev[i]);
		move_bytes(d);
	}
}

int loop_run(struct daemon *d)
{
	d->timer_armed_ns = UINT64_MAX;
	while (!d->done) {
		if (d->handed_over) { /* neither the port nor the host's descriptors are ours */
			link_await(d);
			control_run(d);
			continue;
		}
		if (d->hand_over && control_hand_over(d))
			continue;
		record_sync(d->dm);
		unsigned n = d->quiesced ? 0 : server_run(&d->srv, BATCH);
		bool more = (!d->quiesced || d->hand_over) && run_queues(d);
		if (n == BATCH || d->wait.since_ns > LOOK_AROUND_NS) {
			d->wait.since_ns = 0;
			idle_round(d);
			wait_events(d, 0);
			continue;
		}
		server_kick(&d->srv, false);
		if (more) {
			d->wait.since_ns += TURN_NS;
			continue;
		}
		if (!d->quiesced && !d->hand_over && d->wait.hot && host_busy(d)) {
			if (spin_busy(d))
				continue;
		} else if (!d->quiesced && !d->hand_over && d->wait.hot) {
			if (waiting_spin(&d->wait, &d->srv.port, COALESCE_NS))
				continue;
			if (output_pending(d))
				move_bytes(d);
			if (waiting_spin(&d->wait, &d->srv.port, 0))
				continue;
		}
		idle_round(d);
		if ((!d->quiesced || d->hand_over) &&
		    run_queues(d)) /* what input and timers have left to do */
			continue;
		sleep_until_event(d);
	}
	finish(d);
	return d->exit_code;
}
