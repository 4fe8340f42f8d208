/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wire/virtio_models.h"
#include "base/clock.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* The wire format of a stream back-end: the length of each frame, 4 bytes, big-endian, in front of it. */

/* Several queues and the longest ones: more can be done wrong with them. */
void vtarget_prepare_wire(struct wire *w, uint32_t device_id)
{
	static const char *const console[] = {"ports", "2", "port1_name", CON_PORT1, NULL};
	static const char *const block[] = {"serial", BLK_SERIAL, "queue_size", "1024",
					    "queues", "3",	  NULL};
	static const char *const net[] = {"queue_size", "1024", NULL};
	if (device_id == VID_NET)
		w->options = net;
	if (device_id == VID_BLK)
		w->options = block;
	if (device_id == VID_CONSOLE)
		w->options = console;
}

void net_frame(uint8_t *p, unsigned len, unsigned seed)
{
	/* IPv4 from 192.0.2.1 to 192.0.2.255 with protocol 253, which is for experiments (RFC 3692). */
	static const uint8_t head[34] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00,
					 0x12, 0x34, 0x57, 0x08, 0x00, 0x45, 0x00, 0x00, 0x00,
					 0x00, 0x00, 0x40, 0x00, 0x40, 0xfd, 0x00, 0x00, 0xc0,
					 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0xff};
	uint32_t sum = 0;
	memcpy(p, head, len < sizeof(head) ? len : sizeof(head));
	for (unsigned i = sizeof(head); i < len; i++)
		p[i] = (uint8_t)(i * 7 + seed);
	if (len < sizeof(head))
		return;
	p[16] = (uint8_t)((len - 14) >> 8);
	p[17] = (uint8_t)(len - 14);
	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p[24] = (uint8_t)(~sum >> 8);
	p[25] = (uint8_t)~sum;
}

static void host_write(struct vrig *v, const void *buf, size_t len)
{
	uint64_t end = clock_now_ns() + VRIG_PATIENCE_MS * 1000000ull;
	size_t at = 0;
	while (at < len) {
		ssize_t n = send(v->w->host_fd, (const char *)buf + at, len - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		/* A device that wants nothing for now is no error; half of a message would be. */
		if (!at)
			return;
		struct pollfd p = {.fd = v->w->host_fd, .events = POLLOUT};
		assert_true(clock_now_ns() < end);
		(void)poll(&p, 1, 10);
	}
}

void net_host_send(struct vrig *v, const void *frame, unsigned len)
{
	uint8_t buf[4 + 65536] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
				  (uint8_t)len};
	assert_true(len <= 65536);
	memcpy(buf + 4, frame, len);
	host_write(v, buf, 4 + len);
}

static bool host_read(struct vrig *v, uint8_t *buf, size_t len)
{
	uint64_t end = clock_now_ns() + VRIG_PATIENCE_MS * 1000000ull;
	size_t at = 0;
	while (at < len) {
		struct pollfd p = {.fd = v->w->host_fd, .events = POLLIN};
		if (clock_now_ns() > end)
			return false;
		if (poll(&p, 1, 100) != 1)
			continue;
		ssize_t n = recv(v->w->host_fd, buf + at, len - at, MSG_DONTWAIT);
		if (n == 0)
			return false;
		if (n > 0)
			at += (size_t)n;
	}
	return true;
}

unsigned net_host_recv(struct vrig *v, uint8_t *frame, unsigned max)
{
	uint8_t head[4];
	if (!host_read(v, head, 4))
		return 0;
	unsigned len = (unsigned)head[0] << 24 | (unsigned)head[1] << 16 | (unsigned)head[2] << 8 |
		       head[3];
	assert_in_range(len, 14, max);
	assert_true(host_read(v, frame, len));
	return len;
}

void con_host_send(struct vrig *v, const void *buf, unsigned len)
{
	host_write(v, buf, len);
}

void con_host_recv(struct vrig *v, uint8_t *buf, unsigned len)
{
	assert_true(host_read(v, buf, len));
}
