/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for what blocks. They are started before the system call filter and live as long as the disk; a request
 * belongs to a thread from disk_pool_add() until disk_pool_take().
 */
#include "devmodel/host/disk/disk.h"
#include "base/fd.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

void disk_list_init(struct disk_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

void disk_list_add(struct disk_list *l, struct disk_req *r)
{
	r->next = NULL;
	*l->tail = r;
	l->tail = &r->next;
}

struct disk_req *disk_list_take(struct disk_list *l)
{
	struct disk_req *r = l->head;
	if (!r)
		return NULL;
	l->head = r->next;
	if (!l->head)
		l->tail = &l->head;
	return r;
}

static void tell(struct disk_pool *p)
{
	uint64_t one = 1;
	if (write(p->event_fd, &one, sizeof(one)) < 0)
		return; /* full: it is readable anyway */
}

static void *serve(void *arg)
{
	struct disk_pool *p = arg;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->todo.head && !p->stop) {
			p->waiting++;
			pthread_cond_wait(&p->work, &p->lock);
			p->waiting--;
		}
		struct disk_req *r = disk_list_take(&p->todo);
		if (!r)
			break;
		p->running++;
		pthread_mutex_unlock(&p->lock);
		disk_file_do(p->file, r);
		pthread_mutex_lock(&p->lock);
		p->running--;
		bool first = !p->done.head;
		disk_list_add(&p->done, r);
		atomic_store_explicit(&p->any_done, true, memory_order_release);
		if (!p->running && !p->todo.head)
			pthread_cond_broadcast(&p->idle);
		if (first)
			tell(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int disk_pool_start(struct disk_pool *p, struct disk_file *file, unsigned threads, struct err *err)
{
	sigset_t all, old;
	*p = (struct disk_pool){.file = file};
	disk_list_init(&p->todo);
	disk_list_init(&p->done);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->idle, NULL);
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->event_fd < 0) {
		int e = errno;
		disk_pool_stop(p);
		return err_set(err, e, "disk: eventfd: %s", strerror(e));
	}
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = 0;
	while (p->threads < threads) {
		rc = pthread_create(&p->thread[p->threads], NULL, serve, p);
		if (rc)
			break;
		p->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (p->threads)
		return 0; /* fewer do as well */
	disk_pool_stop(p);
	return err_set(err, rc, "disk: cannot start a thread: %s", strerror(rc));
}

void disk_pool_stop(struct disk_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	fd_close(&p->event_fd);
	pthread_cond_destroy(&p->idle);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}

void disk_pool_add(struct disk_pool *p, struct disk_req *r)
{
	pthread_mutex_lock(&p->lock);
	disk_list_add(&p->todo, r);
	bool wake = p->waiting;
	pthread_mutex_unlock(&p->lock);
	if (wake)
		pthread_cond_signal(&p->work);
}

struct disk_req *disk_pool_take(struct disk_pool *p)
{
	if (!atomic_load_explicit(&p->any_done, memory_order_acquire))
		return NULL;
	pthread_mutex_lock(&p->lock);
	struct disk_req *r = disk_list_take(&p->done);
	if (!p->done.head)
		atomic_store_explicit(&p->any_done, false, memory_order_relaxed);
	pthread_mutex_unlock(&p->lock);
	return r;
}

void disk_pool_drain(struct disk_pool *p, struct disk_list *dropped)
{
	struct disk_req *r;
	pthread_mutex_lock(&p->lock);
	while ((r = disk_list_take(&p->todo)))
		disk_list_add(dropped, r);
	while (p->running)
		pthread_cond_wait(&p->idle, &p->lock);
	pthread_mutex_unlock(&p->lock);
}
