/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/vm.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/device.h"
#include "hv/engine_table.h"
#include "hv/pause.h"
#include "hv/report.h"
#include "hv/supervision.h"
#include "hv/vcpu.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

/* vcpus_stop() again this often until all threads are out, and how often before giving up on one.
 */
#define STOP_TICK_MS 10
#define STOP_TICKS_MAX 500
#define UNSTICK_MS 500

/* ---- ends ---- */

void vm_notify(struct vm *vm)
{
	uint64_t one = 1;
	ssize_t n = write(vm->notify_fd, &one, sizeof(one));
	(void)n; /* non-blocking; EAGAIN: it is readable anyway */
}

static void end_set(struct vm *vm, const char *how, int code, bool is_error, const char *fmt,
		    va_list ap)
{
	pthread_mutex_lock(&vm->end_lock);
	if (!vm->end_set) {
		vm->end_set = true;
		vm->end.exit_code = code;
		vm->end.is_error = is_error;
		snprintf(vm->end.how, sizeof(vm->end.how), "%s", how);
		vsnprintf(vm->end.why, sizeof(vm->end.why), fmt, ap);
	}
	pthread_mutex_unlock(&vm->end_lock);
	vm_notify(vm);
}

void vm_end(struct vm *vm, const char *how, int exit_code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	end_set(vm, how, exit_code, false, fmt, ap);
	va_end(ap);
}

void vm_fail_start(struct vm *vm, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	end_set(vm, "error", 2, true, fmt, ap);
	va_end(ap);
}

static bool end_get(struct vm *vm, struct vm_end *ret)
{
	pthread_mutex_lock(&vm->end_lock);
	bool set = vm->end_set;
	*ret = vm->end;
	pthread_mutex_unlock(&vm->end_lock);
	return set;
}

/* ---- images ---- */

static int config_fd(const struct vm *vm, int32_t index)
{
	return index < 0 ? -1 : vm->fds[index];
}

int vm_load_images(struct vm *vm, struct err *err)
{
	const Outrigger__VmConfig *c = vm->cfg;
	struct board_images in = {
		.cfg = c,
		.kernel_fd = config_fd(vm, c->kernel_fd_index),
		.initrd_fd = config_fd(vm, c->initrd_fd_index),
		.tables_fd = config_fd(vm, c->dtb_out_fd_index),
	};
	if (atomic_load(&vm->first_instruction_ns))
		mem_clear(&vm->mem);
	return vm->board->load(&vm->mem, &in, &vm->boot, err);
}

static void *boot_main(void *arg)
{
	struct vm *vm = arg;
	int rc = vm_load_images(vm, &vm->boot_err);
	atomic_store(&vm->boot_done, rc ? 2 : 1);
	vm_notify(vm);
	return NULL;
}

/* ---- creation ---- */

static int create_board(struct vm *vm, struct err *err)
{
	struct mem_block b[MEM_BLOCKS];
	vm->board = board_find(vm->cfg->machine);
	int rc = mem_init_layout(&vm->mem, &vm->board->ram, vm->cfg->memory_bytes, err);
	unsigned n = mem_blocks(&vm->mem, b);
	if (!rc)
		rc = bus_init(&vm->bus);
	for (unsigned i = 0; i < n && !rc; i++)
		rc = bus_reserve(&vm->bus, BUS_MMIO, b[i].base, b[i].size, "guest memory", err);
	for (const struct board_range *r = vm->board->ranges; r->size && !rc; r++)
		rc = bus_reserve(&vm->bus, r->space, r->base, r->size, r->what, err);
	irq_init(&vm->irqs, vm->board->irq_count);
	return rc;
}

static int create_engine(struct vm *vm, struct err *err)
{
	struct mem_block b[MEM_BLOCKS];
	unsigned n = mem_blocks(&vm->mem, b);
	int rc = engine_choose(vm->cfg->engine, vm->board->isa, &vm->ops, &vm->engine_why, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < n; i++)
		vm->emem[i] = (struct engine_mem){
			.gpa = b[i].base, .size = b[i].size, .hva = vm->mem.hva + b[i].offset};
	vm->ecfg = (struct engine_vm_config){
		.cpus = vm->cfg->cpus,
		.clock = &vm->clock,
		.mem = vm->emem,
		.mem_count = n,
		.mmio_now = vcpu_mmio_now,
		.bell = vm->bell,
		.lines = vm_lines,
		.idle = vm_idle,
		.rouse = vm_rouse,
		.opaque = vm,
	};
	rc = vm->ops->vm_create(&vm->ecfg, &vm->evm, err);
	return rc ? rc : vcpus_create(vm, err);
}

static void on_notify(void *arg);

static void on_term(uv_signal_t *h, int sig)
{
	vm_end(h->data, "stopped", 0, "stopped by signal %d", sig);
}

static int create_notify(struct vm *vm, struct err *err)
{
	vm->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vm->notify_fd < 0
		       ? err_set(err, errno, "cannot make an eventfd: %s", strerror(errno))
		       : 0;
}

static int create_loop(struct vm *vm, struct err *err)
{
	int rc = uv_loop_init(&vm->loop);
	if (rc)
		return err_set(err, -rc, "cannot make the control loop: %s", uv_strerror(rc));
	vm->loop_open = true;
	uv_timer_init(&vm->loop, &vm->stop_timer);
	uv_signal_init(&vm->loop, &vm->term_signal);
	uv_timer_init(&vm->loop, &vm->unstick_timer);
	uv_timer_init(&vm->loop, &vm->debug_timer);
	vm->stop_timer.data = vm->unstick_timer.data = vm->term_signal.data = vm;
	vm->debug_timer.data = vm;
	uv_signal_start(&vm->term_signal, on_term, SIGTERM);
	vm->notify_watch = watch_start(&vm->loop, vm->notify_fd, on_notify, vm);
	return vm->notify_watch ? 0
				: err_set(err, ENOMEM, "cannot make the control loop's wake-up");
}

static int start_boot_thread(struct vm *vm, struct err *err)
{
	int rc = pthread_create(&vm->boot_thread, NULL, boot_main, vm);
	vm->boot_started = !rc;
	return rc ? err_set(err, rc, "cannot start the boot thread: %s", strerror(rc)) : 0;
}

int vm_create(const Outrigger__VmConfig *cfg, int *fds, unsigned nfds, struct vm **ret,
	      struct err *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	if (!vm)
		return err_set(err, ENOMEM, "out of memory");
	*ret = vm;
	vm->cfg = cfg;
	vm->fds = fds;
	vm->nfds = nfds;
	vm->state = VM_STARTING;
	vm->notify_fd = vm->irq_epoll = vm->dock_fd = vm->bell_fd = -1;
	vm->created_ns = clock_now_ns();
	pthread_mutex_init(&vm->end_lock, NULL);
	pthread_mutex_init(&vm->reset_lock, NULL);
	pthread_cond_init(&vm->reset_cond, NULL);
	atomic_store(&vm->clock.offset_ns, vm->created_ns);
	/* The images first: their loading takes longest and goes on beside all that follows. */
	int rc = config_check(cfg, nfds, err);
	if (!rc)
		rc = config_unclaimed(cfg->on_unclaimed, &vm->unclaimed, err);
	if (!rc)
		rc = create_notify(vm, err);
	if (!rc)
		rc = bell_create(&vm->bell, &vm->bell_fd, err);
	if (!rc)
		rc = create_board(vm, err);
	if (!rc)
		rc = start_boot_thread(vm, err);
	/* Also with an error: there must be a way to tell it. */
	struct err open_err = {0};
	int open_rc = report_open(vm, &open_err);
	if (!rc && open_rc)
		rc = err_set(err, -open_rc, "%s", open_err.msg);
	if (!rc)
		rc = create_loop(vm, err);
	if (!rc)
		rc = create_engine(vm, err);
	if (!rc)
		rc = devices_create(vm, err);
	if (!rc)
		rc = dock_open(vm, err);
	if (!rc && report_serve(vm))
		rc = err_set(err, ENOMEM, "out of memory");
	return rc;
}

/* ---- running ---- */

static void on_unstick(uv_timer_t *t)
{
	vcpus_unstick(t->data);
	pause_review(t->data); /* a daemon that took no message may take it now */
	observe_review(t->data);
}

void vm_try_start(struct vm *vm)
{
	struct err err = {0};
	if (vm->state != VM_STARTING || !vm->start_asked || atomic_load(&vm->boot_done) != 1 ||
	    !devices_serving(vm))
		return;
	bus_reclaim(&vm->bus); /* no vCPU runs yet */
	vm->state = VM_RUNNING;
	supervision_running(vm);
	uv_timer_start(&vm->unstick_timer, on_unstick, UNSTICK_MS, UNSTICK_MS);
	if (vcpus_start(vm, &err))
		vm_end(vm, "lost", 4, "%s", err.msg);
}

static void on_stop_tick(uv_timer_t *t)
{
	struct vm *vm = t->data;
	if (atomic_load(&vm->vcpus_left) && ++vm->stop_ticks < STOP_TICKS_MAX) {
		vcpus_stop(vm);
		return;
	}
	uv_timer_stop(t);
	uv_stop(&vm->loop);
}

static void begin_stop(struct vm *vm)
{
	vm->state = VM_STOPPING;
	vcpus_stop(vm);
	/* The first look is at once; a vCPU that ends meanwhile notifies, which looks as well. */
	uv_timer_start(&vm->stop_timer, on_stop_tick, 0, STOP_TICK_MS);
}

static void on_notify(void *arg)
{
	struct vm *vm = arg;
	struct vm_end end;
	uint64_t n;
	ssize_t got = read(vm->notify_fd, &n, sizeof(n));
	(void)got;
	if (atomic_exchange(&vm->devices_changed, 0))
		devices_review(vm);
	pause_review(vm);
	if (vm->state == VM_STARTING && atomic_load(&vm->boot_done) == 2) {
		vm->end.bad_config = !vm->end_set;
		vm_fail_start(vm, "%s", vm->boot_err.msg);
	}
	if (vm->state == VM_STARTING && atomic_load(&vm->boot_done) == 1)
		vm_try_start(vm);
	if (vm->state == VM_RUNNING && atomic_load(&vm->first_instruction_ns) &&
	    !vm->running_told) {
		vm->running_told = true;
		report_running(vm);
	}
	if (vm->state < VM_STOPPING && end_get(vm, &end))
		begin_stop(vm);
	else if (vm->state == VM_STOPPING && !atomic_load(&vm->vcpus_left))
		on_stop_tick(&vm->stop_timer);
}

int vm_run(struct vm *vm)
{
	struct vm_end end;
	uv_run(&vm->loop, UV_RUN_DEFAULT);
	end_get(vm, &end);
	if (!atomic_load(&vm->vcpus_left))
		vcpus_join(vm);
	vm->state = VM_ENDED;
	report_end(vm, &end);
	return end.exit_code;
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	if (vm->boot_started)
		pthread_join(vm->boot_thread, NULL);
	dock_close(vm);
	devices_destroy(vm);
	supervision_close(vm);
	report_close(vm);
	if (vm->loop_open) {
		watch_stop(&vm->notify_watch);
		uv_close((uv_handle_t *)&vm->stop_timer, NULL);
		uv_close((uv_handle_t *)&vm->unstick_timer, NULL);
		uv_close((uv_handle_t *)&vm->debug_timer, NULL);
		uv_close((uv_handle_t *)&vm->term_signal, NULL);
		uv_run(&vm->loop, UV_RUN_DEFAULT);
		uv_loop_close(&vm->loop);
	}
	fd_close(&vm->notify_fd);
	vcpus_destroy(vm);
	if (vm->ops && vm->evm)
		vm->ops->vm_destroy(vm->evm);
	bus_fini(&vm->bus);
	bell_destroy(&vm->bell, &vm->bell_fd);
	mem_fini(&vm->mem);
	pthread_cond_destroy(&vm->reset_cond);
	pthread_mutex_destroy(&vm->reset_lock);
	pthread_mutex_destroy(&vm->end_lock);
	free(vm);
}
