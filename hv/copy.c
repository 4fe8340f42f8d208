/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/copy.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/copy_int.h"
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define STUCK_NS                                                                                   \
	100000000 /* a service thread that does not end within this sits in a write: it gets a signal */
#define STUCK_SIGNAL SIGUSR1 /* as the vCPUs: its handler does nothing */

/* ---- the lock ------------------------------------------------------------------------------------- */

void copy_lock(struct copy *c)
{
	atomic_fetch_add(&c->waiting, 1);
	pthread_mutex_lock(&c->lock);
	atomic_fetch_sub(&c->waiting, 1);
}

void copy_unlock(struct copy *c)
{
	pthread_mutex_unlock(&c->lock);
}

/* The service thread, which would take the lock again before a waiter has woken up. */
static void lock_politely(struct copy *c)
{
	for (unsigned i = 0; i < 1000 && atomic_load(&c->waiting); i++)
		sched_yield();
	pthread_mutex_lock(&c->lock);
}

/* ---- who works ------------------------------------------------------------------------------------ */

void copy_wake(struct copy *c)
{
	uint64_t one = 1;
	if (atomic_exchange(&c->awake, 1))
		return; /* pairs with the store of 0 in rest(): it looks at what was rung after that */
	ssize_t n = write(c->wake_fd, &one, sizeof(one));
	(void)n; /* ours alone; full: it is readable */
}

void copy_finish(struct copy *c, unsigned vcpu, const struct copy_turn *t)
{
	if (t->hostile)
		c->ops->hostile(c->opaque, t->hostile);
	if (t->used)
		c->ops->used(c->opaque);
	for (uint32_t left = t->ring; left; left &= left - 1)
		c->ops->ring(c->opaque, vcpu, (unsigned)__builtin_ctz(left));
}

void copy_doorbell(struct copy *c, unsigned vcpu, uint32_t q)
{
	if (q >= COPY_QUEUES) { /* the daemon says what it thinks of it */
		c->ops->ring(c->opaque, vcpu, q);
		return;
	}
	uint32_t bit = 1u << q;
	struct copy_turn t = {0};
	atomic_fetch_or(&c->rung, bit);
	if (pthread_mutex_trylock(
		    &c->lock)) { /* somebody works: the service thread looks after it */
		copy_wake(c);
		return;
	}
	atomic_fetch_and(&c->rung, ~bit);
	copy_queue_turn(c, q, &t);
	pthread_mutex_unlock(&c->lock);
	copy_finish(c, vcpu, &t);
	if (t.more) {
		atomic_fetch_or(&c->rung, bit);
		copy_wake(c);
	}
}

/* One turn of each queue. True: there is more to do. */
static bool round_of_turns(struct copy *c)
{
	bool more = false;
	atomic_store(&c->rung, 0);
	for (uint32_t left = atomic_load(&c->alive); left; left &= left - 1) {
		struct copy_turn t = {0};
		unsigned q = (unsigned)__builtin_ctz(left);
		lock_politely(c);
		copy_queue_turn(c, q, &t);
		pthread_mutex_unlock(&c->lock);
		copy_finish(c, COPY_NO_VCPU, &t);
		more |= t.more;
	}
	return more || atomic_load(&c->rung);
}

static bool interrupts(struct copy *c, bool on)
{
	bool some = false;
	lock_politely(c);
	for (uint32_t left = atomic_load(&c->alive); left; left &= left - 1)
		some |= copy_queue_interrupts(c, (unsigned)__builtin_ctz(left), on) && c->serving &&
			(c->status & STATUS_DRIVER_OK);
	pthread_mutex_unlock(&c->lock);
	return some;
}

/* Nothing is left: may the thread sleep? */
static bool rest(struct copy *c)
{
	if (interrupts(c, true))
		return false;
	atomic_store(&c->awake, 0);
	if (!atomic_load(&c->rung))
		return true;
	return atomic_exchange(&c->awake, 1); /* whoever was faster has written to wake_fd */
}

static void *service_main(void *arg)
{
	struct copy *c = arg;
	struct epoll_event ev[2];
	while (!atomic_load(&c->stop)) {
		/* Edge-triggered and never read: the daemon has the same eventfd, and could make a read block. */
		if (epoll_wait(c->epoll_fd, ev, 2, -1) < 0 && errno != EINTR)
			break;
		atomic_store(&c->awake, 1);
		do {
			interrupts(c, false);
			while (!atomic_load(&c->stop) && round_of_turns(c))
				;
		} while (!atomic_load(&c->stop) && !rest(c));
	}
	atomic_store(&c->left, 1);
	return NULL;
}

/* ---- life --------------------------------------------------------------------------------------------- */

static int channel_create(struct copy *c, struct err *err)
{
	c->channel_fd = memfd_create_sized("copy", COPY_CHANNEL_BYTES);
	if (c->channel_fd < 0)
		return err_set(err, -c->channel_fd, "%s: cannot make its copy channel: %s", c->name,
			       strerror(-c->channel_fd));
	void *p = mmap(NULL, COPY_CHANNEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		       c->channel_fd, 0);
	if (p == MAP_FAILED)
		return err_set(err, errno, "%s: cannot map its copy channel: %s", c->name,
			       strerror(errno));
	c->channel = p;
	*c->channel = (struct copy_channel){
		.magic = COPY_MAGIC, .version = COPY_VERSION, .queues = COPY_QUEUES};
	p = mmap(NULL, COPY_CHANNEL_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return err_set(err, errno, "%s: cannot map memory: %s", c->name, strerror(errno));
	c->mirror = p;
	madvise(c->channel, COPY_CHANNEL_BYTES, MADV_DONTDUMP);
	return 0;
}

static int watch_add(struct copy *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static int service_start(struct copy *c, struct err *err)
{
	c->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->kick_fd < 0 || c->wake_fd < 0 || c->epoll_fd < 0 || watch_add(c, c->kick_fd) ||
	    watch_add(c, c->wake_fd))
		return err_set(err, errno, "%s: cannot make its copier's eventfds: %s", c->name,
			       strerror(errno));
	sigset_t all, old;
	sigfillset(&all);
	sigdelset(&all, STUCK_SIGNAL);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int rc = pthread_create(&c->thread, NULL, service_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	c->thread_runs = !rc;
	if (rc)
		return err_set(err, rc, "%s: cannot start its copier: %s", c->name, strerror(rc));
	return 0;
}

int copy_create(const char *name, const struct mem *mem, const struct copy_ops *ops, void *opaque,
		struct copy **ret, struct err *err)
{
	struct copy *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ENOMEM, "%s: out of memory", name);
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->channel_fd = c->kick_fd = c->wake_fd = c->epoll_fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	struct mem_block b[MEM_BLOCKS];
	c->mem.n = mem_blocks(mem, b);
	for (unsigned i = 0; i < c->mem.n; i++)
		c->mem.win[i] =
			(struct vring_window){b[i].base, b[i].size, mem->hva + b[i].offset, true};
	c->ops = ops;
	c->opaque = opaque;
	int rc = channel_create(c, err);
	if (!rc)
		rc = service_start(c, err);
	if (rc) {
		copy_destroy(c);
		return rc;
	}
	*ret = c;
	return 0;
}

static void service_stop(struct copy *c)
{
	atomic_store(&c->stop, 1);
	atomic_store(&c->awake, 0);
	copy_wake(c);
	for (;;) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += STUCK_NS;
		if (t.tv_nsec >= 1000000000) {
			t.tv_sec++;
			t.tv_nsec -= 1000000000;
		}
		if (!pthread_timedjoin_np(c->thread, NULL, &t))
			return;
		if (!atomic_load(&c->left))
			pthread_kill(c->thread, STUCK_SIGNAL);
	}
}

void copy_destroy(struct copy *c)
{
	if (!c)
		return;
	if (c->thread_runs)
		service_stop(c);
	if (c->channel)
		munmap(c->channel, COPY_CHANNEL_BYTES);
	if (c->mirror)
		munmap(c->mirror, COPY_CHANNEL_BYTES);
	fd_close(&c->channel_fd);
	fd_close(&c->kick_fd);
	fd_close(&c->wake_fd);
	fd_close(&c->epoll_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int copy_channel_fd(const struct copy *c)
{
	return c->channel_fd;
}

int copy_kick_fd(const struct copy *c)
{
	return c->kick_fd;
}

void copy_counts(struct copy *c, struct copy_counts *ret)
{
	copy_lock(c);
	*ret = c->counts;
	copy_unlock(c);
}
