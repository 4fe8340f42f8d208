/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An hv without a guest: speaks the launcher's side of the protocol, so that the supervisor is
 * tested without vCPUs and devices. What its "guest" does is the kernel command line: words, done
 * in turn. say:TEXT    write TEXT and a newline to the first stream backend flood:N     write N
 * numbered lines echo        write back what is typed until a line "off" comes poweroff, reset,
 * crash, exit:N, kill, hang      how it ends waitdead    go on when a daemon has died nostart never
 * report the devices as serving error:TEXT  report an error before start
 * Asked for the state of a device it tells what controls were set; a device whose control is set to "mute" answers no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/vmconfig.h"
#include "proto/ctl.h"
#include "proto/dock.h"
#include "proto/port.h"

static struct {
	Outrigger__VmConfig *cfg;
	struct ctl *ctl;
	int launch_fd, dock_fd, stream;
	int fds[128];
	int peers[64];
	pid_t pids[64];
	int npeers;
	bool started, stopped;
	uint64_t asked; /* how often for the status */
	char set[64];
	bool mute;
} hv = {.stream = -1};

static void send_event(Outrigger__HvEvent *e)
{
	Outrigger__FromHv m = OUTRIGGER__FROM_HV__INIT;
	m.kind_case = OUTRIGGER__FROM_HV__KIND_EVENT;
	m.event = e;
	ctl_send(hv.ctl, &m.base, 1000);
}

static void send_text(Outrigger__HvEvent__KindCase which, char *text)
{
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	e.kind_case = which;
	e.progress = text; /* all text members share the union */
	send_event(&e);
}

static void send_device(size_t i, const char *state)
{
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	Outrigger__DeviceStatus d = OUTRIGGER__DEVICE_STATUS__INIT;
	e.kind_case = OUTRIGGER__HV_EVENT__KIND_DEVICE;
	e.device = &d;
	d.name = hv.cfg->devices[i]->name;
	d.model = hv.cfg->devices[i]->model;
	d.state = (char *)(uintptr_t)state;
	send_event(&e);
}

static void end(const char *how, int code)
{
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	Outrigger__VmEnded d = OUTRIGGER__VM_ENDED__INIT;
	e.kind_case = OUTRIGGER__HV_EVENT__KIND_ENDED;
	e.ended = &d;
	d.how = (char *)(uintptr_t)how;
	d.why = (char *)(uintptr_t) "scripted";
	d.exit_code = code;
	send_event(&e);
	ProtobufCMessage *m; /* the launcher's next request says that it has heard us */
	exit(ctl_recv(hv.ctl, &outrigger__hv_request__descriptor, 2000, &m) != 0);
}

static void send_status(uint64_t id)
{
	Outrigger__FromHv m = OUTRIGGER__FROM_HV__INIT;
	Outrigger__HvReply r = OUTRIGGER__HV_REPLY__INIT;
	Outrigger__VmStatus vm = OUTRIGGER__VM_STATUS__INIT;
	Outrigger__DeviceStatus d[64], *dp[64];
	uint64_t one[1] = {4242}, counters[64] = {11, 22, 33, 44}, io[64] = {5000, 1u << 20};
	counters[10 + 6] = 90; /* 64 ns to 127 ns */
	counters[10 + 9] = 10;
	/* Time goes on with each question: half a second, 1000 posted writes, 200 requests, 1 MiB, 50 slow requests. */
	hv.asked++;
	counters[2] += hv.asked * 1000;
	io[0] += hv.asked * 200;
	io[1] += hv.asked << 20;
	io[16] = 3;
	io[offsetof(struct port_io, latency_log2_ns) / 8 + 20] = hv.asked * 50;
	m.kind_case = OUTRIGGER__FROM_HV__KIND_REPLY;
	m.reply = &r;
	r.id = id;
	r.vm = &vm;
	vm.state = (char *)(uintptr_t) "running";
	vm.engine = (char *)(uintptr_t) "scripted";
	vm.uptime_ns = 1000000000 + hv.asked * 500000000;
	vm.n_vcpu_exits = vm.n_vcpu_instructions = 1;
	vm.vcpu_exits = vm.vcpu_instructions = one;
	for (size_t i = 0; i < hv.cfg->n_devices; i++) {
		outrigger__device_status__init(&d[i]);
		d[i].name = hv.cfg->devices[i]->name;
		d[i].model = hv.cfg->devices[i]->model;
		d[i].state = (char *)(uintptr_t) "serving";
		d[i].n_counters = 64;
		d[i].counters = counters;
		d[i].n_io = 64;
		d[i].io = io;
		dp[i] = &d[i];
	}
	vm.n_devices = hv.cfg->n_devices;
	vm.devices = dp;
	ctl_send(hv.ctl, &m.base, 1000);
}

static void send_inspect(const Outrigger__HvRequest *q)
{
	char json[256];
	Outrigger__FromHv m = OUTRIGGER__FROM_HV__INIT;
	Outrigger__HvReply r = OUTRIGGER__HV_REPLY__INIT;
	m.kind_case = OUTRIGGER__FROM_HV__KIND_REPLY;
	m.reply = &r;
	r.id = q->id;
	snprintf(json, sizeof(json), "{\"device\": \"%s\", \"state\": {\"was set\": \"%s\"}}",
		 q->inspect->device, hv.set);
	r.blob.data = (uint8_t *)json;
	r.blob.len = strlen(json);
	ctl_send(hv.ctl, &m.base, 1000);
}

static void set_control(const Outrigger__HvRequest *q)
{
	const Outrigger__DeviceRequest *c = q->control;
	Outrigger__FromHv m = OUTRIGGER__FROM_HV__INIT;
	Outrigger__HvReply r = OUTRIGGER__HV_REPLY__INIT;
	m.kind_case = OUTRIGGER__FROM_HV__KIND_REPLY;
	m.reply = &r;
	r.id = q->id;
	hv.mute = strcmp(c->value, "mute") == 0;
	if (strcmp(c->value, "bad") == 0) {
		r.status = EINVAL;
		r.error = (char *)(uintptr_t) "that is \033[2Jbad";
	} else {
		snprintf(hv.set, sizeof(hv.set), "%s %s=%s", c->device, c->name, c->value);
	}
	ctl_send(hv.ctl, &m.base, 1000);
}

/* Something to keep, which we do not; or its end, which is ours. */
static void launcher_says(void)
{
	struct launch_packet p;
	int fds[LAUNCH_KEEP_FDS];
	unsigned n;
	if (fdpass_recv(hv.launch_fd, &p, sizeof(p), fds, LAUNCH_KEEP_FDS, &n) <= 0)
		exit(0);
	while (n)
		close(fds[--n]);
}

/* Handles what has come; waits up to @ms. */
static void turn(int ms)
{
	struct pollfd p[66] = {{.fd = ctl_fd(hv.ctl), .events = POLLIN},
			       {.fd = hv.launch_fd, .events = POLLIN}};
	for (int i = 0; i < hv.npeers; i++)
		p[2 + i] = (struct pollfd){.fd = hv.peers[i], .events = POLLIN};
	poll(p, (nfds_t)(2 + hv.npeers), ms);
	if (p[1].revents)
		launcher_says();
	for (int i = 0; i < hv.npeers; i++)
		if (p[2 + i].revents)
			fd_close(&hv.peers[i]);
	ProtobufCMessage *m = NULL;
	while (ctl_recv(hv.ctl, &outrigger__hv_request__descriptor, 0, &m) == 0) {
		const Outrigger__HvRequest *q = (const Outrigger__HvRequest *)(const void *)m;
		if (q->kind_case == OUTRIGGER__HV_REQUEST__KIND_STATUS)
			send_status(q->id);
		if (q->kind_case == OUTRIGGER__HV_REQUEST__KIND_INSPECT && !hv.mute)
			send_inspect(q);
		if (q->kind_case == OUTRIGGER__HV_REQUEST__KIND_CONTROL)
			set_control(q);
		hv.started |= q->kind_case == OUTRIGGER__HV_REQUEST__KIND_START;
		if (q->kind_case == OUTRIGGER__HV_REQUEST__KIND_STOP)
			end("stopped", 0);
		ctl_free(m);
	}
}

static void put(const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(hv.stream, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0 && errno != EAGAIN)
			exit(9);
		if (w < 0)
			turn(1);
		p += w > 0 ? w : 0;
		n -= w > 0 ? (size_t)w : 0;
	}
}

static void echo(void)
{
	char line[256];
	size_t n = 0;
	for (;;) {
		ssize_t r = recv(hv.stream, line + n, 1, MSG_DONTWAIT);
		if (r != 1) {
			turn(5);
			continue;
		}
		put(line + n, 1);
		if (line[n] == '\n' || line[n] == '\r') {
			if (n >= 3 && strncmp(line + n - 3, "off", 3) == 0)
				return;
			n = 0;
		} else if (n < sizeof(line) - 2) {
			n++;
		}
	}
}

static bool peers_alive(void)
{
	for (int i = 0; i < hv.npeers; i++)
		if (hv.peers[i] < 0)
			return false;
	return true;
}

static void word(const char *w)
{
	char buf[64];
	if (strncmp(w, "say:", 4) == 0) {
		put(w + 4, strlen(w + 4));
		put("\n", 1);
	} else if (strncmp(w, "flood:", 6) == 0) {
		for (int i = 0; i < atoi(w + 6); i++)
			put(buf, (size_t)snprintf(buf, sizeof(buf), "line %d of the flood\n", i));
	} else if (strcmp(w, "echo") == 0) {
		echo();
	} else if (strcmp(w, "poweroff") == 0) {
		end("poweroff", 0);
	} else if (strcmp(w, "reset") == 0) {
		end("reset", 3);
	} else if (strcmp(w, "crash") == 0) {
		end("crash", 4);
	} else if (strncmp(w, "exit:", 5) == 0) {
		fprintf(stderr, "hv gives up now\n");
		exit(atoi(w + 5));
	} else if (strcmp(w, "kill") == 0) {
		kill(getpid(), SIGKILL);
	} else if (strcmp(w, "waitdead") == 0) {
		while (peers_alive())
			turn(1000);
	}
}

static void receive_config(int fd)
{
	struct launch_header p;
	unsigned n;
	if (fdpass_recv(fd, &p, sizeof(p), hv.fds, 128, &n) != sizeof(p) ||
	    p.magic != LAUNCH_MAGIC || p.nfds + 1 != n)
		exit(8);
	void *map = mmap(NULL, p.config_len, PROT_READ, MAP_PRIVATE, hv.fds[0], 0);
	if (map == MAP_FAILED)
		exit(7);
	hv.cfg = (Outrigger__VmConfig *)(void *)ctl_unpack(&outrigger__vm_config__descriptor, map,
							   p.config_len);
	if (!hv.cfg)
		exit(6);
	for (size_t i = 0; i < hv.cfg->n_devices; i++)
		for (size_t k = 0; k < hv.cfg->devices[i]->n_backends; k++) {
			const Outrigger__BackendFd *b = hv.cfg->devices[i]->backends[k];
			if (hv.stream < 0 && strcmp(b->kind, "stream") == 0 && b->fd_index >= 0)
				hv.stream = hv.fds[1 + b->fd_index];
		}
}

/* Waits until every daemon has come to the dock. */
static void dock_all(void)
{
	while (hv.npeers < (int)hv.cfg->n_devices) {
		struct pollfd p[2] = {{.fd = hv.dock_fd, .events = POLLIN},
				      {.fd = ctl_fd(hv.ctl), .events = POLLIN}};
		poll(p, 2, 5000);
		if (p[1].revents)
			turn(0);
		if (p[0].revents)
			hv.peers[hv.npeers++] = accept4(hv.dock_fd, NULL, NULL, SOCK_CLOEXEC);
	}
}

static int dock_open(const char *dir)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/dock", dir);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0)
		exit(5);
	return fd;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--engines")) {
		puts("soft aarch64 ok 0 0 0\nkvm x86_64 no /dev/kvm is not there");
		return 0;
	}
	struct err err;
	char url[160];
	if (argc != 3 || strcmp(argv[1], "--launch-fd") != 0)
		return 2;
	hv.launch_fd = atoi(argv[2]);
	receive_config(hv.launch_fd);
	hv.dock_fd = dock_open(hv.cfg->runtime_dir);
	ctl_setup();
	snprintf(url, sizeof(url), "ipc://%.120s/hv", hv.cfg->runtime_dir);
	if (ctl_listen(CTL_PAIR, url, &hv.ctl, &err) < 0)
		return 4;
	if (strncmp(hv.cfg->cmdline, "error:", 6) == 0)
		send_text(OUTRIGGER__HV_EVENT__KIND_ERROR, hv.cfg->cmdline + 6);
	if (strncmp(hv.cfg->cmdline, "error:", 6) == 0) {
		ProtobufCMessage *m;
		ctl_recv(hv.ctl, &outrigger__hv_request__descriptor, 2000, &m);
		return 2;
	}
	if (strncmp(hv.cfg->cmdline, "early:", 6) == 0) {
		fprintf(stderr, "hv ends early\n");
		return atoi(hv.cfg->cmdline + 6);
	}
	dock_all();
	for (size_t i = 0; i < hv.cfg->n_devices; i++) {
		send_device(i, "docked");
		send_device(i, "serving");
	}
	while (!hv.started)
		turn(1000);
	send_text(OUTRIGGER__HV_EVENT__KIND_RUNNING, (char *)(uintptr_t) "scripted engine");
	for (char *save = NULL, *w = strtok_r(hv.cfg->cmdline, " ", &save); w;
	     w = strtok_r(NULL, " ", &save))
		word(w);
	for (;;)
		turn(1000);
}
