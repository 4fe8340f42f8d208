/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. All that is slow happens while the old daemon serves: the new one is spawned, docks, opens its
 * sandbox, and loads what the old one saves, for practice. What a vCPU can notice are three messages: hand_over, its
 * answer, take_over. Meanwhile requests wait in the ring as they do between a crash and the next daemon.
 *
 * Who has the device is one word in the port: the epoch of the attached daemon. The new one writes it after it has loaded
 * the state, before it serves anything. So after take_over was sent a failure is decided by that word, read when the new
 * daemon is dead for certain: not its epoch, and the old one goes on as if nothing had been; its epoch, and it has served
 * perhaps, and its death is a crash like any other.
 */
#include "hv/swap.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/debug.h"
#include "hv/pause.h"
#include "hv/report.h"
#include "hv/supervision.h"
#include "hv/warden.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#define COME_UP_MS 3000	     /* from the request to standing_by */
#define WAIT_MS_MAX 3600000u /* the same, if a person starts it */
#define REHEARSE_MS 1500     /* to save and load for practice: the guest is served meanwhile */
#define HAND_OVER_MS 500     /* until the old daemon has stopped */
#define TAKE_OVER_MS                                                                               \
	400	     /* until the new one serves; all below a device's usual deadline of a second */
#define PATIENCE 20u /* times that, if a person started the new one */
#define DIE_MS 1000  /* until a killed one is dead */
#define MESSAGES_A_TURN 32
#define SWAP_ID (1ull << 63) /* ids of a swap's requests to the old daemon */

enum swap_stage {
	SWAP_SPAWNED,	/* it is to dock */
	SWAP_HELLO,	/* docked */
	SWAP_RANGES,	/* configured */
	SWAP_COMING,	/* ranges are fine; sandbox */
	SWAP_SAVE,	/* the old one saves for practice */
	SWAP_PRACTISE,	/* the new one loads for practice */
	SWAP_HAND_OVER, /* the old one finishes */
	SWAP_TAKE_OVER, /* the new one loads and attaches */
	SWAP_KILLED,	/* that failed: it is to die before the old one goes on */
};

struct swap {
	struct device *d;
	uint64_t launcher_id, id;
	enum swap_stage stage;
	char token[LIMIT_TOKEN + 1];
	uint32_t epoch, old_epoch;
	int state_fd, timer_fd;
	Outrigger__SwapRequest *set; /* owned */
	struct device_session s;
	struct backend_set backends; /* as they are to be */
	struct watch *ctl_watch, *dock_watch, *pid_watch, *timer_watch;
	uint64_t begun_ns, held_ns;
	bool old_gone, by_hand, quiet;
	char why[300]; /* KILLED */
};

bool swap_in_hand_over(const struct swap *w)
{
	return w->stage >= SWAP_HAND_OVER;
}

const char *swap_token(const struct swap *w)
{
	return w->token;
}

/* ---- ends ---- */

void swap_destroy(struct swap *w)
{
	if (!w)
		return;
	watch_stop(&w->ctl_watch);
	watch_stop(&w->dock_watch);
	watch_stop(&w->pid_watch);
	watch_stop(&w->timer_watch);
	fd_close(&w->s.dock_fd);
	fd_close(&w->s.pid_fd);
	fd_close(&w->state_fd);
	fd_close(&w->timer_fd);
	if (w->s.ctl) { /* kept until another one retires: see device_adopt() */
		ctl_close(w->d->retired);
		w->d->retired = w->s.ctl;
	}
	if (w->s.url[0])
		unlink(w->s.url + strlen("ipc://"));
	if (w->set)
		outrigger__swap_request__free_unpacked(w->set, NULL);
	backends_fini(&w->backends);
	w->d->swap = NULL;
	free(w);
}

static void say_no(struct swap *w, const char *why)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_REFUSED;
	m.refused = (char *)(uintptr_t)why;
	if (w->s.ctl)
		ctl_send(w->s.ctl, &m.base, 0);
}

/* The last word to the launcher. */
static void conclude(struct swap *w, int status, const char *why)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "%llu %llu",
			 (unsigned long long)((clock_now_ns() - w->begun_ns) / 1000),
			 (unsigned long long)(w->held_ns / 1000));
	if (status)
		log_warn("device=%s is not swapped: %s", w->d->cfg->name, why);
	else
		log_info("device=%s swapped epoch=%u pid=%d held_us=%llu", w->d->cfg->name,
			 w->epoch, w->s.pid, (unsigned long long)(w->held_ns / 1000));
	report_reply(w->d->vm, w->launcher_id, status, why, text, (size_t)n);
}

/* The old daemon goes on. */
static void old_resumes(struct swap *w)
{
	struct device *d = w->d;
	if (d->stage == STAGE_UP)
		device_send(d, OUTRIGGER__TO_DAEMON__KIND_RESUME, 0);
}

static void adopt(struct swap *w);

static void swap_over(struct swap *w, const char *why)
{
	struct device *d = w->d;
	bool gone = w->old_gone;
	conclude(w, EREMOTEIO, why);
	swap_destroy(w);
	d->recovering = false;
	if (gone)
		device_vacant(d);
}

/* KILLED, and dead: who has the device? */
static void killed(struct swap *w)
{
	struct device *d = w->d;
	if (slot_taken(d->slot, w->epoch)) {
		adopt(w); /* and its death is seen the next moment */
		return;
	}
	bool resumes = slot_switch(d->slot, w->old_epoch);
	if (resumes)
		old_resumes(w);
	char why[sizeof(w->why)];
	memcpy(why, w->why, sizeof(why));
	bool by_hand = w->by_hand;
	swap_over(w, why);
	if (by_hand)
		debug_end(d);
	if (resumes)
		pause_told(d, false);
}

static void deadline(struct swap *w, unsigned ms)
{
	struct itimerspec its = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
	timerfd_settime(w->timer_fd, 0, &its, NULL);
}

/* Under valgrind, or with a breakpoint in load(), it takes longer. */
static unsigned patient(const struct swap *w, unsigned ms)
{
	return w->by_hand ? ms * PATIENCE : ms;
}

__attribute__((format(printf, 2, 3))) static void swap_fail(struct swap *w, const char *fmt, ...)
{
	char why[sizeof(w->why)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (w->stage == SWAP_KILLED)
		return;
	if (w->stage == SWAP_TAKE_OVER) {
		memcpy(w->why, why, sizeof(why));
		w->stage = SWAP_KILLED;
		if (w->s.pid_fd < 0 ||
		    syscall(SYS_pidfd_send_signal, w->s.pid_fd, SIGKILL, NULL, 0) < 0)
			kill(w->s.pid, SIGKILL);
		deadline(w, DIE_MS);
		return; /* pid_ready() or dock_ready() */
	}
	struct device *d = w->d;
	bool resumes = w->stage == SWAP_HAND_OVER;
	bool marked = resumes && w->by_hand;
	say_no(w, why);
	if (resumes)
		old_resumes(w);
	swap_over(w, why);
	if (marked)
		debug_end(d);
	pause_told(d, resumes ? false : d->told_quiet);
}

void swap_cancel(struct device *d, const char *why)
{
	if (d->swap)
		swap_fail(d->swap, "%s", why);
}

void swap_abort(struct swap *w, const char *why)
{
	say_no(w, why);
	if (w->s.pid_fd >= 0)
		syscall(SYS_pidfd_send_signal, w->s.pid_fd, SIGKILL, NULL, 0);
	conclude(w, EREMOTEIO, why);
	swap_destroy(w);
}

bool swap_old_gone(struct swap *w)
{
	if (w->stage >= SWAP_TAKE_OVER) {
		w->old_gone = true;
		return true;
	}
	swap_fail(w, "the daemon that served ended meanwhile");
	return false;
}

static void timer_ready(void *arg)
{
	static const char *const what[] = {
		[SWAP_SPAWNED] = "did not dock",
		[SWAP_HELLO] = "did not say hello",
		[SWAP_RANGES] = "did not register its ranges",
		[SWAP_COMING] = "did not come up",
		[SWAP_SAVE] = "cannot have the state: the old one does not save it",
		[SWAP_PRACTISE] = "did not load the state",
		[SWAP_HAND_OVER] = "cannot take over: the old one has requests with the host still",
		[SWAP_TAKE_OVER] = "did not take over",
		[SWAP_KILLED] = "",
	};
	struct swap *w = arg;
	if (w->stage == SWAP_KILLED)
		killed(w); /* it does not die: then it does not run either */
	else
		swap_fail(w, "the new daemon %s in time", what[w->stage]);
}

/* ---- the way of it ---- */

static void ask_old(struct swap *w, Outrigger__ToDaemon__KindCase kind)
{
	w->id = SWAP_ID | ++w->d->next_request;
	device_send(w->d, kind, w->id);
}

static void on_hello(struct swap *w, const Outrigger__Hello *h)
{
	struct err err = {0};
	if (device_hello_check(w->d, h, w->epoch, w->d->cfg->state_bytes + SLOT_STATE_GROWTH,
			       &err)) {
		swap_fail(w, "%s", err.msg);
		return;
	}
	w->stage = SWAP_RANGES;
	if (device_configure(w->d, w->s.ctl, w->set, &w->backends, true))
		swap_fail(w, "the new daemon takes no options");
}

static void on_ranges(struct swap *w, const Outrigger__RegisterRanges *r)
{
	struct err err = {0};
	if (device_claim(w->d, r, &err)) {
		swap_fail(w, "%s", err.msg);
		return;
	}
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_RANGES_OK;
	m.ranges_ok = 1;
	w->stage = SWAP_COMING;
	ctl_send(w->s.ctl, &m.base, 0);
}

static void on_standing_by(struct swap *w)
{
	w->stage = SWAP_SAVE;
	deadline(w, patient(w, REHEARSE_MS));
	ask_old(w, OUTRIGGER__TO_DAEMON__KIND_SAVE);
}

static void send_state(struct swap *w, Outrigger__ToDaemon__KindCase kind,
		       const ProtobufCBinaryData *blob)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = kind;
	m.id = 1;
	m.load = *blob; /* the two kinds share their place */
	if (ctl_send(w->s.ctl, &m.base, 0))
		swap_fail(w, "the new daemon does not take the state (%zu bytes)", blob->len);
}

static void on_practised(struct swap *w)
{
	if (w->by_hand) /* what is asked meanwhile waits, however long it takes */
		debug_by_hand(w->d);
	w->stage = SWAP_HAND_OVER;
	deadline(w, HAND_OVER_MS);
	w->held_ns = clock_now_ns();
	ask_old(w, OUTRIGGER__TO_DAEMON__KIND_HAND_OVER);
}

static void quiesce_new(struct swap *w)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_QUIESCE;
	m.quiesce = true;
	ctl_send(w->s.ctl, &m.base, 0);
}

static void on_handed_over(struct swap *w, const ProtobufCBinaryData *blob)
{
	w->old_epoch = slot_epoch(w->d->slot);
	if (!slot_switch(w->d->slot, w->epoch)) {
		swap_fail(w, "the device does not serve any more");
		return;
	}
	w->stage = SWAP_TAKE_OVER;
	deadline(w, patient(w, TAKE_OVER_MS));
	/* Else it would serve what waits before it can be told. */
	w->quiet = pause_quiet(w->d) && !w->d->recovering;
	if (w->quiet)
		quiesce_new(w);
	send_state(w, OUTRIGGER__TO_DAEMON__KIND_TAKE_OVER, blob);
}

/* The new daemon has the device. */
static void adopt(struct swap *w)
{
	struct device *d = w->d;
	bool by_hand = w->by_hand, quiet = w->quiet;
	w->held_ns = clock_now_ns() - w->held_ns;
	watch_stop(&w->ctl_watch);
	watch_stop(&w->dock_watch);
	watch_stop(&w->pid_watch);
	fd_close(&d->slot->state_fd);
	d->slot->state_fd = fd_steal(&w->state_fd);
	if (d->set)
		outrigger__swap_request__free_unpacked(d->set, NULL);
	d->set = w->set;
	w->set = NULL;
	/* The old daemon has what it was joined to for as long as it lives, which is not long. */
	backends_fini(&d->backends);
	d->backends = w->backends;
	w->backends.n = 0;
	conclude(w, 0, "");
	device_adopt(d, &w->s);
	w->s.url[0] = 0;
	swap_destroy(w);
	pause_told(d, quiet);
	if (by_hand)
		debug_by_hand(d);
	devices_review(d->vm);
}

bool swap_answer(struct swap *w, const Outrigger__FromDaemon *m)
{
	if (m->id != w->id)
		return false;
	w->id = 0;
	if (m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_BLOB && w->stage == SWAP_SAVE) {
		w->stage = SWAP_PRACTISE;
		send_state(w, OUTRIGGER__TO_DAEMON__KIND_LOAD, &m->blob);
	} else if (m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_HANDED_OVER &&
		   w->stage == SWAP_HAND_OVER) {
		on_handed_over(w, &m->handed_over);
	} else {
		swap_fail(w, "the daemon that serves does not hand over: %.150s",
			  m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_ERROR
				  ? m->error
				  : "it gives no proper answer");
	}
	return true;
}

static void on_message(struct swap *w, const Outrigger__FromDaemon *m)
{
	switch (m->kind_case) {
	case OUTRIGGER__FROM_DAEMON__KIND_LOG:
		log_warn_limited("device=%s, its successor says: %.400s", w->d->cfg->name,
				 m->log->text);
		return;
	case OUTRIGGER__FROM_DAEMON__KIND_ERROR:
		swap_fail(w, "the new daemon says: %.200s", m->error);
		return;
	case OUTRIGGER__FROM_DAEMON__KIND_HELLO:
		if (w->stage == SWAP_HELLO) {
			on_hello(w, m->hello);
			return;
		}
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_RANGES:
		if (w->stage == SWAP_RANGES) {
			on_ranges(w, m->ranges);
			return;
		}
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_STANDING_BY:
		if (w->stage == SWAP_COMING) {
			on_standing_by(w);
			return;
		}
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_OK:
		if (w->stage == SWAP_PRACTISE) {
			on_practised(w);
			return;
		}
		break;
	case OUTRIGGER__FROM_DAEMON__KIND_SERVING:
		if (w->stage == SWAP_TAKE_OVER && slot_taken(w->d->slot, w->epoch)) {
			adopt(w);
			return;
		}
		break;
	default:
		break;
	}
	swap_fail(w, "the new daemon sent message %d out of turn; it was not made for a swap?",
		  (int)m->kind_case);
}

static void ctl_ready(void *arg)
{
	struct swap *w = arg;
	struct device *d = w->d;
	for (int i = 0; i < MESSAGES_A_TURN && d->swap == w && w->stage != SWAP_KILLED; i++) {
		ProtobufCMessage *m = NULL;
		int rc = ctl_recv(w->s.ctl, &outrigger__from_daemon__descriptor, 0, &m);
		if (rc == -EPROTO) {
			swap_fail(w, "the new daemon sent no valid message");
			return;
		}
		if (rc)
			return;
		int peer = ctl_peer_pid(w->s.ctl);
		if (!peer || peer == w->s.pid)
			on_message(w, (const Outrigger__FromDaemon *)(const void *)m);
		ctl_free(m);
	}
}

/* It is dead. */
static void new_gone(struct swap *w)
{
	struct device *d = w->d;
	ctl_ready(w); /* its last words explain it best */
	if (d->swap != w)
		return;
	if (w->stage < SWAP_TAKE_OVER)
		swap_fail(w, "the new daemon (pid %d) ended", w->s.pid);
	else if (w->stage == SWAP_TAKE_OVER)
		snprintf(w->why, sizeof(w->why), "the new daemon (pid %d) ended as it took over",
			 w->s.pid);
	if (d->swap == w)
		killed(w);
}

static void pid_ready(void *arg)
{
	new_gone(arg);
}

static void dock_ready(void *arg)
{
	struct swap *w = arg;
	char byte;
	ssize_t n = recv(w->s.dock_fd, &byte, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (w->s.pid_fd < 0) {
		new_gone(w);
		return;
	}
	/* It may live still; its pidfd tells when it does not. */
	struct device *d = w->d;
	ctl_ready(w);
	if (d->swap == w) {
		watch_stop(&w->dock_watch);
		swap_fail(w, "the new daemon (pid %d) ended, or let go of the dock", w->s.pid);
	}
}

int swap_docked(struct swap *w, int *conn, pid_t pid, struct err *err)
{
	uv_loop_t *loop = &w->d->vm->loop;
	w->token[0] = 0;
	device_control_url(w->d, w->epoch, w->s.url);
	int rc = ctl_listen(CTL_PAIR, w->s.url, &w->s.ctl, err);
	const struct dock_grant g = {w->epoch, w->state_fd, w->s.url, &w->backends};
	if (!rc)
		rc = device_descriptors(w->d, *conn, &g);
	if (rc) {
		rc = err_set(err, -rc, "cannot give the new daemon its descriptors: %s",
			     strerror(-rc));
		swap_fail(w, "%s", err->msg);
		return rc;
	}
	w->s.pid = pid;
	w->s.dock_fd = fd_steal(conn);
	w->s.pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	warden_watch(w->s.pid_fd);
	w->stage = SWAP_HELLO;
	w->ctl_watch = watch_start(loop, ctl_fd(w->s.ctl), ctl_ready, w);
	w->dock_watch = watch_start(loop, w->s.dock_fd, dock_ready, w);
	if (w->s.pid_fd >= 0)
		w->pid_watch = watch_start(loop, w->s.pid_fd, pid_ready, w);
	return 0;
}

/* A copy of @q that outlives its message. */
static Outrigger__SwapRequest *request_copy(const Outrigger__SwapRequest *q)
{
	size_t n = outrigger__swap_request__get_packed_size(q);
	uint8_t *buf = malloc(n + 1);
	if (!buf)
		return NULL;
	outrigger__swap_request__pack(q, buf);
	Outrigger__SwapRequest *copy = outrigger__swap_request__unpack(NULL, n, buf);
	free(buf);
	return copy;
}

/* The device's back-ends, and in place of some those that @q brings. */
static int take_backends(struct swap *w, const Outrigger__SwapRequest *q)
{
	int fds[LIMIT_FDS];
	unsigned n = 0;
	bool wanted = false;
	for (size_t i = 0; i < q->n_backends; i++)
		wanted |= q->backends[i]->fd_index >= 0;
	int rc = wanted ? supervision_backends(w->d->vm, q->token, fds, &n) : 0;
	if (!rc)
		rc = backends_replace(&w->d->backends, q->backends, q->n_backends, fds, n,
				      &w->backends);
	for (unsigned i = 0; i < n; i++)
		fd_close(&fds[i]);
	return rc;
}

static const char *cannot(const struct device *d)
{
	if (d->swap)
		return "another swap of the device is under way";
	if (d->vm->state != VM_RUNNING)
		return "the VM does not run";
	if (d->stage != STAGE_UP || slot_state(d->slot) != SLOT_SERVING)
		return "the device has no daemon that serves; `restart` starts one";
	return NULL;
}

void swap_begin(struct device *d, const Outrigger__SwapRequest *q, uint64_t launcher_id)
{
	const char *no = cannot(d);
	if (no) {
		report_reply(d->vm, launcher_id, EBUSY, no, NULL, 0);
		return;
	}
	struct swap *w = calloc(1, sizeof(*w));
	if (!w) {
		report_reply(d->vm, launcher_id, ENOMEM, "out of memory", NULL, 0);
		return;
	}
	*w = (struct swap){.d = d,
			   .launcher_id = launcher_id,
			   .state_fd = -1,
			   .s = {.dock_fd = -1, .pid_fd = -1},
			   .by_hand = q->by_hand,
			   .begun_ns = clock_now_ns()};
	d->swap = w;
	snprintf(w->token, sizeof(w->token), "%s", q->token);
	w->set = request_copy(q);
	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->timer_fd >= 0)
		w->timer_watch = watch_start(&d->vm->loop, w->timer_fd, timer_ready, w);
	if (!w->set || !w->timer_watch || slot_successor(d->slot, &w->epoch, &w->state_fd)) {
		swap_fail(w, "out of memory or descriptors");
		return;
	}
	int rc = take_backends(w, q);
	if (rc) {
		swap_fail(w, "cannot take its back-ends: %s", strerror(-rc));
		return;
	}
	deadline(w, !q->wait_ms ? COME_UP_MS : q->wait_ms < WAIT_MS_MAX ? q->wait_ms : WAIT_MS_MAX);
	/* Only now is it started: under load it could be here before this request. */
	report_reply(d->vm, launcher_id, 0, "", NULL, 0);
}
