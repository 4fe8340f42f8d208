/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/watch.h"
#include <stdlib.h>

struct watch {
	uv_poll_t poll;
	watch_fn fn;
	void *arg;
};

static void watch_ready(uv_poll_t *p, int status, int events)
{
	struct watch *w = p->data;
	(void)status; /* an error shows when the descriptor is read */
	(void)events;
	w->fn(w->arg);
}

struct watch *watch_start(uv_loop_t *loop, int fd, watch_fn fn, void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));
	if (!w || uv_poll_init(loop, &w->poll, fd)) {
		free(w);
		return NULL;
	}
	w->poll.data = w;
	w->fn = fn;
	w->arg = arg;
	uv_poll_start(&w->poll, UV_READABLE | UV_DISCONNECT, watch_ready);
	return w;
}

static void watch_closed(uv_handle_t *h)
{
	free(h->data);
}

void watch_stop(struct watch **w)
{
	if (*w)
		uv_close((uv_handle_t *)&(*w)->poll, watch_closed);
	*w = NULL;
}
