/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The texts of a network device's options: back-end, port forwards, addresses. Nothing is opened here. */
#include <stdint.h>
#include "launcher/config.h"

#define NET_FORWARDS_MAX 64u

/** enum net_kind - what `net` names. */
enum net_kind { NET_NONE, NET_USER, NET_TAP, NET_SOCKET };

/** net_parse - reads "none", "user", "tap", "tap:INTERFACE" or "socket:PATH". *@ret_rest: borrowed, what follows the colon,
 * NULL if nothing does. 0 or -EINVAL with @err. */
int net_parse(const char *value, enum net_kind *ret, const char **ret_rest, struct err *err);

/** struct net_forward - one port: passt's option, and what stands behind it ("127.0.0.1/2222:22"). */
struct net_forward {
	const char *option;
	char spec[96];
};

/** net_forwards - reads "tcp:2222:22,udp:0.0.0.0/5353:53": protocol, port of the host (with an address of the host in front, else
 * 127.0.0.1), port of the guest. NULL: none. *@ret_n entries in @ret. 0 or -EINVAL with @err. */
int net_forwards(const char *value, struct net_forward ret[NET_FORWARDS_MAX], unsigned *ret_n,
		 struct err *err);

/** net_options_check - `mac`, `mtu`, `queues`, `queue_size` and `forward` of @dev against each other and against @kind.
 * 0 or -EINVAL with @err. */
int net_options_check(const struct config_device *dev, enum net_kind kind, struct err *err);

/** net_number - the value of a number option of @dev, @def if it has none. */
uint64_t net_number(const struct config_device *dev, const char *name, uint64_t def);

/** net_mac_make - an address for device @dev of VM @vm: the same each time, locally administered. */
void net_mac_make(const char *vm, const char *dev, char ret[18]);
