/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every daemon must do, over the real sockets and shared memory: run with the daemon's path as its argument.
 * Nothing here knows a model; registers to try are taken from the model's own description.
 */
#include "tests/wire/wire.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *exe;

typedef Outrigger__RegisterDescription Reg;

static int setup(void **state)
{
	*state = wire_create(exe);
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(*state);
	return 0;
}

static int setup_started(void **state)
{
	setup(state);
	wire_start(*state);
	return 0;
}

/* A register that keeps what is written to it and does no more than that, as far as its name tells: all of
 * its bits can be written, reading it changes nothing. NULL: this model has none. (The registers of a virtio transport
 * look like it and are not: each write is a step of its protocol. tests/wire/virtio_* has what this leaves out.) */
static const Reg *storage_reg(const struct wire *w)
{
	if (w->desc->dma)
		return NULL;
	for (size_t i = 0; i < w->desc->regions[0]->n_regs; i++) {
		const Reg *r = w->desc->regions[0]->regs[i];
		if (!strcmp(r->access, "RW") && !strcmp(r->read_way, "shadow") &&
		    !strcmp(r->write_way, "forward") && (r->mask & 0xffff) == 0xffff)
			return r;
	}
	return NULL;
}

static void request_and_expect_ok(struct wire *w, Outrigger__ToDaemon__KindCase kind, uint64_t id)
{
	wire_send_simple(w, kind, id);
	Outrigger__FromDaemon *m = wire_recv(w);
	assert_non_null(m);
	assert_int_equal(m->id, id);
	assert_int_equal(m->kind_case, OUTRIGGER__FROM_DAEMON__KIND_OK);
	ctl_free(&m->base);
}

/* ---- coming up ------------------------------------------------------------------------------------------ */

static void description_is_complete(void **state)
{
	struct wire *w = *state;
	const Outrigger__ModelDescription *d = w->desc;
	assert_true(d->n_regions >= 1 && d->n_regions <= LIMIT_RANGES);
	assert_true(d->state_bytes > 0 && d->state_bytes <= LIMIT_STATE_BYTES);
	assert_true(strlen(d->summary) > 0 && strlen(d->build_id) >= 8);
	assert_non_null(strstr(exe, d->name));
	for (size_t i = 0; i < d->n_regions; i++) {
		assert_true(d->regions[i]->widths);
		assert_true(d->regions[i]->n_regs <= LIMIT_REGS);
		for (size_t k = 0; k < d->regions[i]->n_regs; k++)
			assert_true(strlen(d->regions[i]->regs[k]->help) > 0);
	}
}

static void wrong_token_ends_the_daemon(void **state)
{
	struct wire *w = *state;
	wire_spawn(w, "0123456789abcdef0123456789abcdef");
	int status = wire_wait_exit(w);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void refused_ranges_end_the_daemon(void **state)
{
	struct wire *w = *state;
	wire_spawn(w, NULL);
	Outrigger__FromDaemon *m = wire_recv(w);
	assert_non_null(m);
	ctl_free(&m->base);
	Outrigger__ToDaemon no = OUTRIGGER__TO_DAEMON__INIT;
	char why[] = "not yours";
	no.kind_case = OUTRIGGER__TO_DAEMON__KIND_REFUSED;
	no.refused = why;
	wire_send(w, &no);
	m = wire_recv(w);
	assert_non_null(m);
	assert_int_equal(m->kind_case, OUTRIGGER__FROM_DAEMON__KIND_ERROR);
	assert_non_null(strstr(m->error, "not yours"));
	ctl_free(&m->base);
	int status = wire_wait_exit(w);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void unknown_option_is_an_error_that_names_it(void **state)
{
	struct wire *w = *state;
	w->option = "no-such-option";
	w->value = "1";
	wire_spawn(w, NULL);
	Outrigger__FromDaemon *m = wire_recv(w);
	assert_non_null(m);
	ctl_free(&m->base);
	Outrigger__OptionValue o = OUTRIGGER__OPTION_VALUE__INIT, *os = &o;
	Outrigger__Configure c = OUTRIGGER__CONFIGURE__INIT;
	char name[] = "no-such-option", value[] = "1";
	o.name = name;
	o.value = value;
	c.options = &os;
	c.n_options = 1;
	Outrigger__ToDaemon conf = OUTRIGGER__TO_DAEMON__INIT;
	conf.kind_case = OUTRIGGER__TO_DAEMON__KIND_CONFIGURE;
	conf.configure = &c;
	wire_send(w, &conf);
	m = wire_recv(w);
	assert_non_null(m);
	assert_int_equal(m->kind_case, OUTRIGGER__FROM_DAEMON__KIND_ERROR);
	assert_non_null(strstr(m->error, "no-such-option"));
	ctl_free(&m->base);
	assert_true(WIFEXITED(wire_wait_exit(w)));
}

static void ranges_are_as_described(void **state)
{
	struct wire *w = *state;
	const Outrigger__RegisterRanges *r = w->ranges->ranges;
	assert_int_equal(r->n_ranges, w->desc->n_regions);
	assert_int_equal(r->irqs, w->desc->irqs);
	for (size_t i = 0; i < r->n_ranges; i++) {
		const Outrigger__RegionDescription *d = w->desc->regions[i];
		assert_int_equal(r->ranges[i]->size, d->size);
		assert_int_equal(r->ranges[i]->widths, d->widths);
		assert_string_equal(r->ranges[i]->space, d->space);
		assert_int_equal(r->ranges[i]->n_rules, d->n_regs);
	}
	assert_false(w->resumed);
}

static void sandbox_is_on(void **state)
{
	struct wire *w = *state;
#ifdef OUTRIGGER_SANITIZED
	assert_string_equal(w->sandbox, "off");
	skip(); /* the sanitizers' runtime does not live under the filter */
#endif
	assert_int_equal(wire_status(w, "Seccomp"), 2);
	assert_int_equal(wire_status(w, "NoNewPrivs"), 1);
	assert_int_equal(wire_status(w, "CapEff"), 0);
	assert_int_equal(wire_status(w, "CapPrm"), 0);
	assert_int_equal(wire_status(w, "CapBnd"), 0);
	assert_non_null(strstr(w->sandbox, "seccomp"));
}

static void every_thread_is_in_the_sandbox(void **state)
{
	struct wire *w = *state;
	char cmd[160], line[64];
#ifdef OUTRIGGER_SANITIZED
	skip();
#endif
	snprintf(cmd, sizeof(cmd),
		 "grep -hE '^(Seccomp|CapEff):' /proc/%d/task/*/status | sort | uniq | tr -d "
		 "'\\t\\n'",
		 (int)w->pid);
	FILE *f = popen(cmd, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	pclose(f);
	assert_string_equal(line, "CapEff:0000000000000000Seccomp:2");
}

/* ---- accesses ------------------------------------------------------------------------------------------- */

static void each_register_reads_its_reset_value(void **state)
{
	struct wire *w = *state;
	for (size_t i = 0; i < w->desc->n_regions; i++) {
		for (size_t k = 0; k < w->desc->regions[i]->n_regs; k++) {
			const Reg *r = w->desc->regions[i]->regs[k];
			uint64_t v = wire_read(w, (unsigned)i, r->offset, r->width);
			if (r->reset && !strcmp(r->access, "RO"))
				assert_int_equal(v, r->reset);
			assert_int_equal(v & ~width_mask(r->width), 0);
		}
	}
}

static void shadow_holds_what_a_forwarded_read_gives(void **state)
{
	struct wire *w = *state;
	for (size_t i = 0; i < w->desc->n_regions; i++) {
		const Outrigger__RangeRequest *range = w->ranges->ranges->ranges[i];
		for (size_t k = 0; k < range->n_rules; k++) {
			const Outrigger__RegisterRule *q = range->rules[k];
			if (q->read_way != 1 && q->read_way != 2)
				continue;
			assert_true(range->shadow_page >= 0);
			/* A run of bytes is one rule, and is compared by the widest access. */
			unsigned step = q->width > 8 ? 8 : q->width;
			uint32_t at = (uint32_t)range->shadow_page * PORT_PAGE + q->offset;
			for (uint32_t b = 0; b < q->width; b += step)
				assert_int_equal(port_shadow_read(&w->pp, at + b, step),
						 wire_read(w, (unsigned)i, q->offset + b, step));
		}
	}
}

static void unknown_offset_and_bad_width_read_zero_and_are_counted(void **state)
{
	struct wire *w = *state;
	const Outrigger__RegionDescription *d = w->desc->regions[0];
	uint64_t before = atomic_load(&w->pp.port->counters.guest_errors);
	assert_int_equal(wire_read(w, 0, (uint32_t)d->size + 64, 4), 0);
	assert_int_equal(wire_read(w, 0, d->regs[0]->offset + d->regs[0]->width - 1, 2), 0);
	assert_int_equal(wire_read(w, 7, 0, 4), 0);
	assert_int_equal(wire_read(w, 0, d->regs[0]->offset, 3), 0);
	wire_write(w, 0, 0xfffffff0, 8, ~0ull);
	wire_sync(w);
	assert_int_equal(atomic_load(&w->pp.port->counters.guest_errors), before + 5);
}

static void posted_write_is_served_before_a_later_read(void **state)
{
	struct wire *w = *state;
	const Reg *r = storage_reg(w);
	if (!r)
		skip();
	for (unsigned i = 0; i < 1000; i++) {
		wire_post(w, 0, r->offset, r->width, i & 0xff);
		assert_int_equal(wire_read(w, 0, r->offset, r->width) & 0xff, i & 0xff);
	}
}

static void narrow_write_leaves_the_other_bytes(void **state)
{
	struct wire *w = *state;
	const Reg *r = storage_reg(w);
	if (!r || !(w->desc->regions[0]->widths & 1))
		skip();
	wire_write(w, 0, r->offset, r->width, 0x1234);
	wire_write(w, 0, r->offset + 1, 1, 0x56);
	assert_int_equal(wire_read(w, 0, r->offset, r->width), 0x5634);
	assert_int_equal(wire_read(w, 0, r->offset + 1, 1), 0x56);
}

static void reset_brings_back_the_pristine_values(void **state)
{
	struct wire *w = *state;
	const Reg *r = storage_reg(w);
	if (!r)
		skip();
	wire_write(w, 0, r->offset, r->width, 0x5a);
	struct port_entry e = {.op = PORT_OP_RESET};
	wire_wait(w, wire_push(w, &e), NULL);
	assert_int_equal(wire_read(w, 0, r->offset, r->width), r->reset);
}

static void garbage_entries_do_not_end_it(void **state)
{
	struct wire *w = *state;
	uint32_t x = 12345;
	for (unsigned i = 0; i < 3000; i++) {
		struct port_entry e = {.flags = PORT_F_POSTED};
		uint8_t *p = (uint8_t *)&e;
		for (unsigned k = 0; k < 4; k++, x = x * 1664525 + 1013904223)
			p[k] = (uint8_t)(x >> 16);
		e.op = i % 3 ? e.op : (uint8_t)(1 + i % 6);
		e.flags |= PORT_F_POSTED;
		e.offset = i % 2 ? x : x % 0x1100;
		e.value = (uint64_t)x << 32 | x;
		e.vcpu = (uint16_t)x;
		wire_push(w, &e);
	}
	wire_sync(w);
	struct port_entry bad = {.op = 0x77};
	uint32_t status;
	wire_wait(w, wire_push(w, &bad), &status);
	assert_int_equal(status, PORT_STATUS_ERROR);
}

/* The launcher gives a daemon a log file as standard error; a limit on file size must not end it. */
static int setup_logging_to_a_file(void **state)
{
	int keep = dup(2);
	char name[] = "/tmp/outrigger-wire-log-XXXXXX";
	int fd = mkstemp(name);
	if (keep < 0 || fd < 0)
		return -1;
	unlink(name);
	dup2(fd, 2);
	setup_started(state);
	dup2(keep, 2);
	close(keep);
	close(fd);
	return 0;
}

static void log_lines_to_a_file_do_not_end_it(void **state)
{
	struct wire *w = *state;
	for (unsigned i = 0; i < 20; i++)
		wire_read(w, 0, 0xfffff0, 4);
	wire_sync(w);
}

/* ---- lives ------------------------------------------------------------------------------------------------ */

static void after_kill_a_fresh_daemon_goes_on_and_serves_what_was_queued(void **state)
{
	struct wire *w = *state;
	const Reg *r = storage_reg(w);
	if (!r)
		skip();
	wire_write(w, 0, r->offset, r->width, 0x11);
	wire_kill(w);
	struct port_entry wr = {.op = PORT_OP_WRITE,
				.flags = PORT_F_POSTED,
				.width = (uint8_t)r->width,
				.offset = r->offset,
				.value = 0x22};
	struct port_entry rd = {
		.op = PORT_OP_READ, .width = (uint8_t)r->width, .offset = r->offset};
	struct port_entry first = rd;
	first.vcpu = 1;
	uint64_t seq1 = wire_push(w, &first), seq;
	wire_push(w, &wr);
	seq = wire_push(w, &rd);
	wire_start(w);
	assert_true(w->resumed);
	assert_int_equal(wire_wait(w, seq, NULL) & 0xff, 0x22);
	struct port_result res;
	assert_int_equal(port_wait_done(&w->pp, 1, seq1, 0, ~0ull, NULL, &res), 0);
	assert_int_equal(res.data & 0xff, 0x11);
}

static void answer_of_a_dead_daemon_is_adopted_by_the_next(void **state)
{
	struct wire *w = *state;
	struct port_entry e = {.op = PORT_OP_SYNC};
	uint64_t seq = wire_push(w, &e);
	while (!port_served(&w->pp, seq))
		poll(NULL, 0, 1);
	wire_kill(w);
	wire_start(w); /* a new epoch: the old answer no longer counts by itself */
	uint32_t status;
	wire_wait(w, seq, &status);
	assert_int_equal(status, PORT_STATUS_OK);
}

static void state_of_another_build_starts_pristine(void **state)
{
	struct wire *w = *state;
	const Reg *r = storage_reg(w);
	if (!r)
		skip();
	wire_write(w, 0, r->offset, r->width, 0x33);
	wire_sync(w); /* the write has left the ring: it is not served again */
	wire_kill(w);
	w->state->build_id ^= 1;
	wire_start(w);
	assert_false(w->resumed);
	assert_int_equal(wire_read(w, 0, r->offset, r->width), r->reset);
}

static void hv_gone_ends_the_daemon_cleanly(void **state)
{
	struct wire *w = *state;
	fd_close(&w->conn_fd);
	int status = wire_wait_exit(w);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void bye_is_answered_and_ends_the_daemon(void **state)
{
	struct wire *w = *state;
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_BYE, 9);
	Outrigger__FromDaemon *m = wire_recv(w);
	assert_non_null(m);
	assert_int_equal(m->kind_case, OUTRIGGER__FROM_DAEMON__KIND_BYE);
	ctl_free(&m->base);
	int status = wire_wait_exit(w);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(atomic_load(&w->pp.port->consumer.state), PORT_ABSENT);
}

static void quiesced_it_serves_nothing_and_resumed_it_serves_all(void **state)
{
	struct wire *w = *state;
	request_and_expect_ok(w, OUTRIGGER__TO_DAEMON__KIND_QUIESCE, 1);
	struct port_entry e = {.op = PORT_OP_SYNC};
	uint64_t seq = wire_push(w, &e);
	/* An inspect request goes round its whole loop; the ring is still not served. */
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_INSPECT, 2);
	Outrigger__FromDaemon *m = wire_recv(w);
	assert_non_null(m);
	assert_int_equal(m->kind_case, OUTRIGGER__FROM_DAEMON__KIND_BLOB);
	ctl_free(&m->base);
	assert_false(port_served(&w->pp, seq));
	request_and_expect_ok(w, OUTRIGGER__TO_DAEMON__KIND_RESUME, 3);
	wire_wait(w, seq, NULL);
}

static void saved_state_loads_and_bad_blobs_change_nothing(void **state)
{
	struct wire *w = *state;
	const Reg *r = storage_reg(w);
	if (!r)
		skip();
	wire_write(w, 0, r->offset, r->width, 0x44);
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_SAVE, 4);
	Outrigger__FromDaemon *blob = wire_recv(w);
	assert_non_null(blob);
	assert_int_equal(blob->kind_case, OUTRIGGER__FROM_DAEMON__KIND_BLOB);
	wire_write(w, 0, r->offset, r->width, 0x55);
	Outrigger__ToDaemon load = OUTRIGGER__TO_DAEMON__INIT;
	load.kind_case = OUTRIGGER__TO_DAEMON__KIND_LOAD;
	for (size_t cut = 0; cut < blob->blob.len; cut += blob->blob.len / 16 + 1) {
		load.load = (ProtobufCBinaryData){.len = cut, .data = blob->blob.data};
		wire_send(w, &load);
		Outrigger__FromDaemon *m = wire_recv(w);
		assert_non_null(m);
		assert_int_equal(m->kind_case, OUTRIGGER__FROM_DAEMON__KIND_ERROR);
		ctl_free(&m->base);
	}
	assert_int_equal(wire_read(w, 0, r->offset, r->width) & 0xff, 0x55);
	load.load = blob->blob;
	wire_send(w, &load);
	Outrigger__FromDaemon *m = wire_recv(w);
	assert_non_null(m);
	assert_int_equal(m->kind_case, OUTRIGGER__FROM_DAEMON__KIND_OK);
	ctl_free(&m->base);
	ctl_free(&blob->base);
	assert_int_equal(wire_read(w, 0, r->offset, r->width) & 0xff, 0x44);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DAEMON\n", argv[0]);
		return 2;
	}
	exe = argv[1];
	ctl_setup();
#define FRESH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STARTED(f) cmocka_unit_test_setup_teardown(f, setup_started, teardown)
	const struct CMUnitTest tests[] = {
		FRESH(description_is_complete),
		FRESH(wrong_token_ends_the_daemon),
		FRESH(refused_ranges_end_the_daemon),
		FRESH(unknown_option_is_an_error_that_names_it),
		STARTED(ranges_are_as_described),
		STARTED(sandbox_is_on),
		STARTED(every_thread_is_in_the_sandbox),
		STARTED(each_register_reads_its_reset_value),
		STARTED(shadow_holds_what_a_forwarded_read_gives),
		STARTED(unknown_offset_and_bad_width_read_zero_and_are_counted),
		STARTED(posted_write_is_served_before_a_later_read),
		STARTED(narrow_write_leaves_the_other_bytes),
		STARTED(reset_brings_back_the_pristine_values),
		STARTED(garbage_entries_do_not_end_it),
		cmocka_unit_test_setup_teardown(log_lines_to_a_file_do_not_end_it,
						setup_logging_to_a_file, teardown),
		STARTED(after_kill_a_fresh_daemon_goes_on_and_serves_what_was_queued),
		STARTED(answer_of_a_dead_daemon_is_adopted_by_the_next),
		STARTED(state_of_another_build_starts_pristine),
		STARTED(hv_gone_ends_the_daemon_cleanly),
		STARTED(bye_is_answered_and_ends_the_daemon),
		STARTED(quiesced_it_serves_nothing_and_resumed_it_serves_all),
		STARTED(saved_state_loads_and_bad_blobs_change_nothing),
	};
	return cmocka_run_group_tests_name(exe, tests, NULL, NULL);
}
