/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/testio.h"
#include "devmodel/core/host.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DISK_BYTES (16u << 20)

/* ---- disk --------------------------------------------------------------------------------------------- */

static void t_disk_info(void *h, unsigned disk, struct dm_disk_info *ret)
{
	struct dm_test *t = h;
	CHECK(disk == 0);
	*ret = t->disk.info;
}

static int t_disk_submit(void *h, unsigned disk, const struct dm_disk_io *io)
{
	struct dm_test_disk *d = &((struct dm_test *)h)->disk;
	CHECK(disk == 0 && io->tag < DM_DISK_TAGS);
	for (unsigned i = 0; i < d->held; i++)
		if (d->held_tag[i] == io->tag)
			return -EBUSY;
	CHECK(d->held < DM_DISK_TAGS);
	d->held_tag[d->held] = io->tag;
	d->held_io[d->held] = *io;
	struct iovec *copy = calloc(io->niov + 1, sizeof(*copy));
	CHECK(copy);
	if (io->niov)
		memcpy(copy, io->iov, io->niov * sizeof(*copy));
	d->held_io[d->held].iov = copy;
	d->held++;
	d->requests++;
	return 0;
}

static void drop(struct dm_test_disk *d, unsigned i)
{
	free((void *)(uintptr_t)d->held_io[i].iov);
	d->held--;
	memmove(&d->held_io[i], &d->held_io[i + 1], (d->held - i) * sizeof(d->held_io[0]));
	memmove(&d->held_tag[i], &d->held_tag[i + 1], (d->held - i) * sizeof(d->held_tag[0]));
}

static int move(struct dm_test_disk *d, const struct dm_disk_io *io)
{
	uint64_t at = io->offset, left = io->bytes;
	for (unsigned i = 0; i < io->niov && left; i++) {
		size_t n = io->iov[i].iov_len < left ? io->iov[i].iov_len : (size_t)left;
		if (io->op == DM_DISK_READ)
			memcpy(io->iov[i].iov_base, d->data + at, n);
		else
			memcpy(d->data + at, io->iov[i].iov_base, n);
		at += n;
		left -= n;
	}
	return left ? -EINVAL : 0;
}

static int perform(struct dm_test_disk *d, const struct dm_disk_io *io)
{
	if (io->offset > d->info.bytes || io->bytes > d->info.bytes - io->offset)
		return -EIO;
	switch (io->op) {
	case DM_DISK_READ:
		return move(d, io);
	case DM_DISK_WRITE:
		return d->info.readonly ? -EROFS : move(d, io);
	case DM_DISK_FLUSH:
		d->flushes++;
		return 0;
	case DM_DISK_DISCARD:
		d->discards++;
		memset(d->data + io->offset, 0xdd, io->bytes);
		return 0;
	case DM_DISK_ZERO:
		d->zeroes++;
		memset(d->data + io->offset, 0, io->bytes);
		return 0;
	}
	return -EOPNOTSUPP;
}

void dmt_disk_complete(struct dm_test *t, unsigned i, int result)
{
	struct dm_test_disk *d = &t->disk;
	CHECK(i < d->held);
	uint32_t tag = d->held_tag[i];
	if (!result)
		result = perform(d, &d->held_io[i]);
	drop(d, i);
	dm_disk_done(t->dm, 0, tag, result);
	dmt_settle(t);
}

static unsigned t_disk_drain(void *h, unsigned disk)
{
	struct dm_test_disk *d = &((struct dm_test *)h)->disk;
	unsigned n = d->held;
	CHECK(disk == 0);
	while (d->held) {
		perform(d, &d->held_io[0]);
		drop(d, 0);
	}
	return n;
}

static void t_disk_writeback(void *h, unsigned disk, bool on)
{
	CHECK(disk == 0);
	((struct dm_test *)h)->disk.info.writeback = on;
}

static int t_disk_resize(void *h, unsigned disk, uint64_t bytes)
{
	struct dm_test_disk *d = &((struct dm_test *)h)->disk;
	CHECK(disk == 0);
	if (bytes > DISK_BYTES)
		return -ENOSPC;
	if (bytes)
		d->info.bytes = bytes;
	return 0;
}

/* ---- link --------------------------------------------------------------------------------------------- */

static void t_link_info(void *h, unsigned link, struct dm_link_info *ret)
{
	CHECK(link == 0);
	*ret = ((struct dm_test *)h)->link.info;
}

static void t_link_offloads(void *h, unsigned link, bool csum, bool tso4, bool tso6)
{
	struct dm_link_info *i = &((struct dm_test *)h)->link.info;
	CHECK(link == 0);
	i->rx_csum = csum;
	i->rx_tso4 = tso4;
	i->rx_tso6 = tso6;
}

static ssize_t t_link_peek(void *h, unsigned link, unsigned queue, uint8_t **ret)
{
	struct dm_test_link *l = &((struct dm_test *)h)->link;
	CHECK(link == 0);
	for (unsigned i = 0; i < l->nin; i++) {
		if (l->in[i].queue != queue)
			continue;
		*ret = l->in[i].buf;
		return (ssize_t)l->in[i].len;
	}
	return 0;
}

static void t_link_skip(void *h, unsigned link, unsigned queue)
{
	struct dm_test_link *l = &((struct dm_test *)h)->link;
	CHECK(link == 0);
	for (unsigned i = 0; i < l->nin; i++) {
		if (l->in[i].queue != queue)
			continue;
		free(l->in[i].buf);
		l->nin--;
		memmove(&l->in[i], &l->in[i + 1], (l->nin - i) * sizeof(l->in[0]));
		return;
	}
}

static ssize_t t_link_recv(void *h, unsigned link, unsigned queue, void *buf, size_t max)
{
	uint8_t *frame = NULL;
	ssize_t n = t_link_peek(h, link, queue, &frame);
	if (n <= 0)
		return n;
	if ((size_t)n <= max)
		memcpy(buf, frame, (size_t)n);
	t_link_skip(h, link, queue);
	return (size_t)n <= max ? n : -EMSGSIZE;
}

static int t_link_send(void *h, unsigned link, unsigned queue, const struct iovec *iov, unsigned n)
{
	struct dm_test_link *l = &((struct dm_test *)h)->link;
	size_t len = 0;
	CHECK(link == 0);
	if (l->full || l->nout == DMT_FRAMES)
		return -EAGAIN;
	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	l->out[l->nout].buf = malloc(len + 1);
	CHECK(l->out[l->nout].buf);
	l->out[l->nout].len = 0;
	l->out[l->nout].queue = queue;
	for (unsigned i = 0; i < n; i++) {
		memcpy(l->out[l->nout].buf + l->out[l->nout].len, iov[i].iov_base, iov[i].iov_len);
		l->out[l->nout].len += iov[i].iov_len;
	}
	l->nout++;
	return 0;
}

static void t_link_listen(void *h, unsigned link, bool on)
{
	CHECK(link == 0);
	((struct dm_test *)h)->link.listening = on;
}

void dmt_link_ready(struct dm_test *t)
{
	dm_link_ready(t->dm, 0);
	dmt_settle(t);
	dmt_work(t, 1000);
}

void dmt_link_frame(struct dm_test *t, unsigned queue, const void *frame, size_t len)
{
	struct dm_test_link *l = &t->link;
	CHECK(l->nin < DMT_FRAMES);
	uint8_t *buf = calloc(1, len + 12);
	CHECK(buf);
	memcpy(buf + 12, frame, len);
	l->in[l->nin].buf = buf;
	l->in[l->nin].len = len + 12;
	l->in[l->nin].queue = queue;
	l->nin++;
	if (l->listening)
		dmt_link_ready(t);
}

/* ---- life --------------------------------------------------------------------------------------------- */

static const struct dm_io_ops testio_ops = {
	.disk_info = t_disk_info,
	.disk_submit = t_disk_submit,
	.disk_drain = t_disk_drain,
	.disk_writeback = t_disk_writeback,
	.disk_resize = t_disk_resize,
	.link_info = t_link_info,
	.link_offloads = t_link_offloads,
	.link_recv = t_link_recv,
	.link_peek = t_link_peek,
	.link_skip = t_link_skip,
	.link_send = t_link_send,
	.link_listen = t_link_listen,
};

void testio_open(struct dm_test *t)
{
	t->dm->io = &testio_ops;
	t->dm->io_ctx = t;
	t->disk.data = calloc(1, DISK_BYTES);
	CHECK(t->disk.data);
	t->disk.info = (struct dm_disk_info){.bytes = DISK_BYTES,
					     .block = 512,
					     .physical = 512,
					     .can_discard = true,
					     .can_zero = true,
					     .writeback = true,
					     .id = "test"};
	t->link.info = (struct dm_link_info){.up = true, .queues = 1};
	t->link.listening = true;
}

void testio_close(struct dm_test *t)
{
	testio_forget(t);
	for (unsigned i = 0; i < t->link.nin; i++)
		free(t->link.in[i].buf);
	for (unsigned i = 0; i < t->link.nout; i++)
		free(t->link.out[i].buf);
	free(t->disk.data);
}

void testio_forget(struct dm_test *t)
{
	while (t->disk.held)
		drop(&t->disk, 0);
}

void testio_run(struct dm_test *t)
{
	while (t->disk.held && !t->disk.hold)
		dmt_disk_complete(t, 0, t->disk.fail);
}
