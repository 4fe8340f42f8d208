/* SPDX-License-Identifier: Apache-2.0 */
/* How a VM ends: reasons, deaths of children, and the wait for the last of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/spawn.h"
#include "launcher/sup.h"
#include "launcher/verb.h"

enum { QUOTED_LINES = 12 };

void sup_signal(const struct sup_process *p, int sig)
{
	if (p->alive && p->adopted)
		syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0);
	else if (p->alive)
		kill(p->pid, sig);
}

const char *sup_how(const struct sup_process *p, char buf[64])
{
	if (!p->adopted)
		return spawn_status_text(buf, p->status);
	snprintf(buf, 64, "a status that only its own parent was told");
	return buf;
}

void sup_kill(struct sup *s)
{
	sup_signal(&s->hv, SIGKILL);
	for (size_t i = 0; i < s->ndevices; i++)
		sup_signal(&s->devices[i].proc, SIGKILL);
}

/* Daemons that serve nothing: nobody waits for their last words. */
static void others_end(struct sup *s)
{
	for (size_t i = 0; i < s->ndevices; i++) {
		sup_process_end(s, &s->devices[i].standby);
		sup_process_end(s, &s->devices[i].retired);
		sup_shadow_drop(&s->devices[i]);
	}
}

static void grace_over(uv_timer_t *t)
{
	struct sup *s = t->data;
	sup_kill(s);
	sup_check_done(s);
}

void sup_end(struct sup *s, int exit_code, const char *fmt, ...)
{
	va_list ap;
	if (s->phase == SUP_ENDING)
		return;
	s->phase = SUP_ENDING;
	s->exit_code = exit_code;
	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
	uv_timer_stop(&s->start_timer);
	uv_timer_stop(&s->timeout_timer);
	others_end(s);
	/* To an hv that said the end itself, this is the word that we have heard it. */
	sup_hv_request(s, OUTRIGGER__HV_REQUEST__KIND_STOP);
	uv_timer_start(&s->grace_timer, grace_over, SUP_GRACE_MS, 500);
	sup_check_done(s);
}

/* hv is gone: a daemon without a port has nothing to do but write out what it still holds. It sees
 * its dock close and ends by itself; one that never served holds nothing, and is ended here. */
static void hv_gone(struct sup *s)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (!s->devices[i].state[0] || strcmp(s->devices[i].state, "waiting") == 0 ||
		    strcmp(s->devices[i].state, "docked") == 0)
			sup_signal(&s->devices[i].proc, SIGKILL);
}

static void report_death(struct sup *s, const struct sup_process *p, const char *model)
{
	char how[64];
	AUTO_FREE char *tail = spawn_log_tail(p->log_path, QUOTED_LINES, "    ");
	sup_tell(s, "%s%s%s%s (pid %d) ended with %s%s", p->name, model ? " (" : "",
		 model ? model : "", model ? ")" : "", p->pid, sup_how(p, how),
		 tail[0] ? "; its last log lines:" : ", no log lines");
	for (char *save = NULL, *line = strtok_r(tail, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		fprintf(stderr, "%s%s", text_printable(line), term_eol());
}

static void hv_died(struct sup *s)
{
	char how[64];
	sup_how(&s->hv, how);
	sup_verdict(&s->verdict_timer);
	bool clean = WIFEXITED(s->hv.status) && WEXITSTATUS(s->hv.status) == 0;
	/* Its last words may still be in the control socket: give them a chance to be the reason.
	 */
	if (s->hv_ctl && s->phase != SUP_ENDING)
		s->hv_poll.poll_cb(&s->hv_poll, 0, UV_READABLE);
	if (s->phase != SUP_ENDING) {
		bool ran = s->start_sent; /* "running" may have been lost with hv */
		report_death(s, &s->hv, NULL);
		sup_end(s, ran ? EXIT_LOST : EXIT_FAILED,
			ran ? "guest was lost: hv (pid %d) ended with %s"
			    : "the VM could not start: hv (pid %d) ended with %s",
			s->hv.pid, how);
	} else if (!clean && !s->hv_said_why &&
		   !(WIFSIGNALED(s->hv.status) && WTERMSIG(s->hv.status) == SIGKILL)) {
		report_death(s, &s->hv, NULL);
	}
	hv_gone(s);
}

/*
 * When hv ends, its daemons end too, and often they are seen first. So a daemon's death is judged a
 * moment later: if hv is dead by then, it is hv's, and only a daemon that was killed by a signal is
 * worth a line.
 */
void sup_verdict(uv_timer_t *t)
{
	struct sup *s = t->data;
	char how[64];
	for (size_t i = 0; i < s->ndevices; i++) {
		struct sup_device *dev = &s->devices[i];
		if (dev->proc.alive || dev->proc.judged || !dev->proc.pid)
			continue;
		dev->proc.judged = true;
		if (s->phase == SUP_ENDING || (!s->hv.alive && !WIFSIGNALED(dev->proc.status)))
			continue;
		report_death(s, &dev->proc, dev->cfg->model->name);
		if (s->phase == SUP_STARTING && s->hv.alive)
			sup_end(s, EXIT_FAILED,
				"the VM could not start: device %s (%s, pid %d) ended with %s",
				dev->cfg->name, dev->cfg->model->name, dev->proc.pid,
				sup_how(&dev->proc, how));
	}
}

void sup_died(struct sup *s, struct sup_device *dev)
{
	uv_timer_start(&s->verdict_timer, sup_verdict, SUP_VERDICT_MS, 0);
	sup_restart(s, dev);
}

static bool reap_one(struct sup *s, struct sup_process *p)
{
	if (p->alive && p->adopted)
		return sup_adopted_gone(s, p);
	if (!p->alive || waitpid(p->pid, &p->status, WNOHANG) != p->pid)
		return false;
	p->alive = false;
	return true;
}

void sup_reap(struct sup *s)
{
	bool hv_gone_now = reap_one(s, &s->hv);
	for (size_t i = 0; i < s->ndevices; i++) {
		struct sup_device *dev = &s->devices[i];
		reap_one(s, &dev->retired);
		sup_shadow_reap(dev);
		if (reap_one(s, &dev->standby))
			sup_swap_died(s, dev);
		/* While a swap is under way it is hv that knows which of the two the device has lost. */
		if (reap_one(s, &dev->proc) && !dev->swap_id) {
			sup_swap_lost(s, dev);
			sup_died(s, dev);
		}
	}
	if (hv_gone_now)
		hv_died(s);
	sup_check_done(s);
}

void sup_check_done(struct sup *s)
{
	if (s->phase != SUP_ENDING || s->hv.alive)
		return;
	for (size_t i = 0; i < s->ndevices; i++)
		if (s->devices[i].proc.alive)
			return;
	for (size_t i = 0; i < s->nconsoles; i++) {
		if (s->consoles[i]->device && s->consoles[i]->fd >= 0 &&
		    !console_drain(s->consoles[i]))
			return; /* the foreground is slow: write_done comes back here through the
				   loop */
	}
	if (s->front_on && !front_idle(&s->front))
		return;
	uv_stop(&s->loop);
}
