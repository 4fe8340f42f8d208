/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/idle.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "hv/vm.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

int idle_init(struct idle *i, struct err *err)
{
	i->epfd = epoll_create1(EPOLL_CLOEXEC);
	i->rouse_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	if (i->epfd < 0 || i->rouse_fd < 0 ||
	    epoll_ctl(i->epfd, EPOLL_CTL_ADD, i->rouse_fd, &ev) < 0)
		return err_set(err, errno, "cannot make what a vCPU sleeps on: %s",
			       strerror(errno));
	return 0;
}

void idle_fini(struct idle *i)
{
	fd_close(&i->epfd);
	fd_close(&i->rouse_fd);
}

int idle_watch(struct idle *i, int irq_fd)
{
	/* Edge-triggered and never read: a daemon holds the same open file and could make a read block. */
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE};
	return epoll_ctl(i->epfd, EPOLL_CTL_ADD, irq_fd, &ev) < 0 ? -errno : 0;
}

int bell_create(struct bell **ret, int *ret_fd, struct err *err)
{
	*ret_fd = memfd_create_sized("bell", PORT_PAGE);
	void *p = *ret_fd < 0
			  ? MAP_FAILED
			  : mmap(NULL, PORT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	if (p == MAP_FAILED)
		return err_set(err, errno, "cannot make the bell: %s", strerror(errno));
	*ret = p;
	(*ret)->magic = BELL_MAGIC;
	return 0;
}

void bell_destroy(struct bell **b, int *fd)
{
	if (*b)
		munmap(*b, PORT_PAGE);
	*b = NULL;
	fd_close(fd);
}

void vm_lines(void *opaque, unsigned vcpu)
{
	struct vm *vm = opaque;
	(void)vcpu;
	for (unsigned i = 0; i < vm->n_devices; i++)
		slot_lines_poll(vm->devices[i].slot);
}

void vm_idle(void *opaque, unsigned vcpu)
{
	struct vm *vm = opaque;
	struct epoll_event ev[8];
	/* Which of them it was does not matter: the lines tell. EINTR is a reason to look, too. */
	epoll_wait(vm->vcpus[vcpu].idle.epfd, ev, ARRAY_LEN(ev), -1);
}

void vm_rouse(void *opaque, unsigned vcpu)
{
	struct vm *vm = opaque;
	uint64_t one = 1;
	ssize_t n = write(vm->vcpus[vcpu].idle.rouse_fd, &one, sizeof(one));
	(void)n; /* non-blocking; ours alone; EAGAIN: it is readable anyway */
}
