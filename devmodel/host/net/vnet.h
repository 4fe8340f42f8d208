/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * struct virtio_net_hdr (virtio 1.2, section 5.1.6) as bytes: it stands in front of every frame between a network model and
 * its back-end, little-endian, 12 bytes.
 */
#include <stdbool.h>
#include <stdint.h>
#include "base/bytes.h"

#define VNET_HDR 12u

/* flags */
#define VNET_F_NEEDS_CSUM 1u
#define VNET_F_DATA_VALID 2u
/* gso_type */
#define VNET_GSO_NONE 0u
#define VNET_GSO_TCPV4 1u
#define VNET_GSO_TCPV6 4u
#define VNET_GSO_ECN 0x80u

/* byte offsets */
#define VNET_FLAGS 0u
#define VNET_GSO_TYPE 1u
#define VNET_HDR_LEN 2u
#define VNET_GSO_SIZE 4u
#define VNET_CSUM_START 6u
#define VNET_CSUM_OFFSET 8u
#define VNET_NUM_BUFFERS 10u

#define ETH_HDR 14u
#define ETH_FRAME_MAX (65562u - VNET_HDR) /* DM_FRAME_MAX without the header */

/** vnet_mac_parse - reads "02:00:00:12:34:56". True and @ret: six bytes of a unicast address that is not all zeros. */
static inline bool vnet_mac_parse(const char *text, uint8_t ret[6])
{
	uint8_t mac[6], any = 0;
	for (unsigned i = 0; i < 18; i++) {
		char c = text[i];
		unsigned v = 0;
		if (i % 3 == 2) {
			if (c != (i == 17 ? 0 : ':'))
				return false;
			continue;
		}
		if (c >= '0' && c <= '9')
			v = (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = (unsigned)((c | 32) - 'a' + 10);
		else
			return false;
		mac[i / 3] = (uint8_t)(i % 3 ? (unsigned)mac[i / 3] << 4 | v : v);
	}
	for (unsigned i = 0; i < 6; i++)
		any |= mac[i];
	if (!any || mac[0] & 1)
		return false;
	memcpy(ret, mac, 6);
	return true;
}
