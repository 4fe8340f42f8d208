/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks: iperf3 between the guest and the host, by the same back-end on both sides: a tap device each, or a passt each.
 * And what the virtio daemons of an idle guest need of memory.
 */
#include "base/clock.h"
#include "bench/measure.h"
#include "bench/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define IPERF_SECONDS 3.0
#define IPERF_PORT 5261
#define MIB (1024.0 * 1024.0)

enum backend { TAP, PASST, BACKENDS };
static const char *const backend_names[BACKENDS] = {"tap", "passt"};

/* One machine of a pair, and what it needs on the host. */
struct machine {
	enum report_side side;
	struct rig rig;
	struct child passt;
	char tap[IFNAMSIZ]; /* empty: none was made */
	char guest_ip[64], host_ip[64], gateway[64];
	struct stats up, down; /* Mbit/s: guest to host, host to guest */
	double retries;
};

/* host_run - a command of the host, its status. */
__attribute__((format(printf, 1, 2))) static int host_run(const char *format, ...)
{
	char command[400];
	va_list ap;
	va_start(ap, format);
	vsnprintf(command, sizeof command, format, ap);
	va_end(ap);
	return system(command) ? -EIO : 0;
}

static int tap_make(struct machine *m, unsigned n)
{
	snprintf(m->tap, sizeof m->tap, "orbench%u", n);
	host_run("ip link del %s 2>/dev/null", m->tap);
	if (access("/dev/net/tun", R_OK | W_OK) ||
	    host_run("ip tuntap add dev %s mode tap 2>/dev/null", m->tap)) {
		m->tap[0] = 0;
		return -EPERM;
	}
	/* A net of its own for each, of those meant for such tests (RFC 2544). */
	snprintf(m->host_ip, sizeof m->host_ip, "198.18.%u.1", n);
	snprintf(m->guest_ip, sizeof m->guest_ip, "198.18.%u.2/24", n);
	m->gateway[0] = 0;
	if (host_run("ip addr add %s/24 dev %s && ip link set %s up", m->host_ip, m->tap, m->tap))
		return -EPERM;
	return 0;
}

/* route_read - the host's address on the net of its default route, and the gateway: passt gives the guest the first and
 * takes what goes to the second for the host itself. */
static int route_read(struct machine *m)
{
	char line[256], dev[IFNAMSIZ];
	unsigned to, via;
	int rc = -ENETUNREACH;
	FILE *f = fopen("/proc/net/route", "re");
	while (f && rc && fgets(line, sizeof line, f))
		if (sscanf(line, "%15s %x %x", dev, &to, &via) == 3 && !to && via)
			rc = 0;
	if (f)
		fclose(f);
	if (rc)
		return rc;
	struct ifreq ifr = {.ifr_addr.sa_family = AF_INET};
	struct in_addr gw = {.s_addr = via};
	memcpy(ifr.ifr_name, dev, IFNAMSIZ);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 || ioctl(fd, SIOCGIFADDR, &ifr) ? -ENETUNREACH : 0;
	if (fd >= 0)
		close(fd);
	if (rc)
		return rc;
	struct sockaddr_in own;
	memcpy(&own, &ifr.ifr_addr, sizeof own);
	inet_ntop(AF_INET, &gw, m->gateway, sizeof m->gateway);
	snprintf(m->host_ip, sizeof m->host_ip, "%s", m->gateway);
	inet_ntop(AF_INET, &own.sin_addr, m->guest_ip, sizeof m->guest_ip - 4);
	strcat(m->guest_ip, "/24");
	return 0;
}

/* Ours starts its own passt; QEMU is given one that listens. */
static int passt_make(const struct vmm_setup *s, struct machine *m, char socket_path[PATH_MAX],
		      struct err *e)
{
	struct child *c = &m->passt;
	snprintf(socket_path, PATH_MAX, "/tmp/outrigger-bench-passt-%d", (int)getpid());
	unlink(socket_path);
	(void)s;
	if (m->side == REPORT_OURS)
		return 0;
	char program[] = "passt", foreground[] = "--foreground", quiet[] = "--quiet",
	     option[] = "--socket";
	char *const argv[] = {program, foreground, quiet, option, socket_path, NULL};
	int rc = child_start(c, argv, e);
	uint64_t deadline = clock_now_ns() + 5000000000ull;
	while (!rc && access(socket_path, F_OK)) {
		if (clock_now_ns() > deadline)
			return err_set(e, ENOENT, "passt made no socket %s", socket_path);
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return rc;
}

static void machine_stop(struct machine *m)
{
	rig_stop(&m->rig);
	if (m->passt.output)
		child_destroy(&m->passt);
	if (m->tap[0])
		host_run("ip link del %s", m->tap);
	m->tap[0] = 0;
}

/* What a net with such a back-end is to each side. */
static int machine_start(const struct vmm_setup *s, struct machine *m, enum backend b,
			 struct err *e)
{
	char options[80], netdev[PATH_MAX + 80], path[PATH_MAX], command[256];
	const char *out;
	int rc = 0;
	if (b == TAP) {
		snprintf(options, sizeof options, "{net: \"tap:%s\"}", m->tap);
		snprintf(netdev, sizeof netdev,
			 "-netdev tap,id=n0,ifname=%s,script=no,downscript=no,vhost=off", m->tap);
	} else {
		rc = passt_make(s, m, path, e);
		snprintf(options, sizeof options, "{net: user}");
		snprintf(netdev, sizeof netdev,
			 "-netdev stream,id=n0,server=off,addr.type=unix,addr.path=%s", path);
	}
	const struct rig_device devices[] = {
		{.model = "virtio-net",
		 .options = options,
		 .qemu_backend = netdev,
		 .qemu_device = "virtio-net-device,netdev=n0"},
		{.model = "virtio-rng", .options = "{}", .qemu_device = "virtio-rng-device"},
		{.model = "virtio-console",
		 .options = "{chardev: \"null\"}",
		 .qemu_device = "virtio-serial-device"},
	};
	if (!rc)
		rc = rig_start(s, m->side, devices, sizeof devices / sizeof devices[0], &m->rig, e);
	if (!rc)
		rc = rig_run(&m->rig,
			     "modprobe virtio_net; modprobe virtio_rng; modprobe virtio_console; "
			     "ip link set lo up",
			     60, &out, e);
	snprintf(command, sizeof command,
		 "D=$(ls /sys/bus/virtio/drivers/virtio_net/virtio*/net); "
		 "ip addr add %s dev $D && ip link set $D up %s%s",
		 m->guest_ip, m->gateway[0] ? "&& ip route add default via " : "", m->gateway);
	return rc ? rc : rig_run(&m->rig, command, 30, &out, e);
}

/* iperf - Mbit/s that arrived; @reverse: the host sends. */
static int iperf(const struct vmm_setup *s, struct machine *m, bool reverse, struct err *e)
{
	char command[256];
	const char *out, *end, *line;
	double mbit = 0;
	snprintf(command, sizeof command, "iperf3 -c %s -p %u -t %.0f -f m%s 2>&1", m->host_ip,
		 IPERF_PORT, IPERF_SECONDS * s->scale < 1 ? 1 : IPERF_SECONDS * s->scale,
		 reverse ? " -R" : "");
	int rc = rig_run(&m->rig, command, 60, &out, e);
	if (rc)
		return rc;
	/* "[  5]   0.00-3.00   sec   300 MBytes   838 Mbits/sec                  receiver" */
	end = strstr(out, "receiver");
	for (line = end; line && line > out && line[-1] != '\n'; line--)
		;
	const char *at = line ? strstr(line, "Bytes") : NULL;
	if (!at || sscanf(at, "%*s %lf", &mbit) != 1 || mbit <= 0)
		return err_set(e, EIO, "iperf3 says: %.300s", out);
	stats_add(reverse ? &m->down : &m->up, mbit);
	return 0;
}

/* PSS of each kind of virtio daemon, guest RAM left out. */
static int memory_put(const struct vmm_setup *s, struct report *r, const struct machine *m,
		      struct err *e)
{
	static struct footprint f;
	static const char prefix[] = "outrigger-dm-virtio-";
	int rc = footprint_take(&f, m->rig.child.pid, (uint64_t)s->memory_mib << 20, 1);
	if (rc)
		return err_set(e, -rc, "cannot read the memory maps of the processes: %s",
			       strerror(-rc));
	for (size_t i = 0; i < f.n; i++) {
		char row[REPORT_NAME_MAX];
		const struct footprint_process *p = &f.process[i];
		if (strncmp(p->name, prefix, sizeof prefix - 1) != 0)
			continue;
		snprintf(row, sizeof row, "memory.virtio_%s", p->name + sizeof prefix - 1);
		report_put_one(r, row, "MiB", m->side, (double)p->pss_bytes / MIB);
	}
	return 0;
}

static void rates_put(struct report *r, struct machine *m, enum backend b)
{
	char row[REPORT_NAME_MAX];
	snprintf(row, sizeof row, "net.%s.guest_to_host", backend_names[b]);
	report_put(r, row, "Mbit/s", m->side, stats_sum_up(&m->up));
	snprintf(row, sizeof row, "net.%s.host_to_guest", backend_names[b]);
	report_put(r, row, "Mbit/s", m->side, stats_sum_up(&m->down));
}

static int backend_run(const struct vmm_setup *s, struct report *r, struct machine m[REPORT_HOST],
		       enum backend b, struct err *e)
{
	int rc = 0;
	for (unsigned k = 0; k < REPORT_HOST && !rc; k++)
		if (vmm_has(s, (enum report_side)k))
			rc = machine_start(s, &m[k], b, e);
	/* They have been idle for the time that the other needed to boot, or a little. */
	nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
	if (!rc && vmm_has(s, REPORT_OURS) && b == TAP)
		rc = memory_put(s, r, &m[REPORT_OURS], e);
	unsigned runs = s->runs > 3 ? 3 : s->runs;
	for (unsigned run = 0; run < runs && !rc; run++)
		for (unsigned k = 0; k < 2 * REPORT_HOST && !rc; k++) {
			unsigned side = (run + k) % REPORT_HOST;
			if (vmm_has(s, (enum report_side)side))
				rc = iperf(s, &m[side], k >= REPORT_HOST, e);
		}
	for (unsigned k = 0; k < REPORT_HOST && !rc; k++)
		if (vmm_has(s, (enum report_side)k))
			rates_put(r, &m[k], b);
	return rc;
}

static int backend_measure(const struct vmm_setup *s, struct report *r, enum backend b,
			   struct err *e)
{
	static struct machine m[REPORT_HOST];
	const char *missing = NULL;
	int rc = 0;
	memset(m, 0, sizeof m);
	for (unsigned k = 0; k < REPORT_HOST && !missing; k++) {
		m[k].side = (enum report_side)k;
		if (b == TAP && tap_make(&m[k], k))
			missing = "tap devices cannot be made here (root and /dev/net/tun are "
				  "needed)";
		if (b == PASST && route_read(&m[k]))
			missing = "the host has no default route, which passt needs";
	}
	if (b == PASST && host_run("command -v passt >/dev/null"))
		missing = "passt is not installed";
	if (missing)
		fprintf(stderr, " [net by %s left out: %s]", backend_names[b], missing);
	else
		rc = backend_run(s, r, m, b, e);
	for (unsigned k = 0; k < REPORT_HOST; k++)
		machine_stop(&m[k]);
	return rc;
}

int measure_net(const struct vmm_setup *s, struct report *r, struct err *e)
{
	struct child server;
	char program[] = "iperf3", option[] = "-s", port_option[] = "-p", port[16];
	snprintf(port, sizeof port, "%u", IPERF_PORT);
	char *const argv[] = {program, option, port_option, port, NULL};
	int rc = child_start(&server, argv, e);
	for (unsigned b = 0; b < BACKENDS && !rc; b++)
		rc = backend_measure(s, r, (enum backend)b, e);
	child_destroy(&server);
	return rc;
}
