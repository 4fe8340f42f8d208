/* SPDX-License-Identifier: Apache-2.0 */
/* `outrigger top` without a terminal: percentiles, rates between two samples, the page at fixed widths, keys. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/topview.h"

#define WORDS 64

/** struct fake - a status reply with two devices. */
struct fake {
	Outrigger__CliReply reply;
	Outrigger__VmStatus vm;
	Outrigger__DeviceStatus dev[2], *ptrs[2];
	uint64_t counters[2][WORDS], io[2][WORDS], exits[2], insns[2];
};

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void fake_init(struct fake *f, double at_s)
{
	static const char *const names[] = {"uart0", "disk0"}, *const models[] = {"pl011",
										  "virtio-blk"};
	memset(f, 0, sizeof(*f));
	f->reply = (Outrigger__CliReply)OUTRIGGER__CLI_REPLY__INIT;
	f->vm = (Outrigger__VmStatus)OUTRIGGER__VM_STATUS__INIT;
	f->reply.vm = &f->vm;
	f->reply.vm_name = text("deb");
	f->vm.state = text("running");
	f->vm.engine = text("soft");
	f->vm.uptime_ns = (uint64_t)(at_s * 1e9);
	f->vm.n_vcpu_exits = f->vm.n_vcpu_instructions = 2;
	f->vm.vcpu_exits = f->exits;
	f->vm.vcpu_instructions = f->insns;
	f->vm.n_devices = 2;
	f->vm.devices = f->ptrs;
	for (int i = 0; i < 2; i++) {
		f->dev[i] = (Outrigger__DeviceStatus)OUTRIGGER__DEVICE_STATUS__INIT;
		f->dev[i].name = text(names[i]);
		f->dev[i].model = text(models[i]);
		f->dev[i].state = text("serving");
		f->dev[i].why = text("");
		f->dev[i].counters = f->counters[i];
		f->dev[i].io = f->io[i];
		f->dev[i].n_counters = f->dev[i].n_io = WORDS;
		f->ptrs[i] = &f->dev[i];
	}
}

/* Two seconds in which something happened. */
static void busy(struct fake *a, struct fake *b)
{
	fake_init(a, 3661);
	fake_init(b, 3663);
	a->exits[0] = 1000;
	b->exits[0] = 25000;
	b->insns[1] = 300000000;
	b->counters[0][PC_WRITES_POSTED] = 400;
	b->counters[0][PC_READS_SHADOW] = 100;
	b->counters[0][PC_HOST_OUT_BYTES] = 400;
	b->counters[0][PC_IRQS_SAMPLED] = 20;
	b->counters[0][PC_LATENCY + 9] = 7;
	a->io[1][PI_REQUESTS] = 500;
	b->io[1][PI_REQUESTS] = 20500;
	b->io[1][PI_IN_BYTES] = 256u << 20;
	b->io[1][PI_DEPTH] = 32;
	b->io[1][PI_EVENTS] = 9000;
	a->io[1][PI_LATENCY + 20] = 1000000; /* of long ago: must not count */
	b->io[1][PI_LATENCY + 20] = 1000000;
	b->io[1][PI_LATENCY + 13] = 98;
	b->io[1][PI_LATENCY + 16] = 2;
	b->counters[1][PC_WAKES_SENT] = 2000;
}

static void percentiles_are_upper_edges(void **state)
{
	struct histogram h = {0};
	(void)state;
	assert_int_equal(histogram_percentile(&h, 50), 0);
	h.bucket[0] = 1;
	assert_int_equal(histogram_percentile(&h, 99), 2);
	h.bucket[0] = 0;
	h.bucket[6] = 90;
	h.bucket[9] = 10;
	assert_int_equal(histogram_samples(&h), 100);
	assert_int_equal(histogram_percentile(&h, 50), 128);
	assert_int_equal(histogram_percentile(&h, 90), 128);
	assert_int_equal(histogram_percentile(&h, 90.1), 1024);
	assert_int_equal(histogram_percentile(&h, 99), 1024);
	assert_int_equal(histogram_percentile(&h, 100), 1024);
	h.bucket[31] = 1;
	assert_int_equal(histogram_percentile(&h, 100), 4294967296ull);
}

static void rates_are_differences_over_the_guest_s_time(void **state)
{
	static struct fake a, b;
	static struct top_view v;
	(void)state;
	busy(&a, &b);
	top_rates(&v, &a.reply, &b.reply);
	assert_true(v.seconds > 1.999 && v.seconds < 2.001);
	assert_int_equal(v.ncpus, 2);
	assert_int_equal((int)v.cpus[0].exits, 12000);
	assert_int_equal((int)v.cpus[1].mips, 150);
	const struct top_device *uart = &v.devices[0], *disk = &v.devices[1];
	assert_int_equal((int)uart->writes_posted, 200);
	assert_int_equal((int)uart->accesses, 250);
	assert_int_equal((int)uart->out_bytes, 200);
	assert_int_equal((int)uart->interrupts, 10);
	assert_false(uart->latency_of_requests);
	assert_int_equal(histogram_percentile(&uart->latency, 50), 1024);
	assert_int_equal((int)disk->requests, 10000);
	assert_int_equal((int)disk->interrupts, 4500);
	assert_int_equal((int)disk->wakes, 1000);
	assert_int_equal(disk->depth, 32);
	assert_true(disk->latency_of_requests);
	assert_int_equal(histogram_percentile(&disk->latency, 50), 16384);
	assert_int_equal(histogram_percentile(&disk->latency, 99), 131072);
}

static void the_first_sample_has_no_rates(void **state)
{
	static struct fake a, b;
	static struct top_view v;
	(void)state;
	busy(&a, &b);
	top_rates(&v, NULL, &b.reply);
	assert_true(v.seconds <= 0 && v.devices[1].requests <= 0 && v.cpus[0].exits <= 0);
	assert_int_equal(histogram_samples(&v.devices[1].latency), 0);
	assert_int_equal(v.devices[1].depth, 32);
}

static void a_vm_that_was_restarted_counts_from_zero(void **state)
{
	static struct fake a, b;
	static struct top_view v;
	(void)state;
	busy(&a, &b);
	a.vm.uptime_ns = 9000000000000ull;
	a.io[1][PI_REQUESTS] = 1u << 30;
	b.vm.uptime_ns = 4000000000u;
	top_rates(&v, &a.reply, &b.reply);
	assert_int_equal((int)v.devices[1].requests, 20500 / 4);
	b.vm.n_devices = 1;
	b.dev[0].n_io = b.dev[0].n_counters = 0; /* an older hv */
	top_rates(&v, &a.reply, &b.reply);
	assert_int_equal(v.ndevices, 1);
}

static void numbers_have_five_characters(void **state)
{
	static const struct {
		double v;
		const char *text;
	} numbers[] = {{0, "-"},	 {0.01, "<0.1"},   {0.5, "0.5"},    {9.94, "9.9"},
		       {9.96, "10"},	 {812.4, "812"},   {999.4, "999"},  {999.6, "1.00k"},
		       {9310, "9.31k"},	 {14240, "14.2k"}, {99960, "100k"}, {134217728, "134M"},
		       {2.5e9, "2.50G"}, {1e15, "1.00P"}};
	char buf[16];
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_string_equal(top_number(buf, numbers[i].v), numbers[i].text);
	assert_string_equal(top_time(buf, 0), "-");
	assert_string_equal(top_time(buf, 512), "512n");
	assert_string_equal(top_time(buf, 8192), "8.19u");
	assert_string_equal(top_time(buf, 131072), "131u");
	assert_string_equal(top_time(buf, 2147483648ull), "2.15s");
	for (double v = 0.06; v < 9e17; v *= 1.37)
		assert_true(strlen(top_number(buf, v)) <= 5);
}

static char *render(const struct top_ui *ui)
{
	static struct fake a, b;
	static struct top_view v;
	struct sb out = {0};
	busy(&a, &b);
	top_rates(&v, &a.reply, &b.reply);
	top_render(&v, ui, &out);
	return sb_steal(&out);
}

/* clang-format off */
static const char page_100[] =
	"deb: running, engine soft, up 1:01:03; the last 2.0 s, per second\n"
	"cpu0    12.0k exits      - MIPS     cpu1        - exits    150 MIPS\n"
	"DEVICE       STATE   FWD-R FWD-W  POST  SHAD   REQ    IN   OUT   QD   P50   P99   IRQ  WAKE   ERR\n"
	"uart0        serving     -     -   200    50     -     -   200    - 1.02u 1.02u    10     -     -\n"
	"disk0        serving     -     -     -     - 10.0k  134M     -   32 16.4u  131u 4.50k 1.00k     -\n";
/* clang-format on */

static void the_page_at_100_columns(void **state)
{
	struct top_ui ui = {.width = 100};
	AUTO_FREE char *page = render(&ui);
	(void)state;
	assert_string_equal(page, page_100);
}

static void columns_are_left_out_in_order(void **state)
{
	(void)state;
	for (unsigned width = 1; width < 160; width++) {
		struct top_ui ui = {.width = width};
		AUTO_FREE char *page = render(&ui);
		unsigned max = width < TOP_WIDTH_MIN ? TOP_WIDTH_MIN : width;
		for (char *save = NULL, *l = strtok_r(page, "\n", &save); l;
		     l = strtok_r(NULL, "\n", &save))
			assert_true(strlen(l) <= max);
	}
	struct top_ui narrow = {.width = 40}, wide = {.width = 130};
	AUTO_FREE char *a = render(&narrow), *b = render(&wide);
	assert_non_null(strstr(a, "DEVICE         REQ    IN   OUT\n"));
	assert_non_null(strstr(b, "ERR  DROP\n"));
	assert_non_null(strstr(b, "virtio-blk     serving"));
}

static void lines_beyond_the_height_are_counted(void **state)
{
	struct top_ui ui = {.width = 100, .height = 5, .live = true};
	(void)state;
	AUTO_FREE char *page = render(&ui);
	size_t lines = 0;
	for (const char *p = page; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 5);
	assert_non_null(strstr(page, "... 2 more\n"));
	ui.height = 6;
	AUTO_FREE char *fits = render(&ui);
	assert_null(strstr(fits, "more"));
	assert_non_null(strstr(fits, "disk0"));
}

static void colours_are_there_if_wanted_and_a_page_has_no_others(void **state)
{
	struct top_ui plain = {.width = 100, .live = true},
		      colour = {.width = 100, .live = true, .colour = true};
	AUTO_FREE char *a = render(&plain), *b = render(&colour);
	(void)state;
	assert_null(strchr(a, '\033'));
	assert_non_null(strstr(b, "\033[32mserving\033[0m"));
	/* Without its colours it is the same page, but for what fills the title's line. */
	size_t n = 0;
	for (const char *p = b; *p;) {
		if (*p == '\033')
			p += strcspn(p, "m") + 1;
		else
			b[n++] = *p++;
	}
	b[n] = 0;
	char *rest = strstr(a, "\nuart0"), *rest_b = strstr(b, "\nuart0");
	assert_string_equal(rest, rest_b);
}

static void a_device_s_trouble_is_told_without_control_characters(void **state)
{
	static struct fake b;
	static struct top_view v;
	struct top_ui ui = {.width = 60};
	AUTO_SB out = {0};
	(void)state;
	fake_init(&b, 1);
	b.dev[1].state = text("dead");
	b.dev[1].why = text("killed by\033[2J signal 11");
	top_rates(&v, NULL, &b.reply);
	top_render(&v, &ui, &out);
	assert_non_null(strstr(sb_str(&out), "\n  dead: killed by?[2J signal 11\n"));
}

static void keys_change_the_page(void **state)
{
	struct top_ui ui = {.width = 100, .live = true};
	(void)state;
	assert_int_equal(top_key(&ui, 'x'), TOP_NOTHING);
	assert_int_equal(top_key(&ui, 'q'), TOP_QUIT);
	assert_int_equal(top_key(&ui, 3), TOP_QUIT);
	assert_int_equal(top_key(&ui, 26), TOP_SUSPEND);
	assert_int_equal(top_key(&ui, 'p'), TOP_REDRAW);
	assert_true(ui.paused);
	AUTO_FREE char *paused = render(&ui);
	assert_non_null(strstr(paused, "PAUSED"));
	assert_int_equal(top_key(&ui, ' '), TOP_REDRAW);
	assert_false(ui.paused);
	for (unsigned i = 0; i < TOP_SORTS; i++)
		assert_int_equal(top_key(&ui, 's'), TOP_REDRAW);
	assert_int_equal(ui.sort, TOP_BY_CONFIG);
	top_key(&ui, 'S');
	assert_int_equal(ui.sort, TOP_SORTS - 1);
}

static bool disk_first(enum top_sort by)
{
	struct top_ui ui = {.width = 100, .sort = by};
	AUTO_FREE char *page = render(&ui);
	return strstr(page, "disk0") < strstr(page, "uart0");
}

static void the_order_is_by_what_was_asked_for(void **state)
{
	(void)state;
	assert_false(disk_first(TOP_BY_CONFIG));
	assert_false(disk_first(TOP_BY_ACCESSES));
	assert_true(disk_first(TOP_BY_REQUESTS));
	assert_true(disk_first(TOP_BY_BYTES));
	assert_true(disk_first(TOP_BY_LATENCY));
	assert_true(disk_first(TOP_BY_INTERRUPTS));
}

static void json_has_the_same_figures(void **state)
{
	static struct fake a, b;
	static struct top_view v;
	AUTO_SB out = {0};
	(void)state;
	busy(&a, &b);
	top_rates(&v, &a.reply, &b.reply);
	top_json(&v, &out);
	assert_non_null(strstr(sb_str(&out), "\"requests\": 10000"));
	assert_non_null(strstr(sb_str(&out), "\"in_bytes\": 134217728"));
	assert_non_null(strstr(sb_str(&out), "\"p99_ns\": 131072"));
	assert_non_null(strstr(sb_str(&out), "\"latency_of\": \"accesses\""));
	assert_non_null(strstr(sb_str(&out), "\"interval_ns\": 2000000000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_upper_edges),
		cmocka_unit_test(rates_are_differences_over_the_guest_s_time),
		cmocka_unit_test(the_first_sample_has_no_rates),
		cmocka_unit_test(a_vm_that_was_restarted_counts_from_zero),
		cmocka_unit_test(numbers_have_five_characters),
		cmocka_unit_test(the_page_at_100_columns),
		cmocka_unit_test(columns_are_left_out_in_order),
		cmocka_unit_test(lines_beyond_the_height_are_counted),
		cmocka_unit_test(colours_are_there_if_wanted_and_a_page_has_no_others),
		cmocka_unit_test(a_device_s_trouble_is_told_without_control_characters),
		cmocka_unit_test(keys_change_the_page),
		cmocka_unit_test(the_order_is_by_what_was_asked_for),
		cmocka_unit_test(json_has_the_same_figures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
