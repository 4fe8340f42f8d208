/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/inspectpage.h"
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"

enum { DEPTH_MAX = 12, CONFIG_BYTES_LINE = 16 };

struct ynode *inspect_parse(const void *buf, size_t len)
{
	/* JSON is YAML in flow style; the reader of configs has the limits that a stranger's text needs. */
	struct diag d = {.file = "answer"};
	struct ynode *root = ynode_parse(buf, len, &d);
	sb_free(&d.text);
	if (root && (d.errors || root->kind != Y_MAP)) {
		ynode_free(root);
		return NULL;
	}
	return root;
}

static const char *text_of(const struct ynode *n)
{
	return n && n->kind == Y_SCALAR && n->text ? n->text : "";
}

static const char *member(const struct ynode *map, const char *key)
{
	return text_of(ynode_get(map, key));
}

static const struct ynode *list(const struct ynode *map, const char *key)
{
	static const struct ynode none = {.kind = Y_SEQ};
	const struct ynode *n = ynode_get(map, key);
	return n && n->kind == Y_SEQ ? n : &none;
}

/* ---- the page ---------------------------------------------------------------------------------------- */

/* A register's value and its fields: those that are not 0, and all that have words for values. */
static void value(const struct ynode *reg, struct sb *out)
{
	const struct ynode *f = ynode_get(reg, "fields");
	sb_addf(out, "%-*s", f ? 11 : 0, member(reg, "value"));
	for (size_t i = 0; f && f->kind == Y_MAP && i < f->count; i++) {
		const char *v = text_of(f->items[i]);
		if (f->items[i]->quoted)
			sb_addf(out, " %s=%s", f->keys[i], v);
		else if (strcmp(v, "1") == 0)
			sb_addf(out, " %s", f->keys[i]);
		else if (strcmp(v, "0") != 0)
			sb_addf(out, " %s=%s", f->keys[i], v);
	}
}

/* A run of bytes, such as a configuration space: sixteen a line, without the zeroes at its end. */
static void bytes(const struct ynode *reg, unsigned long offset, struct sb *out)
{
	const char *hex = member(reg, "bytes");
	size_t n = strlen(hex) / 2, used = n;
	while (used && hex[2 * used - 1] == '0' && hex[2 * used - 2] == '0')
		used--;
	sb_addf(out, "    %04lx  %-22s %zu bytes%s\n", offset, member(reg, "name"), n,
		used ? "" : ", all 0");
	for (size_t i = 0; i < used; i += CONFIG_BYTES_LINE) {
		sb_addf(out, "      +%02zx ", i);
		for (size_t k = i; k < used && k < i + CONFIG_BYTES_LINE; k++)
			sb_addf(out, " %.2s", hex + 2 * k);
		sb_add(out, "\n");
	}
}

static void registers(const struct ynode *region, struct sb *out)
{
	const struct ynode *regs = list(region, "registers");
	sb_addf(out, "  registers of %s\n", member(region, "name"));
	for (size_t i = 0; i < regs->count; i++) {
		const struct ynode *r = regs->items[i];
		unsigned long offset = strtoul(member(r, "offset"), NULL, 10);
		const char *index = member(r, "index");
		if (ynode_get(r, "bytes")) {
			bytes(r, offset, out);
			continue;
		}
		AUTO_SB name = {0};
		sb_addf(&name, "%s%s%s%s", member(r, "name"), index[0] ? "[" : "", index,
			index[0] ? "]" : "");
		sb_addf(out, "    %04lx  %-22s ", offset, sb_str(&name));
		value(r, out);
		sb_add(out, "\n");
	}
}

static void lines_and_timers(const struct ynode *root, struct sb *out)
{
	const struct ynode *lines = list(root, "lines"), *timers = list(root, "timers"),
			   *channels = list(root, "channels");
	for (size_t i = 0; i < lines->count; i++)
		sb_addf(out, "  interrupt line %zu           %s, %s edges\n", i,
			strcmp(member(lines->items[i], "level"), "1") == 0 ? "high" : "low",
			member(lines->items[i], "edges"));
	for (size_t i = 0; i < timers->count; i++) {
		uint64_t at;
		bool on = text_u64(text_of(timers->items[i]), &at) == 0;
		sb_addf(out, "  timer %zu                    ", i);
		if (on)
			sb_addf(out, "at %.6f s of guest time\n", (double)at / 1e9);
		else
			sb_add(out, "off\n");
	}
	for (size_t i = 0; i < channels->count; i++) {
		const struct ynode *c = channels->items[i];
		bool busy = strcmp(member(c, "busy"), "true") == 0;
		if (i && !busy && strcmp(member(c, "queued"), "0") == 0)
			continue; /* a byte stream that nobody uses */
		sb_addf(out, "  byte stream %zu              %s bytes wait for the host%s\n", i,
			member(c, "queued"), busy ? ", which is behind" : "");
	}
}

static void known(const struct ynode *root, const char *key, const char *text, struct sb *out)
{
	const char *v = member(root, key);
	if (v[0] && strcmp(v, "0") != 0)
		sb_addf(out, "  %-26s %s\n", text, v);
}

void inspect_text(const struct ynode *root, struct sb *out)
{
	AUTO_SB page = {0};
	const struct ynode *state = ynode_get(root, "state"), *regions = list(root, "regions");
	for (size_t i = 0; state && state->kind == Y_MAP && i < state->count; i++)
		sb_addf(&page, "  %-26s %s\n", state->keys[i], text_of(state->items[i]));
	lines_and_timers(root, &page);
	known(root, "guest_errors", "errors of the driver", &page);
	known(root, "lost_output", "bytes lost to the host", &page);
	for (size_t i = 0; i < regions->count; i++)
		registers(regions->items[i], &page);
	for (const char *p = sb_str(&page); *p;) {
		size_t n = strcspn(p, "\n");
		AUTO_FREE char *line = xasprintf("%.*s", (int)n, p);
		sb_add(out, text_printable(line));
		sb_addc(out, '\n');
		p += n + (p[n] == '\n');
	}
}

/* ---- JSON -------------------------------------------------------------------------------------------- */

static void json_node(struct json *j, const char *key, const struct ynode *n, unsigned depth)
{
	uint64_t v;
	if (n->kind == Y_SCALAR) {
		const char *s = text_of(n);
		if (n->quoted)
			json_str(j, key, s);
		else if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
			json_bool(j, key, s[0] == 't');
		else if (strcmp(s, "null") == 0)
			json_null(j, key);
		else if (text_u64(s, &v) == 0)
			json_u64(j, key, v);
		else
			json_str(j, key, s);
		return;
	}
	char kind = n->kind == Y_MAP ? '{' : '[', end = n->kind == Y_MAP ? '}' : ']';
	json_open(j, key, kind);
	for (size_t i = 0; depth < DEPTH_MAX && i < n->count; i++)
		json_node(j, n->kind == Y_MAP ? n->keys[i] : NULL, n->items[i], depth + 1);
	json_close(j, end);
}

void inspect_json(const struct ynode *root, struct json *j)
{
	for (size_t i = 0; i < root->count; i++)
		json_node(j, root->keys[i], root->items[i], 1);
}
