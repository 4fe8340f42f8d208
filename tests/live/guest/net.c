/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network: numbered frames go out, the rig sends each back as it is. A frame may get lost, as on any wire, and is sent
 * again; one that comes must be whole. Up to WINDOW are on their way. They are IPv4 packets: by such ones the reader of a stream
 * finds its place again (devmodel/host/net/rxbuf.c).
 */
#include "load.h"

#define WINDOW 8u
#define RX 32u
#define TX 16u
#define BUF 2048u
#define HDR 12u	 /* struct virtio_net_hdr, virtio 1.2, 5.1.6 */
#define HEAD 34u /* Ethernet, IPv4 */
#define MIN_DATA 46u
#define MAX_DATA 1400u

static uint8_t arena[1u << 18] __attribute__((aligned(4096)));
static struct vdev dev;
static struct drv_queue rxq, txq;
static struct drv_area rx[RX], tx[TX];
static int rx_id[RX], tx_id[TX]; /* -1: ours */
static unsigned tx_busy;
static bool here;
static uint32_t base, next; /* the first frame that is not back; the next to send */
static bool back[WINDOW];
static uint64_t sent_at;

static uint32_t length(uint32_t seq)
{
	return MIN_DATA + seq * 2654435761u % (MAX_DATA - MIN_DATA);
}

static uint8_t data(uint32_t seq, uint32_t i)
{
	return (uint8_t)((seq * 31 + i) * 167 >> 3);
}

static void give(unsigned i)
{
	struct drv_seg seg = {rx[i].gpa, BUF, DRV_WRITE};
	rx_id[i] = vdev_add(&dev, &rxq, &seg, 1);
}

void net_open(void)
{
	here = vdev_open(&dev, 1, arena, sizeof(arena), 0);
	if (!here || !drv_queue_setup(&dev.drv, &rxq, 0, 64) ||
	    !drv_queue_setup(&dev.drv, &txq, 1, 64))
		return;
	for (unsigned i = 0; i < RX; i++)
		rx[i] = drv_alloc(&dev.drv, BUF, 64);
	for (unsigned i = 0; i < TX; i++) {
		tx[i] = drv_alloc(&dev.drv, BUF, 64);
		tx_id[i] = -1;
	}
	vdev_go(&dev);
	for (unsigned i = 0; i < RX; i++)
		give(i);
	drv_interrupts(&rxq, true);
	drv_interrupts(&txq, true);
	drv_kick(&rxq);
}

/* Ethernet and IPv4 (protocol 253: for experiments, RFC 3692) before @n bytes of data. */
static void head(uint8_t *p, uint32_t n)
{
	static const uint8_t start[HEAD] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x52, 0x52,
					    0x52, 0x52, 0x52, 0x08, 0x00, 0x45, 0,    0,    0,
					    0,	  0,	0,    0,    64,	  253,	0,    0,    10,
					    0,	  0,	1,    10,   0,	  0,	2};
	uint32_t sum = 0;
	for (unsigned k = 0; k < HEAD; k++)
		p[k] = start[k];
	p[16] = (uint8_t)((20 + n) >> 8);
	p[17] = (uint8_t)(20 + n);
	for (unsigned k = 14; k < HEAD; k += 2)
		sum += (uint32_t)p[k] << 8 | p[k + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	p[24] = (uint8_t)(sum >> 8);
	p[25] = (uint8_t)sum;
}

static bool send(uint32_t seq)
{
	unsigned i = 0;
	while (i < TX && tx_id[i] >= 0)
		i++;
	if (i == TX)
		return false;
	uint8_t *p = tx[i].at + HDR;
	uint32_t n = length(seq);
	for (unsigned k = 0; k < HDR; k++)
		tx[i].at[k] = 0;
	head(p, n);
	for (unsigned k = 0; k < 4; k++)
		p[HEAD + k] = (uint8_t)(seq >> 8 * k);
	for (uint32_t k = 4; k < n; k++)
		p[HEAD + k] = data(seq, k);
	struct drv_seg seg = {tx[i].gpa, HDR + HEAD + n, 0};
	tx_id[i] = vdev_add(&dev, &txq, &seg, 1);
	tx_busy++;
	return true;
}

static void came(const uint8_t *p, uint32_t bytes)
{
	uint32_t seq = 0;
	if (bytes < HEAD + MIN_DATA) {
		fault("net: a frame of bytes", bytes, 0);
		return;
	}
	for (unsigned k = 0; k < 4; k++)
		seq |= (uint32_t)p[HEAD + k] << 8 * k;
	if (bytes != HEAD + length(seq)) {
		fault("net: frame, bytes", seq, bytes);
		return;
	}
	for (uint32_t k = 4; k < length(seq); k++)
		if (p[HEAD + k] != data(seq, k)) {
			fault("net: frame, wrong byte", seq, k);
			return;
		}
	if (seq - base >= next - base)
		return; /* once more */
	back[seq % WINDOW] = true;
	for (; base != next && back[base % WINDOW]; base++) {
		back[base % WINDOW] = false;
		counts.net++;
		sent_at = now();
	}
}

static void look_rx(void)
{
	unsigned id, i;
	uint32_t len;
	while (drv_used(&rxq, &id, &len)) {
		for (i = 0; i < RX && rx_id[i] != (int)id; i++)
			;
		if (i == RX || len > BUF || len < HDR) {
			fault("net: a buffer that was not given, id, length", id, len);
			return;
		}
		came(rx[i].at + HDR, len - HDR);
		give(i);
	}
}

static void look_tx(void)
{
	unsigned id, i;
	uint32_t len;
	while (drv_used(&txq, &id, &len)) {
		for (i = 0; i < TX && tx_id[i] != (int)id; i++)
			;
		if (i == TX) {
			fault("net: a frame given back that was not sent, id", id, 0);
			return;
		}
		tx_id[i] = -1;
		tx_busy--;
	}
}

/* What is not back for 100 ms is lost. */
static void again(void)
{
	unsigned n = 0;
	for (uint32_t s = base; s != next; s++)
		if (!back[s % WINDOW])
			n += send(s);
	sent_at = now();
	if (!n)
		return;
	drv_kick(&txq);
	say("R net ");
	say_dec(n);
	say("\n");
}

void net_poll(void)
{
	if (!here)
		return;
	if (vdev_look(&dev, &txq, tx_busy, "net")) {
		do {
			look_rx();
			look_tx();
			drv_interrupts(&rxq, true);
			drv_interrupts(&txq, true);
		} while (drv_has_used(&rxq) || drv_has_used(&txq));
		drv_kick(&rxq);
	}
	if (base != next && now() - sent_at > seconds(1) / 10)
		again();
	bool more = false;
	while (!quitting && next - base < WINDOW && send(next)) {
		if (base == next)
			sent_at = now();
		back[next++ % WINDOW] = false;
		more = true;
	}
	if (more)
		drv_kick(&txq);
}

bool net_idle(void)
{
	return !tx_busy && base == next;
}
