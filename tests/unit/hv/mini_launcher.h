/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A launcher as a few functions: makes a config for the fake machine, runs the VM in a thread,
 * talks to it. */
#include "control.pb-c.h"
#include "hv/vm.h"
#include "mini_daemon.h"

#define ML_BASE 0x09000000ull
#define ML_DEVICES 4u

struct mini_launcher {
	char runtime[64];
	Outrigger__VmConfig cfg;
	Outrigger__DeviceConfig dev[ML_DEVICES], *dev_ptr[ML_DEVICES];
	Outrigger__RangeConfig range[ML_DEVICES], *range_ptr[ML_DEVICES];
	uint32_t irq[ML_DEVICES];
	char name[ML_DEVICES][16], token[ML_DEVICES][LIMIT_TOKEN + 1];
	struct mini_daemon daemon[ML_DEVICES];
	struct vm *vm;
	pthread_t thread;
	int exit_code;
	struct ctl *ctl;
	uint64_t next_id;
	/* what came */
	Outrigger__VmEnded *ended; /* inside @ended_msg */
	Outrigger__FromHv *ended_msg;
	char error[800];
	char running[128], notice[300];
	char device_state[ML_DEVICES][16];
	char device_why[ML_DEVICES][200];
};

/** ml_init - a config with @devices devices dev0.. at ML_BASE + n * 0x1000, irq n, on the fake
 * engine. */
void ml_init(struct mini_launcher *l, unsigned devices, unsigned cpus);

/** ml_start - vm_create() and vm_run() in a thread, and dials. False: vm_create() failed, see
 * error. */
bool ml_start(struct mini_launcher *l);

/** ml_daemons - starts a daemon for each device. */
void ml_daemons(struct mini_launcher *l, enum mini_lie lie);

/** ml_request - sends one request; returns the reply (ctl_free(&r->base)), events meanwhile are
 * recorded. */
Outrigger__FromHv *ml_request(struct mini_launcher *l, unsigned kind);

/** ml_go - the start request. */
void ml_go(struct mini_launcher *l);

/** ml_until - receives until @done(l) or 10 s have passed. */
bool ml_until(struct mini_launcher *l, bool (*done)(struct mini_launcher *));
bool ml_has_ended(struct mini_launcher *l);
bool ml_has_error(struct mini_launcher *l);

/** ml_fini - waits for the VM's end and frees all; the fake engine forgets its scripts. */
void ml_fini(struct mini_launcher *l);
