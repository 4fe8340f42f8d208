/* SPDX-License-Identifier: Apache-2.0 */
#include "mini_launcher.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "hv/arch/fake/fake.h"
#include "hv/engine_table.h"
#include "hv/report.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

void ml_init(struct mini_launcher *l, unsigned devices, unsigned cpus)
{
	static bool once;
	if (!once) {
		ctl_setup();
		engine_register(&fake_engine);
		once = true;
	}
	memset(l, 0, sizeof(*l));
	snprintf(l->runtime, sizeof(l->runtime), "/tmp/hvtest.XXXXXX");
	CHECK(mkdtemp(l->runtime));
	outrigger__vm_config__init(&l->cfg);
	l->cfg.name = text("test");
	l->cfg.machine = text("fake");
	l->cfg.engine = text("fake");
	l->cfg.cpus = cpus;
	l->cfg.memory_bytes = 4 << 20;
	l->cfg.runtime_dir = l->runtime;
	l->cfg.on_unclaimed = text("ones");
	l->cfg.kernel_fd_index = l->cfg.initrd_fd_index = l->cfg.dtb_out_fd_index = -1;
	l->cfg.n_devices = devices;
	l->cfg.devices = l->dev_ptr;
	for (unsigned i = 0; i < devices; i++) {
		Outrigger__DeviceConfig *d = l->dev_ptr[i] = &l->dev[i];
		outrigger__device_config__init(d);
		outrigger__range_config__init(&l->range[i]);
		snprintf(l->name[i], sizeof(l->name[i]), "dev%u", i);
		dock_token_make(l->token[i]);
		l->range_ptr[i] = &l->range[i];
		l->range[i].space = text("mmio");
		l->range[i].address = ML_BASE + i * 0x1000;
		l->range[i].size = MINI_SIZE;
		l->irq[i] = i;
		d->name = l->name[i];
		d->model = text("mini");
		d->n_ranges = 1;
		d->ranges = &l->range_ptr[i];
		d->n_irqs = 1;
		d->irqs = &l->irq[i];
		d->token = l->token[i];
		d->on_failure = text("ones");
		d->state_bytes = 64;
		d->shadow_pages = 1;
		d->deadline_ns = 20000000000u; /* where a miss would be a failure; tests of misses
						  set their own */
	}
}

static void *vm_thread(void *arg)
{
	struct mini_launcher *l = arg;
	l->exit_code = vm_run(l->vm);
	return NULL;
}

bool ml_start(struct mini_launcher *l)
{
	struct err err = {0};
	char url[100];
	if (vm_create(&l->cfg, NULL, 0, &l->vm, &err)) {
		snprintf(l->error, sizeof(l->error), "%s", err.msg);
		vm_destroy(l->vm);
		l->vm = NULL;
		return false;
	}
	CHECK(!pthread_create(&l->thread, NULL, vm_thread, l));
	snprintf(url, sizeof(url), "ipc://%s/hv", l->runtime);
	CHECK(!ctl_dial(CTL_PAIR, url, 2000, &l->ctl, &err));
	return true;
}

void ml_daemons(struct mini_launcher *l, enum mini_lie lie)
{
	for (unsigned i = 0; i < l->cfg.n_devices; i++) {
		l->daemon[i].port.map = l->vm->devices[i].slot->pp.port;
		mini_daemon_start(&l->daemon[i], l->runtime, l->token[i], "mini", lie);
	}
}

static void record_device(struct mini_launcher *l, const Outrigger__DeviceStatus *s)
{
	for (unsigned i = 0; i < l->cfg.n_devices; i++)
		if (!strcmp(s->name, l->name[i])) {
			snprintf(l->device_state[i], sizeof(l->device_state[i]), "%s", s->state);
			snprintf(l->device_why[i], sizeof(l->device_why[i]), "%s", s->why);
		}
}

/* True if the message is kept. */
static bool record(struct mini_launcher *l, Outrigger__FromHv *m)
{
	if (m->kind_case != OUTRIGGER__FROM_HV__KIND_EVENT)
		return false;
	switch (m->event->kind_case) {
	case OUTRIGGER__HV_EVENT__KIND_DEVICE:
		record_device(l, m->event->device);
		break;
	case OUTRIGGER__HV_EVENT__KIND_RUNNING:
		snprintf(l->running, sizeof(l->running), "%s", m->event->running);
		break;
	case OUTRIGGER__HV_EVENT__KIND_NOTICE:
		snprintf(l->notice, sizeof(l->notice), "%s", m->event->notice);
		break;
	case OUTRIGGER__HV_EVENT__KIND_ERROR:
		snprintf(l->error, sizeof(l->error), "%s", m->event->error);
		break;
	case OUTRIGGER__HV_EVENT__KIND_ENDED:
		l->ended_msg = m;
		l->ended = m->event->ended;
		return true;
	default:
		break;
	}
	return false;
}

static Outrigger__FromHv *receive(struct mini_launcher *l)
{
	ProtobufCMessage *m = NULL;
	return ctl_recv(l->ctl, &outrigger__from_hv__descriptor, 100, &m) ? NULL
									  : (Outrigger__FromHv *)m;
}

bool ml_until(struct mini_launcher *l, bool (*done)(struct mini_launcher *))
{
	uint64_t end = clock_now_ns() + 10000000000u;
	while (!done(l)) {
		if (clock_now_ns() > end)
			return false;
		Outrigger__FromHv *m = receive(l);
		if (m && !record(l, m))
			ctl_free(&m->base);
	}
	return true;
}

static uint64_t send_request(struct mini_launcher *l, unsigned kind)
{
	Outrigger__HvRequest q = OUTRIGGER__HV_REQUEST__INIT;
	q.id = ++l->next_id;
	q.kind_case = kind;
	q.status = 1; /* the members of the oneof share it */
	CHECK(!ctl_send(l->ctl, &q.base, 2000));
	return q.id;
}

Outrigger__FromHv *ml_request(struct mini_launcher *l, unsigned kind)
{
	uint64_t id = send_request(l, kind);
	uint64_t end = clock_now_ns() + 10000000000u;
	while (clock_now_ns() < end) {
		Outrigger__FromHv *m = receive(l);
		if (m && m->kind_case == OUTRIGGER__FROM_HV__KIND_REPLY && m->reply->id == id)
			return m;
		if (m && !record(l, m))
			ctl_free(&m->base);
	}
	return NULL;
}

void ml_go(struct mini_launcher *l)
{
	Outrigger__FromHv *m = ml_request(l, OUTRIGGER__HV_REQUEST__KIND_START);
	CHECK(m);
	ctl_free(&m->base);
}

bool ml_has_ended(struct mini_launcher *l)
{
	return l->ended != NULL;
}

bool ml_has_error(struct mini_launcher *l)
{
	return l->error[0] != 0;
}

void ml_fini(struct mini_launcher *l)
{
	char path[128];
	if (l->vm) {
		send_request(
			l,
			OUTRIGGER__HV_REQUEST__KIND_STOP); /* also the acknowledgement of the end */
		pthread_join(l->thread, NULL);
	}
	for (unsigned i = 0; i < l->cfg.n_devices; i++)
		if (l->daemon[i].model) {
			mini_daemon_kill(&l->daemon[i]);
			mini_daemon_join(&l->daemon[i]);
		}
	vm_destroy(l->vm);
	ctl_close(l->ctl);
	if (l->ended_msg)
		ctl_free(&l->ended_msg->base);
	fake_clear();
	static const char *const left[] = {"hv",       "dock",	   "ctl.dev0",
					   "ctl.dev1", "ctl.dev2", "ctl.dev3"};
	for (unsigned i = 0; i < ARRAY_LEN(left); i++) {
		snprintf(path, sizeof(path), "%s/%s", l->runtime, left[i]);
		unlink(path);
	}
	rmdir(l->runtime);
}
