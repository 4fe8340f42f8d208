/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Each device has rings (proto/trace.h) that are overwritten whether we read or not. So all that is read
 * is written at once, in a chunk, from one buffer: memory is bounded, and if the file is slower than the rings, it is the
 * rings that lose, which is counted and stored. While much comes we look every millisecond, else seldom. The connection to the dock is what
 * keeps recording on; its end is the VM's.
 */
#include "launcher/trace_record.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/trace_live.h"
#include "launcher/verb.h"
#include "proto/ctl.h"
#include "proto/dock.h"
#include "proto/trace_file.h"

enum {
	DOCK_MS = 3000,
	BUSY_MS = 1,	 /* between two looks while much comes */
	IDLE_MS = 10,	 /* and while little does */
	SHOW_MS = 500,	 /* between two progress lines */
	MANY = 64 << 10, /* bytes in one look that are much */
	TURNS = 4	 /* buffers of one ring in one look */
};
#define BUF_BYTES (2u << 20)

struct tdev {
	Outrigger__TraceDevice *info;
	struct trace_area *area;
	size_t bytes;
	int fd; /* dock connection */
	unsigned rings;
	struct trace_reader reader[TRACE_RINGS];
	uint64_t lost[TRACE_RINGS]; /* not told in the file yet */
};

struct recorder {
	const struct trace_wish *wish;
	struct tdev *dev;
	unsigned n;
	struct trace_file_writer *file;
	struct trace_live *live;
	uint8_t *buf;
	uint64_t begun_ns, shown_ns, records, lost;
	bool tty, enough;
};

static volatile sig_atomic_t told;

static void on_signal(int sig)
{
	told = sig;
}

/* ---- the devices ----------------------------------------------------------------------------------------- */

/* From the supervisor: what the device is, and a token; from the dock: the area. */
static int device_open(struct recorder *r, const char *base, const char *name, struct err *err)
{
	struct tdev *d = &r->dev[r->n];
	Outrigger__CliReply *a = NULL, *b = NULL;
	const char *args[] = {name, r->wish->bytes ? "3" : "1"};
	AUTO_FREE char *dock = xasprintf("%s/%s/dock", base, r->wish->vm);
	struct dock_reply reply;
	struct stat st;
	char token[LIMIT_TOKEN + 1] = {0};
	d->fd = -1;
	int rc = client_call(r->wish->vm, "describe", args, 1, &a, err);
	if (!rc)
		rc = client_call(r->wish->vm, "observe", args, 2, &b, err);
	if (!rc) {
		d->info = (void *)ctl_unpack(&outrigger__trace_device__descriptor, a->blob.data,
					     a->blob.len);
		r->n++;
		memcpy(token, b->blob.data, b->blob.len < LIMIT_TOKEN ? b->blob.len : LIMIT_TOKEN);
	}
	if (a)
		ctl_free(&a->base);
	if (b)
		ctl_free(&b->base);
	if (rc)
		return rc;
	AUTO_FD fd = -1;
	d->fd = dock_observe(dock, token, DOCK_MS, &reply, &fd, err);
	if (d->fd < 0 || !d->info)
		return d->info ? d->fd
			       : err_set(err, EPROTO, "%s: its description makes no sense", name);
	if (fstat(fd, &st) < 0 || st.st_size < TRACE_RING_BASE)
		return err_set(err, EPROTO, "%s: its trace area is too short", name);
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "%s: cannot map its trace area: %s", name,
			       strerror(errno));
	d->area = map;
	d->bytes = (size_t)st.st_size;
	if (trace_area_check(map, d->bytes))
		return err_set(err, EPROTO,
			       "%s: its trace area is not of version %u: hv is of another build",
			       name, TRACE_VERSION);
	d->rings = TRACE_RING_VCPU + d->area->vcpus;
	for (unsigned i = 0; i < d->rings; i++)
		trace_reader_init(&d->reader[i], d->area, i);
	trace_ask(d->area);
	return 0;
}

static void device_close(struct tdev *d)
{
	if (d->area)
		munmap(d->area, d->bytes);
	fd_close(&d->fd);
	if (d->info)
		ctl_free(&d->info->base);
}

/* All that were named, or all there are. */
static int devices_open(struct recorder *r, struct err *err)
{
	const struct trace_wish *w = r->wish;
	Outrigger__CliReply *status = NULL;
	AUTO_FREE char *base = NULL, *vm = client_vm(w->vm, &base, err);
	if (!vm)
		return -ENOENT;
	int rc = client_ask(w->vm, "status", NULL, &status, err);
	if (rc)
		return rc;
	size_t n = w->ndevices ? w->ndevices : status->vm->n_devices;
	if (!n || n > TRACE_FILE_DEVICES)
		rc = err_set(err, EINVAL, "VM %s has %zu devices; a trace can have 1 to %u", w->vm,
			     n, TRACE_FILE_DEVICES);
	r->dev = xalloc(n + 1, sizeof(*r->dev));
	for (size_t i = 0; i < n && !rc; i++)
		rc = device_open(r, base,
				 w->ndevices ? w->devices[i] : status->vm->devices[i]->name, err);
	ctl_free(&status->base);
	return rc;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static uint64_t count_records(const uint8_t *p, int64_t n)
{
	uint64_t count = 0;
	for (int64_t at = 0; at < n; count++) {
		struct port_entry e;
		memcpy(&e, p + at, sizeof(e));
		at += (int64_t)trace_record_bytes(&e);
	}
	return count;
}

/* What is new in one ring. *@ret_bytes grows by it. */
static int ring_read(struct recorder *r, unsigned dev, unsigned ring, uint64_t *ret_bytes,
		     struct err *err)
{
	struct tdev *d = &r->dev[dev];
	/* Not until it is empty: one that is filled faster than it is written must not keep us from the others. */
	for (unsigned turn = 0; turn < TURNS; turn++) {
		uint64_t lost = 0;
		int64_t n = trace_read(&d->reader[ring], r->buf, BUF_BYTES, &lost);
		d->lost[ring] += lost;
		r->lost += lost;
		if (lost && ring == TRACE_RING_DM)
			trace_ask(d->area);
		if (n <= 0)
			return 0;
		*ret_bytes += (uint64_t)n;
		r->records += count_records(r->buf, n);
		if (r->live)
			trace_live_add(r->live, dev, ring, r->buf, (size_t)n, d->lost[ring],
				       trace_guest_ns(d->area));
		if (r->file) {
			trace_file_clock(r->file, trace_guest_ns(d->area));
			int rc = trace_file_records(r->file, dev, ring, r->buf, (size_t)n,
						    d->lost[ring], err);
			if (rc)
				return rc;
		}
		d->lost[ring] = 0;
	}
	return 0;
}

static int look(struct recorder *r, uint64_t *ret_bytes, struct err *err)
{
	*ret_bytes = 0;
	for (unsigned i = 0; i < r->n; i++)
		for (unsigned k = 0; k < r->dev[i].rings; k++) {
			int rc = ring_read(r, i, k, ret_bytes, err);
			if (rc)
				return rc;
		}
	int rc = r->live && *ret_bytes ? trace_live_flush(r->live, err) : 0;
	if (rc == -EPIPE) { /* who read it has seen enough */
		told = SIGPIPE;
		rc = 0;
	}
	return rc;
}

static bool limits_reached(const struct recorder *r)
{
	const struct trace_wish *w = r->wish;
	return (w->count && r->records >= w->count) ||
	       (w->for_ns && clock_now_ns() - r->begun_ns >= w->for_ns) ||
	       (w->max_bytes && r->file && trace_file_size(r->file) >= w->max_bytes);
}

static void show(struct recorder *r)
{
	uint64_t now = clock_now_ns();
	if (!r->tty || now - r->shown_ns < SHOW_MS * 1000000ull)
		return;
	r->shown_ns = now;
	fprintf(stderr, "\r\033[K%.1f s: %llu records, %llu bytes, %llu bytes lost (Ctrl-C ends)",
		(double)(now - r->begun_ns) / 1e9, (unsigned long long)r->records,
		(unsigned long long)(r->file ? trace_file_size(r->file) : 0),
		(unsigned long long)r->lost);
}

/* Sleeps for a moment. True: hv is gone. */
static bool rest(struct recorder *r, uint64_t bytes)
{
	struct pollfd p[TRACE_FILE_DEVICES];
	uint64_t left = UINT64_MAX;
	int ms = bytes > MANY ? BUSY_MS : IDLE_MS;
	if (r->wish->for_ns)
		left = r->begun_ns + r->wish->for_ns - clock_now_ns();
	if (left / 1000000 < (uint64_t)ms)
		ms = (int)(left / 1000000);
	for (unsigned i = 0; i < r->n; i++)
		p[i] = (struct pollfd){.fd = r->dev[i].fd, .events = POLLIN | POLLRDHUP};
	if (poll(p, r->n, ms) <= 0)
		return false;
	for (unsigned i = 0; i < r->n; i++)
		if (p[i].revents)
			return true;
	return false;
}

static int record(struct recorder *r, struct err *err)
{
	uint64_t bytes = 0;
	for (bool last = false;;) {
		int rc = look(r, &bytes, err);
		if (rc || last || limits_reached(r))
			return rc;
		show(r);
		/* Then once more: what was written before hv ended, or before we were told to. */
		last = rest(r, bytes) || told;
	}
}

/* What was lost after the last record of its ring. */
static int last_losses(struct recorder *r, struct err *err)
{
	for (unsigned i = 0; r->file && i < r->n; i++)
		for (unsigned k = 0; k < r->dev[i].rings; k++) {
			int rc = r->dev[i].lost[k] ? trace_file_records(r->file, i, k, "", 0,
									r->dev[i].lost[k], err)
						   : 0;
			if (rc)
				return rc;
		}
	return 0;
}

static int files_open(struct recorder *r, struct err *err)
{
	const struct trace_wish *w = r->wish;
	int rc = w->out ? trace_file_create(w->out, w->vm, &r->file, err) : 0;
	if (w->live)
		r->live = trace_live_create();
	for (unsigned i = 0; i < r->n && !rc; i++) {
		rc = r->file ? trace_file_device(r->file, r->dev[i].info, err) : 0;
		if (r->live)
			trace_live_device(r->live, r->dev[i].info);
	}
	return rc;
}

static void summary(const struct recorder *r, uint64_t size)
{
	const struct trace_wish *w = r->wish;
	if (r->tty)
		fprintf(stderr, "\r\033[K");
	fprintf(stderr, "%s: %llu records of %u device%s in %.1f s", w->out ? w->out : w->vm,
		(unsigned long long)r->records, r->n, r->n == 1 ? "" : "s",
		(double)(clock_now_ns() - r->begun_ns) / 1e9);
	if (w->out)
		fprintf(stderr, ", %llu bytes", (unsigned long long)size);
	if (r->lost)
		fprintf(stderr,
			"; %llu bytes of records were LOST: the rings were faster than the %s",
			(unsigned long long)r->lost, w->out ? "file" : "display");
	fputc('\n', stderr);
}

int trace_record(const struct trace_wish *w)
{
	struct recorder r = {.wish = w, .begun_ns = clock_now_ns(), .tty = isatty(STDERR_FILENO)};
	struct sigaction sa = {.sa_handler = on_signal};
	struct err err = {0};
	uint64_t size = 0;
	told = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	r.buf = xalloc(BUF_BYTES, 1);
	int rc = devices_open(&r, &err);
	if (!rc)
		rc = files_open(&r, &err);
	if (!rc)
		rc = record(&r, &err);
	if (!rc)
		rc = last_losses(&r, &err);
	if (r.file)
		size = trace_file_size(r.file) + sizeof(struct trace_chunk);
	int end = trace_file_finish(r.file, rc ? NULL : &err);
	rc = rc ? rc : end;
	if (!rc)
		summary(&r, size);
	else if (r.tty)
		fprintf(stderr, "\r\033[K");
	trace_live_destroy(r.live);
	for (unsigned i = 0; i < r.n; i++)
		device_close(&r.dev[i]);
	free(r.dev);
	free(r.buf);
	return rc ? fail("%s", text_printable(err.msg)) : EXIT_DONE;
}
