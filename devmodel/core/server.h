/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The server: a model between its port and its committed arena. It is the part of a daemon that must be right at every
 * instruction, so it knows no descriptor but the interrupt eventfd, and tests stop it between any two steps.
 *
 * Order of one request: run the model on the working copy, commit, publish line words and shadow values,
 * publish the completion, move the ring's head. Killed before the commit: nothing has happened, the
 * next daemon serves the entry. Killed after it: the next daemon publishes again from the arena.
 */
#include "devmodel/core/arena.h"
#include "devmodel/core/steps.h"
#include "proto/bell.h"

struct server;

/** struct server - one thread. */
struct server {
	struct dm *dm;
	struct arena arena;
	struct port_consumer port;
	int irq_fd;	    /* borrowed; -1: none */
	struct bell *bell;  /* borrowed; NULL: every interrupt goes by irq_fd */
	uint64_t doorbells; /* taken, and not handed to the model yet */
	bool kick_due;	    /* a line changed outside a forwarded request: hv must be told */
	bool lines_changed; /* a line changed at all since the last look */
	uint64_t published_errors;
	step_fn step; /* tests only, see steps.h. That of the process until it is set */
	void *step_ctx;
};

/** server_attach - attaches @dm to a port and a state segment (mappings, borrowed), goes on from a committed
 * state of the same build or starts a pristine one, and publishes everything. 0, -EPROTO. */
int server_attach(struct server *s, struct dm *dm, void *port, size_t port_size, uint32_t epoch,
		  void *state, size_t state_size, uint32_t build_id, int irq_fd, bool *ret_resumed,
		  struct err *err);

/** server_load - a standby: loads @blob into @state, a segment of its own, and touches no port. For practice: the device
 * is not taken over. 0; -EINVAL: it is not taken, @err says why; -EPROTO. */
int server_load(struct server *s, struct dm *dm, void *state, size_t state_size, uint32_t build_id,
		const uint8_t *blob, size_t len, struct err *err);

/** server_take_over - as server_load(), and then as server_attach(): the daemon before us has stopped between two
 * requests and said in @blob how it stands. On failure the port was not touched. */
int server_take_over(struct server *s, struct dm *dm, void *port, size_t port_size, uint32_t epoch,
		     void *state, size_t state_size, uint32_t build_id, int irq_fd,
		     const uint8_t *blob, size_t len, struct err *err);

/** server_step - one of the steps that belong to what the server does and are not in it. */
static inline void server_step(struct server *s, const char *name)
{
	if (__builtin_expect(s->step != NULL, 0))
		s->step(s->step_ctx, name);
}

/** server_leave - lets go of the port without a word: it is another daemon's. */
void server_leave(struct server *s);

/** server_run - serves up to @max requests that are there. Returns how many. */
unsigned server_run(struct server *s, unsigned max);

/** server_doorbells - hands the doorbells that were rung to the model, and commits. True if there was one. */
bool server_doorbells(struct server *s);

/** server_work - one turn of left-over work, committed. True if there was some. */
bool server_work(struct server *s);

/** server_count / _latency / _depth - counters of struct port_io. */
void server_count(struct server *s, unsigned what, uint64_t n);
void server_latency(struct server *s, uint64_t ns);
void server_depth(struct server *s, unsigned n);

/** server_commit - commits what happened outside a request (input, timer, output) and publishes it. */
void server_commit(struct server *s);

/** server_republish - publishes every line and shadow value anew: after a load. */
void server_republish(struct server *s);

/** server_kick - writes the interrupt eventfd if hv has not seen a line change that no completion shows it.
 * @all: also for changes made within forwarded requests. */
void server_kick(struct server *s, bool all);

/** server_detach - leaves the port. */
void server_detach(struct server *s);
