/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's link to hv: requests, replies, events. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/sup.h"
#include "launcher/verb.h"

enum { SEND_MS = 1000, DIAL_SLICE_MS = 20, DIAL_MS = 2000, STATUS_MS = 200, STATUS_TRIES = 25 };

static uint64_t send_request(struct sup *s, Outrigger__HvRequest *req)
{
	req->id = ++s->request_id;
	if (!s->hv_ctl || !s->hv.alive || ctl_send(s->hv_ctl, &req->base, SEND_MS) < 0)
		return 0;
	return req->id;
}

uint64_t sup_hv_request(struct sup *s, Outrigger__HvRequest__KindCase which)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	req.kind_case = which;
	req.stop = 1; /* the members without a device are one bool */
	return send_request(s, &req);
}

uint64_t sup_hv_inspect(struct sup *s, const char *device)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__DeviceRequest d = OUTRIGGER__DEVICE_REQUEST__INIT;
	d.device = (char *)(uintptr_t)device;
	req.kind_case = OUTRIGGER__HV_REQUEST__KIND_INSPECT;
	req.inspect = &d;
	return send_request(s, &req);
}

uint64_t sup_hv_control(struct sup *s, const char *device, const char *name, const char *value)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__DeviceRequest d = OUTRIGGER__DEVICE_REQUEST__INIT;
	d.device = (char *)(uintptr_t)device;
	d.name = (char *)(uintptr_t)name;
	d.value = (char *)(uintptr_t)value;
	req.kind_case = OUTRIGGER__HV_REQUEST__KIND_CONTROL;
	req.control = &d;
	return send_request(s, &req);
}

uint64_t sup_hv_expect(struct sup *s, const char *device, const char *token)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__DeviceRequest d = OUTRIGGER__DEVICE_REQUEST__INIT;
	d.device = (char *)(uintptr_t)device;
	d.value = (char *)(uintptr_t)token;
	req.kind_case = OUTRIGGER__HV_REQUEST__KIND_EXPECT;
	req.expect = &d;
	return send_request(s, &req);
}

uint64_t sup_hv_give_up(struct sup *s, const char *device, const char *why)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__DeviceRequest d = OUTRIGGER__DEVICE_REQUEST__INIT;
	d.device = (char *)(uintptr_t)device;
	d.value = (char *)(uintptr_t)why;
	req.kind_case = OUTRIGGER__HV_REQUEST__KIND_GIVE_UP;
	req.give_up = &d;
	return send_request(s, &req);
}

uint64_t sup_hv_swap(struct sup *s, Outrigger__SwapRequest *q)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	req.kind_case = OUTRIGGER__HV_REQUEST__KIND_SWAP;
	req.swap = q;
	return send_request(s, &req);
}

uint64_t sup_hv_swap_cancel(struct sup *s, const char *device, const char *why)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__DeviceRequest d = OUTRIGGER__DEVICE_REQUEST__INIT;
	d.device = (char *)(uintptr_t)device;
	d.value = (char *)(uintptr_t)why;
	req.kind_case = OUTRIGGER__HV_REQUEST__KIND_SWAP_CANCEL;
	req.swap_cancel = &d;
	return send_request(s, &req);
}

uint64_t sup_hv_device(struct sup *s, Outrigger__HvRequest__KindCase which, const char *device,
		       const char *name, const char *value)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__DeviceRequest d = OUTRIGGER__DEVICE_REQUEST__INIT;
	d.device = (char *)(uintptr_t)device;
	d.name = (char *)(uintptr_t)name;
	d.value = (char *)(uintptr_t)value;
	req.kind_case = which;
	req.debug = &d; /* all of them share their place */
	return send_request(s, &req);
}

uint64_t sup_hv_observe(struct sup *s, const char *device, uint32_t want)
{
	Outrigger__HvRequest req = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__ObserveRequest q = OUTRIGGER__OBSERVE_REQUEST__INIT;
	q.device = (char *)(uintptr_t)device;
	q.want = want;
	req.kind_case = OUTRIGGER__HV_REQUEST__KIND_OBSERVE;
	req.observe = &q;
	return send_request(s, &req);
}

static struct sup_device *device_find(struct sup *s, const char *name)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (strcmp(s->devices[i].cfg->name, name) == 0)
			return &s->devices[i];
	return NULL;
}

/* All devices serve: the foreground is ready, the vCPUs may run. */
static void start_if_ready(struct sup *s)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (strcmp(s->devices[i].state, "serving") != 0)
			return;
	if (s->start_sent || s->phase != SUP_STARTING)
		return;
	s->start_sent = true;
	sup_front_start(s);
	sup_front_size(s);
	if (!sup_hv_request(s, OUTRIGGER__HV_REQUEST__KIND_START))
		sup_end(s, EXIT_FAILED, "hv does not take the start request");
}

static void event_device(struct sup *s, const Outrigger__DeviceStatus *ds)
{
	struct sup_device *dev = device_find(s, ds->name);
	if (!dev)
		return;
	bool news = strcmp(dev->state, ds->state) != 0;
	if (strcmp(ds->state, "serving") == 0 || strcmp(ds->state, "debugged") == 0)
		sup_attach_event(dev, ds->pid);
	if (ds->serves && dev->proc.alive)
		sup_swap_revived(s, dev);
	snprintf(dev->state, sizeof(dev->state), "%s", ds->state);
	snprintf(dev->why, sizeof(dev->why), "%s", ds->why);
	if (!news || s->phase == SUP_ENDING)
		return;
	if (strcmp(ds->state, "parked") == 0 || strcmp(ds->state, "held") == 0)
		sup_tell(s, "%s (%s) is %s: %s", ds->name, dev->cfg->model->name, ds->state,
			 ds->why);
	else if (strcmp(ds->state, "dead") == 0 || strcmp(ds->state, "quarantined") == 0)
		sup_tell(s, "%s (%s) is %s%s%s; policy: %s", ds->name, dev->cfg->model->name,
			 ds->state, ds->why[0] ? ": " : "", ds->why,
			 strcmp(dev->cfg->on_failure, "restart") == 0 ? dev->cfg->then
								      : dev->cfg->on_failure);
	else if (s->phase == SUP_RUNNING && dev->restarts_total &&
		 strcmp(ds->state, "serving") == 0)
		sup_tell(s, "%s (%s) serves again after %.1f ms, pid %d", ds->name,
			 dev->cfg->model->name,
			 (double)(clock_now_ns() - dev->restarts.started_ns) / 1e6, dev->proc.pid);
	else
		sup_say(s, "%s: %s%s", ds->name,
			strcmp(ds->state, "serving") == 0 ? "registered and serving" : ds->state,
			dev->proc.isolated || strcmp(ds->state, "docked") != 0
				? ""
				: " (without a PID namespace)");
}

void sup_detach(struct sup *s)
{
	AUTO_FREE char *path = runtime_path(&s->rt, "supervisor.log");
	AUTO_FD null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO_FD log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (null_fd >= 0)
		dup2(null_fd, STDIN_FILENO);
	if (log_fd >= 0) {
		dup2(log_fd, STDOUT_FILENO);
		dup2(log_fd, STDERR_FILENO);
	}
	if (write(s->opt.ready_fd, "R", 1) != 1)
		sup_tell(s, "the starting process is gone");
	fd_close(&s->opt.ready_fd);
}

static void event_running(struct sup *s, const char *what)
{
	if (s->phase != SUP_STARTING)
		return;
	s->phase = SUP_RUNNING;
	s->running_ns = clock_now_ns();
	uv_timer_stop(&s->start_timer);
	const char *keys = s->front_on && s->front.tty ? "; Ctrl-A x quits, Ctrl-A h helps" : "";
	sup_say(s, "running: %s%s", what, keys);
	sup_save(s);
	if (s->opt.ready_fd >= 0)
		sup_detach(s);
}

static void event_ended(struct sup *s, const Outrigger__VmEnded *e)
{
	if (s->phase == SUP_ENDING) { /* asked for: hv waits for the word that we have heard it */
		sup_hv_request(s, OUTRIGGER__HV_REQUEST__KIND_STOP);
		return;
	}
	double secs = s->running_ns ? (double)(clock_now_ns() - s->running_ns) / 1e9 : 0;
	static const struct {
		const char *how, *text;
	} texts[] = {{"poweroff", "guest powered off"}, {"exit", "guest ended itself"},
		     {"panic", "guest panicked"},	{"reset", "guest asked for a reset"},
		     {"crash", "guest crashed"},	{"stopped", "guest was stopped"},
		     {"lost", "guest was lost"}};
	const char *text = e->how;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(e->how, texts[i].how) == 0)
			text = texts[i].text;
	bool why = e->why[0] && strcmp(e->how, "poweroff") != 0;
	/* Its exit code is the same word once more; after a crash its log may add something. */
	s->hv_said_why |= strcmp(e->how, "crash") != 0 && strcmp(e->how, "lost") != 0;
	sup_end(s, e->exit_code, "%s after %.1f s%s%s", text, secs, why ? ": " : "",
		why ? e->why : "");
}

static void event(struct sup *s, const Outrigger__HvEvent *e)
{
	switch (e->kind_case) {
	case OUTRIGGER__HV_EVENT__KIND_PROGRESS:
		sup_say(s, "hv: %s", e->progress);
		break;
	case OUTRIGGER__HV_EVENT__KIND_NOTICE:
		sup_tell(s, "%s", e->notice);
		break;
	case OUTRIGGER__HV_EVENT__KIND_DEVICE:
		event_device(s, e->device);
		start_if_ready(s);
		break;
	case OUTRIGGER__HV_EVENT__KIND_RUNNING:
		event_running(s, e->running);
		break;
	case OUTRIGGER__HV_EVENT__KIND_ENDED:
		event_ended(s, e->ended);
		break;
	case OUTRIGGER__HV_EVENT__KIND_ERROR:
		s->hv_said_why = true;
		sup_end(s, e->bad_config ? EXIT_USAGE : EXIT_FAILED, "%s", e->error);
		break;
	default:
		break;
	}
}

static void reply(struct sup *s, const Outrigger__HvReply *r)
{
	if (sup_restart_answer(s, r) || sup_attach_answer(s, r))
		return;
	bool wanted = r->id == s->cli_pending;
	struct sup_device *dev = sup_swap_of(s, r);
	bool ended = dev && sup_swap_reply(s, dev, r);
	if (ended)
		sup_shadow_swapped(dev, r);
	if (ended && wanted)
		sup_cli_swapped(s, dev, r);
	else if (!dev && wanted)
		sup_cli_answer(s, r);
}

static void hv_readable(uv_poll_t *p, int status, int events)
{
	struct sup *s = p->data;
	(void)status;
	(void)events;
	for (;;) {
		ProtobufCMessage *m = NULL;
		int r = ctl_recv(s->hv_ctl, &outrigger__from_hv__descriptor, 0, &m);
		if (r == -EPROTO)
			continue;
		if (r < 0)
			return;
		const Outrigger__FromHv *from = (const Outrigger__FromHv *)(const void *)m;
		if (from->kind_case == OUTRIGGER__FROM_HV__KIND_EVENT)
			event(s, from->event);
		else if (from->kind_case == OUTRIGGER__FROM_HV__KIND_REPLY)
			reply(s, from->reply);
		ctl_free(m);
	}
}

void sup_hv_connect(struct sup *s)
{
	AUTO_FREE char *url = xasprintf("ipc://%s/hv", s->rt.dir);
	struct err err = {0};
	/* nng has no dial without blocking that tells of failure; short slices keep signals and
	 * deaths seen. */
	while (s->phase == SUP_STARTING && !s->hv_ctl) {
		ctl_dial(CTL_PAIR, url, DIAL_SLICE_MS, &s->hv_ctl, &err);
		if (!s->hv_ctl)
			uv_run(&s->loop, UV_RUN_NOWAIT);
	}
	if (!s->hv_ctl)
		return;
	sup_hv_watch(s);
	start_if_ready(s); /* a VM without devices */
}

void sup_hv_watch(struct sup *s)
{
	uv_poll_init(&s->loop, &s->hv_poll, ctl_fd(s->hv_ctl));
	s->hv_poll.data = s;
	uv_poll_start(&s->hv_poll, UV_READABLE, hv_readable);
	hv_readable(&s->hv_poll, 0, 0);
}

/* Waits a while for hv's answer to request @id. */
static bool answer_wait(struct sup *s, uint64_t id, Outrigger__FromHv **ret)
{
	ProtobufCMessage *m = NULL;
	while (ctl_recv(s->hv_ctl, &outrigger__from_hv__descriptor, STATUS_MS, &m) == 0) {
		Outrigger__FromHv *from = (Outrigger__FromHv *)(void *)m;
		if (from->kind_case == OUTRIGGER__FROM_HV__KIND_REPLY && from->reply->id == id &&
		    from->reply->vm) {
			*ret = from;
			return true;
		}
		if (from->kind_case == OUTRIGGER__FROM_HV__KIND_EVENT &&
		    from->event->kind_case == OUTRIGGER__HV_EVENT__KIND_ENDED)
			event(s, from->event);
		ctl_free(m);
		if (s->phase == SUP_ENDING)
			return false;
	}
	return false;
}

int sup_hv_status(struct sup *s, Outrigger__FromHv **ret, struct err *err)
{
	AUTO_FREE char *url = xasprintf("ipc://%s/hv", s->rt.dir);
	/* The ids of a supervisor before us, whose answers may come still, are others. */
	s->request_id = clock_now_ns();
	int r = ctl_dial(CTL_PAIR, url, DIAL_MS, &s->hv_ctl, err);
	/* A pair has one peer: the first question is lost if hv holds our predecessor's end still. */
	for (int i = 0; r == 0 && i < STATUS_TRIES; i++) {
		uint64_t id = sup_hv_request(s, OUTRIGGER__HV_REQUEST__KIND_STATUS);
		if (id && answer_wait(s, id, ret))
			return 0;
		if (s->phase == SUP_ENDING)
			return err_set(err, ECONNRESET, "%s", s->reason);
	}
	return r < 0 ? r : err_set(err, ETIMEDOUT, "hv gives no answer");
}
