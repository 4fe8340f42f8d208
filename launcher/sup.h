/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the supervisor (supervise.c, sup_start.c, sup_hv.c, sup_cli.c, sup_end.c). One thread,
 * one libuv loop.
 *
 * Theory of operation. Phases go one way: STARTING (processes are spawned, daemons dock) -> RUNNING
 * -> ENDING (everyone was told to go; a timer makes sure) -> done, when every child was reaped and
 * the console was written out. Whatever goes wrong calls sup_end() with the exit code and the
 * reason; the first call wins. Deaths are seen by SIGCHLD, never by a timeout.
 */
#include <uv.h>
#include "launcher/backend.h"
#include "launcher/console.h"
#include "launcher/front.h"
#include "launcher/runtime.h"
#include "launcher/supervise.h"
#include "launcher/vmconfig.h"
#include "proto/ctl.h"

enum sup_phase { SUP_STARTING, SUP_RUNNING, SUP_ENDING };

enum {
	SUP_START_MS = 20000, /* from spawn to running: then the VM has failed to start */
	SUP_GRACE_MS = 1500,  /* from "stop" to SIGKILL */
	SUP_STATUS_MS = 2000, /* hv's answer to a status request */
	SUP_DEVICE_MS = 4000, /* a device's answer; less than a client waits */
	SUP_VERDICT_MS = 40,  /* from a daemon's death to its report: was it hv that died? */
};

/** struct sup_process - hv or a daemon. */
struct sup_process {
	const char *name; /* borrows: "hv" or the device's name */
	char *program, *log_path;
	pid_t pid; /* 0: not started */
	bool alive, isolated;
	bool adopted; /* another supervisor has started it: it is no child of ours, and pidfd counts, not status */
	int pidfd;   /* with adopted, while it is alive */
	bool judged; /* its death was reported */
	int status;  /* of waitpid(), once dead */
	int keep;    /* descriptor of the program as it was started, + 1; 0: none */
};

struct sup_hand; /* sup_attach.c: a daemon that a person started */

/** enum sup_attach_stage - of the last `outrigger attach` of a device. */
enum sup_attach_stage { ATTACH_NONE, ATTACH_ASKED, ATTACH_WAITS, ATTACH_DONE, ATTACH_FAILED };

/** struct sup_attach - a daemon that a person starts is to take a device over. */
struct sup_attach {
	enum sup_attach_stage stage;
	bool swaps;  /* from a daemon that serves; else nobody does */
	uint64_t id; /* of the request to hv, if nobody does */
	char token[LIMIT_TOKEN + 1];
	char why[256]; /* FAILED */
};

/** struct sup_device - one device. */
struct sup_device {
	struct sup *sup;
	const struct config_device *cfg;
	uv_timer_t restart_timer;
	struct restart_row restarts;
	unsigned restarts_total; /* for people */
	uint64_t expect_id;	 /* of the request that tells hv of restart_token, 0: none */
	char restart_token[LIMIT_TOKEN + 1];
	bool restart_asked; /* by a person: at once, whatever the policy, and not counted */
	struct sup_process proc;
	struct sup_process standby; /* a swap: comes up beside proc */
	struct sup_process retired; /* was replaced by proc */
	/* a swap of a device that nobody serves: what is to be swapped in once the one before is back, at rest */
	char *revive_program, **revive_set;
	uint64_t revive_id; /* what the client that asked waits for until then */
	uint64_t swap_id;   /* request to hv; 0: no swap is under way */
	char swap_token[LIMIT_TOKEN + 1];
	char **set, **new_set;	/* "name=value" that swaps have brought; of the swap under way */
	struct backends change; /* back-ends of the swap under way */
	uv_timer_t retire_timer;
	struct sup_shadow *shadow; /* sup_shadow.c */
	struct sup_attach attach;
	uv_timer_t attach_timer;
	struct sup_hand *hand;	  /* who serves it, if a person started that; else NULL */
	char state[16], why[256]; /* as hv told */
};

/** struct sup - all of it. */
struct sup {
	uv_loop_t loop;
	const struct config *cfg;
	const struct models *models;
	const Outrigger__VmConfig
		*vm_msg;	   /* as hv has it; without tokens once all have been used */
	Outrigger__SavedVm *saved; /* of a supervisor before us; NULL: we have started the VM */
	struct config saved_cfg;   /* with saved: what cfg points to */
	struct model *saved_models;
	struct run_options opt;
	struct runtime rt;
	struct backends backends;
	struct vmconfig vmconfig;
	enum sup_phase phase;
	int exit_code;
	char reason[512];

	struct sup_process hv;
	struct sup_device *devices;
	size_t ndevices;
	int launch_fd;	   /* our end of the launch socket; its end is ours, for hv */
	int adopted_epoll; /* pidfds of processes that are no children of ours; -1: none */
	uv_poll_t adopted_poll;

	struct ctl *hv_ctl;
	uv_poll_t hv_poll;
	uint64_t request_id;
	uint64_t running_ns;	/* 0: not yet */
	uint64_t timeout_at_ns; /* CLOCK_MONOTONIC; 0: none */
	bool start_sent;
	bool hv_said_why; /* its error came as a message: its log adds nothing */

	struct ctl *cli;
	uv_poll_t cli_poll;
	uint64_t cli_pending; /* id of the request to hv that a client waits for, 0: none */
	uint8_t *cli_config;  /* packed VmConfig without tokens */
	size_t cli_config_len;
	char *config_path; /* absolute */
	char started[32];

	struct console **consoles; /* each on the heap: it is polled */
	size_t nconsoles;
	struct front front;
	bool front_on;

	uv_signal_t signals[7];
	uv_timer_t start_timer, grace_timer, timeout_timer, status_timer, verdict_timer;
	unsigned stop_signals;
};

/** sup_say - a progress line with the milliseconds since the command began; not with --quiet. */
void sup_say(struct sup *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** sup_tell - a line that is always shown. */
void sup_tell(struct sup *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sup_end - the VM is to end with @exit_code for the reason given; only the first call counts. */
void sup_end(struct sup *s, int exit_code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** sup_reap - collects dead children and draws the consequences. */
void sup_reap(struct sup *s);
/** sup_verdict - reports the daemons that died by themselves; @t->data is the supervisor. */
void sup_verdict(uv_timer_t *t);
/** sup_check_done - ENDING: stops the loop when nothing is left to wait for. */
void sup_check_done(struct sup *s);
/** sup_kill - SIGKILL to all that lives. */
void sup_kill(struct sup *s);

/** sup_how - how @p ended, as far as it can be known. */
const char *sup_how(const struct sup_process *p, char buf[64]);
/** sup_signal - a signal to @p, if it is alive. */
void sup_signal(const struct sup_process *p, int sig);

/** sup_save - writes down what a supervisor after us has to know. */
void sup_save(struct sup *s);
/** sup_set_of - the value of @name in @set ("name=value", NULL-terminated; may be NULL), or NULL. */
const char *sup_set_of(char *const *set, const char *name);
/** sup_option_is_host - true if an option of this type is joined to something on the host. */
bool sup_option_is_host(const char *type);
/** sup_backend_drop - has hv forget what it has kept of @b but for its console. */
void sup_backend_drop(struct sup *s, const struct backend *b);
/** sup_keep_console / sup_keep_helpers - has hv keep what a supervisor after us needs of @c; of all back-ends. */
void sup_keep_console(struct sup *s, const struct console *c);
void sup_keep_helpers(struct sup *s);

/** sup_adopt - takes over the running VM @name from a supervisor that is gone. 0 or the exit code; then the VM is as before. */
int sup_adopt(struct sup *s, const char *name);
/** sup_adopted_add - @p is a process with *@pidfd (taken) that is no child of ours. */
void sup_adopted_add(struct sup *s, struct sup_process *p, pid_t pid, int *pidfd);
/** sup_adopted_gone - true if adopted process @p has ended; its pidfd is closed then. */
bool sup_adopted_gone(struct sup *s, struct sup_process *p);

/** sup_device_init - the part of @dev that every start needs. */
void sup_device_init(struct sup *s, struct sup_device *dev, const struct config_device *cfg);
/** sup_console_name - what the console of @b is called: the device; of its further byte streams, device.option. Heap. */
char *sup_console_name(const struct sup *s, const struct backend *b);
/** sup_console_start - the console called @name over @fds (taken); the next one of s->consoles. 0 or -Exxx. */
int sup_console_start(struct sup *s, const char *name, int fds[CONSOLE_FDS], struct err *err);
/** sup_timeout_start - the VM ends at s->timeout_at_ns. */
void sup_timeout_start(struct sup *s);
/** sup_detach - --detach, the VM runs: lets go of the caller's streams, then tells the caller. */
void sup_detach(struct sup *s);

/** sup_start - runtime folder, descriptors, hv, daemons, control links. Returns 0 or the exit code.
 */
int sup_start(struct sup *s);
/** sup_spawn_daemon - starts the process of @dev, which docks with @token. */
int sup_spawn_daemon(struct sup *s, struct sup_device *dev, const char *token, struct err *err);
/** sup_spawn_process - starts @p (program and log_path are set) as a daemon of @dev; @again: its log goes on. */
int sup_spawn_process(struct sup *s, struct sup_device *dev, struct sup_process *p,
		      const char *token, bool again, struct err *err);

/** sup_process_end - kills it and waits for that. sup_process_fini - frees what it holds, for the next one. */
void sup_process_end(struct sup *s, struct sup_process *p);
void sup_process_fini(struct sup_process *p);
void sup_sets_free(char **sets);

/** sup_died - @dev's process has died: says so, or restarts it. */
void sup_died(struct sup *s, struct sup_device *dev);

/** sup_swap_begin - starts program @model ("": the one that serves) beside @dev's process, with the settings @args
 * ("name=value") beside those it has. Returns the id of the request to hv whose answer ends it; 0: @err. */
uint64_t sup_swap_begin(struct sup *s, struct sup_device *dev, const char *model, char *const *args,
			size_t nargs, struct err *err);
/** sup_program_find - the program that @model names, heap: "" is the one that serves, a word an installed model, else a path.
 * NULL: @err. */
char *sup_program_find(struct sup *s, const struct sup_device *dev, const char *model,
		       struct err *err);
/** sup_swap_of - the device whose swap @r answers; NULL: it answers something else. */
struct sup_device *sup_swap_of(struct sup *s, const Outrigger__HvReply *r);
/** sup_swap_reply - hv's answer to the swap of @dev: begins or ends it. True: it has ended. */
bool sup_swap_reply(struct sup *s, struct sup_device *dev, const Outrigger__HvReply *r);
/** sup_swap_revived - @dev serves again: if that was for a swap, it begins. sup_swap_lost - its process died before. */
void sup_swap_revived(struct sup *s, struct sup_device *dev);
void sup_swap_lost(struct sup *s, struct sup_device *dev);
/** sup_swap_died - the standby of @dev has died. */
void sup_swap_died(struct sup *s, struct sup_device *dev);
/** sup_swap_attach - as sup_swap_begin(), but that a person starts the new daemon, with attach.token, within @wait_ms. */
uint64_t sup_swap_attach(struct sup *s, struct sup_device *dev, unsigned wait_ms, struct err *err);

/* ---- shadow runs (sup_shadow.c) ---- */

/** sup_shadow_verb - @q is of shadow: does it. False: it is not. */
bool sup_shadow_verb(struct sup *s, const Outrigger__CliRequest *q);
/** sup_shadow_swapped - a swap of @dev has ended: if it was a promotion, the shadow run is over. */
void sup_shadow_swapped(struct sup_device *dev, const Outrigger__HvReply *r);
/** sup_shadow_reap - collects its process if it is dead. sup_shadow_drop - ends and forgets it. */
void sup_shadow_reap(struct sup_device *dev);
void sup_shadow_drop(struct sup_device *dev);
/** sup_shadow_status - fills the shadow_* fields of @d. */
void sup_shadow_status(const struct sup_device *dev, Outrigger__DeviceStatus *d);

/* ---- daemons that a person started (sup_attach.c) ---- */

/** sup_attach_verb - @q is of attach, debug, or pause and resume of a device: does it. False: it is not. */
bool sup_attach_verb(struct sup *s, const Outrigger__CliRequest *q);
/** sup_attach_answer - true if @reply is hv's answer to an attach to a device that nobody serves. */
bool sup_attach_answer(struct sup *s, const Outrigger__HvReply *reply);
/** sup_attach_ready - hv waits for the daemon: the client is told. sup_attach_over - it took over (@why NULL), or did not. */
void sup_attach_ready(struct sup *s, struct sup_device *dev);
void sup_attach_over(struct sup_device *dev, const char *why);
/** sup_attach_event - hv says that the daemon of @dev with process id @pid serves. */
void sup_attach_event(struct sup_device *dev, pid_t pid);
/** sup_hand_drop - it serves @dev no longer. sup_hand_kill - SIGKILL; false: no person's daemon serves @dev. */
void sup_hand_drop(struct sup_device *dev);
bool sup_hand_kill(struct sup_device *dev);

/** sup_hv_device - request @which of those that have a DeviceRequest. As sup_hv_request(). */
uint64_t sup_hv_device(struct sup *s, Outrigger__HvRequest__KindCase which, const char *device,
		       const char *name, const char *value);

/* ---- answers to the client that asks now (sup_cli.c) ---- */

/** sup_cli_device - the device of that name; NULL: the client was told that there is none. */
struct sup_device *sup_cli_device(struct sup *s, const char *name);
/** sup_cli_wait - the answer is hv's to request @id. */
void sup_cli_wait(struct sup *s, uint64_t id);
/** sup_cli_error / sup_cli_text - answers. sup_cli_next - after an answer to a client that waited for hv. */
void sup_cli_error(struct sup *s, const char *text);
void sup_cli_text(struct sup *s, const char *text);
void sup_cli_next(struct sup *s);

/** sup_hv_swap / sup_hv_swap_cancel - as sup_hv_request(). */
uint64_t sup_hv_swap(struct sup *s, Outrigger__SwapRequest *q);
uint64_t sup_hv_swap_cancel(struct sup *s, const char *device, const char *why);

/** sup_restart - @dev's process has died while the VM runs: another one, at once or after a while, or none any more. */
void sup_restart(struct sup *s, struct sup_device *dev);
/** sup_revive - starts @dev's program again, to serve nothing but a hand-over. The id of the request to hv; 0: not now. */
uint64_t sup_revive(struct sup *s, struct sup_device *dev);
/** sup_restart_answer - true if @reply is hv's answer to a restart; then the process is started. */
bool sup_restart_answer(struct sup *s, const Outrigger__HvReply *reply);
/** sup_hv_expect / sup_hv_give_up - tells hv that a daemon with @token will dock; that none will. As sup_hv_request(). */
uint64_t sup_hv_expect(struct sup *s, const char *device, const char *token);
uint64_t sup_hv_give_up(struct sup *s, const char *device, const char *why);
/** sup_front_start - consoles to the foreground, as --console says. */
void sup_front_start(struct sup *s);

/** sup_hv_status - asks hv how it is and waits for the answer: gives *@ret, to be freed with ctl_free(). For the beginning of an
 * adoption: what else hv says before is old, but for the VM's end. 0 or -Exxx. */
int sup_hv_status(struct sup *s, Outrigger__FromHv **ret, struct err *err);
/** sup_hv_watch - handles what hv says from now on. */
void sup_hv_watch(struct sup *s);

/** sup_hv_connect - dials hv; goes on with the loop meanwhile. */
void sup_hv_connect(struct sup *s);
/** sup_hv_request - sends one request; which: the oneof case. Returns its id, 0 if it could not be
 * sent. */
uint64_t sup_hv_request(struct sup *s, Outrigger__HvRequest__KindCase which);

/** sup_hv_inspect / sup_hv_control - asks for the state of @device; sets its control @name. As sup_hv_request(). */
uint64_t sup_hv_inspect(struct sup *s, const char *device);
uint64_t sup_hv_control(struct sup *s, const char *device, const char *name, const char *value);

/** sup_hv_observe - asks for the token of a reader of @device's trace. As sup_hv_request(). */
uint64_t sup_hv_observe(struct sup *s, const char *device, uint32_t want);

/** sup_console_size - tells @device the size of the terminal that shows its console, if it is a kind of
 * device that wants to know: a first byte stream and a control named "size". */
void sup_console_size(struct sup *s, const char *device, const char *size);
/** sup_front_size - the same for the foreground's terminal. */
void sup_front_size(struct sup *s);

/** sup_cli_start - opens the supervisor's socket. 0 or -Exxx. */
int sup_cli_start(struct sup *s, struct err *err);
/** sup_cli_swapped - hv's answer to the swap that a client waits for. */
void sup_cli_swapped(struct sup *s, const struct sup_device *dev, const Outrigger__HvReply *reply);
/** sup_cli_answer - hv's answer to the request that a client waits for. */
void sup_cli_answer(struct sup *s, const Outrigger__HvReply *reply);
