/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/report.h"
#include "hv/debug.h"
#include "hv/device.h"
#include "hv/pause.h"
#include "hv/swap.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ACK_ENDED_MS 100
#define ACK_ERROR_MS 500
#define LAST_SEND_MS 1000

static const char *const state_names[] = {"?", "starting", "running", "stopping", "ended"};

static char *text(const char *s)
{
	return (char *)(uintptr_t)
		s; /* protobuf-c's strings are not const; packing does not write */
}

static int send_event(struct vm *vm, Outrigger__HvEvent *e, int timeout_ms)
{
	Outrigger__FromHv m = OUTRIGGER__FROM_HV__INIT;
	m.kind_case = OUTRIGGER__FROM_HV__KIND_EVENT;
	m.event = e;
	int rc = vm->launcher ? ctl_send(vm->launcher, &m.base, timeout_ms) : -EPIPE;
	if (rc)
		log_debug("event %d not sent: %s", (int)e->kind_case, strerror(-rc));
	return rc;
}

void report_progress(struct vm *vm, const char *fmt, ...)
{
	char line[300];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_info("%s", line);
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	e.kind_case = OUTRIGGER__HV_EVENT__KIND_PROGRESS;
	e.progress = line;
	send_event(vm, &e, 0);
}

void report_notice(struct vm *vm, const char *fmt, ...)
{
	char line[300];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_warn("%s", line);
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	e.kind_case = OUTRIGGER__HV_EVENT__KIND_NOTICE;
	e.notice = line;
	send_event(vm, &e, 0);
}

#define COUNTER_WORDS (sizeof(struct port_counters) / sizeof(uint64_t))
#define IO_WORDS (sizeof(struct port_io) / sizeof(uint64_t))

/** struct status - storage of one DeviceStatus. */
struct status {
	Outrigger__DeviceStatus m;
	char why[200];
	uint64_t words[COUNTER_WORDS], io[IO_WORDS];
};

/* What keeps an access from its answer, for people. */
static void status_why(const struct device *d, char *why, size_t len)
{
	unsigned long long ms = d->slot->cfg.deadline_ns / 1000000;
	const char *tail = d->freeze ? ": the guest's clock stands" : "";
	if (d->freeze & FREEZE_DOWN)
		snprintf(why, len,
			 "its daemon (pid %d) ended%s until `outrigger restart` or `swap`", d->pid,
			 tail);
	else if (d->freeze & FREEZE_HELD)
		snprintf(why, len, "pid %d is held%s", d->pid, tail);
	else if (d->person_paused)
		snprintf(why, len, "paused by a person%s%s",
			 d->freeze ? ", and an access waits" : "", tail);
	else if (d->freeze)
		snprintf(why, len, "an access was not answered within %llu ms, and waits%s", ms,
			 tail);
	else if (d->debug.on)
		snprintf(why, len, "pid %d %s", d->pid,
			 d->debug.by_hand ? "was started by hand"
					  : "has a debugger, or waits for one");
	else if (atomic_load(&d->slot->silent_seq))
		snprintf(why, len, "did not answer within %llu ms; its policy answers", ms);
}

/* The state's name: what holds it up comes first. */
static const char *status_state(const struct device *d)
{
	enum slot_state state = slot_state(d->slot);
	if (d->freeze & FREEZE_HELD)
		return "held";
	if (d->freeze)
		return "parked";
	if (d->person_paused)
		return "paused";
	if (state == SLOT_WAITING && d->vm->state == VM_RUNNING)
		return "restarting";
	return d->debug.on && state == SLOT_SERVING ? "debugged" : slot_state_name(state);
}

static void device_status(struct device *d, struct status *s)
{
	outrigger__device_status__init(&s->m);
	slot_why(d->slot, s->why, sizeof(s->why));
	if (!s->why[0])
		status_why(d, s->why, sizeof(s->why));
	const _Atomic uint64_t *c =
		(const _Atomic uint64_t *)(const void *)&d->slot->pp.port->counters;
	for (size_t i = 0; i < COUNTER_WORDS; i++)
		s->words[i] = atomic_load_explicit(&c[i], memory_order_relaxed);
	s->m.name = d->cfg->name;
	s->m.model = d->cfg->model;
	s->m.pid = d->pid;
	s->m.state = text(status_state(d));
	s->m.epoch = slot_epoch(d->slot);
	s->m.counters = s->words;
	s->m.n_counters = COUNTER_WORDS;
	s->m.why = s->why;
	const _Atomic uint64_t *io = (const _Atomic uint64_t *)(const void *)&d->slot->pp.port->io;
	for (size_t i = 0; i < IO_WORDS; i++)
		s->io[i] = atomic_load_explicit(&io[i], memory_order_relaxed);
	s->m.io = s->io;
	s->m.n_io = IO_WORDS;
	s->m.dma = d->cfg->dma;
	s->m.serves = d->stage == STAGE_UP && slot_state(d->slot) == SLOT_SERVING;
}

void report_device(struct device *d)
{
	struct status s;
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	device_status(d, &s);
	e.kind_case = OUTRIGGER__HV_EVENT__KIND_DEVICE;
	e.device = &s.m;
	log_info("device=%s state=%s pid=%d epoch=%u %s", d->cfg->name, s.m.state, d->pid,
		 s.m.epoch, s.why);
	send_event(d->vm, &e, 0);
}

void report_running(struct vm *vm)
{
	char line[120];
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	snprintf(line, sizeof(line), "%s (%s)", vm->ops->name, vm->engine_why);
	e.kind_case = OUTRIGGER__HV_EVENT__KIND_RUNNING;
	e.running = line;
	log_info("running engine=%s", line);
	send_event(vm, &e, 0);
}

void report_end(struct vm *vm, const struct vm_end *end)
{
	Outrigger__HvEvent e = OUTRIGGER__HV_EVENT__INIT;
	Outrigger__VmEnded ended = OUTRIGGER__VM_ENDED__INIT;
	if (end->is_error) {
		e.kind_case = OUTRIGGER__HV_EVENT__KIND_ERROR;
		e.error = text(end->why);
		e.bad_config = end->bad_config;
		fprintf(stderr, "outrigger-hv: %s\n", end->why);
	} else {
		ended.how = text(end->how);
		ended.why = text(end->why);
		ended.exit_code = end->exit_code;
		e.kind_case = OUTRIGGER__HV_EVENT__KIND_ENDED;
		e.ended = &ended;
	}
	log_info("ended how=%s why=%s code=%d", end->how, end->why, end->exit_code);
	if (!vm->launcher || send_event(vm, &e, LAST_SEND_MS))
		return;
	/* nng sends in the background and forgets it on close. */
	ProtobufCMessage *m = NULL;
	if (!ctl_recv(vm->launcher, &outrigger__hv_request__descriptor,
		      end->is_error ? ACK_ERROR_MS : ACK_ENDED_MS, &m))
		ctl_free(m);
}

/* ---- requests ---- */

static void send_reply(struct vm *vm, Outrigger__HvReply *r)
{
	Outrigger__FromHv m = OUTRIGGER__FROM_HV__INIT;
	m.kind_case = OUTRIGGER__FROM_HV__KIND_REPLY;
	m.reply = r;
	if (ctl_send(vm->launcher, &m.base, 0))
		log_warn_limited("the launcher does not read: a reply was dropped");
}

void report_reply(struct vm *vm, uint64_t id, int status, const char *why, const void *blob,
		  size_t len)
{
	Outrigger__HvReply r = OUTRIGGER__HV_REPLY__INIT;
	r.id = id;
	r.status = status;
	r.error = text(why);
	r.blob.data = (uint8_t *)(uintptr_t)blob;
	r.blob.len = len;
	send_reply(vm, &r);
}

static void reply_simple(struct vm *vm, uint64_t id, int status, const char *why)
{
	report_reply(vm, id, status, why, NULL, 0);
}

static void reply_status(struct vm *vm, uint64_t id)
{
	struct status *s = calloc(vm->n_devices + 1, sizeof(*s));
	Outrigger__DeviceStatus *ptrs[LIMIT_DEVICES];
	uint64_t exits[LIMIT_VCPUS], instructions[LIMIT_VCPUS];
	if (!s) {
		reply_simple(vm, id, ENOMEM, "out of memory");
		return;
	}
	Outrigger__VmStatus v = OUTRIGGER__VM_STATUS__INIT;
	for (unsigned i = 0; i < vm->n_devices; i++) {
		device_status(&vm->devices[i], &s[i]);
		ptrs[i] = &s[i].m;
	}
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		struct engine_vcpu_stats st = {0};
		vm->ops->vcpu_stats(vm->vcpus[i].ev, &st);
		exits[i] = atomic_load(&vm->vcpus[i].exits);
		instructions[i] = st.instructions;
	}
	v.state = text(vm->state != VM_RUNNING || !vm->standing ? state_names[vm->state]
		       : vm->pause_asked			? "paused"
								: "parked");
	v.engine = text(vm->ops->name);
	v.uptime_ns = clock_now_ns() - vm->created_ns;
	v.n_vcpu_exits = v.n_vcpu_instructions = vm->n_vcpus;
	v.vcpu_exits = exits;
	v.vcpu_instructions = instructions;
	v.unclaimed = atomic_load(&vm->bus.unclaimed_total);
	v.n_devices = vm->n_devices;
	v.devices = ptrs;
	v.first_instruction_ns = atomic_load(&vm->first_instruction_ns);
	Outrigger__HvReply r = OUTRIGGER__HV_REPLY__INIT;
	r.id = id;
	r.vm = &v;
	send_reply(vm, &r);
	free(s);
}

/* The device that the launcher means; NULL: it was told that there is none. */
static struct device *device_of(struct vm *vm, uint64_t id, const char *name)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (!strcmp(vm->devices[i].cfg->name, name))
			return &vm->devices[i];
	reply_simple(vm, id, ENOENT, "there is no such device");
	return NULL;
}

static bool token_good(struct vm *vm, uint64_t id, const char *token)
{
	if (strlen(token) == LIMIT_TOKEN && strspn(token, "0123456789abcdef") == LIMIT_TOKEN)
		return true;
	reply_simple(vm, id, EINVAL, "a token has 32 hexadecimal digits");
	return false;
}

static void expect_daemon(struct vm *vm, uint64_t id, const Outrigger__DeviceRequest *q)
{
	struct device *d = device_of(vm, id, q->device);
	if (!d || (q->value[0] && !token_good(vm, id, q->value)))
		return;
	device_expect(d, q->value, q->name);
	reply_simple(vm, id, 0, "");
}

static void swap_daemon(struct vm *vm, uint64_t id, const Outrigger__SwapRequest *q)
{
	struct device *d = device_of(vm, id, q->device);
	if (d && token_good(vm, id, q->token))
		swap_begin(d, q, id);
}

static void cancel_swap(struct vm *vm, uint64_t id, const Outrigger__DeviceRequest *q)
{
	struct device *d = device_of(vm, id, q->device);
	if (!d)
		return;
	swap_cancel(d, q->value);
	reply_simple(vm, id, 0, "");
}

static void observe_device(struct vm *vm, uint64_t id, const Outrigger__ObserveRequest *q)
{
	char token[LIMIT_TOKEN + 1];
	struct err err = {0};
	struct device *d = device_of(vm, id, q->device);
	int rc = d ? observe_ask(d, q->want, token, &err) : 0;
	if (d && rc)
		reply_simple(vm, id, -rc, err.msg);
	else if (d)
		report_reply(vm, id, 0, "", token, LIMIT_TOKEN);
}

static void give_up(struct vm *vm, uint64_t id, const Outrigger__DeviceRequest *q)
{
	struct device *d = device_of(vm, id, q->device);
	if (!d)
		return;
	device_give_up(d, q->value);
	reply_simple(vm, id, 0, "");
}

static void ask_device(struct vm *vm, uint64_t id, const Outrigger__DeviceRequest *q, bool control)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	Outrigger__ControlSet c = OUTRIGGER__CONTROL_SET__INIT;
	struct device *d = device_of(vm, id, q->device);
	if (!d)
		return;
	m.kind_case =
		control ? OUTRIGGER__TO_DAEMON__KIND_CONTROL : OUTRIGGER__TO_DAEMON__KIND_INSPECT;
	if (control) {
		c.name = q->name;
		c.value = q->value;
		m.control = &c;
	} else {
		m.inspect = true;
	}
	device_request(d, &m, id);
}

/* Requests about one device that its own file answers. False: it is none of them. */
static bool device_asked(struct vm *vm, const Outrigger__HvRequest *q)
{
	const Outrigger__DeviceRequest *r = q->debug; /* all of them share their place */
	struct device *d;
	if (q->kind_case != OUTRIGGER__HV_REQUEST__KIND_PAUSE_DEVICE &&
	    q->kind_case != OUTRIGGER__HV_REQUEST__KIND_RESUME_DEVICE &&
	    q->kind_case != OUTRIGGER__HV_REQUEST__KIND_DEBUG)
		return false;
	d = device_of(vm, q->id, r->device);
	if (d && q->kind_case == OUTRIGGER__HV_REQUEST__KIND_PAUSE_DEVICE)
		pause_device(d, q->id);
	else if (d && q->kind_case == OUTRIGGER__HV_REQUEST__KIND_RESUME_DEVICE)
		resume_device(d, q->id);
	else if (d)
		debug_request(d, r->value, q->id);
	return true;
}

static void power_button(struct vm *vm, uint64_t id)
{
	if (!vm->ops->power_button)
		reply_simple(vm, id, ENOTSUP,
			     "this machine has no power button; use stop without --ask");
	else if (!vm->ops->power_button(vm->evm))
		reply_simple(vm, id, EAGAIN, "the guest does not listen to its power button");
	else
		reply_simple(vm, id, 0, "");
}

static void on_request(struct vm *vm, const Outrigger__HvRequest *q)
{
	if (device_asked(vm, q))
		return;
	switch (q->kind_case) {
	case OUTRIGGER__HV_REQUEST__KIND_STATUS:
		reply_status(vm, q->id);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_START:
		vm->start_asked = true;
		reply_simple(vm, q->id, 0, "");
		vm_try_start(vm);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_STOP:
		reply_simple(vm, q->id, 0, "");
		vm_end(vm, "stopped", 0, "stopped on request");
		return;
	case OUTRIGGER__HV_REQUEST__KIND_POWERDOWN:
		power_button(vm, q->id);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_INSPECT:
		ask_device(vm, q->id, q->inspect, false);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_PAUSE:
		vm_pause(vm, q->id);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_RESUME:
		vm_resume(vm, q->id);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_EXPECT:
		expect_daemon(vm, q->id, q->expect);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_SWAP:
		swap_daemon(vm, q->id, q->swap);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_SWAP_CANCEL:
		cancel_swap(vm, q->id, q->swap_cancel);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_OBSERVE:
		observe_device(vm, q->id, q->observe);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_GIVE_UP:
		give_up(vm, q->id, q->give_up);
		return;
	case OUTRIGGER__HV_REQUEST__KIND_CONTROL:
		ask_device(vm, q->id, q->control, true);
		return;
	default:
		reply_simple(vm, q->id, EPROTO, "hv does not know this request");
	}
}

static void launcher_ready(void *arg)
{
	struct vm *vm = arg;
	for (int i = 0; i < 32; i++) {
		ProtobufCMessage *m = NULL;
		int rc = ctl_recv(vm->launcher, &outrigger__hv_request__descriptor, 0, &m);
		if (rc == -EPROTO)
			continue;
		if (rc)
			return;
		on_request(vm, (Outrigger__HvRequest *)m);
		ctl_free(m);
	}
}

void report_poll(struct vm *vm)
{
	launcher_ready(vm);
}

int report_open(struct vm *vm, struct err *err)
{
	char url[160];
	snprintf(url, sizeof(url), "ipc://%s/hv", vm->cfg->runtime_dir);
	return ctl_listen(CTL_PAIR, url, &vm->launcher, err);
}

int report_serve(struct vm *vm)
{
	vm->launcher_watch = watch_start(&vm->loop, ctl_fd(vm->launcher), launcher_ready, vm);
	return vm->launcher_watch ? 0 : -ENOMEM;
}

void report_close(struct vm *vm)
{
	watch_stop(&vm->launcher_watch);
	ctl_close(vm->launcher);
	vm->launcher = NULL;
}
