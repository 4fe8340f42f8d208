/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/device.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/copy.h"
#include "hv/debug.h"
#include "hv/pause.h"
#include "hv/report.h"
#include "hv/swap.h"
#include "hv/warden.h"
#include "proto/copychan.h"
#include "proto/dock.h"
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Messages handled in one go, so that one daemon that talks without end does not keep the loop from
 * the others. */
#define MESSAGES_A_TURN 32

/* ---- the end of a daemon ---- */

static void requests_fail(struct device *d);

/* Cuts the daemon off: no descriptor of it is watched any more. It notices by the end of its dock
 * connection. */
void device_cut(struct device *d)
{
	if (d->slot)
		atomic_store(&d->slot->daemon_pid, 0);
	d->recovering = false;
	if (d->copy)
		copy_cut(d->copy);
	watch_stop(&d->dock_watch);
	watch_stop(&d->pid_watch);
	fd_close(&d->dock_fd);
	fd_close(&d->pid_fd);
	d->stage = STAGE_NONE;
	requests_fail(d);
	debug_clear(d);
}

void device_hold_update(struct device *d)
{
	slot_hold_set(d->slot, (d->debug.on ? SLOT_HOLD_DEBUG : 0u) |
				       (d->person_paused ? SLOT_HOLD_PAUSED : 0u));
}

static void device_lost(struct device *d, enum slot_state state, const char *why)
{
	slot_fail(d->slot, state, "%s", why);
	device_cut(d);
	devices_review(d->vm);
}

/* Says no to the daemon, and to the VM's start if it has not run yet. */
static void device_refuse(struct device *d, const char *why)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_REFUSED;
	m.refused = (char *)(uintptr_t)why;
	if (d->ctl)
		ctl_send(d->ctl, &m.base, 0);
	device_lost(d, SLOT_QUARANTINED, why);
}

static void device_gone(struct device *d)
{
	if (d->swap && swap_old_gone(d->swap)) {
		device_cut(d);
		return;
	}
	device_vacant(d);
}

void device_vacant(struct device *d)
{
	char why[96];
	snprintf(why, sizeof(why), "the daemon of %s (pid %d) ended", d->cfg->name, d->pid);
	bool waits = d->slot->cfg.restart || d->slot->cfg.policy == POLICY_PARK;
	if (waits && d->vm->state == VM_RUNNING && slot_vacate(d->slot)) {
		log_info("device=%s pid=%d ended; another daemon is to follow", d->cfg->name,
			 d->pid);
		device_cut(d);
		devices_review(d->vm);
		return;
	}
	device_lost(d, SLOT_DEAD, why);
}

void device_expect(struct device *d, const char *token, const char *how)
{
	/* The launcher has seen its death before us. */
	if (d->stage != STAGE_NONE && token[0])
		device_gone(d);
	snprintf(d->token, sizeof(d->token), "%s", token);
	d->expect_hand = !strcmp(how, "by hand");
	d->expect_quiesced = !strcmp(how, "quiesced");
}

void device_give_up(struct device *d, const char *why)
{
	d->token[0] = 0;
	d->given_up = true;
	if (slot_state(d->slot) == SLOT_SERVING)
		return;
	if (d->slot->cfg.policy == POLICY_PARK && slot_state(d->slot) == SLOT_WAITING)
		slot_say_why(d->slot, why);
	else
		device_lost(d, SLOT_DEAD, why);
	devices_review(d->vm);
}

/* ---- messages ---- */

/* dma: map: guest memory is granted whole. */
static bool device_maps_memory(const struct device *d)
{
	return d->cfg->dma && !strcmp(d->cfg->dma, "map");
}

int device_hello_check(const struct device *d, const Outrigger__Hello *h, uint32_t epoch,
		       uint32_t state_bytes, struct err *err)
{
	if (strcmp(h->model, d->cfg->model) != 0)
		return err_set(err, EPERM, "%s: its daemon is of model %.40s; the config wants %s",
			       d->cfg->name, h->model, d->cfg->model);
	if (h->state_bytes > state_bytes)
		return err_set(err, EPERM,
			       "%s: its daemon needs %u bytes of state; the config gave it %u",
			       d->cfg->name, h->state_bytes, state_bytes);
	if (h->epoch != epoch)
		return err_set(err, EPERM, "%s: its daemon speaks of epoch %u; %u is now",
			       d->cfg->name, h->epoch, epoch);
	return 0;
}

/* Guest memory (all blocks are of one descriptor), or the channel of the copier. How many. */
static size_t device_grants(const struct device *d, int32_t fd_index, Outrigger__Grant *grant,
			    Outrigger__Grant **ptrs)
{
	struct mem_block b[MEM_BLOCKS] = {{.size = COPY_CHANNEL_BYTES}};
	unsigned n = d->copy ? 1 : 0;
	if (device_maps_memory(d))
		n = mem_blocks(&d->vm->mem, b);
	for (unsigned i = 0; i < n; i++) {
		outrigger__grant__init(&grant[i]);
		grant[i].gpa = b[i].base;
		grant[i].bytes = b[i].size;
		grant[i].offset = b[i].offset;
		grant[i].fd_index = fd_index;
		grant[i].writable = true;
		ptrs[i] = &grant[i];
	}
	return n;
}

int device_configure(struct device *d, struct ctl *ctl, const Outrigger__SwapRequest *set,
		     const struct backend_set *backends, bool standby)
{
	Outrigger__Configure c = OUTRIGGER__CONFIGURE__INIT;
	Outrigger__BackendFd fds[LIMIT_FDS], *fd_ptrs[LIMIT_FDS];
	int raw[LIMIT_FDS];
	c.n_options = set ? set->n_options : d->cfg->n_options;
	c.options = set ? set->options : d->cfg->options;
	c.n_backends = backends_fill(backends, fds, fd_ptrs);
	c.backends = fd_ptrs;
	c.guest_clock_offset_ns = atomic_load(&d->vm->clock.offset_ns);
	c.vm = d->vm->cfg->name;
	c.standby = standby;
	c.quiesced = !standby && d->expect_quiesced;
	char *spaces[LIMIT_RANGES];
	for (size_t i = 0; i < d->cfg->n_ranges; i++)
		spaces[i] = d->cfg->ranges[i]->space;
	c.n_spaces = d->cfg->n_ranges;
	c.spaces = spaces;
	Outrigger__Grant grant[MEM_BLOCKS], *grants[MEM_BLOCKS];
	int32_t grant_fd = (int32_t)backends_fds(backends, raw); /* they follow */
	c.grants = grants;
	c.n_grants = device_grants(d, grant_fd, grant, grants);
	if (d->copy) {
		c.dma_copy = true;
		c.copy_kick_fd_index = grant_fd + 1;
	}
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_CONFIGURE;
	m.configure = &c;
	return ctl_send(ctl, &m.base, 0);
}

static void on_hello(struct device *d, const Outrigger__Hello *h)
{
	struct err err = {0};
	if (device_hello_check(d, h, slot_epoch(d->slot), d->state_bytes, &err)) {
		device_refuse(d, err.msg);
		return;
	}
	if (device_configure(d, d->ctl, d->set, &d->backends, false))
		log_warn("device=%s: cannot send its options", d->cfg->name);
	d->stage = STAGE_RANGES;
}

static void on_ranges(struct device *d, const Outrigger__RegisterRanges *r)
{
	struct err err = {0};
	if (device_claim(d, r, &err)) {
		device_refuse(d, err.msg);
		return;
	}
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_RANGES_OK;
	m.ranges_ok = 1;
	ctl_send(d->ctl, &m.base, 0);
	d->stage = STAGE_SERVING;
}

static void on_serving(struct device *d, const Outrigger__Serving *s)
{
	log_info("device=%s serving pid=%d sandbox=%.80s", d->cfg->name, d->pid, s->sandbox);
	d->stage = STAGE_UP;
	atomic_store(&d->slot->daemon_pid, d->pid);
	slot_serve(d->slot);
	d->recovering = d->expect_quiesced;
	if (d->copy)
		copy_serving(d->copy);
	slot_lines_sample(d->slot); /* a resumed device's lines may already be up */
	devices_review(d->vm);
	pause_told(d, d->recovering); /* it may have come back into a VM that stands still */
	if (d->expect_hand)
		debug_by_hand(d);
	vm_try_start(d->vm);
}

static void on_error(struct device *d, const char *text)
{
	char why[200];
	snprintf(why, sizeof(why), "%s: %.150s", d->cfg->name, text);
	device_lost(d, SLOT_DEAD, why);
}

/* True if a message of this kind is expected now. */
static bool in_turn(const struct device *d, unsigned kind)
{
	switch (kind) {
	case OUTRIGGER__FROM_DAEMON__KIND_HELLO:
		return d->stage == STAGE_HELLO;
	case OUTRIGGER__FROM_DAEMON__KIND_RANGES:
		return d->stage == STAGE_RANGES;
	case OUTRIGGER__FROM_DAEMON__KIND_SERVING:
		return d->stage == STAGE_SERVING;
	case OUTRIGGER__FROM_DAEMON__KIND_LOG:
	case OUTRIGGER__FROM_DAEMON__KIND_ERROR:
	case OUTRIGGER__FROM_DAEMON__KIND_BYE:
		return true;
	default:
		return false;
	}
}

/* ---- requests of the launcher, handed on ---- */

static struct device_request *request_find(struct device *d, uint64_t id)
{
	for (unsigned i = 0; i < DEVICE_REQUESTS; i++)
		if (d->requests[i].id == id)
			return &d->requests[i];
	return NULL;
}

void device_request(struct device *d, Outrigger__ToDaemon *m, uint64_t launcher_id)
{
	struct device_request *q = request_find(d, 0);
	if (d->stage != STAGE_UP || !q) {
		report_reply(d->vm, launcher_id, d->stage == STAGE_UP ? EBUSY : ENXIO,
			     d->stage == STAGE_UP ? "too many requests to this device are waiting"
						  : "the device has no daemon that serves",
			     NULL, 0);
		return;
	}
	*q = (struct device_request){.id = ++d->next_request, .launcher_id = launcher_id};
	m->id = q->id;
	int rc = ctl_send(d->ctl, &m->base, 0);
	if (rc) {
		q->id = 0;
		report_reply(d->vm, launcher_id, -rc, "the daemon does not take the request", NULL,
			     0);
	}
}

static void requests_fail(struct device *d)
{
	for (unsigned i = 0; i < DEVICE_REQUESTS; i++) {
		if (d->requests[i].id)
			report_reply(d->vm, d->requests[i].launcher_id, EPIPE,
				     "the daemon ended before it answered", NULL, 0);
		d->requests[i].id = 0;
	}
}

/* An answer to one of them. False: it answers nothing that was asked. */
static bool on_answer(struct device *d, const Outrigger__FromDaemon *m)
{
	struct device_request *q = m->id ? request_find(d, m->id) : NULL;
	if (!q)
		return false;
	q->id = 0;
	switch (m->kind_case) {
	case OUTRIGGER__FROM_DAEMON__KIND_BLOB:
		report_reply(d->vm, q->launcher_id, 0, "", m->blob.data, m->blob.len);
		return true;
	case OUTRIGGER__FROM_DAEMON__KIND_OK:
		report_reply(d->vm, q->launcher_id, 0, "", NULL, 0);
		return true;
	case OUTRIGGER__FROM_DAEMON__KIND_ERROR:
		report_reply(d->vm, q->launcher_id, EINVAL, m->error, NULL, 0);
		return true;
	default:
		report_reply(d->vm, q->launcher_id, EPROTO, "the daemon gave no proper answer",
			     NULL, 0);
		return true;
	}
}

static void on_message(struct device *d, const Outrigger__FromDaemon *m)
{
	if (d->swap && m->id && swap_answer(d->swap, m))
		return;
	if (d->stage == STAGE_UP && on_answer(d, m))
		return;
	if (d->stage == STAGE_UP && !m->id && m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_OK)
		return; /* to pause and resume, whose answers nobody waits for */
	if (!in_turn(d, m->kind_case)) {
		log_warn_limited("device=%s sent message %d out of turn: ignored", d->cfg->name,
				 (int)m->kind_case);
		return;
	}
	switch (m->kind_case) {
	case OUTRIGGER__FROM_DAEMON__KIND_HELLO:
		on_hello(d, m->hello);
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_RANGES:
		on_ranges(d, m->ranges);
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_SERVING:
		on_serving(d, m->serving);
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_LOG:
		log_warn_limited("device=%s says: %.400s", d->cfg->name, m->log->text);
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_ERROR:
		on_error(d, m->error);
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_BYE:
		log_info("device=%s says goodbye: %.200s", d->cfg->name, m->bye);
		break;
	default:
		break;
	}
}

static void ctl_ready(void *arg)
{
	struct device *d = arg;
	for (int i = 0; d->ctl && i < MESSAGES_A_TURN; i++) {
		ProtobufCMessage *m = NULL;
		int rc = ctl_recv(d->ctl, &outrigger__from_daemon__descriptor, 0, &m);
		if (rc == -EPROTO) {
			log_warn_limited("device=%s sent no valid message: ignored", d->cfg->name);
			continue;
		}
		if (rc)
			return;
		int peer = ctl_peer_pid(d->ctl);
		if (d->stage == STAGE_NONE || (peer && peer != d->pid))
			log_warn_limited("device=%s: message of pid %d ignored; pid %d docked",
					 d->cfg->name, peer, d->stage == STAGE_NONE ? 0 : d->pid);
		else
			on_message(d, (Outrigger__FromDaemon *)m);
		ctl_free(m);
	}
}

/* ---- docking ---- */

static void dock_conn_ready(void *arg)
{
	struct device *d = arg;
	char byte;
	ssize_t n = recv(d->dock_fd, &byte, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ctl_ready(d); /* what it said last explains its end best */
	if (d->stage == STAGE_NONE)
		return;
	if (n > 0)
		device_lost(d, SLOT_QUARANTINED,
			    "it wrote to its dock connection, which is to stay silent");
	else
		device_gone(d);
}

static void pid_ready(void *arg)
{
	struct device *d = arg;
	ctl_ready(d);
	if (d->stage != STAGE_NONE)
		device_gone(d);
}

int device_descriptors(struct device *d, int conn, const struct dock_grant *g)
{
	int fds[DOCK_FD_BACKEND + LIMIT_FDS + 2];
	struct dock_reply r = {.magic = DOCK_MAGIC, .version = DOCK_VERSION, .epoch = g->epoch};
	fds[DOCK_FD_PORT] = d->slot->port_fd;
	fds[DOCK_FD_STATE] = g->state_fd;
	fds[DOCK_FD_KICK] = d->slot->kick_fd;
	fds[DOCK_FD_IRQ] = d->slot->irq_fd;
	fds[DOCK_FD_BELL] = d->vm->bell_fd;
	fds[DOCK_FD_TRACE] = d->slot->trace.fd;
	r.nfds = DOCK_FD_BACKEND + backends_fds(g->backends, &fds[DOCK_FD_BACKEND]);
	if (device_maps_memory(d))
		fds[r.nfds++] = d->vm->mem.fd;
	if (d->copy) {
		fds[r.nfds++] = copy_channel_fd(d->copy);
		fds[r.nfds++] = copy_kick_fd(d->copy);
	}
	snprintf(r.device, sizeof(r.device), "%s", d->cfg->name);
	snprintf(r.control_url, sizeof(r.control_url), "%s", g->url);
	return dock_send_reply(conn, &r, fds, r.nfds);
}

void device_control_url(const struct device *d, uint32_t epoch, char url[108])
{
	snprintf(url, 108, "ipc://%s/ctl.%s.%u", d->vm->cfg->runtime_dir, d->cfg->name, epoch);
}

static void url_unlink(const char *url)
{
	if (url[0])
		unlink(url + strlen("ipc://"));
}

/*
 * A control socket for each epoch. A pair has one peer: on one socket for all of them the listener may still hold the dead
 * daemon's pipe when the next one dials, and would drop its hello.
 */
static int control_open(struct device *d, uint32_t epoch, struct err *err)
{
	watch_stop(&d->ctl_watch);
	if (d->ctl)
		ctl_close(d->ctl);
	d->ctl = NULL;
	url_unlink(d->control_url);
	device_control_url(d, epoch, d->control_url);
	d->given_up = false;
	int rc = ctl_listen(CTL_PAIR, d->control_url, &d->ctl, err);
	if (rc)
		return rc;
	d->ctl_watch = watch_start(&d->vm->loop, ctl_fd(d->ctl), ctl_ready, d);
	return d->ctl_watch ? 0 : err_set(err, ENOMEM, "out of memory");
}

static void session_watch(struct device *d)
{
	uv_loop_t *loop = &d->vm->loop;
	if (!d->ctl_watch)
		d->ctl_watch = watch_start(loop, ctl_fd(d->ctl), ctl_ready, d);
	d->dock_watch = watch_start(loop, d->dock_fd, dock_conn_ready, d);
	/* A process that is gone already, or an old kernel: the connection's end tells as well. */
	if (d->pid_fd >= 0)
		d->pid_watch = watch_start(loop, d->pid_fd, pid_ready, d);
}

void device_adopt(struct device *d, struct device_session *n)
{
	device_cut(d);
	watch_stop(&d->ctl_watch);
	/* Closing takes a while as long as its daemon lives: it is done when the next one is about to retire. */
	ctl_close(d->retired);
	d->retired = d->ctl;
	url_unlink(d->control_url);
	snprintf(d->control_url, sizeof(d->control_url), "%s", n->url);
	d->ctl = n->ctl;
	n->ctl = NULL;
	d->dock_fd = fd_steal(&n->dock_fd);
	d->pid_fd = fd_steal(&n->pid_fd);
	d->pid = n->pid;
	d->state_bytes = d->cfg->state_bytes + SLOT_STATE_GROWTH;
	session_watch(d);
	d->stage = STAGE_UP;
	atomic_store(&d->slot->daemon_pid, d->pid);
	if (d->copy)
		copy_serving(d->copy);
	slot_lines_sample(d->slot);
	report_device(d);
}

void device_send(struct device *d, Outrigger__ToDaemon__KindCase kind, uint64_t id)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = kind;
	m.id = id;
	m.quiesce = true; /* the bools of the oneof share their place */
	if (ctl_send(d->ctl, &m.base, 0))
		log_warn("device=%s does not take a control message", d->cfg->name);
}

int device_docked(struct device *d, int *conn, pid_t pid, struct err *err)
{
	d->token[0] = 0; /* good for once */
	uint32_t epoch = slot_attach(d->slot);
	int rc = control_open(d, epoch, err);
	const struct dock_grant g = {epoch, d->slot->state_fd, d->control_url, &d->backends};
	if (!rc)
		rc = device_descriptors(d, *conn, &g);
	if (rc) {
		slot_fail(d->slot, SLOT_DEAD, "cannot give %s its descriptors: %s", d->cfg->name,
			  strerror(-rc));
		return err_set(err, -rc, "cannot give %s its descriptors: %s", d->cfg->name,
			       strerror(-rc));
	}
	d->pid = pid;
	d->dock_fd = fd_steal(conn);
	d->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	warden_watch(d->pid_fd);
	session_watch(d);
	d->stage = STAGE_HELLO;
	devices_review(d->vm);
	return 0;
}
