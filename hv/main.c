/* SPDX-License-Identifier: Apache-2.0 */
/* outrigger-hv: the core of one VM. Started by the launcher, which hands it its config and
 * descriptors. */
#include "base/fd.h"
#include "base/log.h"
#include "hv/engine_table.h"
#include "hv/launch.h"
#include "hv/report.h"
#include "hv/supervision.h"
#include "hv/vm.h"
#include "hv/warden.h"
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#define EXIT_USAGE 2

/* hv/arch/aarch64/soft/, hv/arch/x86_64/kvm/ */
extern const struct engine_ops soft_engine, kvm_x86_64_engine;

static const char usage[] =
	"outrigger-hv: the core of one virtual machine: memory, vCPUs, bus, interrupts\n"
	"\n"
	"usage: outrigger-hv --launch-fd N | --engines\n"
	"\n"
	"  --engines      what engines there are and how fast they are here, for `outrigger "
	"doctor`\n"
	"  --launch-fd N  SEQPACKET socket on which the launcher sends config and descriptors\n"
	"  --help         this text\n"
	"  --version      version and build\n"
	"\n"
	"It is started by `outrigger run`; there is no reason to start it by hand.\n"
	"Exit codes: 0 powered off or stopped, 2 could not start, 3 reset asked with --no-reboot,\n"
	"4 guest crashed or was lost.\n";

static int launch_fd_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"launch-fd", required_argument, NULL, 'l'},
		{"engines", no_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int fd = -1, c;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		char *end = NULL;
		switch (c) {
		case 'l':
			fd = (int)strtol(optarg, &end, 10);
			if (*end || end == optarg || fd < 0)
				fd = -1;
			break;
		case 'e':
			engines_report();
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'v':
			puts("outrigger-hv " OUTRIGGER_VERSION);
			exit(0);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (fd < 0 || optind != argc || fcntl(fd, F_GETFD) < 0) {
		fputs("outrigger-hv: --launch-fd must name an open socket; see --help\n", stderr);
		exit(EXIT_USAGE);
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static void log_setup(const Outrigger__VmConfig *c)
{
	static const char *const names[] = {"err", "warn", "info", "debug"};
	char tag[48];
	snprintf(tag, sizeof(tag), "hv/%.40s", c->name);
	log_init(tag);
	for (int i = 0; i < 4; i++)
		if (!strcmp(c->log_level, names[i]))
			log_level_set((enum log_level)(LOG_ERR + i));
}

/* @sock (taken): the connection to the launcher. */
static int run(struct launch *l, int *sock)
{
	struct vm *vm = NULL;
	struct err err = {0};
	int code;
	int rc = vm_create(l->cfg, l->fds, l->nfds, &vm, &err);
	if (!rc)
		rc = supervision_open(vm, sock, &err);
	if (rc) {
		struct vm_end end = {.how = "error",
				     .exit_code = EXIT_USAGE,
				     .is_error = true,
				     .bad_config = true};
		snprintf(end.why, sizeof(end.why), "%.*s", (int)sizeof(end.why) - 1, err.msg);
		code = EXIT_USAGE;
		if (vm)
			report_end(vm, &end);
		else
			fprintf(stderr, "outrigger-hv: %s\n", err.msg);
	} else {
		code = vm_run(vm);
	}
	/* A vCPU thread that could not be stopped still uses it all: leave it to the kernel. */
	if (vm && !atomic_load(&vm->vcpus_left))
		vm_destroy(vm);
	return code;
}

int main(int argc, char **argv)
{
	struct launch launch = {0};
	struct err err = {0};
	log_init("hv");
	engine_register(&soft_engine);
	engine_register(&kvm_x86_64_engine);
	AUTO_FD sock = launch_fd_parse(argc, argv);
	int warden = warden_start();
	/* Until the guest runs (supervision_running()): nobody else could finish the start. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* Ctrl-C is the launcher's */
	signal(SIGHUP, SIG_IGN);
	mallopt(M_ARENA_MAX, 2);
	ctl_setup();
	if (launch_receive(sock, &launch, &err)) {
		fprintf(stderr, "outrigger-hv: %s\n", err.msg);
		return EXIT_USAGE;
	}
	log_setup(launch.cfg);
	if (warden < 0)
		log_warn("there is no warden: %s; a daemon that hangs may outlive hv",
			 strerror(-warden));
	int code = run(&launch, &sock);
	fflush(NULL);
	_exit(code);
}
