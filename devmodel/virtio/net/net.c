/* SPDX-License-Identifier: Apache-2.0 */
/* Network device: virtio 1.2, section 5.1. Its life, its configuration and its class. */
#include "devmodel/virtio/net/net.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CTRL_QUEUE_SIZE 64u
#define QUEUE_SIZE_MIN 16u

unsigned net_pairs(const struct net *s)
{
	return (s->v.nqueues - 1) / 2;
}

unsigned net_ctrl_queue(const struct net *s)
{
	/* 5.1.2: behind the pairs; without MQ there is but one. */
	return virtio_has(s, NET_F_MQ) ? 2 * net_pairs(s) : 2;
}

/* ---- the link --------------------------------------------------------------------------------- */

bool net_link_up(struct dm *dm, const struct net *s)
{
	struct dm_link_info info;
	dm_link_info(dm, 0, &info);
	return info.up && !s->forced_down;
}

void net_status(struct dm *dm, struct net *s)
{
	unsigned old = (unsigned)load_le(s->v.config + NET_CFG_STATUS, 2);
	unsigned now = net_link_up(dm, s) ? NET_S_LINK_UP : 0;
	if (!virtio_live(s) || !virtio_has(s, NET_F_GUEST_ANNOUNCE) || !now)
		s->announce = 0;
	else if (!(old & NET_S_LINK_UP)) /* the network may know it at another place: 5.1.6.5.4 */
		s->announce = 1;
	if (s->announce)
		now |= NET_S_ANNOUNCE;
	if (now == old)
		return;
	virtio_config_put(s, NET_CFG_STATUS, 2, now);
	if ((now ^ old) & NET_S_LINK_UP)
		dm_log(dm, DM_LOG_INFO, "link %s", now & NET_S_LINK_UP ? "up" : "down");
	/* A driver that acknowledged an announcement knows. */
	if ((now ^ old) & NET_S_LINK_UP || s->announce)
		virtio_config_changed(dm, s);
}

void net_offloads(struct dm *dm, const struct net *s)
{
	dm_link_offloads(dm, 0, s->offloads & NET_F_GUEST_CSUM, s->offloads & NET_F_GUEST_TSO4,
			 s->offloads & NET_F_GUEST_TSO6);
}

static void net_link_ready(struct dm *dm, void *state, unsigned link)
{
	struct net *s = state;
	(void)link;
	net_status(dm, s);
	for (unsigned p = 0; p < NET_PAIRS_MAX; p++)
		if (s->blocked >> p & 1)
			virtio_more(dm, s, 2 * p + 1);
	s->blocked = 0;
	if (!s->starved)
		net_rx_run(dm, s, VIRTIO_BUDGET);
}

/* ---- life ------------------------------------------------------------------------------------- */

static uint64_t net_features(struct dm *dm, const void *state)
{
	const struct net *s = state;
	struct dm_link_info i;
	uint64_t f = NET_F_MAC | NET_F_STATUS | NET_F_MRG_RXBUF | NET_F_CTRL_VQ | NET_F_CTRL_RX |
		     NET_F_CTRL_RX_EXTRA | NET_F_CTRL_VLAN | NET_F_CTRL_MAC_ADDR |
		     NET_F_GUEST_ANNOUNCE;
	dm_link_info(dm, 0, &i);
	f |= net_pairs(s) > 1 ? NET_F_MQ : 0;
	f |= load_le(s->v.config + NET_CFG_MTU, 2) ? NET_F_MTU : 0;
	if (!dm_option_bool(dm, "offload"))
		return f;
	if (i.csum) {
		f |= NET_F_CSUM;
		f |= i.tso4 ? NET_F_HOST_TSO4 : 0;
		f |= i.tso6 ? NET_F_HOST_TSO6 : 0;
		f |= i.ecn && (i.tso4 || i.tso6) ? NET_F_HOST_ECN : 0;
	}
	if (i.rx_csum) {
		f |= NET_F_GUEST_CSUM | NET_F_CTRL_GUEST_OFFLOADS;
		f |= i.rx_tso4 ? NET_F_GUEST_TSO4 : 0;
		f |= i.rx_tso6 ? NET_F_GUEST_TSO6 : 0;
		f |= i.ecn && (i.rx_tso4 || i.rx_tso6) ? NET_F_GUEST_ECN : 0;
	}
	return f;
}

/* 5.1.3.1: features that need others. */
static bool net_features_ok(struct dm *dm, void *state, uint64_t f)
{
	static const struct {
		uint64_t any, needs_one_of;
	} rules[] = {
		{NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6, NET_F_GUEST_CSUM},
		{NET_F_GUEST_ECN, NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6},
		{NET_F_HOST_TSO4 | NET_F_HOST_TSO6, NET_F_CSUM},
		{NET_F_HOST_ECN, NET_F_HOST_TSO4 | NET_F_HOST_TSO6},
		{NET_F_CTRL_RX | NET_F_CTRL_VLAN | NET_F_GUEST_ANNOUNCE | NET_F_MQ |
			 NET_F_CTRL_MAC_ADDR | NET_F_CTRL_GUEST_OFFLOADS,
		 NET_F_CTRL_VQ},
		{NET_F_CTRL_RX_EXTRA, NET_F_CTRL_RX},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if ((f & rules[i].any) && !(f & rules[i].needs_one_of)) {
			dm_guest_error(dm, "features %#llx were accepted without one of %#llx",
				       (unsigned long long)(f & rules[i].any),
				       (unsigned long long)rules[i].needs_one_of);
			return false;
		}
	return true;
}

/* A locally administered address for a device whose config gives none; the launcher gives each its own. */
static void read_mac(struct dm *dm, uint8_t mac[6])
{
	static const uint8_t fallback[6] = {0x02, 'O', 'R', 'T', 'G', 1};
	const char *text = dm_option_str(dm, "mac");
	if (!text || !vnet_mac_parse(text, mac)) {
		memcpy(mac, fallback, 6);
		if (text)
			dm_log(dm, DM_LOG_ERR,
			       "mac=\"%s\" is no unicast address, six hexadecimal bytes as in "
			       "02:00:00:12:34:56; another is used",
			       text);
	}
}

/* The greatest power of two that is no more than the option, within the limits. */
static uint16_t queue_size(struct dm *dm)
{
	uint64_t want = dm_option_u64(dm, "queue_size");
	uint16_t n = VRING_SIZE_MAX;
	while (n > QUEUE_SIZE_MIN && n > want)
		n /= 2;
	return n;
}

static void net_setup(struct dm *dm, void *state)
{
	struct net *s = state;
	struct dm_link_info info;
	dm_link_info(dm, 0, &info);
	uint64_t pairs = dm_option_u64(dm, "queues"), mtu = dm_option_u64(dm, "mtu");
	pairs = pairs > info.queues ? info.queues : pairs;
	pairs = pairs > NET_PAIRS_MAX ? NET_PAIRS_MAX : pairs ? pairs : 1;
	for (unsigned q = 0; q < 2 * pairs; q++)
		s->q[q].size_max = queue_size(dm);
	s->q[2 * pairs].size_max = CTRL_QUEUE_SIZE;
	s->v.nqueues = 2 * (uint32_t)pairs + 1;
	if (!mtu)
		mtu = info.mtu;
	mtu = mtu > UINT16_MAX ? UINT16_MAX : mtu && mtu < NET_MTU_MIN ? NET_MTU_MIN : mtu;
	read_mac(dm, s->mac);
	memcpy(s->v.config + NET_CFG_MAC, s->mac, 6);
	virtio_config_put(s, NET_CFG_STATUS, 2, net_link_up(dm, s) ? NET_S_LINK_UP : 0);
	virtio_config_put(s, NET_CFG_PAIRS, 2, pairs);
	virtio_config_put(s, NET_CFG_MTU, 2, mtu);
	s->promisc = 1; /* until the driver says what it wants */
	s->allmulti = s->alluni = s->nomulti = s->nouni = s->nobcast = 0;
	s->announce = s->starved = s->deaf = s->blocked = 0;
	s->pairs = 1;
	s->wait_ns = 0;
	s->offloads = 0;
	s->uni = s->multi = (struct net_macs){0};
	memset(s->vlan, 0, sizeof(s->vlan));
	dm_timer_cancel(dm, NET_TIMER_STARVED);
	dm_link_listen(dm, 0, true); /* frames for nobody are dropped */
}

static void net_driver_ok(struct dm *dm, void *state)
{
	struct net *s = state;
	s->offloads = s->v.negotiated & NET_GUEST_OFFLOADS;
	net_offloads(dm, s);
	net_status(dm, s); /* the link may have changed before there was anybody to tell */
}

static bool net_queue(struct dm *dm, void *state, unsigned q, unsigned budget)
{
	struct net *s = state;
	if (q == net_ctrl_queue(s) && virtio_has(s, NET_F_CTRL_VQ))
		return net_ctrl_run(dm, s, q, budget);
	if (q & 1)
		return net_tx_queue(dm, s, q, budget);
	net_rx_buffers(dm, s);
	return false;
}

static void net_timer(struct dm *dm, void *state, unsigned timer)
{
	(void)timer;
	net_rx_timer(dm, state);
}

static void net_resume(struct dm *dm, void *state)
{
	struct net *s = state;
	for (unsigned q = 0; q < s->v.nqueues; q++)
		virtio_adopt_all(dm, s, q);
	s->starved = s->blocked = 0; /* all queues are served after this */
	net_offloads(dm, s);
	net_status(dm, s);
}

/* ---- for people ------------------------------------------------------------------------------- */

static int net_control(struct dm *dm, void *state, const char *name, const char *value, char *why,
		       size_t len)
{
	struct net *s = state;
	(void)name; /* there is one */
	bool down = strcmp(value, "down") == 0;
	if (!down && strcmp(value, "up") != 0) {
		snprintf(why, len, "link is up or down, not \"%s\"", value);
		return -EINVAL;
	}
	s->forced_down = down;
	net_status(dm, s);
	return 0;
}

static void net_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct net *s = state;
	dm_text_item(text, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", s->mac[0], s->mac[1], s->mac[2],
		     s->mac[3], s->mac[4], s->mac[5]);
	dm_text_item(text, "link", "%s%s", net_link_up(dm, s) ? "up" : "down",
		     s->forced_down ? " (set so)" : "");
	dm_text_item(text, "pairs", "%u of %u in use", s->pairs, net_pairs(s));
	dm_text_item(text, "received", "%llu frames, %llu not wanted, %llu dropped%s",
		     (unsigned long long)s->rx_frames, (unsigned long long)s->rx_filtered,
		     (unsigned long long)s->rx_dropped,
		     s->deaf	  ? "; the driver gives no buffers"
		     : s->starved ? "; waits for buffers"
				  : "");
	dm_text_item(text, "sent", "%llu frames, %llu dropped%s", (unsigned long long)s->tx_frames,
		     (unsigned long long)s->tx_dropped,
		     s->blocked ? "; waits for the other end" : "");
	dm_text_item(text, "filter", "%s%s%s%s%s%s%u unicast%s, %u multicast%s",
		     s->promisc ? "all (promiscuous), " : "", s->allmulti ? "all multicast, " : "",
		     s->alluni ? "all unicast, " : "", s->nomulti ? "no multicast, " : "",
		     s->nouni ? "no unicast, " : "", s->nobcast ? "no broadcast, " : "", s->uni.n,
		     s->uni.overflow ? " (too many: all)" : "", s->multi.n,
		     s->multi.overflow ? " (too many: all)" : "");
}

/* ---- class ------------------------------------------------------------------------------------ */

static const struct virtio_model net_model = {
	.device_id = 1,
	.queues = 2 * NET_PAIRS_MAX + 1,
	.features = net_features,
	.setup = net_setup,
	.features_ok = net_features_ok,
	.driver_ok = net_driver_ok,
	.queue = net_queue,
	.resume = net_resume,
	.inspect = net_inspect,
};

/* clang-format off */
extern const struct dm_class dm_class_virtio_net;
const struct dm_class dm_class_virtio_net = {
	.name = "virtio-net",
	.version = 1,
	.summary = "virtio network device",
	VIRTIO_DM_CLASS(&net_model),
	.timers = 1,
	.host = &dm_host_net,
	.timer = net_timer,
	.link_ready = net_link_ready,
	.control = net_control,
	.controls = (const struct dm_control[]){
		{.name = "link", .help = "up or down: pulls the cable, or puts it back"},
		{}},
	.options = (const struct dm_option[]){
		VIRTIO_OPTIONS,
		{.name = "net", .type = DM_OPT_NET, .def = "none",
		 .help = "what it is joined to: none, user, tap, tap:INTERFACE or socket:PATH"},
		{.name = "mac", .type = DM_OPT_STRING,
		 .help = "address as in 02:00:00:12:34:56; default: made from the names of VM and device"},
		{.name = "mtu", .type = DM_OPT_U64, .def = "0",
		 .help = "largest packet that the guest is told of, 68 to 65535; 0: what suits the network"},
		{.name = "queues", .type = DM_OPT_U64, .def = "1",
		 .help = "queue pairs, 1 to 8; more than one needs a tap device"},
		{.name = "queue_size", .type = DM_OPT_U64, .def = "256",
		 .help = "entries of a queue: a power of two, 16 to 1024"},
		{.name = "offload", .type = DM_OPT_BOOL, .def = "true",
		 .help = "offer checksum and segmentation offloads"},
		{.name = "forward", .type = DM_OPT_STRING,
		 .help = "for user: ports of the host that lead to the guest, as in tcp:2222:22,udp:5353:53"},
		{.name = "pcap", .type = DM_OPT_SINK, .help = "file that gets every frame, in pcap format"},
		{}},
	.state_size = sizeof(struct net),
};
/* clang-format on */
