/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `outrigger swap`: another process takes a device over from the one that serves it. The supervisor starts it, hv does the
 * rest (hv/swap.c) and says how it went. Until then the device has two processes: proc, which serves, and standby.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/spawn.h"
#include "launcher/sup.h"
#include "launcher/sup_backend.h"
#include "proto/dock.h"

enum { DIE_MS = 2000 };	  /* an adopted process that was killed */
enum { RETIRE_MS = 500 }; /* a daemon that was replaced ends within this time, or is killed */

void sup_process_end(struct sup *s, struct sup_process *p)
{
	struct pollfd pfd = {.fd = p->pidfd, .events = POLLIN};
	if (!p->alive)
		return;
	sup_signal(p, SIGKILL);
	if (p->adopted) {
		poll(&pfd, 1, DIE_MS);
		if (!sup_adopted_gone(s, p))
			p->alive = false; /* SIGKILL has its effect some time */
		return;
	}
	while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR)
		continue;
	p->alive = false;
}

void sup_process_fini(struct sup_process *p)
{
	free(p->program);
	free(p->log_path);
	if (p->keep)
		close(p->keep - 1);
	*p = (struct sup_process){0};
}

/* ---- what is asked ---- */

const char *sup_set_of(char *const *set, const char *name)
{
	size_t len = strlen(name);
	for (; set && *set; set++)
		if (strncmp(*set, name, len) == 0 && (*set)[len] == '=')
			return *set + len + 1;
	return NULL;
}

static const Outrigger__OptionDescription *option_of(const struct config_device *cfg,
						     const char *name)
{
	return model_option(cfg->model, name);
}

bool sup_option_is_host(const char *type)
{
	return strcmp(type, "chardev") == 0 || config_option_io(type);
}

/* @arg as it goes to the daemon, heap: plain numbers. NULL: @err says why not. */
static char *set_check(const struct config_device *cfg, const char *arg, struct err *err)
{
	const char *eq = strchr(arg, '=');
	if (!eq || eq == arg) {
		err_set(err, EINVAL, "\"%s\" is not NAME=VALUE", arg);
		return NULL;
	}
	AUTO_FREE char *name = xasprintf("%.*s", (int)(eq - arg), arg);
	const Outrigger__OptionDescription *o = option_of(cfg, name);
	if (!o) /* the new build may know it; its daemon says if not */
		return xstrdup(arg);
	AUTO_FREE char *plain = config_plain_value(o->type, eq + 1);
	return xasprintf("%s=%s", name, plain);
}

/* @dev's settings with those of @args on top: a NULL-terminated heap array. NULL: @err. */
static char **sets_merge(const struct sup_device *dev, char *const *args, size_t n, struct err *err)
{
	size_t old = 0, k = 0;
	while (dev->set && dev->set[old])
		old++;
	char **all = xalloc(old + n + 1, sizeof(*all));
	for (size_t i = 0; i < n; i++) {
		all[k] = set_check(dev->cfg, args[i], err);
		if (!all[k++]) {
			sup_sets_free(all);
			return NULL;
		}
	}
	for (size_t i = 0; i < old; i++) { /* the first one of a name counts */
		AUTO_FREE char *name = xstrdup(dev->set[i]);
		*strchr(name, '=') = 0;
		if (!sup_set_of(all, name))
			all[k++] = xstrdup(dev->set[i]);
	}
	return all;
}

void sup_sets_free(char **sets)
{
	for (size_t i = 0; sets && sets[i]; i++)
		free(sets[i]);
	free(sets);
}

/* The program that @model names, heap: "" is the one that serves now, a word an installed model, else a path. NULL: @err. */
char *sup_program_find(struct sup *s, const struct sup_device *dev, const char *model,
		       struct err *err)
{
	if (!model[0])
		return xstrdup(dev->proc.program);
	if (!strchr(model, '/')) {
		const struct model *m = models_find(s->models, model);
		if (m)
			return xstrdup(m->path);
		err_set(err, ENOENT, "there is no model %s; a program is named by a path with a /",
			model);
		return NULL;
	}
	if (access(model, X_OK) < 0) {
		err_set(err, errno, "%s: %s", model, strerror(errno));
		return NULL;
	}
	return xstrdup(model);
}

/* ---- hv ---- */

static size_t options_fill(const struct sup_device *dev, char *const *sets,
			   Outrigger__OptionValue *o, Outrigger__OptionValue **ptrs)
{
	const Outrigger__ModelDescription *desc = dev->cfg->model->desc;
	size_t n = 0;
	for (size_t i = 0; i < desc->n_options && n < LIMIT_OPTIONS; i++) {
		const char *set = sup_set_of(sets, desc->options[i]->name);
		const char *value = set ? set : dev->cfg->values[i];
		if (!value)
			continue;
		outrigger__option_value__init(&o[n]);
		o[n].name = desc->options[i]->name;
		o[n].value = (char *)(uintptr_t)value;
		ptrs[n] = &o[n];
		n++;
	}
	return n;
}

/* Options that only the new build has: @names keeps what they are called. */
static size_t options_new(const struct sup_device *dev, char *const *sets, size_t n,
			  Outrigger__OptionValue *o, Outrigger__OptionValue **ptrs, char **names)
{
	for (; sets && *sets && n < LIMIT_OPTIONS; sets++) {
		char *name = xstrdup(*sets);
		*strchr(name, '=') = 0;
		if (option_of(dev->cfg, name)) {
			free(name);
			continue;
		}
		outrigger__option_value__init(&o[n]);
		o[n].name = *names++ = name;
		o[n].value = strchr(*sets, '=') + 1;
		ptrs[n] = &o[n];
		n++;
	}
	return n;
}

static uint64_t hv_swap(struct sup *s, struct sup_device *dev, char *const *sets, char *token,
			unsigned by_hand_ms)
{
	Outrigger__SwapRequest q = OUTRIGGER__SWAP_REQUEST__INIT;
	Outrigger__OptionValue o[LIMIT_OPTIONS], *ptrs[LIMIT_OPTIONS];
	Outrigger__BackendFd backends[LIMIT_FDS], *backend_ptrs[LIMIT_FDS];
	char *names[LIMIT_OPTIONS + 1] = {0};
	q.device = (char *)(uintptr_t)dev->cfg->name;
	q.token = token;
	q.wait_ms = by_hand_ms;
	q.by_hand = by_hand_ms != 0;
	q.options = ptrs;
	q.n_options = options_fill(dev, sets, o, ptrs);
	q.n_options = options_new(dev, sets, q.n_options, o, ptrs, names);
	q.backends = backend_ptrs;
	uint64_t id = sup_backends_send(s, dev, token, backends, backend_ptrs, &q.n_backends) < 0
			      ? 0
			      : sup_hv_swap(s, &q);
	for (size_t i = 0; names[i]; i++)
		free(names[i]);
	return id;
}

/* ---- the way of it ---- */

/* Takes @sets. */
static uint64_t ask(struct sup *s, struct sup_device *dev, char **sets, char *token,
		    unsigned by_hand_ms, struct err *err)
{
	dev->swap_id = hv_swap(s, dev, sets, token, by_hand_ms);
	if (!dev->swap_id) {
		err_set(err, EPIPE, "hv takes no requests now");
		sup_sets_free(sets);
		sup_backends_done(s, dev, false);
		return 0;
	}
	memcpy(dev->swap_token, token, sizeof(dev->swap_token));
	dev->new_set = sets;
	return dev->swap_id;
}

/* Starts a swap to @program (taken) with @sets (taken). */
static uint64_t begin(struct sup *s, struct sup_device *dev, char *program, char **sets,
		      struct err *err)
{
	char token[LIMIT_TOKEN + 1];
	if (sup_backends_open(s, dev, &sets, err) < 0) {
		sup_sets_free(sets);
		free(program);
		return 0;
	}
	dock_token_make(token);
	dev->standby.name = dev->cfg->name;
	dev->standby.program = program;
	dev->standby.log_path = xstrdup(dev->proc.log_path);
	return ask(s, dev, sets, token, 0, err);
}

/* No revival any more. */
static void forget(struct sup_device *dev)
{
	free(dev->revive_program);
	sup_sets_free(dev->revive_set);
	dev->revive_program = NULL;
	dev->revive_set = NULL;
	dev->revive_id = 0;
}

uint64_t sup_swap_begin(struct sup *s, struct sup_device *dev, const char *model, char *const *args,
			size_t nargs, struct err *err)
{
	if (s->phase != SUP_RUNNING || dev->swap_id) {
		err_set(err, EBUSY,
			dev->swap_id ? "another swap of the device is under way"
				     : "the VM does not run");
		return 0;
	}
	sup_process_end(s, &dev->standby); /* of a swap that failed */
	sup_process_fini(&dev->standby);
	AUTO_FREE char *program = sup_program_find(s, dev, model, err);
	char **sets = program ? sets_merge(dev, args, nargs, err) : NULL;
	if (!sets)
		return 0;
	if (!dev->proc.alive && !dev->hand) {
		forget(dev);
		dev->revive_program = ptr_steal(program);
		dev->revive_set = sets;
		uint64_t id = dev->revive_id = sup_revive(s, dev);
		if (!id)
			err_set(err, EBUSY, "the device is just being restarted");
		return id;
	}
	return begin(s, dev, ptr_steal(program), sets, err);
}

/* The one that served before is back, and at rest: now it can hand its state over. Whoever waits for that waits on. */
void sup_swap_revived(struct sup *s, struct sup_device *dev)
{
	struct err err = {0};
	bool waited = s->cli_pending && s->cli_pending == dev->revive_id;
	if (!dev->revive_program)
		return;
	char *program = ptr_steal(dev->revive_program), **sets = dev->revive_set;
	dev->revive_set = NULL;
	sup_process_end(s, &dev->standby);
	sup_process_fini(&dev->standby);
	uint64_t id = begin(s, dev, program, sets, &err);
	if (waited)
		s->cli_pending = id;
	if (!id) /* then it serves itself */
		sup_hv_device(s, OUTRIGGER__HV_REQUEST__KIND_RESUME_DEVICE, dev->cfg->name, "", "");
	if (waited && !id) {
		sup_cli_error(s, err.msg);
		sup_cli_next(s);
	}
}

void sup_swap_lost(struct sup *s, struct sup_device *dev)
{
	bool waited = s->cli_pending && s->cli_pending == dev->revive_id;
	if (!dev->revive_program)
		return;
	forget(dev);
	if (waited) {
		sup_cli_error(s,
			      "the program that served before does not come up again, and only it "
			      "knows the device's state; see its log, or `outrigger restart`");
		sup_cli_next(s);
	}
}

uint64_t sup_swap_attach(struct sup *s, struct sup_device *dev, unsigned wait_ms, struct err *err)
{
	char **sets = sets_merge(dev, NULL, 0, err);
	if (!sets || sup_backends_open(s, dev, &sets, err) <
			     0) { /* none is new, but that is how it is known */
		sup_sets_free(sets);
		return 0;
	}
	sup_process_end(s, &dev->standby); /* of a swap that failed */
	sup_process_fini(&dev->standby);
	dev->standby.name = dev->cfg->name;
	/* Its program is not ours to know: after its death the one before it follows. */
	dev->standby.program = xstrdup(dev->proc.program);
	dev->standby.log_path = xstrdup(dev->proc.log_path);
	return ask(s, dev, sets, dev->attach.token, wait_ms, err);
}

/* hv expects it. */
static void start(struct sup *s, struct sup_device *dev)
{
	struct err err = {0};
	if (sup_spawn_process(s, dev, &dev->standby, dev->swap_token, true, &err) < 0)
		sup_hv_swap_cancel(s, dev->cfg->name, err.msg); /* its answer ends the swap */
	dev->standby.judged = true;
	sup_save(s);
}

static void retire_late(uv_timer_t *t)
{
	struct sup_device *dev = t->data;
	sup_signal(&dev->retired, SIGKILL);
}

/* The standby has the device. */
static void take_place(struct sup *s, struct sup_device *dev)
{
	sup_process_end(s, &dev->retired); /* of the swap before */
	sup_process_fini(&dev->retired);
	sup_hand_drop(dev);
	dev->retired = dev->proc;
	dev->proc = dev->standby;
	dev->standby = (struct sup_process){0};
	dev->proc.judged = false;
	dev->retired.judged = true;
	dev->restarts.count = 0;
	sup_sets_free(dev->set);
	dev->set = dev->new_set;
	dev->new_set = NULL;
	uv_timer_start(&dev->retire_timer, retire_late, RETIRE_MS, 0);
}

struct sup_device *sup_swap_of(struct sup *s, const Outrigger__HvReply *r)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (s->devices[i].swap_id && s->devices[i].swap_id == r->id)
			return &s->devices[i];
	return NULL;
}

bool sup_swap_reply(struct sup *s, struct sup_device *dev, const Outrigger__HvReply *r)
{
	bool by_hand = dev->attach.swaps;
	if (!r->status && (by_hand ? dev->attach.stage == ATTACH_ASKED : !dev->standby.pid)) {
		if (by_hand)
			sup_attach_ready(s, dev);
		else
			start(s, dev);
		return false;
	}
	dev->swap_id = 0;
	if (!r->status) {
		take_place(s, dev);
	} else {
		sup_signal(&dev->standby, SIGKILL);
		sup_sets_free(dev->new_set);
		dev->new_set = NULL;
	}
	sup_backends_done(s, dev, !r->status);
	sup_save(s);
	if (by_hand)
		sup_attach_over(dev, r->status ? r->error : NULL);
	if (!dev->proc.alive && !dev->hand &&
	    !(by_hand &&
	      !r->status)) /* it died meanwhile: now it is known which one has to follow it */
		sup_died(s, dev);
	return true;
}

void sup_swap_died(struct sup *s, struct sup_device *dev)
{
	char how[64];
	if (!dev->swap_id)
		return;
	AUTO_FREE char *tail = spawn_log_tail(dev->standby.log_path, 1, "");
	tail[strcspn(tail, "\n")] = 0;
	bool said = WIFEXITED(dev->standby.status) && WEXITSTATUS(dev->standby.status) && tail[0];
	AUTO_FREE char *why = xasprintf(
		"the new daemon (%s, pid %d) ended with %s%s%s", dev->standby.program,
		dev->standby.pid, sup_how(&dev->standby, how), said ? ": " : "", said ? tail : "");
	sup_hv_swap_cancel(s, dev->cfg->name, why);
}
