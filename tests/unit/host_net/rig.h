/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A back-end under test: a model that only notes that it was called, and the other end of its socket. */
#include "devmodel/core/host.h"
#include "devmodel/core/testenv.h"
#include "packets.h"

/** struct rig - one. */
struct rig {
	struct dm_test *t;
	void *h;
	int epfd, peer, self; /* self: another descriptor of the back-end's socket */
	struct err err;
};

/** rig_open - opens the back-end on @fds; options as for dmt_create(). 0 or -Exxx with r->err. */
int rig_open(struct rig *r, const char *const *options, const struct host_fd *fds, unsigned n);
/** rig_successor - what is opened next has had a predecessor that died. */
extern bool rig_successor;
/** rig_stream - on one end of a socket pair; r->peer is the other one. @net: the option, NULL: none. */
void rig_stream(struct rig *r, const char *net);
void rig_close(struct rig *r);

/** rig_pump - events, and turns until nothing is left. Returns how often the model was called. */
unsigned rig_pump(struct rig *r);
/** rig_calls - how often it was in all. */
unsigned rig_calls(const struct rig *r);

/** rig_send - a frame with header @h (NULL: zeros). As dm_link_send(). */
int rig_send(struct rig *r, const uint8_t *h, const void *frame, size_t n);
/** rig_get - the next frame that the peer receives: its length, 0: none is there. */
size_t rig_get(struct rig *r, uint8_t *frame);
/** rig_put - the peer sends @n bytes as they are. */
void rig_put(struct rig *r, const void *bytes, size_t n);
/** rig_frame - writes length and frame to @out; bytes. */
size_t rig_frame(const void *frame, size_t n, uint8_t *out);
/** rig_up - the state of the link. */
bool rig_up(struct rig *r);
