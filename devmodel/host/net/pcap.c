/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/host/net/pcap.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "devmodel/host/net/vnet.h"
#include "vring/vring.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_SNAPLEN 262144u
#define LINKTYPE_ETHERNET 1u
#define RECORD 16u
#define PCAP_BYTES (256u << 10)

int pcap_open(struct pcap *p, struct dm *dm, int *fd)
{
	*p = (struct pcap){.dm = dm, .fd = -1, .buf = malloc(PCAP_BYTES)};
	if (!p->buf)
		return -ENOMEM;
	p->fd = fd_steal(fd);
	p->on = true;
	memset(p->buf, 0, 24);
	store_le(p->buf, 4, PCAP_MAGIC_NS);
	store_le(p->buf + 4, 2, 2); /* version 2.4 */
	store_le(p->buf + 6, 2, 4);
	store_le(p->buf + 16, 4, PCAP_SNAPLEN);
	store_le(p->buf + 20, 4, LINKTYPE_ETHERNET);
	p->used = 24;
	pcap_flush(p);
	return 0;
}

void pcap_close(struct pcap *p)
{
	if (p->on)
		pcap_flush(p);
	if (p->buf)
		fd_close(&p->fd);
	free(p->buf);
	*p = (struct pcap){.fd = -1};
}

void pcap_flush(struct pcap *p)
{
	if (!p->on || !p->used)
		return;
	int rc = fd_write_all(p->fd, p->buf, p->used);
	p->used = 0;
	if (!rc)
		return;
	dm_log(p->dm, DM_LOG_ERR, "the frame dump ends here error=\"%s\"", strerror(-rc));
	fd_close(&p->fd);
	p->on = false;
}

void pcap_frame(struct pcap *p, const struct iovec *iov, unsigned n, size_t skip)
{
	size_t len = 0;
	if (!p->on)
		return;
	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (len < skip || len - skip > PCAP_SNAPLEN - RECORD)
		return;
	len -= skip;
	if (p->used + RECORD + len > PCAP_BYTES)
		pcap_flush(p);
	if (!p->on)
		return;
	uint64_t now = dm_realtime_ns(p->dm);
	uint8_t *r = p->buf + p->used;
	store_le(r, 4, now / 1000000000u);
	store_le(r + 4, 4, now % 1000000000u);
	store_le(r + 8, 4, len);
	store_le(r + 12, 4, len);
	vring_iov_read(iov, n, skip, r + RECORD, len);
	p->used += RECORD + len;
}
