/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon that is up while another one serves its device: it waits to be told that it takes over, and with which state.
 */
#include "devmodel/core/daemon.h"
#include "devmodel/core/buildid.h"
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEND_MS 1000

static int say_simple(struct daemon *d, Outrigger__FromDaemon__KindCase kind, uint64_t id,
		      const char *text, struct err *err)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = kind;
	m.id = id;
	if (kind == OUTRIGGER__FROM_DAEMON__KIND_OK)
		m.ok = true;
	else
		m.error = (char *)(uintptr_t)text; /* all texts of the oneof share their place */
	int rc = ctl_send(d->ctl, &m.base, SEND_MS);
	return rc ? err_set(err, -rc, "cannot send to the hypervisor: %s", strerror(-rc)) : 0;
}

/* For tests: OUTRIGGER_FAULT names the step of a swap at which this daemon is to fail. */
static bool fault(const char *step)
{
	const char *want = getenv("OUTRIGGER_FAULT");
	return want && !strcmp(want, step);
}

static void fail_if_told(void)
{
	if (fault("exit"))
		_exit(7);
	while (fault("hang"))
		poll(NULL, 0, -1);
}

/* A load for practice, while the other daemon still serves. */
static int practise(struct daemon *d, const struct mappings *m, const Outrigger__ToDaemon *q,
		    struct err *err)
{
	struct err why = {{0}};
	step_at("practise");
	int rc = fault("practise") ? err_set(&why, EINVAL, "told to refuse")
				   : server_load(&d->srv, d->dm, m->state, m->state_size,
						 build_id_word(), q->load.data, q->load.len, &why);
	return say_simple(d,
			  rc ? OUTRIGGER__FROM_DAEMON__KIND_ERROR : OUTRIGGER__FROM_DAEMON__KIND_OK,
			  q->id, why.msg, err);
}

/* Until hv says that we take over, and with which state. On success we are attached. */
int standby_run(struct daemon *d, const struct mappings *m, bool sandboxed, struct err *err)
{
	int rc = say_simple(d, OUTRIGGER__FROM_DAEMON__KIND_STANDING_BY, 0,
			    sandboxed ? sandbox_report(&d->sandbox) : "off", err);
	bool taken = false;
	malloc_trim(0);
	while (!rc && !taken) {
		ProtobufCMessage *raw = NULL;
		link_await(d);
		if (d->done)
			return err_set(err, ECONNRESET, "not needed: the hypervisor let go");
		rc = ctl_recv(d->ctl, &outrigger__to_daemon__descriptor, 0, &raw);
		if (rc == -EAGAIN) {
			rc = 0;
			continue;
		}
		if (rc)
			return err_set(err, -rc, "no proper message from the hypervisor: %s",
				       strerror(-rc));
		const Outrigger__ToDaemon *q = (void *)raw;
		if (q->kind_case == OUTRIGGER__TO_DAEMON__KIND_LOAD) {
			rc = practise(d, m, q, err);
		} else if (q->kind_case == OUTRIGGER__TO_DAEMON__KIND_QUIESCE) {
			d->quiesced = true; /* from when we have taken over */
		} else if (q->kind_case == OUTRIGGER__TO_DAEMON__KIND_TAKE_OVER) {
			fail_if_told();
			step_at("load");
			rc = fault("refuse") ? err_set(err, EINVAL, "told to refuse") : 0;
			rc = rc ? rc
				: server_take_over(&d->srv, d->dm, m->port, m->port_size, d->epoch,
						   m->state, m->state_size, build_id_word(),
						   d->fds[DOCK_FD_IRQ], q->take_over.data,
						   q->take_over.len, err);
			taken = d->resumed = !rc;
			if (fault("late"))
				_exit(7);
		} else {
			rc = err_set(err, EACCES, "not needed");
		}
		ctl_free(raw);
	}
	return rc;
}
