/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `outrigger shadow`: a second build of a device's model gets what the serving one gets, and what it does is compared and thrown
 * away. The process is ours, like a daemon; it reads the device's trace area and tells us over a socket how it goes
 * (proto/shadow.h). Nothing that it does, nor its end, touches the device; after so many clean records it may be promoted, which is a swap like
 * any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/models.h"
#include "launcher/spawn.h"
#include "launcher/sup.h"
#include "proto/shadow.h"

enum { TOLD_MAX = 20, RECENT = 32 };

/** struct sup_shadow - one shadow run. Heap: libuv ends a handle only some time after it was told to. */
struct sup_shadow {
	uv_poll_t poll;
	struct sup *sup;
	struct sup_device *dev;
	struct sup_process proc;
	int fd;
	char **set; /* "name=value", NULL-terminated */
	struct shadow_report last;
	uint64_t promote_after; /* 0: never */
	uint64_t swap_id;	/* of the promotion that is under way */
	bool over;
	char why[256]; /* it is over: why */
	uint64_t nrecent;
	char *recent[RECENT]; /* differences, in a circle */
};

/* ---- the end of it ---- */

static void shadow_free(struct sup_shadow *sh)
{
	fd_close(&sh->fd);
	for (unsigned i = 0; i < RECENT; i++)
		free(sh->recent[i]);
	sup_sets_free(sh->set);
	sup_process_fini(&sh->proc);
	free(sh);
}

static void closed(uv_handle_t *h)
{
	shadow_free(h->data);
}

void sup_shadow_drop(struct sup_device *dev)
{
	struct sup_shadow *sh = dev->shadow;
	if (!sh)
		return;
	dev->shadow = NULL;
	sup_process_end(sh->sup, &sh->proc);
	uv_close((uv_handle_t *)&sh->poll, closed);
}

/* It is over, and stays to be asked about. */
static void over(struct sup_shadow *sh, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void over(struct sup_shadow *sh, const char *fmt, ...)
{
	va_list ap;
	if (sh->over)
		return;
	sh->over = true;
	va_start(ap, fmt);
	vsnprintf(sh->why, sizeof(sh->why), fmt, ap);
	va_end(ap);
	uv_poll_stop(&sh->poll);
	if (sh->proc.alive)
		kill(sh->proc.pid, SIGKILL);
	sup_tell(sh->sup, "%s: shadow run over: %s; %llu records, %llu differences",
		 sh->dev->cfg->name, sh->why, (unsigned long long)sh->last.records,
		 (unsigned long long)sh->last.diverged);
}

/* ---- what it says ---- */

static void difference(struct sup_shadow *sh, char *text)
{
	char **at = &sh->recent[sh->nrecent++ % RECENT];
	text_printable(text);
	free(*at);
	*at = xstrdup(text);
	if (sh->nrecent <= TOLD_MAX)
		sup_tell(sh->sup, "%s: the shadow (%s) differs: %s%s", sh->dev->cfg->name,
			 sh->proc.program, text,
			 sh->nrecent == TOLD_MAX ? "; further differences are only counted" : "");
}

static void promote(struct sup_shadow *sh)
{
	struct err err = {{0}};
	size_t n = 0;
	while (sh->set && sh->set[n])
		n++;
	if (!sh->promote_after || sh->swap_id || sh->last.clean < sh->promote_after)
		return;
	sup_tell(sh->sup, "%s: the shadow did %llu records as the serving daemon: promoting %s",
		 sh->dev->cfg->name, (unsigned long long)sh->last.clean, sh->proc.program);
	sh->swap_id = sup_swap_begin(sh->sup, sh->dev, sh->proc.program, sh->set, n, &err);
	if (sh->swap_id)
		return;
	sh->promote_after = 0;
	sup_tell(sh->sup, "%s: not promoted: %s", sh->dev->cfg->name, err.msg);
}

void sup_shadow_swapped(struct sup_device *dev, const Outrigger__HvReply *r)
{
	struct sup_shadow *sh = dev->shadow;
	if (!sh || !sh->swap_id || sh->swap_id != r->id)
		return;
	sh->swap_id = 0;
	sh->promote_after = 0;
	if (!r->status) {
		over(sh, "promoted: %s serves now", sh->proc.program);
		return;
	}
	sup_tell(dev->sup, "%s: not promoted: %s", dev->cfg->name, text_printable(r->error));
}

static void readable(uv_poll_t *p, int status, int events)
{
	struct sup_shadow *sh = p->data;
	(void)status;
	(void)events;
	while (!sh->over) {
		struct shadow_report r;
		ssize_t n = recv(sh->fd, &r, sizeof(r), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) { /* its death says more */
			uv_poll_stop(p);
			return;
		}
		if (n != (ssize_t)sizeof(r) || r.magic != SHADOW_MAGIC) {
			over(sh, "it said what makes no sense");
			return;
		}
		r.text[sizeof(r.text) - 1] = 0;
		sh->last = r;
		if (r.kind == SHADOW_DIVERGED)
			difference(sh, r.text);
		else if (r.kind == SHADOW_FAILED)
			over(sh, "it cannot go on: %.200s", text_printable(r.text));
		if (!sh->over)
			promote(sh);
	}
}

void sup_shadow_reap(struct sup_device *dev)
{
	struct sup_shadow *sh = dev->shadow;
	char how[64];
	if (!sh || !sh->proc.alive ||
	    waitpid(sh->proc.pid, &sh->proc.status, WNOHANG) != sh->proc.pid)
		return;
	sh->proc.alive = false;
	if (!sh->over) /* its last words */
		readable(&sh->poll, 0, 0);
	if (WIFEXITED(sh->proc.status) && !WEXITSTATUS(sh->proc.status))
		over(sh, "the device is gone");
	else
		over(sh, "it ended with %s; the device goes on",
		     spawn_status_text(how, sh->proc.status));
}

/* ---- the beginning ---- */

static int start(struct sup_shadow *sh, const char *token, struct err *err)
{
	struct sup *s = sh->sup;
	const char *argv[8 + 2 * 64];
	char fd_text[16];
	int sv[2], n = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
	sh->fd = sv[0];
	AUTO_FD theirs = sv[1];
	AUTO_FREE char *dock = runtime_path(&s->rt, "dock");
	AUTO_FREE char *env_token = xasprintf("OUTRIGGER_TOKEN=%s", token);
	const char *env[] = {env_token, NULL};
	snprintf(fd_text, sizeof(fd_text), "%d", theirs);
	argv[n++] = sh->proc.program;
	argv[n++] = "--shadow";
	argv[n++] = dock;
	argv[n++] = "--report-fd";
	argv[n++] = fd_text;
	if (s->opt.no_sandbox)
		argv[n++] = "--no-sandbox";
	for (size_t i = 0; sh->set && sh->set[i] && i < 64; i++) {
		argv[n++] = "--set";
		argv[n++] = sh->set[i];
	}
	argv[n] = NULL;
	struct spawn sp = {.path = sh->proc.program,
			   .argv = argv,
			   .env = env,
			   .log_path = sh->proc.log_path,
			   .keep_fd = theirs,
			   .pid_namespace = !s->opt.no_sandbox};
	int r = spawn_start(&sp, &sh->proc.pid, &sh->proc.isolated, err);
	if (r < 0)
		return r;
	sh->proc.alive = true;
	return 0;
}

static char **sets_copy(char *const *args, size_t n, struct err *err)
{
	char **set = xalloc(n + 1, sizeof(*set));
	for (size_t i = 0; i < n; i++) {
		if (!strchr(args[i], '=') || args[i][0] == '=') {
			err_set(err, EINVAL, "\"%s\" is not NAME=VALUE", args[i]);
			sup_sets_free(set);
			return NULL;
		}
		set[i] = xstrdup(args[i]);
	}
	return set;
}

/* Arguments: device, token of a reader, program, records to promotion (0: none), settings. */
static int begin(struct sup *s, struct sup_device *dev, const Outrigger__CliRequest *q,
		 struct err *err)
{
	if (q->n_args < 4 || q->n_args > 4 + 64 || strlen(q->args[1]) != LIMIT_TOKEN)
		return err_set(err, EINVAL,
			       "a shadow run needs a device, a token, a program and a "
			       "number");
	if (s->phase != SUP_RUNNING)
		return err_set(err, EBUSY, "the VM does not run");
	if (dev->shadow && !dev->shadow->over)
		return err_set(err, EBUSY, "device %s has a shadow run already: %s, pid %d",
			       dev->cfg->name, dev->shadow->proc.program, dev->shadow->proc.pid);
	char *program = sup_program_find(s, dev, q->args[2], err);
	char **set = program ? sets_copy(q->args + 4, q->n_args - 4, err) : NULL;
	if (!set) {
		free(program);
		return -EINVAL;
	}
	sup_shadow_drop(dev);
	struct sup_shadow *sh = xalloc(1, sizeof(*sh));
	AUTO_FREE char *log_name = xasprintf("%s.shadow.log", dev->cfg->name);
	*sh = (struct sup_shadow){.sup = s, .dev = dev, .fd = -1, .set = set};
	sh->proc.name = dev->cfg->name;
	sh->proc.program = program;
	sh->proc.log_path = runtime_path(&s->rt, log_name);
	sh->promote_after = strtoull(q->args[3], NULL, 10);
	int r = start(sh, q->args[1], err);
	if (r < 0) {
		shadow_free(sh);
		return r;
	}
	sh->poll.data = sh;
	uv_poll_init(&s->loop, &sh->poll, sh->fd);
	uv_poll_start(&sh->poll, UV_READABLE, readable);
	dev->shadow = sh;
	sup_tell(s, "%s: shadow run of %s, pid %d", dev->cfg->name, program, sh->proc.pid);
	return 0;
}

/* ---- clients ---- */

/* Numbers, the program, then the differences from number @from on, one a line. */
static void say_status(struct sup *s, struct sup_device *dev, uint64_t from)
{
	const struct sup_shadow *sh = dev->shadow;
	AUTO_SB out = {0};
	if (!sh) {
		AUTO_FREE char *text = xasprintf("device %s has no shadow run", dev->cfg->name);
		sup_cli_error(s, text);
		return;
	}
	const struct shadow_report *r = &sh->last;
	sb_addf(&out, "%d %llu %llu %llu %llu %llu %llu %llu %llu\n%s\n%s\n", sh->proc.pid,
		(unsigned long long)r->records, (unsigned long long)r->outputs,
		(unsigned long long)r->unknown, (unsigned long long)r->diverged,
		(unsigned long long)r->clean, (unsigned long long)r->lost,
		(unsigned long long)r->starts, (unsigned long long)sh->nrecent, sh->proc.program,
		sh->over ? sh->why : "");
	uint64_t oldest = sh->nrecent > RECENT ? sh->nrecent - RECENT : 0;
	for (uint64_t i = from > oldest ? from : oldest; i < sh->nrecent; i++)
		sb_addf(&out, "%s\n", sh->recent[i % RECENT]);
	sup_cli_text(s, sb_str(&out));
}

static void verb_begin(struct sup *s, struct sup_device *dev, const Outrigger__CliRequest *q)
{
	struct err err = {{0}};
	char text[16];
	if (begin(s, dev, q, &err) < 0) {
		sup_cli_error(s, err.msg);
		return;
	}
	snprintf(text, sizeof(text), "%d", dev->shadow->proc.pid);
	sup_cli_text(s, text);
}

bool sup_shadow_verb(struct sup *s, const Outrigger__CliRequest *q)
{
	bool status = strcmp(q->verb, "shadow-status") == 0,
	     stop = strcmp(q->verb, "shadow-stop") == 0;
	if (!status && !stop && strcmp(q->verb, "shadow") != 0)
		return false;
	struct sup_device *dev = sup_cli_device(s, q->n_args ? q->args[0] : NULL);
	if (!dev)
		return true;
	if (status) {
		say_status(s, dev, q->n_args > 1 ? strtoull(q->args[1], NULL, 10) : 0);
	} else if (stop) {
		if (dev->shadow)
			over(dev->shadow, "stopped");
		say_status(s, dev, 0);
	} else {
		verb_begin(s, dev, q);
	}
	return true;
}

void sup_shadow_status(const struct sup_device *dev, Outrigger__DeviceStatus *d)
{
	const struct sup_shadow *sh = dev->shadow;
	if (!sh)
		return;
	d->shadow = sh->over ? 2 : 1;
	d->shadow_records = sh->last.records;
	d->shadow_diverged = sh->last.diverged;
	d->shadow_unknown = sh->last.unknown;
	d->shadow_lost = sh->last.lost;
}
