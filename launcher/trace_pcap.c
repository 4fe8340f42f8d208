/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcap with nanoseconds (magic 0xa1b23c4d), link type Ethernet. Frames are those that a model gave its back-end or took from it: what the
 * guest sent or got. Wall-clock times follow from the nearest TRACE_START before, as the guest's clock may have stood still.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "launcher/trace_detail.h"
#include "launcher/trace_export.h"
#include "launcher/trace_walk.h"
#include "proto/ctl.h"
#include "proto/trace_payload.h"

#define MAGIC_NS 0xa1b23c4du
#define LINK_ETHERNET 1u
#define SNAP 262144u
#define VNET_BYTES 12u /* virtio_net_hdr in front of a frame */
#define QUEUES 64u     /* whose next frame is known: more are not told apart */

struct net {
	const uint8_t *peek[QUEUES]; /* payload of the frame that comes next */
	uint32_t peek_bytes[QUEUES];
	uint64_t guest_ns, real_ns; /* of the last TRACE_START */
};

struct pcap {
	FILE *out;
	struct net *net;
};

static void u32(struct pcap *p, uint32_t v)
{
	fwrite(&v, 1, sizeof(v), p->out);
}

static void head_put(struct pcap *p)
{
	const uint16_t version[2] = {2, 4};
	u32(p, MAGIC_NS);
	fwrite(version, 1, sizeof(version), p->out);
	u32(p, 0);
	u32(p, 0);
	u32(p, SNAP);
	u32(p, LINK_ETHERNET);
}

/* @payload: trace_frame and what is known of the frame. */
static void frame_put(struct pcap *p, const struct net *n, uint64_t guest_ns,
		      const uint8_t *payload, uint32_t len)
{
	struct trace_frame f;
	if (!payload || len < sizeof(f))
		return;
	memcpy(&f, payload, sizeof(f));
	uint32_t known = f.known < len - sizeof(f) ? f.known : len - (uint32_t)sizeof(f);
	if (f.bytes < VNET_BYTES || known < VNET_BYTES || f.bytes > SNAP)
		return;
	uint64_t real = n->real_ns + guest_ns - n->guest_ns;
	u32(p, (uint32_t)(real / 1000000000u));
	u32(p, (uint32_t)(real % 1000000000u));
	u32(p, (known < f.bytes ? known : f.bytes) - VNET_BYTES);
	u32(p, f.bytes - VNET_BYTES);
	fwrite(payload + sizeof(f) + VNET_BYTES, 1,
	       (known < f.bytes ? known : f.bytes) - VNET_BYTES, p->out);
}

static void start_seen(struct net *n, const struct trace_view *v)
{
	Outrigger__TraceStart *s = trace_detail_start(&v->e, v->payload);
	if (!s)
		return;
	n->guest_ns = s->guest_ns;
	n->real_ns = s->real_ns;
	ctl_free(&s->base);
}

static void host_seen(struct pcap *p, struct net *n, const struct trace_view *v)
{
	const struct port_entry *e = &v->e;
	unsigned q = e->offset % QUEUES;
	switch (e->range) {
	case TRACE_H_LINK_SEND:
		if (!e->value)
			frame_put(p, n, v->time_ns, v->payload, trace_payload(e));
		break;
	case TRACE_H_LINK_RECV:
		if ((int64_t)e->value > 0)
			frame_put(p, n, v->time_ns, v->payload, trace_payload(e));
		break;
	case TRACE_H_LINK_PEEK:
		n->peek[q] = (int64_t)e->value > 0 ? v->payload : NULL;
		n->peek_bytes[q] = trace_payload(e);
		break;
	case TRACE_H_LINK_SKIP:
		frame_put(p, n, v->time_ns, n->peek[q], n->peek_bytes[q]);
		n->peek[q] = NULL;
		break;
	default:
		break;
	}
}

/* Models that have a network are known by their option. */
static bool has_net(const struct trace_file *f, unsigned device)
{
	const Outrigger__ModelDescription *d = trace_file_device_info(f, device)->description;
	for (size_t i = 0; d && i < d->n_options; i++)
		if (!strcmp(d->options[i]->type, "net"))
			return true;
	return false;
}

int trace_export_pcap(const struct trace_file *f, int device, FILE *out, struct err *err)
{
	struct pcap p = {.out = out};
	struct trace_view v;
	unsigned nets = 0, devices = trace_file_devices(f);
	for (unsigned i = 0; i < devices; i++)
		nets += has_net(f, i) && (device < 0 || (unsigned)device == i);
	if (!nets)
		return err_set(err, ENOENT, "%s",
			       device < 0 ? "no network device is in the trace"
					  : "the device is no network device");
	p.net = xalloc(devices + 1u, sizeof(*p.net));
	for (unsigned i = 0; i < devices; i++)
		p.net[i].real_ns = trace_file_head(f)->real_ns;
	head_put(&p);
	struct trace_walk *w = trace_walk_create(f, device, false);
	while (!ferror(out) && trace_walk_next(w, &v)) {
		struct net *n = &p.net[v.device];
		if (v.ring != TRACE_RING_DM)
			continue;
		if (!n->guest_ns && v.time_ns)
			n->guest_ns = v.time_ns;
		if (v.e.op == TRACE_START)
			start_seen(n, &v);
		else if (v.e.op == TRACE_HOST)
			host_seen(&p, n, &v);
		else if (v.e.op == TRACE_GAP)
			memset(n->peek, 0, sizeof(n->peek));
	}
	trace_walk_destroy(w);
	free(p.net);
	return 0;
}
