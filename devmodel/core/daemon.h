/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The daemon: a model as a process. link.c comes up (dock, hello, ranges), control.c answers hv's requests, loop.c
 * serves. One thread of ours; the control library has its own.
 */
#include "base/sandbox.h"
#include "devmodel/core/chardev.h"
#include "devmodel/core/host.h"
#include "devmodel/core/waiting.h"
#include "proto/ctl.h"
#include "proto/dock.h"
#include "proto/trace.h"
#include "vring/vring.h"

/** struct daemon_args - the command line. Borrowed. */
struct daemon_args {
	const char *dock;
	const char *token;
	bool no_sandbox;
};

struct daemon {
	const struct dm_class *cls;
	struct dm *dm;
	struct server srv;
	struct waiting wait;
	struct chardev ch[DM_MAX_CHANNELS];
	unsigned channels;
	void *host;	      /* of cls->host; NULL: none */
	struct vring_mem mem; /* granted windows, mapped */
	struct ctl *ctl;
	struct sandbox sandbox;
	int epfd, timer_fd, dock_fd;
	int fds[DOCK_FD_BACKEND + LIMIT_FDS]; /* from the dock; taken ones are -1 */
	unsigned nfds;
	uint32_t epoch;
	char device[LIMIT_NAME + 1];
	struct trace_area *trace; /* of the slot, checked; mapped for as long as we live */
	uint64_t clock_offset_ns; /* guest time = CLOCK_MONOTONIC - this */
	uint64_t timer_armed_ns;  /* monotonic; UINT64_MAX: off */
	bool resumed;		  /* went on from a committed state */
	bool quiesced;		  /* serves nothing, runs no timer, reads no input */
	uint64_t hand_over; /* id of that request: nothing new is taken from the queues; 0: none */
	bool handed_over;   /* the port belongs to a successor, or to nobody */
	bool standby;	    /* another daemon serves */
	bool done;
	int exit_code;
};

/** struct mappings - the shared objects of the slot. */
struct mappings {
	void *port, *state, *bell;
	struct trace_area *trace; /* checked */
	size_t port_size, state_size, bell_size, trace_size;
};

/** link_up - docks, shakes hands and sandboxes; when it returns 0, the daemon serves. -Exxx with @err. */
int link_up(struct daemon *d, const struct daemon_args *args, struct err *err);

/** link_linger - after the last message: gives it time to leave, or until hv closes the dock. */
void link_linger(struct daemon *d);

/** link_down - closes and frees everything; takes a half-built daemon. */
void link_down(struct daemon *d);

/** link_await - sleeps until a control message is there or the dock connection ends: then `done` is set. Looks at nothing else. */
void link_await(struct daemon *d);

/** standby_run - says that we stand by, practises, and returns when we have taken over: 0; or -Exxx: we are not needed, or cannot. */
int standby_run(struct daemon *d, const struct mappings *m, bool sandboxed, struct err *err);

/** control_hand_over - a hand-over was asked for: done if nothing is with the host any more. True: it was. */
bool control_hand_over(struct daemon *d);

/** control_run - answers the control messages that are there. */
void control_run(struct daemon *d);

/** daemon_env - the environment of a model in a daemon; ctx is the struct daemon. */
extern const struct dm_env daemon_env;

/** loop_run - serves until bye, or until hv is gone. Returns the exit code. */
int loop_run(struct daemon *d);

/** loop_drain - serves what is in the ring now. */
void loop_drain(struct daemon *d);

/** Tags of epoll events; a channel's is EV_CHANNEL + its number, a back-end's EV_HOST + 0 to 7. */
enum { EV_KICK, EV_CONTROL, EV_DOCK, EV_TIMER, EV_HOST, EV_CHANNEL = EV_HOST + 8 };

/** daemon_main - the whole of main(), for model @cls. */
int daemon_main(const struct dm_class *cls, int argc, char **argv);
