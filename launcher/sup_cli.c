/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's own socket: what `ps`, `stats`, `top`, `inspect`, `stop` and `console` ask. One request at a time.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/sup.h"
#include "launcher/verb.h"

enum { REPLY_MS = 1000 };

static void cli_readable(uv_poll_t *p, int status, int events);

static void cli_reply(struct sup *s, Outrigger__CliReply *r)
{
	r->supervisor_pid = getpid();
	r->hv_pid = s->hv.pid;
	r->vm_name = s->cfg->name;
	r->config = s->config_path ? s->config_path : s->cfg->path;
	r->memory_bytes = s->cfg->memory_bytes;
	r->started = s->started;
	ctl_send(s->cli, &r->base, REPLY_MS);
}

static void cli_error(struct sup *s, const char *text)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	r.status = EXIT_FAILED;
	r.error = (char *)(uintptr_t)text;
	cli_reply(s, &r);
}

/* What the supervisor knows by itself, when hv gives no answer. */
static void own_status(struct sup *s, Outrigger__VmStatus *vm, Outrigger__DeviceStatus *devices,
		       Outrigger__DeviceStatus **ptrs)
{
	static const char *const phases[] = {"starting", "silent", "stopping"};
	vm->state = (char *)(uintptr_t)phases[s->phase];
	for (size_t i = 0; i < s->ndevices; i++) {
		const struct sup_device *dev = &s->devices[i];
		outrigger__device_status__init(&devices[i]);
		devices[i].name = (char *)(uintptr_t)dev->cfg->name;
		devices[i].model = dev->cfg->model->name;
		devices[i].state = (char *)(uintptr_t)(!dev->proc.alive ? "dead"
						       : dev->state[0]	? dev->state
									: "waiting");
		ptrs[i] = &devices[i];
	}
	vm->n_devices = s->ndevices;
	vm->devices = ptrs;
}

/* What hv does not know. */
static void device_own(Outrigger__DeviceStatus *d, const struct sup_device *dev)
{
	if (d->pid == 0)
		d->pid = dev->proc.pid;
	d->restarts = dev->restarts_total;
	sup_shadow_status(dev, d);
	d->restarts_in_row = dev->restarts.count;
	if (strcmp(dev->cfg->on_failure, "restart") == 0)
		d->restart_limit = dev->cfg->restart.limit;
}

/* @vm NULL: hv gave no answer. */
static void status_reply(struct sup *s, const Outrigger__VmStatus *vm)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	Outrigger__VmStatus own = OUTRIGGER__VM_STATUS__INIT;
	Outrigger__DeviceStatus devices[LIMIT_DEVICES], *ptrs[LIMIT_DEVICES];
	if (!vm)
		own_status(s, &own, devices, ptrs);
	r.vm = vm ? (Outrigger__VmStatus *)(uintptr_t)vm : &own;
	/* The pids are ours: hv may not see into another namespace. */
	for (size_t i = 0; i < r.vm->n_devices; i++)
		for (size_t k = 0; k < s->ndevices; k++)
			if (strcmp(r.vm->devices[i]->name, s->devices[k].cfg->name) == 0)
				device_own(r.vm->devices[i], &s->devices[k]);
	r.blob.data = s->cli_config;
	r.blob.len = s->cli_config_len;
	cli_reply(s, &r);
}

/* The client has its answer: the next one's turn. */
static void answered(struct sup *s)
{
	s->cli_pending = 0;
	uv_timer_stop(&s->status_timer);
	cli_readable(&s->cli_poll, 0, 0);
}

static void status_late(uv_timer_t *t)
{
	status_reply(t->data, NULL);
	answered(t->data);
}

static void verb_status(struct sup *s)
{
	s->cli_pending = sup_hv_request(s, OUTRIGGER__HV_REQUEST__KIND_STATUS);
	if (s->cli_pending)
		uv_timer_start(&s->status_timer, status_late, SUP_STATUS_MS, 0);
	else
		status_reply(s, NULL);
}

void sup_cli_answer(struct sup *s, const Outrigger__HvReply *reply)
{
	if (reply->vm) {
		status_reply(s, reply->vm);
	} else {
		Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
		r.status = reply->status ? EXIT_FAILED : EXIT_DONE;
		r.error = reply->error[0] || !reply->status ? reply->error
							    : strerror(abs(reply->status));
		r.blob = reply->blob;
		cli_reply(s, &r);
	}
	answered(s);
}

/* ---- one device: inspect and control ------------------------------------------------------------- */

static void device_late(uv_timer_t *t)
{
	cli_error(t->data, "the device gives no answer");
	answered(t->data);
}

/* Waits for hv's answer to request @id. */
static void device_wait(struct sup *s, uint64_t id)
{
	s->cli_pending = id;
	if (id)
		uv_timer_start(&s->status_timer, device_late, SUP_DEVICE_MS, 0);
	else
		cli_error(s, "hv takes no requests now");
}

/* The device of that name; NULL: the client was told. */
static const struct config_device *device_named(struct sup *s, const char *name)
{
	const char *names[LIMIT_DEVICES + 1] = {0};
	AUTO_SB list = {0};
	for (size_t i = 0; i < s->ndevices; i++) {
		names[i] = s->devices[i].cfg->name;
		if (name && strcmp(names[i], name) == 0)
			return s->devices[i].cfg;
	}
	text_join(&list, names, ", ");
	const char *near = name ? text_nearest(name, names) : NULL;
	AUTO_FREE char *text = xasprintf("there is no device %s; %s%s%sit has %s", name ? name : "",
					 near ? "did you mean " : "", near ? near : "",
					 near ? "? " : "", s->ndevices ? sb_str(&list) : "none");
	cli_error(s, text);
	return NULL;
}

static void verb_inspect(struct sup *s, const char *device)
{
	const struct config_device *dev = device_named(s, device);
	if (dev)
		device_wait(s, sup_hv_inspect(s, dev->name));
}

/* What a trace says of a device first: a packed TraceDevice. */
static void verb_describe(struct sup *s, const char *name)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	Outrigger__TraceDevice t = OUTRIGGER__TRACE_DEVICE__INIT;
	Outrigger__RangeConfig ranges[LIMIT_RANGES], *ptrs[LIMIT_RANGES];
	const struct config_device *dev = device_named(s, name);
	const struct sup_process *proc = NULL;
	for (size_t i = 0; dev && i < s->ndevices; i++)
		if (s->devices[i].cfg == dev)
			proc = &s->devices[i].proc;
	if (!proc)
		return;
	t.device = (char *)(uintptr_t)dev->name;
	t.model = dev->model->desc->name;
	t.description = dev->model->desc;
	t.vm = s->cfg->name;
	t.program = proc->program;
	t.ranges = ptrs;
	for (unsigned i = 0; i < dev->nranges; i++) {
		outrigger__range_config__init(&ranges[i]);
		ranges[i].space = (char *)(uintptr_t)(dev->ranges[i].pio ? "pio" : "mmio");
		ranges[i].address = dev->ranges[i].base;
		ranges[i].size = dev->ranges[i].size;
		ptrs[t.n_ranges++] = &ranges[i];
	}
	size_t n = outrigger__trace_device__get_packed_size(&t);
	AUTO_FREE uint8_t *buf = malloc(n + 1);
	if (!buf || n > LIMIT_MSG_BYTES / 2) {
		cli_error(s, "the device's description is too long");
		return;
	}
	r.blob.data = buf;
	r.blob.len = outrigger__trace_device__pack(&t, buf);
	cli_reply(s, &r);
}

/* Arguments: device, wishes (enum trace_want). hv's answer is a token for its dock. */
static void verb_observe(struct sup *s, const Outrigger__CliRequest *q)
{
	const struct config_device *dev = device_named(s, q->n_args ? q->args[0] : NULL);
	uint32_t want = q->n_args > 1 ? (uint32_t)strtoul(q->args[1], NULL, 10) : 0;
	if (dev)
		device_wait(s, sup_hv_observe(s, dev->name, want));
}

static bool has_control(const struct config_device *dev, const char *name, struct sb *known)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	for (size_t i = 0; i < desc->n_controls; i++) {
		if (strcmp(desc->controls[i]->name, name) == 0)
			return true;
		sb_addf(known, "%s%s", i ? ", " : "", desc->controls[i]->name);
	}
	return false;
}

/* Registers: the model of the config is asked first, for a good message; a build that was swapped in may have others. */
static bool has_register(const struct config_device *dev, const char *name)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	size_t len = strcspn(name, "[.");
	for (size_t i = 0; i < desc->n_regions; i++)
		for (size_t k = 0; k < desc->regions[i]->n_regs; k++)
			if (strlen(desc->regions[i]->regs[k]->name) == len &&
			    strncasecmp(desc->regions[i]->regs[k]->name, name, len) == 0)
				return true;
	return false;
}

static void verb_control(struct sup *s, const Outrigger__CliRequest *q)
{
	AUTO_SB known = {0};
	if (q->n_args != 3) {
		cli_error(s, "to set something needs a device, a name and a value");
		return;
	}
	const struct config_device *dev = device_named(s, q->args[0]);
	if (!dev)
		return;
	if (has_control(dev, q->args[1], &known) || has_register(dev, q->args[1])) {
		device_wait(s, sup_hv_control(s, dev->name, q->args[1], q->args[2]));
		return;
	}
	AUTO_FREE char *text = xasprintf(
		"device %s (%s) has no control and no register %s; %s%s%s`outrigger models %s` "
		"lists its registers",
		dev->name, dev->model->name, q->args[1], known.len ? "its controls are " : "",
		known.len ? sb_str(&known) : "", known.len ? "; " : "", dev->model->name);
	cli_error(s, text);
}

void sup_console_size(struct sup *s, const char *device, const char *size)
{
	AUTO_SB known = {0};
	for (size_t i = 0; i < s->ndevices; i++) {
		const struct config_device *dev = s->devices[i].cfg;
		if (strcmp(dev->name, device) == 0 && has_control(dev, "size", &known))
			sup_hv_control(s, device, "size", size);
	}
}

void sup_front_size(struct sup *s)
{
	char size[24];
	if (s->front_on && s->front.console && front_size(&s->front, size, sizeof(size)))
		sup_console_size(s, s->front.console->device, size);
}

/* ---- pause, resume, kill, restart ------------------------------------------------------------------ */

static void vm_wait(struct sup *s, Outrigger__HvRequest__KindCase which)
{
	device_wait(s, sup_hv_request(s, which));
}

struct sup_device *sup_cli_device(struct sup *s, const char *name)
{
	const struct config_device *cfg = device_named(s, name);
	for (size_t i = 0; cfg && i < s->ndevices; i++)
		if (s->devices[i].cfg == cfg)
			return &s->devices[i];
	return NULL;
}

void sup_cli_wait(struct sup *s, uint64_t id)
{
	device_wait(s, id);
}

void sup_cli_error(struct sup *s, const char *text)
{
	cli_error(s, text);
}

void sup_cli_text(struct sup *s, const char *text)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	r.text = (char *)(uintptr_t)text;
	cli_reply(s, &r);
}

void sup_cli_next(struct sup *s)
{
	answered(s);
}

/* SIGKILL to the device's process; what comes of it is on_failure's business, or with @again another process. */
static void verb_kill(struct sup *s, const char *name, bool again)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	struct sup_device *dev = sup_cli_device(s, name);
	if (!dev)
		return;
	if (s->phase != SUP_RUNNING || (!dev->proc.alive && !dev->hand && !again)) {
		AUTO_FREE char *text = xasprintf("device %s has no process now", dev->cfg->name);
		cli_error(s, text);
		return;
	}
	dev->restart_asked = again;
	if (dev->proc.alive)
		sup_signal(&dev->proc, SIGKILL);
	else if (!sup_hand_kill(dev))
		sup_restart(s, dev);
	cli_reply(s, &r);
}

/* Arguments: device, program (see sup_swap_begin()), settings. */
static void verb_swap(struct sup *s, const Outrigger__CliRequest *q)
{
	struct err err = {0};
	const struct config_device *cfg = device_named(s, q->n_args ? q->args[0] : NULL);
	for (size_t i = 0; cfg && i < s->ndevices; i++) {
		struct sup_device *dev = &s->devices[i];
		if (dev->cfg != cfg)
			continue;
		size_t n = q->n_args > 2 ? q->n_args - 2 : 0;
		uint64_t id = sup_swap_begin(s, dev, q->n_args > 1 ? q->args[1] : "", q->args + 2,
					     n, &err);
		if (id)
			device_wait(s, id);
		else
			cli_error(s, err.msg);
		return;
	}
}

void sup_cli_swapped(struct sup *s, const struct sup_device *dev, const Outrigger__HvReply *reply)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	/* Microseconds of the whole, and of those that accesses waited; then pid and program. */
	AUTO_FREE char *text =
		xasprintf("%.*s %d %s", (int)reply->blob.len, (const char *)reply->blob.data,
			  dev->proc.pid, dev->proc.program);
	r.status = reply->status ? EXIT_FAILED : EXIT_DONE;
	r.error = reply->error;
	r.text = text;
	cli_reply(s, &r);
	answered(s);
}

static void verb_stop(struct sup *s, bool force)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	cli_reply(s, &r);
	if (force) {
		sup_end(s, EXIT_LOST, "killed by `outrigger stop --force`");
		sup_kill(s);
	} else {
		sup_end(s, EXIT_DONE, "stopped by `outrigger stop`");
	}
}

/* Where the console of a device (first argument; none: the first console) listens. */
static void verb_console(struct sup *s, const char *device)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	AUTO_SB known = {0};
	for (size_t i = 0; i < s->nconsoles; i++) {
		if (!s->consoles[i]->device || s->consoles[i]->leaving)
			continue;
		if (!device || strcmp(device, s->consoles[i]->device) == 0) {
			AUTO_FREE char *path =
				xasprintf("%s/console.%s", s->rt.dir, s->consoles[i]->device);
			r.console_path = path;
			cli_reply(s, &r);
			return;
		}
		sb_addf(&known, "%s%s", known.len ? ", " : "", s->consoles[i]->device);
	}
	AUTO_FREE char *text = !known.len
				       ? xstrdup("this VM has no device with chardev: console")
				       : xasprintf("device %s has no console; there is one of %s",
						   device, sb_str(&known));
	cli_error(s, text);
}

static void dispatch(struct sup *s, const Outrigger__CliRequest *q)
{
	const char *arg = q->n_args ? q->args[0] : NULL;
	if (sup_attach_verb(s, q) || sup_shadow_verb(s, q))
		return;
	if (strcmp(q->verb, "status") == 0) {
		verb_status(s);
	} else if (strcmp(q->verb, "stop") == 0) {
		verb_stop(s, arg && strcmp(arg, "force") == 0);
	} else if (strcmp(q->verb, "console") == 0) {
		verb_console(s, arg);
	} else if (strcmp(q->verb, "inspect") == 0) {
		verb_inspect(s, arg);
	} else if (strcmp(q->verb, "describe") == 0) {
		verb_describe(s, arg);
	} else if (strcmp(q->verb, "observe") == 0) {
		verb_observe(s, q);
	} else if (strcmp(q->verb, "control") == 0) {
		verb_control(s, q);
	} else if (strcmp(q->verb, "powerdown") == 0) {
		vm_wait(s, OUTRIGGER__HV_REQUEST__KIND_POWERDOWN);
	} else if (strcmp(q->verb, "pause") == 0) {
		vm_wait(s, OUTRIGGER__HV_REQUEST__KIND_PAUSE);
	} else if (strcmp(q->verb, "resume") == 0) {
		vm_wait(s, OUTRIGGER__HV_REQUEST__KIND_RESUME);
	} else if (strcmp(q->verb, "kill") == 0 || strcmp(q->verb, "restart") == 0) {
		verb_kill(s, arg, strcmp(q->verb, "restart") == 0);
	} else if (strcmp(q->verb, "swap") == 0) {
		verb_swap(s, q);
	} else if (strcmp(q->verb, "size") == 0) {
		Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
		if (q->n_args == 2)
			sup_console_size(s, q->args[0], q->args[1]);
		cli_reply(s, &r);
	} else {
		AUTO_FREE char *text =
			xasprintf("this supervisor does not know \"%s\": it is version %s", q->verb,
				  OUTRIGGER_VERSION);
		cli_error(s, text);
	}
}

static void cli_readable(uv_poll_t *p, int status, int events)
{
	struct sup *s = p->data;
	(void)status;
	(void)events;
	while (!s->cli_pending) {
		ProtobufCMessage *m = NULL;
		int r = ctl_recv(s->cli, &outrigger__cli_request__descriptor, 0, &m);
		if (r == -EPROTO)
			cli_error(s, "not a request of this version");
		else if (r < 0)
			return;
		else
			dispatch(s, (const Outrigger__CliRequest *)(const void *)m);
		ctl_free(m);
	}
}

/* A copy of the VM's config for `ps`: without the tokens. */
static void config_keep(struct sup *s)
{
	for (size_t i = 0; i < s->vmconfig.msg.n_devices; i++)
		s->vmconfig.msg.devices[i]->token = (char *)(uintptr_t) "";
	s->cli_config_len = outrigger__vm_config__get_packed_size(s->vm_msg);
	s->cli_config = xalloc(s->cli_config_len, 1);
	outrigger__vm_config__pack(s->vm_msg, s->cli_config);
}

int sup_cli_start(struct sup *s, struct err *err)
{
	AUTO_FREE char *url = xasprintf("ipc://%s/supervisor", s->rt.dir);
	unlink(url + strlen("ipc://")); /* of a supervisor before us */
	int r = ctl_listen(CTL_REP, url, &s->cli, err);
	if (r < 0)
		return r;
	config_keep(s);
	if (!s->saved)
		s->config_path = realpath(s->cfg->path, NULL);
	uv_poll_init(&s->loop, &s->cli_poll, ctl_fd(s->cli));
	s->cli_poll.data = s;
	uv_poll_start(&s->cli_poll, UV_READABLE, cli_readable);
	return 0;
}
