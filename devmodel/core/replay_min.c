/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --replay --minimize: fewer steps that show the same difference, and --export: a trace of one device that only has what is replayed.
 *
 * Theory of operation. The last start before the difference and the steps from there to it are kept; then parts of the steps are
 * left out, halves first, then quarters and so on down to single ones (delta debugging), as long as the first difference stays the
 * same one: its kind, its record and both values in words. A step is a stimulus with what belongs to it, up to the next stimulus. Each
 * try runs in a child process, so a model that crashes is a difference like any other.
 */
#include "devmodel/core/replay_main.h"
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIES_MAX 4000u

struct record {
	struct port_entry e;
	const uint8_t *payload; /* of the file */
};

/** struct part - records [@from, @to) of the list: the start, or a step. */
struct part {
	size_t from, to;
	bool in;
};

struct min {
	const struct dm_class *cls;
	struct record *rec;
	size_t nrec, max;
	struct part *part;
	size_t nparts;
	struct replay_diverged want;
	unsigned tries;
};

static void min_fini(struct min *m)
{
	free(m->rec);
	free(m->part);
}

/* ---- records and parts --------------------------------------------------------------------------------- */

static bool add_record(struct min *m, const struct port_entry *e, const uint8_t *payload)
{
	if (m->nrec == m->max) {
		size_t max = m->max ? m->max * 2 : 4096;
		struct record *p = reallocarray(m->rec, max, sizeof(*p));
		if (!p)
			return false;
		m->rec = p;
		m->max = max;
	}
	m->rec[m->nrec++] = (struct record){*e, payload};
	return true;
}

static bool is_stimulus(uint8_t op)
{
	switch (op) {
	case PORT_OP_READ:
	case PORT_OP_WRITE:
	case PORT_OP_SYNC:
	case PORT_OP_RESET:
	case PORT_OP_DOORBELL:
	case TRACE_HOST_IN:
	case TRACE_TIMER:
	case TRACE_HOST_TAKEN:
	case TRACE_HOST_PEER:
	case TRACE_CONTROL:
	case TRACE_WORK:
	case TRACE_HOST_CALL:
		return true;
	default:
		return false;
	}
}

static bool is_after(uint8_t op)
{
	return op == TRACE_COMMIT || op == TRACE_IRQ || op == TRACE_HOST_OUT ||
	       op == TRACE_SHADOW || op == TRACE_VM;
}

/* Cuts the records into parts: the start is the first. */
static bool cut(struct min *m)
{
	m->part = calloc(m->nrec + 1, sizeof(*m->part));
	if (!m->part)
		return false;
	bool stimulated = true; /* the next record that is none of its outputs begins a part */
	for (size_t i = 0; i < m->nrec; i++) {
		uint8_t op = m->rec[i].e.op;
		if (stimulated && !is_after(op)) {
			m->part[m->nparts++] = (struct part){.from = i, .in = true};
			stimulated = false;
		}
		m->part[m->nparts - 1].to = i + 1;
		stimulated |= is_stimulus(op) || op == TRACE_START;
	}
	return true;
}

/* ---- one try --------------------------------------------------------------------------------------------- */

/* Replays the parts that are in. True if something differs: *@ret. */
static bool differs_here(const struct min *m, struct replay_diverged *ret)
{
	struct replay *r;
	struct err err = {{0}};
	uint64_t index = 0;
	int rc = replay_create(&r, m->cls);
	if (rc)
		return false;
	for (size_t p = 0; p < m->nparts && !rc; p++)
		for (size_t i = m->part[p].from; m->part[p].in && i < m->part[p].to && !rc; i++)
			rc = replay_feed(r, &m->rec[i].e, m->rec[i].payload, index++, &err);
	if (!rc)
		rc = replay_end(r);
	if (rc > 0)
		*ret = *replay_difference(r);
	replay_destroy(r);
	return rc > 0;
}

/* What a child says: kinds are literals of this very program, and stay where they are over fork(). */
static bool differs(struct min *m, struct replay_diverged *ret)
{
	int p[2], status = 0;
	struct replay_diverged d = {.kind = "crash"};
	m->tries++;
	if (pipe2(p, O_CLOEXEC))
		return false;
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		struct replay_diverged mine;
		bool found = differs_here(m, &mine);
		if (found && write(p[1], &mine, sizeof(mine)) != (ssize_t)sizeof(mine))
			found = false;
		_exit(found ? 1 : 0);
	}
	fd_close(&p[1]);
	bool said = read(p[0], &d, sizeof(d)) == (ssize_t)sizeof(d);
	fd_close(&p[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (pid < 0 || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return false;
	if (!said)
		snprintf(d.got, sizeof(d.got), "the model ends with %s %d",
			 WIFSIGNALED(status) ? "signal" : "code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	*ret = d;
	return true;
}

static bool as_wanted(struct min *m)
{
	struct replay_diverged d;
	return differs(m, &d) && !strcmp(d.kind, m->want.kind) && !strcmp(d.where, m->want.where) &&
	       !strcmp(d.expected, m->want.expected) && !strcmp(d.got, m->want.got);
}

/* ---- fewer -------------------------------------------------------------------------------------------------- */

static void put(struct min *m, size_t from, size_t to, bool in)
{
	for (size_t i = from; i < to; i++)
		m->part[i].in = in;
}

/* Takes out the parts in [@from, @to) that are still in, if the difference stays. */
static bool without(struct min *m, size_t from, size_t to)
{
	AUTO_FREE bool *was = calloc(to - from, sizeof(*was));
	bool any = false;
	if (!was)
		return false;
	for (size_t i = from; i < to; i++) {
		was[i - from] = m->part[i].in;
		any |= m->part[i].in;
	}
	if (!any)
		return false;
	put(m, from, to, false);
	if (as_wanted(m))
		return true;
	for (size_t i = from; i < to; i++)
		m->part[i].in = was[i - from];
	return false;
}

/* Drops the parts that are out from the list. */
static void pack(struct min *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->nparts; i++)
		if (m->part[i].in)
			m->part[n++] = m->part[i];
	m->nparts = n;
}

/* The first part is the start, the last one shows the difference: both stay. */
static void shrink(struct min *m)
{
	size_t chunk = m->nparts / 2;
	while (chunk && m->tries < TRIES_MAX) {
		bool less = false;
		for (size_t at = 1; at + 1 < m->nparts && m->tries < TRIES_MAX; at += chunk) {
			size_t to = at + chunk < m->nparts - 1 ? at + chunk : m->nparts - 1;
			less |= without(m, at, to);
		}
		pack(m);
		if (!less || chunk > m->nparts / 2)
			chunk /= 2;
	}
}

/* ---- files -------------------------------------------------------------------------------------------------- */

static int put_record(struct trace_file_writer *w, const struct port_entry *e,
		      const uint8_t *payload, struct err *err)
{
	size_t bytes = (size_t)trace_record_bytes(e);
	AUTO_FREE uint8_t *buf = calloc(1, bytes);
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	memcpy(buf, e, sizeof(*e));
	if (trace_payload(e))
		memcpy(buf + sizeof(*e), payload, trace_payload(e));
	return trace_file_records(w, 0, TRACE_RING_DM, buf, bytes, 0, err);
}

static int write_parts(const struct min *m, const struct trace_file *f, unsigned device,
		       const char *path)
{
	struct trace_file_writer *w = NULL;
	struct err err = {{0}}, end = {{0}};
	int rc = trace_file_create(path, trace_file_head(f)->vm, &w, &err);
	if (!rc)
		rc = trace_file_device(w, trace_file_device_info(f, device), &err);
	for (size_t p = 0; p < m->nparts && !rc; p++)
		for (size_t i = m->part[p].from; m->part[p].in && i < m->part[p].to && !rc; i++)
			rc = put_record(w, &m->rec[i].e, m->rec[i].payload, &err);
	int done = trace_file_finish(w, &end);
	if (rc || done)
		return replay_complain("%s", rc ? err.msg : end.msg);
	return 0;
}

/* The records from the @nth start on (from 0), up to record @last. */
static bool take(struct min *m, const struct trace_file *f, unsigned device, uint64_t nth,
		 uint64_t last)
{
	struct trace_cursor c;
	struct port_entry e;
	const uint8_t *payload;
	uint64_t starts = 0;
	trace_cursor_init(&c, f, device, TRACE_RING_DM);
	while (c.index <= last && trace_cursor_next(&c, &e, &payload)) {
		starts += e.op == TRACE_START;
		if (starts > nth && !add_record(m, &e, payload))
			return false;
	}
	return m->nrec;
}

int replay_export(const struct trace_file *f, unsigned device, const char *path)
{
	struct min m = {0};
	int rc = 2;
	if (!take(&m, f, device, 0, UINT64_MAX))
		replay_complain("there is no start in it: nothing can be replayed");
	else if (!cut(&m))
		replay_complain("out of memory");
	else
		rc = write_parts(&m, f, device, path);
	min_fini(&m);
	return rc;
}

/* Finds the first difference, and the last start before it. False: there is none, and that was said. */
static bool find_difference(struct min *m, const struct trace_file *f, unsigned device)
{
	if (!take(m, f, device, 0, UINT64_MAX) || !cut(m))
		return !replay_complain("there is no start in it: nothing can be replayed");
	if (!differs(m, &m->want))
		return !replay_complain("this build does what the trace says: nothing to minimize");
	if (!strcmp(m->want.kind, "crash")) /* it has not said where */
		return true;
	size_t end = (size_t)m->want.record + 1, start = 0, n = 0;
	bool state = !strcmp(m->want.kind, "state");
	for (size_t i = 0; i < end && i < m->nrec; i++)
		if (m->rec[i].e.op == TRACE_START && !(state && i + 1 == end))
			start = i;
	for (size_t p = 0; p < m->nparts; p++)
		if (m->part[p].from >= start && m->part[p].from < end)
			m->part[n++] = m->part[p];
	m->nparts = n;
	return true;
}

int replay_minimize(const struct dm_class *cls, const struct trace_file *f, unsigned device,
		    const char *path)
{
	struct min m = {.cls = cls};
	int rc = 2;
	signal(SIGPIPE, SIG_IGN);
	if (find_difference(&m, f, device)) {
		size_t before = m.nparts;
		struct replay_diverged again;
		if (!as_wanted(&m)) /* it shows its number of the record */
			rc = differs(&m, &again) ? (m.want = again, 0) : 2;
		else
			rc = 0;
		shrink(&m);
		if (!rc)
			rc = write_parts(&m, f, device, path);
		if (!rc)
			printf("%s: %zu of %zu steps show the difference (%u tries): %s: expected "
			       "%s, got %s\n",
			       path, m.nparts - 1, before - 1, m.tries, m.want.where,
			       m.want.expected, m.want.got);
	}
	min_fini(&m);
	return rc;
}
