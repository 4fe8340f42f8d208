/* SPDX-License-Identifier: Apache-2.0 */
/* What `outrigger inspect` makes of a daemon's answer, honest or not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/inspectpage.h"

static const char answer[] =
	"{\"device\": \"disk0\", \"model\": \"virtio-blk\", \"version\": 1, \"regions\": "
	"[{\"name\": "
	"\"virtio-mmio\", \"registers\": [{\"name\": \"Status\", \"offset\": 112, \"value\": "
	"\"0xf\", "
	"\"fields\": {\"DRIVER\": 1, \"FAILED\": 0, \"MODE\": \"fast\", \"COUNT\": 7}}, "
	"{\"name\": \"LANE\", \"index\": 2, \"offset\": 8, \"value\": \"0x1\"}, "
	"{\"name\": \"Config\", \"offset\": 256, \"bytes\": "
	"\"000102030405060708090a0b0c0d0e0f10000000\"}]}], \"lines\": [{\"level\": 1, \"edges\": "
	"3}], \"timers\": [null, 1500000000], \"channels\": [{\"queued\": 12, \"busy\": true}, "
	"{\"queued\": 0, \"busy\": false}], \"guest_errors\": 4, \"lost_output\": 0, \"state\": "
	"{\"queue 0\": \"split, 64 entries, at 3/2\"}}";

static char *page_of(const char *json)
{
	struct sb out = {0};
	struct ynode *root = inspect_parse(json, strlen(json));
	assert_non_null(root);
	inspect_text(root, &out);
	ynode_free(root);
	return sb_steal(&out);
}

static void the_page_names_everything(void **state)
{
	AUTO_FREE char *page = page_of(answer);
	(void)state;
	assert_string_equal(
		page, "  queue 0                    split, 64 entries, at 3/2\n"
		      "  interrupt line 0           high, 3 edges\n"
		      "  timer 0                    off\n"
		      "  timer 1                    at 1.500000 s of guest time\n"
		      "  byte stream 0              12 bytes wait for the host, which is behind\n"
		      "  errors of the driver       4\n"
		      "  registers of virtio-mmio\n"
		      "    0070  Status                 0xf         DRIVER MODE=fast COUNT=7\n"
		      "    0008  LANE[2]                0x1\n"
		      "    0100  Config                 20 bytes\n"
		      "      +00  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n"
		      "      +10  10\n");
}

static void json_comes_out_as_it_came_in(void **state)
{
	AUTO_SB out = {0};
	struct json j = {.out = &out};
	struct ynode *root = inspect_parse(answer, strlen(answer));
	(void)state;
	json_open(&j, NULL, '{');
	inspect_json(root, &j);
	json_close(&j, '}');
	ynode_free(root);
	assert_non_null(strstr(sb_str(&out), "\"version\": 1,"));
	assert_non_null(strstr(sb_str(&out), "\"value\": \"0xf\""));
	assert_non_null(strstr(sb_str(&out), "null,\n"));
	assert_non_null(strstr(sb_str(&out), "\"busy\": true"));
	root = inspect_parse(out.s, out.len);
	assert_non_null(root);
	ynode_free(root);
}

static void what_is_no_answer_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "[]", "1", "{", "{\"a\": [}", "{\"a\": \"\xff\xfe\"}", "a: {b: c"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(inspect_parse(bad[i], strlen(bad[i])));
}

static void a_strange_answer_is_shown_without_harm(void **state)
{
	static const char *const strange[] = {
		"{}",
		"{\"regions\": 3, \"lines\": {\"a\": 1}, \"timers\": \"x\", \"state\": []}",
		"{\"regions\": [1, null, [], {\"registers\": [4, {\"bytes\": \"0\"}, {\"bytes\": "
		"[]}]}]}",
		"{\"state\": {\"k\": {\"deep\": 1}}, \"lines\": [7], \"channels\": [[]]}",
		"{\"state\": {\"\\u001b[2J\": \"\\u0007\\u009b1A\\nx: y\"}}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		AUTO_FREE char *page = page_of(strange[i]);
		for (const char *p = page; *p; p++)
			assert_true((unsigned char)*p >= 0x20 || *p == '\n');
		assert_null(strstr(page, "\xc2\x9b"));
		AUTO_SB out = {0};
		struct json j = {.out = &out};
		struct ynode *root = inspect_parse(strange[i], strlen(strange[i]));
		json_open(&j, NULL, '{');
		inspect_json(root, &j);
		json_close(&j, '}');
		ynode_free(root);
		assert_null(strchr(sb_str(&out), '\033'));
	}
	/* Deeper than the writer goes: cut, not crashed. */
	char deep[200];
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	memset(deep + 30, ']', 25);
	memcpy(deep + 55, "}", 2);
	struct ynode *root = inspect_parse(deep, strlen(deep));
	if (root) {
		AUTO_SB out = {0};
		struct json j = {.out = &out};
		json_open(&j, NULL, '{');
		inspect_json(root, &j);
		json_close(&j, '}');
	}
	ynode_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_names_everything),
		cmocka_unit_test(json_comes_out_as_it_came_in),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(a_strange_answer_is_shown_without_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
