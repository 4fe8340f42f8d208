/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A dump of all frames in pcap format with nanoseconds (magic 0xa1b23c4d, LINKTYPE_ETHERNET), for tcpdump and Wireshark. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "devmodel/dm.h"

/** struct pcap - one dump; zeroed: none. */
struct pcap {
	struct dm *dm;
	int fd; /* owned; -1 once it could not be written */
	uint8_t *buf;
	size_t used;
	bool on;
};

/** pcap_open - takes @fd and writes the file header to the buffer. 0, -ENOMEM. */
int pcap_open(struct pcap *p, struct dm *dm, int *fd);
/** pcap_close - writes what is buffered. */
void pcap_close(struct pcap *p);
/** pcap_frame - adds a frame: the bytes of @iov[@n] from byte @skip on. */
void pcap_frame(struct pcap *p, const struct iovec *iov, unsigned n, size_t skip);
/** pcap_flush - writes what is buffered. An error is told once and ends the dump. */
void pcap_flush(struct pcap *p);
