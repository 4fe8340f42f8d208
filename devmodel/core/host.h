/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What stands behind the DM_OPT_DISK and DM_OPT_NET options of a model in a daemon: struct dm_host. The descriptors were
 * opened by the launcher; the back-end takes them over before the system call filter is on, so it may then still set up
 * rings and start threads. Everything later runs in the daemon's one thread.
 */
#include "base/err.h"
#include "devmodel/core/core.h"

/** struct dm_io_ops - the dm_disk_* and dm_link_* calls of dm.h over @h; those of the other kind are NULL. */
struct dm_io_ops {
	void (*disk_info)(void *h, unsigned disk, struct dm_disk_info *ret);
	int (*disk_submit)(void *h, unsigned disk, const struct dm_disk_io *io);
	unsigned (*disk_drain)(void *h, unsigned disk);
	void (*disk_writeback)(void *h, unsigned disk, bool on);
	int (*disk_resize)(void *h, unsigned disk, uint64_t bytes);
	void (*link_info)(void *h, unsigned link, struct dm_link_info *ret);
	void (*link_offloads)(void *h, unsigned link, bool csum, bool tso4, bool tso6);
	ssize_t (*link_recv)(void *h, unsigned link, unsigned queue, void *buf, size_t max);
	ssize_t (*link_peek)(void *h, unsigned link, unsigned queue, uint8_t **ret);
	void (*link_skip)(void *h, unsigned link, unsigned queue);
	int (*link_send)(void *h, unsigned link, unsigned queue, const struct iovec *iov,
			 unsigned n);
	void (*link_listen)(void *h, unsigned link, bool on);
};

/** struct host_fd - one descriptor of the config, for option @option. */
struct host_fd {
	const char *option; /* name of the option */
	const char *kind;   /* BackendFd.kind: "disk"; "tap", "stream", "none"; "write" (sinks) */
	int *fd;	    /* taken if wanted: set to -1 */
};

/** struct dm_host - a kind of back-end. */
struct dm_host {
	const char *name;
	const struct dm_syscall *syscalls; /* what it needs after the filter is on */
	/** open - makes *@ret from @fds[@n]. Reads the model's options by dm_option_*(@dm). Descriptors to wait for are added to
	 * @epfd with data.u64 = @tag + k, k below 8. Before the filter; may start threads. 0 or -Exxx with @err. */
	int (*open)(struct dm *dm, const struct host_fd *fds, unsigned n, int epfd, uint64_t tag,
		    void **ret, struct err *err);
	void (*close)(void *h);
	/** event - epoll reported @events for tag + @k. Only notes it. */
	void (*event)(void *h, unsigned k, uint32_t events);
	/** run - after a commit, and once a round: hands submitted requests to the host, and calls the model (dm_disk_done()
	 * and the like) for what the host has finished, bounded. True: the model was called, so the state is committed and
	 * run() is called again. Never blocks. */
	bool (*run)(void *h);
	/** busy - true while requests are with the host: the daemon then does not spin for long. May be NULL. */
	bool (*busy)(void *h);
	/** settled - before a hand-over, after each run(): true once nothing is left that a successor with the same descriptors
	 * could not go on with. NULL: as soon as it is not busy. */
	bool (*settled)(void *h);
	struct dm_io_ops ops;
};

/* What a back-end calls to reach the model: dm_disk_done(), dm_disk_changed(), dm_link_ready() of core.h. */
