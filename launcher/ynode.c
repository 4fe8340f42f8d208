/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/ynode.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_NODES = 20000, MAX_DEPTH = 32, MAX_ERRORS = 20, MAX_ANCHORS = 64 };

static void diag_addv(struct diag *d, unsigned line, const char *fmt, va_list ap)
{
	if (d->errors++ >= MAX_ERRORS) {
		d->limit_hit++;
		return;
	}
	if (line)
		sb_addf(&d->text, "%s:%u: ", d->file, line);
	else
		sb_addf(&d->text, "%s: ", d->file);
	sb_addv(&d->text, fmt, ap);
	sb_addc(&d->text, '\n');
}

void diag_add(struct diag *d, const struct ynode *node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (node && node->from && d->errors < MAX_ERRORS) {
		d->errors++;
		sb_addf(&d->text, "%s: ", node->from);
		sb_addv(&d->text, fmt, ap);
		sb_addc(&d->text, '\n');
	} else {
		diag_addv(d, node ? node->line : 0, fmt, ap);
	}
	va_end(ap);
}

void diag_at(struct diag *d, unsigned line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	diag_addv(d, line, fmt, ap);
	va_end(ap);
}

void ynode_free(struct ynode *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++) {
		if (n->keys)
			free(n->keys[i]);
		ynode_free(n->items[i]);
	}
	free(n->keys);
	free(n->items);
	free(n->text);
	free(n->from);
	free(n);
}

static struct ynode *node_new(enum ynode_kind kind, unsigned line)
{
	struct ynode *n = xalloc(1, sizeof(*n));
	n->kind = kind;
	n->line = line;
	return n;
}

static void node_push(struct ynode *n, const char *key, struct ynode *item)
{
	if (n->count == n->cap) {
		n->cap = n->cap * 2 + 8;
		n->items = xrealloc(n->items, n->cap, sizeof(*n->items));
		if (n->kind == Y_MAP)
			n->keys = xrealloc(n->keys, n->cap, sizeof(*n->keys));
	}
	if (n->kind == Y_MAP)
		n->keys[n->count] = xstrdup(key);
	n->items[n->count++] = item;
}

struct ynode *ynode_get(const struct ynode *n, const char *key)
{
	if (!n || n->kind != Y_MAP)
		return NULL;
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->keys[i], key) == 0)
			return n->items[i];
	return NULL;
}

/* ---- from libyaml's events --------------------------------------------------------------------
 */

struct builder {
	yaml_parser_t parser;
	const char *buf; /* borrowed: what is parsed */
	size_t len;
	struct diag *d;
	unsigned nodes;
	struct {
		char *name;
		struct ynode *node; /* a copy of its own: the original may be a key */
	} anchors[MAX_ANCHORS];
	unsigned nanchors;
};

static unsigned lines_before(const char *buf, size_t len, size_t at)
{
	unsigned n = 0;
	for (size_t i = 0; i < at && i < len; i++)
		n += buf[i] == '\n';
	return n;
}

static bool next_event(struct builder *b, yaml_event_t *ev)
{
	if (yaml_parser_parse(&b->parser, ev))
		return true;
	const yaml_parser_t *p = &b->parser;
	const char *problem = p->problem ? p->problem : "cannot be read";
	unsigned line = (unsigned)p->problem_mark.line + 1;
	if (p->error == YAML_READER_ERROR)
		diag_at(b->d, 1 + lines_before(b->buf, b->len, p->problem_offset),
			"not YAML: %s (byte %zu); a config is UTF-8 text without control "
			"characters",
			problem, p->problem_offset);
	else if (strstr(problem, "cannot start any token"))
		diag_at(b->d, line,
			"not YAML: a tab or a character that cannot stand here (column %zu); "
			"indent with spaces, quote text that begins with %%, @ or `",
			p->problem_mark.column + 1);
	else if (p->context)
		diag_at(b->d, line,
			"not YAML: %s (%s, line %zu); look at the indentation and for a missing "
			"\":\" or quote",
			problem, p->context, p->context_mark.line + 1);
	else
		diag_at(b->d, line,
			"not YAML: %s; look at the indentation and for a missing \":\" or quote",
			problem);
	return false;
}

static struct ynode *clone(struct builder *b, const struct ynode *n)
{
	if (++b->nodes > MAX_NODES)
		return NULL;
	struct ynode *c = node_new(n->kind, n->line);
	c->quoted = n->quoted;
	c->text = n->text ? xstrdup(n->text) : NULL;
	for (size_t i = 0; i < n->count; i++) {
		struct ynode *item = clone(b, n->items[i]);
		if (!item) {
			ynode_free(c);
			return NULL;
		}
		node_push(c, n->keys ? n->keys[i] : NULL, item);
	}
	return c;
}

static struct ynode *alias(struct builder *b, const char *name, unsigned line)
{
	for (unsigned i = b->nanchors; i-- > 0;) {
		if (strcmp(b->anchors[i].name, name) == 0) {
			struct ynode *n = clone(b, b->anchors[i].node);
			if (!n)
				diag_at(b->d, line, "alias *%s makes the document too large", name);
			return n;
		}
	}
	diag_at(b->d, line, "alias *%s has no anchor before it", name);
	return NULL;
}

static void anchor(struct builder *b, const yaml_char_t *name, const struct ynode *n)
{
	if (!name || b->nanchors == MAX_ANCHORS)
		return;
	struct ynode *copy = clone(b, n);
	if (!copy)
		return;
	b->anchors[b->nanchors].name = xstrdup((const char *)name);
	b->anchors[b->nanchors++].node = copy;
}

static struct ynode *build(struct builder *b, yaml_event_t *ev, unsigned depth);

/* Reads the entries of @n up to its end event. */
static int build_entries(struct builder *b, struct ynode *n, unsigned depth)
{
	for (;;) {
		yaml_event_t ev;
		if (!next_event(b, &ev))
			return -EINVAL;
		if (ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&ev);
			return 0;
		}
		struct ynode *first = build(b, &ev, depth + 1);
		if (!first)
			return -EINVAL;
		if (n->kind == Y_SEQ) {
			node_push(n, NULL, first);
			continue;
		}
		struct ynode *value = NULL, *old = ynode_get(n, first->text ? first->text : "");
		if (first->kind != Y_SCALAR)
			diag_at(b->d, first->line, "a key must be a plain word");
		else if (old)
			diag_at(b->d, first->line,
				"key \"%s\" is given twice; the first is in line %u", first->text,
				old->key_line);
		else if (next_event(b, &ev))
			value = build(b, &ev, depth + 1);
		if (value) {
			value->key_line = first->line;
			node_push(n, first->text, value);
		}
		ynode_free(first);
		if (!value)
			return -EINVAL;
	}
}

/* Makes the node that begins with @ev (consumed). NULL: an error was reported. */
static struct ynode *build(struct builder *b, yaml_event_t *ev, unsigned depth)
{
	struct ynode *n = NULL;
	unsigned line = (unsigned)ev->start_mark.line + 1;
	if (depth > MAX_DEPTH || ++b->nodes > MAX_NODES) {
		diag_at(b->d, line, "the document is too deep or too large");
	} else if (ev->type == YAML_SCALAR_EVENT &&
		   strlen((const char *)ev->data.scalar.value) != ev->data.scalar.length) {
		diag_at(b->d, line, "a text with a NUL character (\\0) in it; leave it out");
	} else if (ev->type == YAML_SCALAR_EVENT) {
		n = node_new(Y_SCALAR, line);
		n->text = xstrdup((const char *)ev->data.scalar.value);
		n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		anchor(b, ev->data.scalar.anchor, n);
	} else if (ev->type == YAML_ALIAS_EVENT) {
		n = alias(b, (const char *)ev->data.alias.anchor, line);
		if (n)
			n->line = line;
	} else {
		bool map = ev->type == YAML_MAPPING_START_EVENT;
		n = node_new(map ? Y_MAP : Y_SEQ, line);
		if (build_entries(b, n, depth) < 0) {
			ynode_free(n);
			n = NULL;
		} else {
			anchor(b,
			       map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor,
			       n);
		}
	}
	yaml_event_delete(ev);
	return n;
}

struct ynode *ynode_parse(const char *buf, size_t len, struct diag *d)
{
	struct builder b = {.buf = buf, .len = len, .d = d};
	struct ynode *root = NULL;
	yaml_event_t ev;
	if (!yaml_parser_initialize(&b.parser))
		abort();
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)buf, len);
	bool done = false;
	while (!done && next_event(&b, &ev)) {
		if (ev.type == YAML_STREAM_START_EVENT || ev.type == YAML_DOCUMENT_END_EVENT) {
			yaml_event_delete(&ev);
		} else if (ev.type == YAML_DOCUMENT_START_EVENT) {
			if (root)
				diag_at(d, (unsigned)ev.start_mark.line + 1,
					"a second document; one file is one VM");
			done = root != NULL;
			yaml_event_delete(&ev);
		} else if (ev.type == YAML_STREAM_END_EVENT) {
			done = true;
			yaml_event_delete(&ev);
		} else {
			root = build(&b, &ev, 0);
			done = !root;
		}
	}
	if (!root && !d->errors)
		diag_at(d, 0, "the file is empty; see docs/config.md for what belongs in it");
	for (unsigned i = 0; i < b.nanchors; i++) {
		free(b.anchors[i].name);
		ynode_free(b.anchors[i].node);
	}
	yaml_parser_delete(&b.parser);
	if (d->errors) {
		ynode_free(root);
		return NULL;
	}
	return root;
}

/* ---- overrides ---- */

/* The entry of list @n that @step names: an index, or the `name` of an entry. */
static struct ynode *seq_step(const struct ynode *n, const char *step)
{
	uint64_t index;
	for (size_t i = 0; i < n->count; i++) {
		const struct ynode *name = ynode_get(n->items[i], "name");
		if (name && name->kind == Y_SCALAR && strcmp(name->text, step) == 0)
			return n->items[i];
	}
	if (text_u64(step, &index) == 0 && index < n->count)
		return n->items[index];
	return NULL;
}

static void map_put(struct ynode *map, const char *key, struct ynode *value)
{
	for (size_t i = 0; i < map->count; i++) {
		if (strcmp(map->keys[i], key) == 0) {
			ynode_free(map->items[i]);
			map->items[i] = value;
			return;
		}
	}
	node_push(map, key, value);
}

static int set_error(struct diag *d, const char *assignment, const char *what, const char *arg)
{
	struct ynode n = {.from = xasprintf("--set %s", assignment)};
	diag_add(d, &n, "%s%s%s", what, arg[0] ? ": " : "", arg);
	free(n.from);
	return -EINVAL;
}

int ynode_set(struct ynode *root, const char *assignment, struct diag *d)
{
	const char *eq = strchr(assignment, '=');
	if (!eq || eq == assignment)
		return set_error(
			d, assignment,
			"not KEY=VALUE, such as memory=1G or devices.uart0.options.chardev=pty",
			"");
	char *path = xstrdup(assignment);
	path[eq - assignment] = 0;
	struct ynode *at = root;
	int r = 0;
	char *save = NULL, *step = strtok_r(path, ".", &save);
	for (char *next; step && r == 0; step = next) {
		next = strtok_r(NULL, ".", &save);
		struct ynode *down = at->kind == Y_MAP	 ? ynode_get(at, step)
				     : at->kind == Y_SEQ ? seq_step(at, step)
							 : NULL;
		if (at->kind == Y_SCALAR) {
			r = set_error(d, assignment, "there is nothing below this key to set",
				      step);
		} else if (at->kind == Y_SEQ && (!down || !next)) {
			r = set_error(d, assignment,
				      down ? "name a key of this entry"
					   : "no entry of this name or index",
				      step);
		} else if (!next) {
			down = node_new(Y_SCALAR, 0);
			down->text = xstrdup(eq + 1);
			down->from = xasprintf("--set %s", assignment);
			map_put(at, step, down);
		} else if (!down) {
			down = node_new(Y_MAP, 0);
			down->from = xasprintf("--set %s", assignment);
			map_put(at, step, down);
		}
		at = down;
	}
	free(path);
	return r;
}

/* ---- to text ------------------------------------------------------------------------------------
 */

static void emit_scalar(const char *s, struct sb *out)
{
	sb_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			sb_addf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			sb_addf(out, "\\x%02x", (unsigned)*s);
		else
			sb_addc(out, *s);
	}
	sb_addc(out, '"');
}

void ynode_emit(const struct ynode *n, struct sb *out)
{
	if (n->kind == Y_SCALAR) {
		emit_scalar(n->text, out);
		return;
	}
	sb_add(out, n->kind == Y_MAP ? "{" : "[");
	for (size_t i = 0; i < n->count; i++) {
		if (i)
			sb_add(out, ", ");
		if (n->kind == Y_MAP) {
			emit_scalar(n->keys[i], out);
			sb_add(out, ": ");
		}
		ynode_emit(n->items[i], out);
	}
	sb_add(out, n->kind == Y_MAP ? "}" : "]");
}
