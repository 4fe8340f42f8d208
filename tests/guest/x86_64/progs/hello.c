/* SPDX-License-Identifier: Apache-2.0 */
/* The image is loaded, and what the loader tells of the machine is right. */
#include "rt.h"

static uint32_t info(unsigned at)
{
	return *(const volatile uint32_t *)((uint64_t)rt_info + at);
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void check_map(void)
{
	uint64_t at = info(48), end = at + info(44), ram = 0;
	for (; at < end; at += *(const uint32_t *)at + 4) {
		const uint32_t *e = (const uint32_t *)at;
		uint64_t base = e[1] | (uint64_t)e[2] << 32, size = e[3] | (uint64_t)e[4] << 32;
		if (e[5] == 1 && base >= 0x100000)
			ram += size;
	}
	/* QEMU keeps some of the top for the firmware's tables. */
	CHECK(ram <= (64u << 20) - 0x100000 && ram >= (63u << 20) - 0x100000);
}

void test_main(void)
{
	group("loaded");
	CHECK_EQ(rt_magic, 0x2badb002);
	group("memory map");
	CHECK((info(0) & 0x41) == 0x41);
	check_map();
	group("command line");
	CHECK(info(0) & 4);
	const char *line = (const char *)(uint64_t)info(16), *word = line;
	for (const char *p = line; *p; p++) /* QEMU puts the file's name before it */
		if (*p == ' ')
			word = p + 1;
	CHECK(same(word, "word=42"));
	group("data");
	static volatile uint32_t zero, one = 1;
	CHECK_EQ(zero, 0);
	CHECK_EQ(one, 1);
}
