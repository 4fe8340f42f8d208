/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who watches a device: readers of its trace area (proto/trace.h). Each asks through the launcher, gets a token, docks with it,
 * and keeps that connection: its end takes the wish back, however the reader ended. While nobody watches, nothing is written.
 */
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "hv/watch.h"
#include "proto/limits.h"
#include "proto/trace.h"

struct device;
struct vm;

/** struct observer - one reader. Zeroed: free. Control thread. */
struct observer {
	struct device *d;
	struct watch *watch;
	uint64_t asked_ns; /* when the token was made; 0: free */
	int fd;		   /* of its connection; -1: it has not docked yet */
	uint32_t want;	   /* enum trace_want */
	char token[LIMIT_TOKEN + 1];
};

/** observe_ask - a reader with wishes @want (enum trace_want) may dock within a few seconds, with @token. 0, -EINVAL, -EBUSY: there
 * are TRACE_READERS. */
int observe_ask(struct device *d, uint32_t want, char token[LIMIT_TOKEN + 1], struct err *err);

/** observe_docked - if @token is a reader's: gives it the trace area, and takes *@conn. False: it is not. */
bool observe_docked(struct vm *vm, const char token[LIMIT_TOKEN + 1], int *conn);

/** observe_review - tells the readers of the guest's clock. Now and then. */
void observe_review(struct vm *vm);

/** observe_end - sends all readers of @d away. */
void observe_end(struct device *d);
