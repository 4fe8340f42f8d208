/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's own socket: what `ps`, `stats`, `stop` and `console` ask. One request at a time.
 */
#include <errno.h>
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

void sup_cli_status(struct sup *s, const Outrigger__VmStatus *vm)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	Outrigger__VmStatus own = OUTRIGGER__VM_STATUS__INIT;
	Outrigger__DeviceStatus devices[LIMIT_DEVICES], *ptrs[LIMIT_DEVICES];
	s->cli_pending = 0;
	uv_timer_stop(&s->status_timer);
	if (!vm)
		own_status(s, &own, devices, ptrs);
	r.vm = vm ? (Outrigger__VmStatus *)(uintptr_t)vm : &own;
	/* The pids are ours: hv may not see into another namespace. */
	for (size_t i = 0; i < r.vm->n_devices; i++)
		for (size_t k = 0; k < s->ndevices; k++)
			if (strcmp(r.vm->devices[i]->name, s->devices[k].cfg->name) == 0 &&
			    r.vm->devices[i]->pid == 0)
				r.vm->devices[i]->pid = s->devices[k].proc.pid;
	r.blob.data = s->cli_config;
	r.blob.len = s->cli_config_len;
	cli_reply(s, &r);
	cli_readable(&s->cli_poll, 0, 0);
}

static void status_late(uv_timer_t *t)
{
	sup_cli_status(t->data, NULL);
}

static void verb_status(struct sup *s)
{
	s->cli_pending = sup_hv_request(s, OUTRIGGER__HV_REQUEST__KIND_STATUS);
	if (s->cli_pending)
		uv_timer_start(&s->status_timer, status_late, SUP_STATUS_MS, 0);
	else
		sup_cli_status(s, NULL);
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
		if (!device || strcmp(device, s->consoles[i].device) == 0) {
			AUTO_FREE char *path =
				xasprintf("%s/console.%s", s->rt.dir, s->consoles[i].device);
			r.console_path = path;
			cli_reply(s, &r);
			return;
		}
		sb_addf(&known, "%s%s", i ? ", " : "", s->consoles[i].device);
	}
	AUTO_FREE char *text = !s->nconsoles
				       ? xstrdup("this VM has no device with chardev: console")
				       : xasprintf("device %s has no console; there is one of %s",
						   device, sb_str(&known));
	cli_error(s, text);
}

static void dispatch(struct sup *s, const Outrigger__CliRequest *q)
{
	const char *arg = q->n_args ? q->args[0] : NULL;
	if (strcmp(q->verb, "status") == 0) {
		verb_status(s);
	} else if (strcmp(q->verb, "stop") == 0) {
		verb_stop(s, arg && strcmp(arg, "force") == 0);
	} else if (strcmp(q->verb, "console") == 0) {
		verb_console(s, arg);
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
	s->cli_config_len = outrigger__vm_config__get_packed_size(&s->vmconfig.msg);
	s->cli_config = xalloc(s->cli_config_len, 1);
	outrigger__vm_config__pack(&s->vmconfig.msg, s->cli_config);
}

int sup_cli_start(struct sup *s, struct err *err)
{
	AUTO_FREE char *url = xasprintf("ipc://%s/supervisor", s->rt.dir);
	int r = ctl_listen(CTL_REP, url, &s->cli, err);
	if (r < 0)
		return r;
	config_keep(s);
	s->config_path = realpath(s->cfg->path, NULL);
	uv_poll_init(&s->loop, &s->cli_poll, ctl_fd(s->cli));
	s->cli_poll.data = s;
	uv_poll_start(&s->cli_poll, UV_READABLE, cli_readable);
	return 0;
}
