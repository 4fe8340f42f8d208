/* SPDX-License-Identifier: Apache-2.0 */
/* From a checked config to running processes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/hvlink.h"
#include "launcher/spawn.h"
#include "launcher/sup.h"
#include "launcher/verb.h"

static int spawn_hv(struct sup *s, struct err *err)
{
	int sv[2];
	char fd_text[16];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return err_set(err, errno, "cannot make the launch socket: %s", strerror(errno));
	s->launch_fd = sv[0];
	AUTO_FD theirs = sv[1];
	snprintf(fd_text, sizeof(fd_text), "%d", theirs);
	s->hv.name = "hv";
	s->hv.program = xasprintf("%s/outrigger-hv", s->models->dir);
	s->hv.log_path = runtime_path(&s->rt, "hv.log");
	const char *argv[] = {s->hv.program, "--launch-fd", fd_text, NULL};
	struct spawn sp = {
		.path = s->hv.program, .argv = argv, .log_path = s->hv.log_path, .keep_fd = theirs};
	int r = spawn_start(&sp, &s->hv.pid, NULL, err);
	if (r < 0)
		return r;
	s->hv.alive = true;
	sup_say(s, "hv: spawned, pid %d", s->hv.pid);
	return vmconfig_send(&s->vmconfig, s->launch_fd, err);
}

/* As long as hv has a copy of the lock, the VM counts as alive. */
static int keep_lock(struct sup *s, struct err *err)
{
	int r = hvlink_keep(s->launch_fd, "lock", &s->rt.lock_fd, 1);
	return r < 0 ? err_set(err, -r, "cannot give hv the lock: %s", strerror(-r)) : 0;
}

/*
 * The program as it was started first is kept open: a process that follows after a death goes on from the state that was
 * committed, which only the same build understands, also if the file was linked anew meanwhile. Gives the path to execute.
 */
static const char *program_kept(struct sup_process *p, char path[32])
{
	struct stat was, is;
	char magic[2];
	if (!p->keep)
		p->keep = open(p->program, O_RDONLY | O_CLOEXEC) + 1;
	int fd = p->keep - 1;
	if (fd < 0 || fstat(fd, &was) < 0 ||
	    (stat(p->program, &is) == 0 && was.st_dev == is.st_dev && was.st_ino == is.st_ino))
		return p->program;
	/* A script's interpreter would open it again, when the descriptor is closed. */
	if (pread(fd, magic, 2, 0) != 2 || memcmp(magic, "#!", 2) == 0)
		return p->program;
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return path;
}

int sup_spawn_process(struct sup *s, struct sup_device *dev, struct sup_process *p,
		      const char *token, bool again, struct err *err)
{
	AUTO_FREE char *dock = runtime_path(&s->rt, "dock");
	AUTO_FREE char *env_token = xasprintf("OUTRIGGER_TOKEN=%s", token);
	const char *argv[] = {p->program, "--dock", dock, s->opt.no_sandbox ? "--no-sandbox" : NULL,
			      NULL};
	const char *env[] = {env_token, NULL};
	char kept[32];
	struct spawn sp = {.path = program_kept(p, kept),
			   .argv = argv,
			   .env = env,
			   .log_path = p->log_path,
			   .append = again,
			   .keep_fd = -1,
			   .pid_namespace = !s->opt.no_sandbox};
	int r = spawn_start(&sp, &p->pid, &p->isolated, err);
	if (r < 0)
		return r;
	p->alive = true;
	p->judged = p->adopted = false;
	sup_say(s, "%s: %s spawned, pid %d", dev->cfg->name, dev->cfg->model->name, p->pid);
	return 0;
}

int sup_spawn_daemon(struct sup *s, struct sup_device *dev, const char *token, struct err *err)
{
	bool again = dev->proc.pid != 0;
	AUTO_FREE char *log_name = xasprintf("%s.log", dev->cfg->name);
	dev->proc.name = dev->cfg->name;
	if (!again) {
		dev->proc.program = xstrdup(dev->cfg->model->path);
		dev->proc.log_path = runtime_path(&s->rt, log_name);
	}
	return sup_spawn_process(s, dev, &dev->proc, token, again, err);
}

char *sup_console_name(const struct sup *s, const struct backend *b)
{
	const struct config_device *dev = &s->cfg->devices[b->device];
	const Outrigger__ModelDescription *desc = dev->model->desc;
	for (size_t i = 0; i < desc->n_options; i++)
		if (strcmp(desc->options[i]->type, "chardev") == 0)
			return strcmp(desc->options[i]->name, b->option) == 0
				       ? xstrdup(dev->name)
				       : xasprintf("%s.%s", dev->name, b->option);
	return xstrdup(dev->name);
}

int sup_console_start(struct sup *s, const char *name, int fds[CONSOLE_FDS], struct err *err)
{
	AUTO_FREE char *log = xasprintf("%s/%s.console", s->rt.dir, name);
	AUTO_FREE char *sock = xasprintf("%s/console.%s", s->rt.dir, name);
	s->consoles = xrealloc(s->consoles, s->nconsoles + 1, sizeof(*s->consoles));
	struct console *c = s->consoles[s->nconsoles++] = xalloc(1, sizeof(*c));
	return console_start(c, &s->loop, name, fds, log, sock, err);
}

static int consoles_start(struct sup *s, struct err *err)
{
	for (size_t i = 0; i < s->backends.count; i++) {
		struct backend *b = &s->backends.items[i];
		AUTO_FREE char *device = sup_console_name(s, b);
		if (b->kind == CHARDEV_PTY)
			sup_tell(s, "%s: %s is %s", s->cfg->devices[b->device].name, b->option,
				 b->path);
		if (b->kind != CHARDEV_CONSOLE && b->kind != CHARDEV_STDIO)
			continue;
		/* The front console comes first: it is what `outrigger console VM` means. */
		int fds[CONSOLE_FDS] = {fd_steal(&b->peer_fd), -1, -1};
		int r = sup_console_start(s, device, fds, err);
		if (r < 0)
			return r;
		sup_keep_console(s, s->consoles[s->nconsoles - 1]);
	}
	return 0;
}

static void on_key(void *arg, enum term_key key)
{
	struct sup *s = arg;
	if (key == TERM_QUIT)
		sup_end(s, EXIT_DONE, "quit by Ctrl-A x");
	else if (key == TERM_HELP)
		fprintf(stderr,
			"\r\nCtrl-A x  end the VM\r\nCtrl-A h  this help\r\nCtrl-A Ctrl-A  send "
			"Ctrl-A\r\n"
			"From another terminal: outrigger ps, outrigger stats %s, outrigger stop "
			"%s\r\n",
			s->cfg->name, s->cfg->name);
	else
		fprintf(stderr, "\r\n[outrigger: unknown key after Ctrl-A; Ctrl-A h helps]\r\n");
}

static void on_gone(void *arg, int error)
{
	sup_end(arg, EXIT_FAILED, "standard output cannot be written: %s", strerror(-error));
}

void sup_front_start(struct sup *s)
{
	if (s->opt.detached || s->opt.console == RUN_CONSOLE_NONE ||
	    s->opt.console == RUN_CONSOLE_PTY)
		return;
	for (size_t i = 0; i < s->backends.count; i++) {
		const struct backend *b = &s->backends.items[i];
		AUTO_FREE char *name = b->front ? sup_console_name(s, b) : NULL;
		for (size_t k = 0; b->front && k < s->nconsoles; k++) {
			if (strcmp(s->consoles[k]->device, name) != 0)
				continue;
			s->front_on = true;
			front_start(&s->front, &s->loop, s->consoles[k], true, on_key, on_gone, s);
			return;
		}
	}
	if (s->opt.console == RUN_CONSOLE_STDIO)
		sup_tell(s, "no device has chardev: console; there is nothing to show");
}

/* Bytes that the longest socket address adds to the runtime folder's path. */
static size_t longest_name(const struct config *c)
{
	size_t n = strlen("ipc://supervisor");
	for (size_t i = 0; i < c->ndevices; i++) {
		size_t ctl = strlen("ipc://ctl..4294967295") + strlen(c->devices[i].name);
		n = ctl > n ? ctl : n;
		for (size_t k = 0; k < c->devices[i].model->desc->n_options; k++) {
			const Outrigger__OptionDescription *o =
				c->devices[i].model->desc->options[k];
			size_t len =
				strlen("console..") + strlen(c->devices[i].name) + strlen(o->name);
			n = strcmp(o->type, "chardev") == 0 && len > n ? len : n;
		}
	}
	return n;
}

void sup_device_init(struct sup *s, struct sup_device *dev, const struct config_device *cfg)
{
	dev->cfg = cfg;
	dev->sup = s;
	uv_timer_init(&s->loop, &dev->restart_timer);
	dev->restart_timer.data = dev;
	uv_timer_init(&s->loop, &dev->retire_timer);
	dev->retire_timer.data = dev;
	uv_timer_init(&s->loop, &dev->attach_timer);
	dev->attach_timer.data = dev;
}

int sup_start(struct sup *s)
{
	struct err err = {0};
	const struct config *c = s->cfg;
	s->ndevices = c->ndevices;
	s->devices = xalloc(s->ndevices, sizeof(*s->devices));
	for (size_t i = 0; i < s->ndevices; i++)
		sup_device_init(s, &s->devices[i], &c->devices[i]);
	int r = runtime_create(&s->rt, c->name, longest_name(c), &err);
	if (r < 0)
		return fail("%s", err.msg);
	r = backends_open(&s->backends, c, &err);
	if (r < 0) {
		fail("%s", err.msg);
		return EXIT_USAGE;
	}
	vmconfig_make(&s->vmconfig, c, &s->backends, s->rt.dir, s->opt.no_reboot);
	s->vm_msg = &s->vmconfig.msg;
	r = spawn_hv(s, &err);
	if (r == 0)
		r = keep_lock(s, &err);
	for (size_t i = 0; r == 0 && i < s->ndevices; i++)
		r = sup_spawn_daemon(s, &s->devices[i], s->vmconfig.msg.devices[i]->token, &err);
	backends_sent(&s->backends);
	if (r == 0)
		r = consoles_start(s, &err);
	if (r == 0)
		r = sup_cli_start(s, &err);
	if (r == 0) {
		sup_keep_helpers(s);
		sup_save(s);
	}
	if (r < 0)
		sup_end(s, EXIT_FAILED, "the VM could not start: %s", err.msg);
	return 0;
}
