/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The launch socket: what goes between the launcher and hv with descriptors, which control (nng) cannot carry. SEQPACKET.
 *
 * The first packet on the socket that hv inherits is struct launch_header: config and host descriptors. After it, and on
 * every connection to <runtime>/launch, both sides send struct launch_packet. The connection's end is how hv learns that
 * nobody supervises it; a supervisor that comes later connects, says LAUNCH_CLAIM, and is handed what hv has kept.
 */
#include <stdint.h>
#include "proto/limits.h"

#define LAUNCH_MAGIC 0x48434c4fu /* "OLCH" read little-endian */
#define LAUNCH_VERSION 2u
#define LAUNCH_FDS_MAX 144u
#define LAUNCH_KEEP_FDS 24u /* of one launch_packet: the back-ends of a device at most */
_Static_assert(LAUNCH_KEEP_FDS >= LIMIT_FDS, "a device's back-ends fit");
#define LAUNCH_KEPT_MAX 256u /* things that hv keeps for the launcher */

/** struct launch_header - the first packet. Descriptor 0 is a memfd with the packed VmConfig; those that follow are
 * index 0, 1, ... of every *_fd_index. */
struct launch_header {
	uint32_t magic, version;
	uint32_t config_len; /* bytes of the packed VmConfig */
	uint32_t nfds;	     /* descriptors after the memfd */
};
_Static_assert(sizeof(struct launch_header) == 16, "layout");

/** enum launch_op - zero is invalid. */
enum launch_op {
	/* From the launcher, without an answer. */
	LAUNCH_KEEP =
		1, /* keep the descriptors as @key for the next supervisor; what was kept as @key before is closed */
	LAUNCH_DROP = 2,     /* close them */
	LAUNCH_BACKENDS = 3, /* the back-ends of the swap with token @key */
	/* From the launcher, answered with the same operation and a status. */
	LAUNCH_CLAIM =
		4, /* "I supervise from now on"; @pid: of the supervisor. -EBUSY: another does. -EAGAIN: soon */
	LAUNCH_NEXT =
		5, /* @index 0, 1, ...: the next thing kept, as KEEP; the next daemon, as DAEMON; ENOENT: no more */
	/* Answers to LAUNCH_NEXT. */
	LAUNCH_DAEMON = 6, /* @key: its device, @pid, and its pidfd */
};

#define LAUNCH_KEY 80u /* bytes of a key with its NUL */
_Static_assert(LAUNCH_KEY > 2 * LIMIT_NAME + 16, "kind.device.option");

/** struct launch_packet - all others. */
struct launch_packet {
	uint32_t magic, op;
	int32_t status; /* 0 or a positive errno */
	uint32_t index;
	int32_t pid;
	uint32_t nfds;
	char key[LAUNCH_KEY];
	char reason[104]; /* with status */
};
_Static_assert(sizeof(struct launch_packet) == 208, "layout");

/** LAUNCH_HELPER - a key that begins so is the pidfd of a process that must not outlive the VM. */
#define LAUNCH_HELPER "helper."
