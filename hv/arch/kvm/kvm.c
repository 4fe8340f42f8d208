/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/kvm/kvm.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KVM_PATH "/dev/kvm"
/* As in hv/vcpu.c: it only interrupts. */
#define KICK_SIGNAL SIGUSR1

static int open_failed(int errnum, struct err *err)
{
	struct stat st;
	if (errnum == ENOENT)
		return err_set(err, errnum,
			       KVM_PATH
			       " is not there: the host's kernel has no KVM, or its module "
			       "is not loaded, or virtualisation is off in the firmware");
	if (errnum != EACCES || stat(KVM_PATH, &st) < 0)
		return err_set(err, errnum, "cannot open " KVM_PATH ": %s", strerror(errnum));
	struct group *g = st.st_mode & 0060 ? getgrgid(st.st_gid) : NULL;
	if (g)
		return err_set(err, errnum,
			       KVM_PATH " is not for this user; members of group %s may open it "
					"(usermod -aG %s USER, then log in again)",
			       g->gr_name, g->gr_name);
	return err_set(err, errnum, KVM_PATH " is not for this user: mode %o, owner %u, group %u",
		       st.st_mode & 0777, st.st_uid, st.st_gid);
}

int kvm_open(const struct kvm_need *needs, struct err *err)
{
	AUTO_FD fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return open_failed(errno, err);
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return err_set(err, ENOTSUP, KVM_PATH " speaks API version %d; %d is needed",
			       version, KVM_API_VERSION);
	for (const struct kvm_need *n = needs; n->name; n++)
		if (n->required && ioctl(fd, KVM_CHECK_EXTENSION, n->cap) <= 0)
			return err_set(err, ENOTSUP, "this kernel's KVM lacks %s, without which %s",
				       n->name, n->lost);
	return fd_steal(&fd);
}

int kvm_map(int vm_fd, const struct engine_mem *mem, unsigned count, struct err *err)
{
	for (unsigned i = 0; i < count; i++) {
		struct kvm_userspace_memory_region r = {
			.slot = i,
			.flags = mem[i].readonly ? KVM_MEM_READONLY : 0,
			.guest_phys_addr = mem[i].gpa,
			.memory_size = mem[i].size,
			.userspace_addr = (uintptr_t)mem[i].hva,
		};
		if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
			return err_set(err, errno,
				       "KVM does not map %llu MiB of guest memory at 0x%llx: %s",
				       (unsigned long long)(mem[i].size >> 20),
				       (unsigned long long)mem[i].gpa, strerror(errno));
	}
	return 0;
}

void kvm_kick_init(struct kvm_kick *k, struct kvm_run *run)
{
	k->run = run;
	atomic_store(&k->tid, 0);
	atomic_store(&k->wanted, 0);
}

void kvm_kick_enter(struct kvm_kick *k)
{
	if (!atomic_load_explicit(&k->tid, memory_order_relaxed))
		atomic_store(&k->tid, (pid_t)syscall(SYS_gettid));
}

void kvm_kick_send(struct kvm_kick *k)
{
	atomic_store(&k->wanted, 1);
	/* After @wanted: kvm_kick_take() clears this first. What stays set makes one KVM_RUN too many return, never one
	 * too few. */
	__atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pid_t tid = atomic_load(&k->tid);
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, KICK_SIGNAL);
}

bool kvm_kick_take(struct kvm_kick *k)
{
	__atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	return atomic_exchange(&k->wanted, 0) != 0;
}

const char *kvm_run_error(int errnum)
{
	switch (errnum) {
	case EFAULT:
		return "KVM cannot reach a page of guest memory: out of memory, or the host's file "
		       "system failed";
	case ENOEXEC:
		return "the vCPU was not set up";
	case ENOSYS:
		return "the guest accessed memory by an instruction that KVM cannot emulate";
	default:
		return strerror(errnum);
	}
}
