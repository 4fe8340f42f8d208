/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * hv's role over the real sockets and shared memory, for one daemon at a time. Every wait has a deadline.
 */
#include <stdbool.h>
#include <sys/types.h>
#include "proto/bell.h"
#include "proto/trace.h"
#include "proto/ctl.h"
#include "proto/dock.h"
#include "proto/port.h"
#include "proto/state.h"

struct wire;

/** struct wire_copier - dma: copy: plays the core's copier for models that move data. See copier.c. */
struct wire_copier {
	uint64_t channel_bytes;
	void *(*create)(struct wire *w); /* over the wire's guest memory */
	void (*destroy)(void *ctx);
	int (*channel_fd)(void *ctx);
	int (*kick_fd)(void *ctx);
	void (*serving)(void *ctx, bool on);
	void (*begin)(void *ctx, uint32_t offset,
		      uint32_t value); /* a write to a register of range 0: before and after */
	void (*end)(void *ctx, uint32_t offset, uint32_t value);
	void (*doorbell)(void *ctx, uint32_t q);
	void (*settle)(void *ctx); /* waits until it has nothing to do */
};
/** wire_copier - NULL: guest memory is granted (dma: map). Set before wire_create(). */
extern const struct wire_copier *wire_copier;

/** struct wire - one device slot and the daemon in it. */
struct wire {
	const char *exe; /* borrowed */
	char dir[64], dock_path[96], url[96];
	char token[LIMIT_TOKEN + 1];
	Outrigger__ModelDescription *desc; /* from --describe=pb */
	int dock_fd, conn_fd;
	struct ctl *ctl;
	int port_fd, state_fd, kick_fd, irq_fd;
	int host_fd; /* our end of the backend of the first chardev option, -1: null */
	int dev_fd;  /* the daemon's end */
	const char *backend_kind;
	struct port_producer pp;
	struct state_segment *state;
	size_t state_bytes;
	Outrigger__FromDaemon *ranges; /* as the daemon registered them */
	const char *option, *value;    /* one option to configure, NULL: none */
	const char *const *options;    /* further ones: name, value, ..., NULL; NULL: none */
	struct bell *bell;
	int bell_fd;
	struct trace_area *trace;
	size_t trace_bytes;
	int trace_fd;
	/* models with dma: guest memory, mapped between two pages that nobody may touch */
	uint8_t *ram;
	uint64_t ram_gpa, ram_bytes;
	int ram_fd;
	void *copier; /* wire_copier's; NULL: dma: map */
	/* models with a disk: an unlinked file of disk_bytes; with a network: a stream, our end in host_fd */
	int disk_fd;
	uint64_t disk_bytes;
	const char *disk_option, *net_option; /* names of these options, NULL: none */
	pid_t pid;
	uint32_t epoch;
	bool standby; /* the next daemon is told so, and handshake ends with standing_by */
	bool resumed;
	char sandbox[256];
};

/** wire_create - a slot for daemon @exe: description read, port, state, sockets made. Aborts on failure. */
struct wire *wire_create(const char *exe);
/** wire_destroy - ends the daemon and removes everything. */
void wire_destroy(struct wire *w);

/** wire_spawn - starts the daemon with @token (NULL: the right one) and answers at the dock. */
void wire_spawn(struct wire *w, const char *token);
/** wire_recv - next message of the daemon, NULL: none within 5 s. Free with ctl_free(). Log lines are skipped. */
Outrigger__FromDaemon *wire_recv(struct wire *w);
/** wire_send_simple - a request without contents. @kind: quiesce, resume, save, inspect, bye, ranges_ok. */
void wire_send_simple(struct wire *w, Outrigger__ToDaemon__KindCase kind, uint64_t id);
void wire_send(struct wire *w, Outrigger__ToDaemon *m);
/** wire_handshake - hello, configure, ranges, ranges_ok, serving. */
void wire_handshake(struct wire *w);
/** wire_start - spawn and handshake. */
void wire_start(struct wire *w);

/** wire_push - one request into the ring, with the kick. Returns its sequence number. */
uint64_t wire_push(struct wire *w, const struct port_entry *e);
/** wire_wait - the answer of request @seq of vCPU 0; fails the test after 5 s. */
uint64_t wire_wait(struct wire *w, uint64_t seq, uint32_t *ret_status);
/** wire_read / wire_write / wire_post / wire_sync - guest accesses of vCPU 0. */
uint64_t wire_read(struct wire *w, unsigned range, uint32_t offset, unsigned width);
void wire_write(struct wire *w, unsigned range, uint32_t offset, unsigned width, uint64_t v);
void wire_post(struct wire *w, unsigned range, uint32_t offset, unsigned width, uint64_t v);
void wire_sync(struct wire *w);

/** wire_ring - rings a doorbell, with the kick. */
void wire_ring(struct wire *w, unsigned index);
/** wire_pending - the pending events of line 0. wire_wait_pending: waits until one of @bits is, 5 s at most; the bits seen,
 * 0: none. wire_ack - acknowledges. */
uint32_t wire_pending(struct wire *w);
uint32_t wire_wait_pending(struct wire *w, uint32_t bits);
void wire_ack(struct wire *w, uint32_t bits);
/** wire_shadow - reads the shadow page of range 0, as hv would once posted writes are served. */
uint64_t wire_shadow(struct wire *w, uint32_t offset, unsigned width);

/** wire_kill - kill -9 and reap. */
void wire_kill(struct wire *w);
/** wire_wait_exit - reaps the daemon within 5 s; returns the wait status. */
int wire_wait_exit(struct wire *w);
/** wire_status_line - the value of @key in the daemon's /proc status. */
unsigned long long wire_status(struct wire *w, const char *key);
/** wire_output - bytes that come out of the backend until @want are there or 5 s pass. */
size_t wire_output(struct wire *w, char *buf, size_t want);
