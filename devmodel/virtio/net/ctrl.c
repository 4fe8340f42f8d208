/* SPDX-License-Identifier: Apache-2.0 */
/* The control queue: virtio 1.2, section 5.1.6.5. Each command is checked whole before anything is changed. */
#include "devmodel/virtio/net/net.h"
#include <string.h>

enum {
	CLASS_RX = 0,
	CLASS_MAC = 1,
	CLASS_VLAN = 2,
	CLASS_ANNOUNCE = 3,
	CLASS_MQ = 4,
	CLASS_OFFLOADS = 5
};
enum { ACK_OK = 0, ACK_ERR = 1 };

#define HEAD 2u		  /* class, command */
#define COMMAND_MAX 8192u /* bytes looked at: two tables of some 600 addresses */

/** struct command - one command: @n bytes of data behind class and command. */
struct command {
	uint8_t cls, cmd;
	const uint8_t *data;
	size_t n;
};

/* 5.1.6.5.1: one byte switches a mode. */
static bool rx_mode(struct net *s, const struct command *c)
{
	uint8_t *const mode[] = {&s->promisc, &s->allmulti, &s->alluni,
				 &s->nomulti, &s->nouni,    &s->nobcast};
	unsigned known = virtio_has(s, NET_F_CTRL_RX_EXTRA) ? 6 : 2;
	if (!virtio_has(s, NET_F_CTRL_RX) || c->cmd >= known || c->n != 1 || c->data[0] > 1)
		return false;
	*mode[c->cmd] = c->data[0];
	return true;
}

/* Reads one table of 5.1.6.5.2: a count and so many addresses. */
static bool mac_table(const struct command *c, size_t *at, struct net_macs *ret)
{
	if (c->n - *at < 4)
		return false;
	uint64_t n = load_le(c->data + *at, 4);
	*at += 4;
	if (n > (c->n - *at) / 6)
		return false;
	*ret = (struct net_macs){.overflow = n > NET_MACS};
	ret->n = (uint8_t)(ret->overflow ? 0 : n);
	memcpy(ret->mac, c->data + *at, ret->n * 6u);
	*at += n * 6;
	return true;
}

static bool mac_set(struct dm *dm, struct net *s, const struct command *c)
{
	struct net_macs uni, multi;
	size_t at = 0;
	if (c->cmd == 0 && virtio_has(s, NET_F_CTRL_RX)) {
		if (!mac_table(c, &at, &uni) || !mac_table(c, &at, &multi) || at != c->n)
			return false;
		s->uni = uni;
		s->multi = multi;
		return true;
	}
	if (c->cmd != 1 || !virtio_has(s, NET_F_CTRL_MAC_ADDR) || c->n != 6 || c->data[0] & 1)
		return false;
	memcpy(s->mac, c->data, 6);
	/* The driver did it itself: it needs no interrupt to know. */
	for (unsigned i = 0; i < 6; i++)
		virtio_config_put(s, NET_CFG_MAC + i, 1, s->mac[i]);
	dm_log(dm, DM_LOG_DEBUG, "the driver sets its address");
	return true;
}

static bool vlan_set(struct net *s, const struct command *c)
{
	if (!virtio_has(s, NET_F_CTRL_VLAN) || c->cmd > 1 || c->n != 2)
		return false;
	uint64_t id = load_le(c->data, 2);
	if (id > 4095)
		return false;
	uint8_t bit = (uint8_t)(1u << (id % 8));
	if (c->cmd == 0)
		s->vlan[id / 8] |= bit;
	else
		s->vlan[id / 8] &= (uint8_t)~bit;
	return true;
}

static bool announce_ack(struct dm *dm, struct net *s, const struct command *c)
{
	if (!virtio_has(s, NET_F_GUEST_ANNOUNCE) || c->cmd != 0 || c->n)
		return false;
	s->announce = 0;
	net_status(dm, s);
	return true;
}

/* 5.1.6.5.5: the device puts frames only into queues of pairs in use. */
static bool pairs_set(struct net *s, const struct command *c)
{
	if (!virtio_has(s, NET_F_MQ) || c->cmd != 0 || c->n != 2)
		return false;
	uint64_t n = load_le(c->data, 2);
	if (n < 1 || n > net_pairs(s))
		return false;
	s->pairs = (uint8_t)n;
	return true;
}

static bool offloads_set(struct dm *dm, struct net *s, const struct command *c)
{
	if (!virtio_has(s, NET_F_CTRL_GUEST_OFFLOADS) || c->cmd != 0 || c->n != 8)
		return false;
	uint64_t want = load_le(c->data, 8);
	if (want & ~(s->v.negotiated & NET_GUEST_OFFLOADS)) /* 5.1.6.5.6.2 */
		return false;
	s->offloads = want;
	net_offloads(dm, s);
	return true;
}

static bool run(struct dm *dm, struct net *s, const struct command *c)
{
	switch (c->cls) {
	case CLASS_RX:
		return rx_mode(s, c);
	case CLASS_MAC:
		return mac_set(dm, s, c);
	case CLASS_VLAN:
		return vlan_set(s, c);
	case CLASS_ANNOUNCE:
		return announce_ack(dm, s, c);
	case CLASS_MQ:
		return pairs_set(s, c);
	case CLASS_OFFLOADS:
		return offloads_set(dm, s, c);
	default:
		return false;
	}
}

bool net_ctrl_run(struct dm *dm, struct net *s, unsigned q, unsigned budget)
{
	struct vring_chain c;
	uint8_t *buf = dm_scratch(dm, COMMAND_MAX);
	bool pushed = false;
	while (budget && virtio_pop(dm, s, q, &c) > 0) {
		budget--;
		if (!c.in_bytes) {
			virtio_broken(dm, s, q, "a control command without room for the answer");
			return false;
		}
		size_t n = vring_iov_read(c.out, c.nout, 0, buf, COMMAND_MAX);
		struct command cmd = {.cls = buf[0], .cmd = buf[1], .data = buf + HEAD};
		cmd.n = n < HEAD ? 0 : n - HEAD;
		uint8_t ack = ACK_ERR;
		if (n >= HEAD && c.out_bytes <= COMMAND_MAX && run(dm, s, &cmd))
			ack = ACK_OK;
		else
			dm_guest_error(dm, "control command class=%u command=%u bytes=%zu refused",
				       n >= HEAD ? buf[0] : 0u, n >= HEAD ? buf[1] : 0u, n);
		vring_iov_write(c.in, c.nin, 0, &ack, 1);
		virtio_push(dm, s, q, c.id, c.ndesc, 1);
		pushed = true;
	}
	if (pushed)
		virtio_signal(dm, s, q);
	return !budget;
}
