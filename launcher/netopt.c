/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/netopt.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include "base/bytes.h"
#include "launcher/text.h"

#define PAIRS_MAX 8u
#define MTU_MIN 68u
#define MTU_MAX 65535u
#define QUEUE_SIZE_MIN 16u
#define QUEUE_SIZE_MAX 1024u

int net_parse(const char *value, enum net_kind *ret, const char **ret_rest, struct err *err)
{
	const char *colon = strchr(value, ':');
	size_t n = colon ? (size_t)(colon - value) : strlen(value);
	const char *rest = colon ? colon + 1 : NULL;
	*ret_rest = rest;
	if (n == 4 && memcmp(value, "none", 4) == 0 && !rest) {
		*ret = NET_NONE;
		return 0;
	}
	if (n == 4 && memcmp(value, "user", 4) == 0 && !rest) {
		*ret = NET_USER;
		return 0;
	}
	if (n == 3 && memcmp(value, "tap", 3) == 0) {
		*ret = NET_TAP;
		if (rest && (!*rest || strlen(rest) >= IFNAMSIZ || strpbrk(rest, "/ \t%")))
			return err_set(err, EINVAL,
				       "\"%s\" is no name of an interface: 1 to %d characters",
				       rest, IFNAMSIZ - 1);
		return 0;
	}
	if (n == 6 && memcmp(value, "socket", 6) == 0) {
		*ret = NET_SOCKET;
		if (!rest || !*rest)
			return err_set(err, EINVAL, "socket: needs a path, as in socket:/tmp/wire");
		return 0;
	}
	return err_set(err, EINVAL,
		       "network \"%s\" is not known; use none, user, tap, tap:INTERFACE or "
		       "socket:PATH",
		       value);
}

/* ---- port forwards ---------------------------------------------------------------------------- */

static bool port(const char *s, size_t n, unsigned *ret)
{
	unsigned v = 0;
	if (!n || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	*ret = v;
	return v >= 1 && v <= 65535;
}

/* One item, @n bytes at @s. */
static bool forward(const char *s, size_t n, struct net_forward *ret)
{
	char item[80], addr[INET6_ADDRSTRLEN] = "127.0.0.1";
	uint8_t raw[16];
	unsigned host, guest;
	if (n >= sizeof(item) || n < 5)
		return false;
	memcpy(item, s, n);
	item[n] = 0;
	if (memcmp(item, "tcp:", 4) == 0)
		ret->option = "-t";
	else if (memcmp(item, "udp:", 4) == 0)
		ret->option = "-u";
	else
		return false;
	const char *p = item + 4, *slash = strchr(p, '/');
	if (slash) {
		size_t len = (size_t)(slash - p);
		if (len >= sizeof(addr))
			return false;
		memcpy(addr, p, len);
		addr[len] = 0;
		if (inet_pton(AF_INET, addr, raw) != 1 && inet_pton(AF_INET6, addr, raw) != 1)
			return false;
		p = slash + 1;
	}
	const char *colon = strchr(p, ':');
	if (!colon || !port(p, (size_t)(colon - p), &host) ||
	    !port(colon + 1, strlen(colon + 1), &guest))
		return false;
	snprintf(ret->spec, sizeof(ret->spec), "%s/%u:%u", addr, host, guest);
	return true;
}

int net_forwards(const char *value, struct net_forward ret[NET_FORWARDS_MAX], unsigned *ret_n,
		 struct err *err)
{
	unsigned n = 0;
	for (const char *p = value; p && *p;) {
		size_t len = strcspn(p, ",");
		if (n == NET_FORWARDS_MAX)
			return err_set(err, E2BIG, "more than %u forwarded ports",
				       NET_FORWARDS_MAX);
		if (!forward(p, len, &ret[n]))
			return err_set(
				err, EINVAL,
				"\"%.*s\" is no forwarded port; right is tcp:HOSTPORT:GUESTPORT "
				"or udp:ADDRESS/HOSTPORT:GUESTPORT",
				(int)len, p);
		n++;
		p += len;
		if (*p == ',' && !*++p)
			return err_set(err, EINVAL, "\"%s\" ends with a comma", value);
	}
	*ret_n = n;
	return 0;
}

/* ---- options of the device --------------------------------------------------------------------- */

uint64_t net_number(const struct config_device *dev, const char *name, uint64_t def)
{
	const char *text = config_value(dev, name);
	uint64_t v;
	return text && text_u64(text, &v) == 0 ? v : def;
}

static bool mac_ok(const char *s)
{
	unsigned b[6];
	int used = 0;
	if (strspn(s, "0123456789abcdefABCDEF:") != 17 || s[17] ||
	    sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &used) != 6 ||
	    used != 17)
		return false;
	return !(b[0] & 1) && (b[0] | b[1] | b[2] | b[3] | b[4] | b[5]);
}

int net_options_check(const struct config_device *dev, enum net_kind kind, struct err *err)
{
	struct net_forward f[NET_FORWARDS_MAX];
	unsigned n = 0;
	const char *mac = config_value(dev, "mac"), *forwards = config_value(dev, "forward");
	uint64_t mtu = net_number(dev, "mtu", 0), pairs = net_number(dev, "queues", 1),
		 size = net_number(dev, "queue_size", 256);
	if (mac && !mac_ok(mac))
		return err_set(err, EINVAL,
			       "mac \"%s\" is no unicast address; right is 02:00:00:12:34:56", mac);
	if (mtu && (mtu < MTU_MIN || mtu > MTU_MAX))
		return err_set(err, EINVAL, "mtu %llu: %u to %u, or 0 for what suits the network",
			       (unsigned long long)mtu, MTU_MIN, MTU_MAX);
	if (pairs < 1 || pairs > PAIRS_MAX)
		return err_set(err, EINVAL, "queues %llu: 1 to %u", (unsigned long long)pairs,
			       PAIRS_MAX);
	if (pairs > 1 && (kind == NET_USER || kind == NET_SOCKET))
		return err_set(err, EINVAL,
			       "queues %llu: several need a tap device; a stream of frames has one",
			       (unsigned long long)pairs);
	if (size < QUEUE_SIZE_MIN || size > QUEUE_SIZE_MAX || !is_pow2(size))
		return err_set(err, EINVAL, "queue_size %llu: a power of two from %u to %u",
			       (unsigned long long)size, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
	if (forwards && kind != NET_USER)
		return err_set(err, EINVAL, "forward \"%s\": ports are forwarded by net: user only",
			       forwards);
	return net_forwards(forwards, f, &n, err);
}

void net_mac_make(const char *vm, const char *dev, char ret[18])
{
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */
	for (const char *p = vm; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3ull;
	h = (h ^ '/') * 0x100000001b3ull;
	for (const char *p = dev; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3ull;
	h ^= h >> 40;
	snprintf(ret, 18, "02:%02x:%02x:%02x:%02x:%02x", (unsigned)(h >> 32) & 0xff,
		 (unsigned)(h >> 24) & 0xff, (unsigned)(h >> 16) & 0xff, (unsigned)(h >> 8) & 0xff,
		 (unsigned)h & 0xff);
}
