/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wire/virtio_models.h"
#include "base/clock.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* The wire format of a stream back-end: the length of each frame, 4 bytes, big-endian, in front of it. */

void vtarget_prepare_wire(struct wire *w, uint32_t device_id)
{
	static const char *const console[] = {"ports", "2", "port1_name", "org.outrigger.test",
					      NULL};
	if (device_id == VID_CONSOLE)
		w->options = console;
}

void net_frame(uint8_t *p, unsigned len, unsigned seed)
{
	memset(p, 0xff, 6);
	memcpy(p + 6, "\x52\x54\x00\x12\x34\x57", 6);
	/* An EtherType for local experiments (IEEE 802): nobody looks into it. */
	p[12] = 0x88;
	p[13] = 0xb5;
	for (unsigned i = 14; i < len; i++)
		p[i] = (uint8_t)(i * 7 + seed);
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
