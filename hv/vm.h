/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One VM: its parts, its threads and its life.
 *
 * Threads. The control thread (the one that calls vm_run()) owns the libuv loop, all sockets and
 * every field below that does not say otherwise. One thread per vCPU runs guest code and does the
 * device accesses. A device with dma: copy has a service thread (copy.h). A boot thread loads the images while the daemons start. vCPU threads talk to the
 * control thread by atomic fields and vm_notify(); they never touch the loop nor wait for it.
 *
 * Lock order: vm.reset_lock; slot.lock, then the engine's interrupt controller; vm.end_lock is a
 * leaf, and so is copy.lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>
#include "control.pb-c.h"
#include "base/log.h"
#include "hv/board.h"
#include "hv/backends.h"
#include "hv/bus.h"
#include "hv/config.h"
#include "hv/engine.h"
#include "hv/idle.h"
#include "hv/irq.h"
#include "hv/mem.h"
#include "hv/observe.h"
#include "hv/slot.h"
#include "hv/watch.h"
#include "proto/ctl.h"

struct vm;

/** enum device_stage - how far a daemon has come in its protocol. */
enum device_stage { STAGE_NONE, STAGE_HELLO, STAGE_RANGES, STAGE_SERVING, STAGE_UP };

#define DEVICE_REQUESTS 8u

/* device.notices */
#define NOTICE_PANIC 1u
#define NOTICE_CRASHLOADED 2u
#define NOTICE_PAUSE 4u /* with NOTICE_PANIC: and the VM is to pause */

/** struct device_request - a request of the launcher that was handed on to a daemon and not answered yet. */
struct device_request {
	uint64_t id;	      /* ours; 0: free */
	uint64_t launcher_id; /* whom to answer */
};

/** enum device_freeze - why a device holds the VM up. Bits. */
enum device_freeze {
	FREEZE_PARKED = 1, /* an access waits */
	FREEZE_DOWN = 2,   /* it has no daemon, and its policy is to park */
	FREEZE_HELD = 4,   /* a debugger holds its daemon */
};

/** struct device_debug - a debugger may hold the daemon (hv/debug.c). */
struct device_debug {
	bool on, held;
	bool seen;	   /* a tracer was attached */
	bool by_hand;	   /* a person started the daemon */
	int client_fd;	   /* pidfd of who asked for it; -1: nobody's */
	uint64_t until_ns; /* without a client: until a tracer comes */
	unsigned running;  /* looks in a row that found the daemon not stopped */
};

/** struct device - one device of the config: its slot, and the daemon that is in it. Control
 * thread. */
struct device {
	struct vm *vm;
	const Outrigger__DeviceConfig *cfg; /* borrowed */
	struct slot *slot;
	struct copy *copy; /* dma: copy; else NULL */
	struct bus_range ranges[LIMIT_RANGES];
	bus_rule_t *rules[LIMIT_RANGES];
	bool claimed;	      /* its ranges are on the bus */
	uint32_t state_bytes; /* that a daemon may have */
	struct swap *swap;    /* one is under way; else NULL (hv/swap.c) */
	struct backend_set backends;
	Outrigger__SwapRequest
		*set;	     /* owned: the options that a swap has brought; NULL: those of @cfg */
	struct ctl *retired; /* control socket of the daemon before, to be closed some time */
	char token[LIMIT_TOKEN + 1]; /* that a daemon may dock with now, once; "": none */
	enum device_stage stage;
	struct ctl *ctl;
	struct watch *ctl_watch, *dock_watch, *pid_watch;
	int dock_fd, pid_fd;
	pid_t pid; /* of the daemon, by the dock's credentials; stays after its death */
	char control_url[108];
	enum slot_state reported; /* the state that the launcher was told last */
	unsigned reported_flags;  /* with the rest of it: see device_flags() */
	unsigned freeze;	  /* enum device_freeze */
	struct device_debug debug;
	bool person_paused;   /* `outrigger pause VM DEVICE` */
	bool given_up;	      /* no daemon will come by itself */
	bool expect_hand;     /* the daemon that docks next is started by a person */
	bool expect_quiesced; /* it is to serve nothing but a hand-over: */
	bool recovering;      /* that daemon serves now */
	bool told_quiet;      /* the daemon was told to serve nothing */
	bool clock_news;      /* it does not know yet that the clock went on */
	struct log_rate notice_rate;
	_Atomic uint32_t
		notices; /* NOTICE_*: what its guest said through it, for the control thread */
	uint64_t next_request; /* ids of ours to the daemon */
	struct device_request requests[DEVICE_REQUESTS];
	struct observer observers[TRACE_READERS];
};

/** struct vcpu - one vCPU. Its own thread but for atomics and what the control thread sets before
 * start. */
struct vcpu {
	struct vm *vm;
	unsigned index;
	pthread_t thread;
	bool started;
	struct engine_vcpu *ev;
	struct bus_cache cache;
	struct idle idle;
	_Atomic uint32_t stop; /* nonzero: leave */
	_Atomic uint64_t exits;
};

enum vm_state { VM_STARTING = 1, VM_RUNNING, VM_STOPPING, VM_ENDED };

/** struct vm_end - how it ended. */
struct vm_end {
	char how[16];
	char why[400];
	int exit_code;
	bool is_error;	 /* it never started: an HvEvent.error */
	bool bad_config; /* then: because of what the launcher gave us, not of a device */
};

struct vm {
	const Outrigger__VmConfig *cfg; /* borrowed */
	int *fds; /* borrowed: the launcher's descriptors; those of back-ends were taken */
	unsigned nfds;

	const struct engine_ops *ops;
	const char *engine_why;
	struct engine_vm *evm;
	struct engine_vm_config ecfg;
	struct engine_mem emem[MEM_BLOCKS];
	struct guest_clock clock;
	struct bell *bell;
	int bell_fd;
	struct mem mem;
	struct bus bus;
	struct irq_table irqs;
	enum unclaimed_policy unclaimed;
	const struct board *board;
	struct engine_boot
		boot; /* boot thread, then fixed; a reset rewrites it with all vCPUs parked */

	struct device *devices;
	unsigned n_devices;
	struct vcpu *vcpus;
	unsigned n_vcpus;

	enum vm_state state;
	bool loop_open;
	uv_loop_t loop;
	uv_timer_t stop_timer, unstick_timer, debug_timer;
	uv_signal_t term_signal;
	unsigned stop_ticks;
	int notify_fd, irq_epoll, dock_fd;
	struct watch *notify_watch, *irq_watch, *dock_watch, *launcher_watch;
	struct dock_conn *dock_conns; /* dock.c */
	struct ctl *launcher;
	struct supervision *supervision; /* hv/supervision.c; NULL in tests */
	bool start_asked, running_told;
	uint64_t created_ns;

	pthread_t boot_thread;
	bool boot_started;
	_Atomic uint32_t boot_done; /* 1: images are loaded, 2: boot_err says why not */
	struct err boot_err;

	_Atomic uint32_t devices_changed; /* a slot changed by itself: look at all */
	_Atomic uint64_t first_instruction_ns;
	_Atomic uint32_t vcpus_left;

	pthread_mutex_t end_lock; /* guards @end and @end_set */
	struct vm_end end;
	bool end_set;

	pthread_mutex_t reset_lock; /* guards reset_parked, reset_busy, reset_gen, pause_parked */
	pthread_cond_t reset_cond;
	unsigned reset_parked;
	unsigned reset_busy; /* 1: one of them works for all, and needs the devices */
	uint64_t reset_gen;
	_Atomic uint32_t reset_wanted;
	_Atomic uint32_t pause_wanted;
	unsigned pause_parked;
	uint64_t
		pause_request; /* control thread: the launcher's, that waits for the vCPUs; 0: nobody's */
	/* control thread: a person asked for it; the clock stands, and the vCPUs were told; they have stopped */
	bool pause_asked, standing, paused;
};

/** vm_create - checks the config, makes memory, engine, devices and sockets. The launcher's socket
 * comes first, so that an error can be told; *@ret is set as soon as there is something to destroy.
 * 0 or -Exxx with @err. @cfg, @fds (@nfds) are borrowed for the VM's life. */
int vm_create(const Outrigger__VmConfig *cfg, int *fds, unsigned nfds, struct vm **ret,
	      struct err *err);

/** vm_run - serves until the VM has ended and the launcher was told. Returns the exit code of the
 * process: 0, 3, 4 as in HvEvent.ended, 2 if it never started. */
int vm_run(struct vm *vm);

/** vm_destroy - ends what vm_create() made. NULL and half-made VMs are allowed. */
void vm_destroy(struct vm *vm);

/** vm_end - the VM is to end; the first reason counts. Any thread, does not block. */
void vm_end(struct vm *vm, const char *how, int exit_code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** vm_fail_start - as vm_end(), for a VM that has not run yet: an error for a person, exit code 2.
 */
void vm_fail_start(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** vm_notify - makes the control thread look at the atomic fields. Any thread, does not block. */
void vm_notify(struct vm *vm);

/** vm_try_start - starts the vCPUs once start was asked, all devices serve and the images are
 * loaded. */
void vm_try_start(struct vm *vm);

/** vm_load_images - (re)loads kernel, initramfs and device tree into cleared memory. No vCPU runs.
 * Any thread. */
int vm_load_images(struct vm *vm, struct err *err);
