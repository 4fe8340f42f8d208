/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shadow run: this build of the model gets what the serving daemon gets, and what it does is compared and thrown away.
 *
 * Theory of operation. It is a reader of the device's trace area, and a replayer. The daemon that serves writes its ring and never
 * looks at a reader, so this process can be slow, stopped or dead without anybody waiting for it: then it is overtaken, notices,
 * asks for a new beginning and goes on there. It looks at the ring by itself, every millisecond while there is something and
 * less often when there is not.
 */
#include "devmodel/core/shadow.h"
#include "devmodel/core/replay.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "proto/dock.h"
#include "proto/shadow.h"
#include "proto/trace.h"
#include <ctype.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define DOCK_TIMEOUT_MS 5000
#define BUFFER_BYTES (2u << 20) /* more than any record */
#define LOOK_MIN_MS 1
#define LOOK_MAX_MS 16
#define STATUS_NS 200000000u
#define ASK_AGAIN_NS 500000000u /* the daemon that was asked may have died */

static_assert(BUFFER_BYTES >= TRACE_PAYLOAD_MAX + TRACE_UNIT, "a record fits");

struct shadow {
	const struct dm_class *cls;
	struct trace_area *area;
	struct trace_reader reader;
	struct replay *replay;
	struct dm_setting set[LIMIT_OPTIONS];
	size_t nset;
	uint8_t *buf;
	int dock_fd, report_fd;
	uint64_t index, clean_from, diverged, lost, asked_ns, status_ns;
	bool no_sandbox, done;
	const char *dock;
};

/* ---- reports ------------------------------------------------------------------------------------------- */

static void report(struct shadow *s, enum shadow_kind kind, const char *text)
{
	struct shadow_report r = {.magic = SHADOW_MAGIC, .kind = kind};
	const struct replay_stats *st = s->replay ? replay_stats(s->replay) : NULL;
	if (st) {
		r.records = st->records - st->skipped;
		r.outputs = st->outputs;
		r.unknown = st->unknown;
		r.starts = st->starts;
	}
	r.diverged = s->diverged;
	r.lost = s->lost;
	r.clean = r.records - s->clean_from;
	snprintf(r.text, sizeof(r.text), "%s", text);
	/* Full: the numbers come with the next one. */
	ssize_t n = send(s->report_fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		s->done = true; /* the supervisor is gone */
	s->status_ns = clock_now_ns();
}

static void report_difference(struct shadow *s)
{
	const struct replay_diverged *d = replay_difference(s->replay);
	const struct replay_stats *st = replay_stats(s->replay);
	char text[448];
	s->diverged++;
	s->clean_from = st->records - st->skipped;
	snprintf(text, sizeof(text), "%s: %.100s: expected %.140s, got %.140s", d->kind, d->where,
		 d->expected, d->got);
	report(s, SHADOW_DIVERGED, text);
}

/* ---- records ------------------------------------------------------------------------------------------- */

static void ask(struct shadow *s)
{
	trace_ask(s->area);
	s->asked_ns = clock_now_ns();
}

/* Replays the whole records of the buffer. */
static void replay_buffer(struct shadow *s, size_t len)
{
	for (size_t at = 0; at < len && !s->done;) {
		struct port_entry e;
		struct err err = {{0}};
		memcpy(&e, s->buf + at, sizeof(e));
		int rc = replay_feed(s->replay, &e, s->buf + at + sizeof(e), s->index++, &err);
		if (rc > 0)
			report_difference(s);
		if (rc < 0 && e.op == TRACE_START) { /* it will not get better */
			report(s, SHADOW_FAILED, err.msg);
			s->done = true;
		}
		if (rc && e.op != TRACE_START)
			ask(s);
		at += trace_record_bytes(&e);
	}
}

static void overtaken(struct shadow *s, uint64_t lost)
{
	struct port_entry gap = {.op = TRACE_GAP, .value = lost};
	struct err err;
	s->lost += lost;
	replay_feed(s->replay, &gap, NULL, s->index++, &err);
	ask(s);
}

/* One look at the ring. True: something was there. */
static bool look(struct shadow *s)
{
	uint64_t lost = 0;
	int64_t n = trace_read(&s->reader, s->buf, BUFFER_BYTES, &lost);
	if (lost || n < 0)
		overtaken(s, lost);
	if (n > 0)
		replay_buffer(s, (size_t)n);
	return n > 0;
}

/* hv closes the connection when the device is gone. */
static bool dock_ended(struct shadow *s, int wait_ms)
{
	struct pollfd p[2] = {{.fd = s->dock_fd, .events = POLLIN | POLLRDHUP},
			      {.fd = s->report_fd, .events = POLLRDHUP}};
	return poll(p, 2, wait_ms) > 0;
}

static int serve(struct shadow *s)
{
	int wait = LOOK_MIN_MS;
	ask(s);
	while (!s->done) {
		if (look(s)) {
			wait = LOOK_MIN_MS;
			if (s->reader.lost == s->lost && clock_now_ns() - s->status_ns < STATUS_NS)
				continue;
		}
		uint64_t now = clock_now_ns();
		if (now - s->status_ns >= STATUS_NS)
			report(s, SHADOW_STATUS, "");
		if (replay_waits(s->replay) && now - s->asked_ns > ASK_AGAIN_NS)
			ask(s);
		if (dock_ended(s, wait))
			break;
		wait = wait * 2 < LOOK_MAX_MS ? wait * 2 : LOOK_MAX_MS;
	}
	report(s, SHADOW_STATUS, "");
	return 0;
}

/* ---- coming up ------------------------------------------------------------------------------------------- */

static int map_area(struct shadow *s, int fd, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) || st.st_size <= 0)
		return err_set(err, EPROTO, "the trace area is none");
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_set(err, errno, "cannot map the trace area: %s", strerror(errno));
	s->area = p;
	if (trace_area_check(p, (size_t)st.st_size))
		return err_set(err, EPROTO, "the trace area is none of version %u", TRACE_VERSION);
	trace_reader_init(&s->reader, s->area, TRACE_RING_DM);
	return 0;
}

static int bring_up(struct shadow *s, struct err *err)
{
	static struct sandbox sandbox;
	const char *token = getenv("OUTRIGGER_TOKEN");
	struct dock_reply reply;
	AUTO_FD area = -1;
	if (!token)
		return err_set(err, EINVAL, "no token in OUTRIGGER_TOKEN");
	int fd = dock_observe(s->dock, token, DOCK_TIMEOUT_MS, &reply, &area, err);
	if (fd < 0)
		return fd;
	s->dock_fd = fd;
	int rc = map_area(s, area, err);
	if (!rc && replay_create(&s->replay, s->cls))
		rc = err_set(err, ENOMEM, "out of memory");
	s->buf = malloc(BUFFER_BYTES);
	if (!rc && !s->buf)
		rc = err_set(err, ENOMEM, "out of memory");
	if (rc)
		return rc;
	replay_override(s->replay, s->set, s->nset);
	/* From here on what a guest has written is looked at. */
	if (!s->no_sandbox)
		rc = sandbox_isolate(&sandbox, NULL, false, err);
	if (!rc && !s->no_sandbox)
		rc = sandbox_seal(&sandbox, NULL, 0, err);
	return rc;
}

static bool take_setting(struct shadow *s, char *arg)
{
	char *eq = strchr(arg, '=');
	if (!eq || s->nset == LIMIT_OPTIONS)
		return false;
	*eq = 0;
	s->set[s->nset++] = (struct dm_setting){arg, eq + 1};
	return true;
}

static bool parse(struct shadow *s, int argc, char **argv)
{
	static const struct option longs[] = {{"report-fd", required_argument, NULL, 'r'},
					      {"set", required_argument, NULL, 's'},
					      {"no-sandbox", no_argument, NULL, 'n'},
					      {NULL, 0, NULL, 0}};
	bool good = true;
	optind = 0;
	for (int c; good && (c = getopt_long(argc, argv, "", longs, NULL)) >= 0;) {
		if (c == 'r')
			s->report_fd = isdigit((unsigned char)*optarg) ? atoi(optarg) : -1;
		else if (c == 's')
			good = take_setting(s, optarg);
		else if (c == 'n')
			s->no_sandbox = true;
		else
			good = false;
	}
	s->dock = good && optind + 1 == argc ? argv[optind] : NULL;
	return s->dock && s->report_fd >= 0;
}

int shadow_main(const struct dm_class *cls, int argc, char **argv)
{
	static struct shadow s = {.report_fd = -1, .dock_fd = -1};
	struct err err = {{0}};
	s.cls = cls;
#ifdef OUTRIGGER_SANITIZED
	s.no_sandbox = true;
#endif
	if (!parse(&s, argc, argv)) {
		fprintf(stderr,
			"usage: outrigger-dm-%s --shadow DOCK --report-fd N [--set NAME=VALUE]... "
			"[--no-sandbox]\n",
			cls->name);
		return 2;
	}
	int rc = bring_up(&s, &err);
	if (rc) {
		log_err("%s", err.msg);
		report(&s, SHADOW_FAILED, err.msg);
		return 1;
	}
	rc = serve(&s);
	replay_destroy(s.replay);
	return rc;
}
