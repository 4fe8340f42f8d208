/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A daemon as a thread: the consumer of a port, or with dock and control as well. It models eight
 * 32-bit registers: a write stores, a read gives what was stored; register 0 raises line 0 when bit
 * 0 is set, bit 1 is a pulse on line 0; register 1 mirrors into the shadow page;
 * a write to register 7 asks the VM for PORT_VM(value >> 16, value & 0xffff).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "proto/dock.h"
#include "proto/port.h"

#define MINI_REGS 8u
#define MINI_REG_VM 7u
#define MINI_SIZE 0x1000u

enum mini_mode {
	MINI_GOOD = 0,
	MINI_MUTE,	 /* consumes nothing */
	MINI_BAD_STATUS, /* answers with a status that does not exist */
	MINI_BAD_LINE,	 /* writes nonsense into a line word */
	MINI_BAD_HEAD,	 /* moves its head past the tail */
	MINI_LOCAL,	 /* says that it sleeps on the producer's core */
};

struct mini_port {
	struct port_consumer pc;
	/* Where the port is mapped already, NULL: maps it itself. ThreadSanitizer knows addresses,
	 * not memory: seen through two mappings, producer and consumer would not synchronise for
	 * it. */
	void *map;
	int kick_fd, irq_fd;
	_Atomic int mode;
	_Atomic uint32_t stop;
	uint64_t reg[MINI_REGS];
	_Atomic uint64_t served, resets;
	bool never_spin;
	pthread_t thread;
};

/** mini_port_start - serves the port in the memfd @port_fd from a thread, epoch @epoch. */
void mini_port_start(struct mini_port *mp, int port_fd, int kick_fd, int irq_fd, uint32_t epoch);
void mini_port_stop(struct mini_port *mp);
/** mini_port_run - the thread's body, for callers that have a thread. Until stop. */
void mini_port_run(struct mini_port *mp);

/** What a mini daemon does otherwise than a good one. */
enum mini_lie {
	MINI_HONEST = 0,
	MINI_LIE_MODEL,	     /* hello of another model */
	MINI_LIE_SIZE,	     /* a range larger than configured */
	MINI_LIE_COUNT,	     /* one range more */
	MINI_LIE_IRQS,	     /* more interrupts */
	MINI_LIE_SHADOW,     /* a shadow page it was not given */
	MINI_DIE_AFTER_DOCK, /* closes its dock connection instead of hello */
};

struct mini_daemon {
	char dock[108], token[LIMIT_TOKEN + 1];
	const char *model;
	enum mini_lie lie;
	bool pio; /* its range is to be one of I/O ports */
	struct mini_port port;
	_Atomic uint32_t die; /* nonzero: end as if killed */
	_Atomic uint32_t serving;
	int dock_fd;
	char refused[800];
	pthread_t thread;
};

/** mini_daemon_start - docks at <@runtime>/dock with @token and serves until the dock connection
 * ends or @die. */
void mini_daemon_start(struct mini_daemon *d, const char *runtime, const char *token,
		       const char *model, enum mini_lie lie);
void mini_daemon_kill(struct mini_daemon *d);
void mini_daemon_join(struct mini_daemon *d);
