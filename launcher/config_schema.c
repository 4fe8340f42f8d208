/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The schema is declared once, in libcyaml's terms, with one part made at run
 * time: the keys of `options`, which are the union of what the installed models describe. libcyaml
 * stops at the first error and does not tell lines or likely names; so the same schema is first
 * walked over the tree that knows its lines, which reports everything; what passes is given to
 * libcyaml, which makes the typed structs.
 */
#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "launcher/config.h"

static const cyaml_strval_t machines[] = {{"aarch64-virt", 0}, {"x86_64-pc", 1}};
static const cyaml_strval_t engines[] = {{"auto", 0}, {"soft", 1}, {"kvm", 2}, {"fake", 3}};
static const cyaml_strval_t unclaimed[] = {{"abort", 0}, {"ones", 1}, {"stop", 2}};
static const cyaml_strval_t failures[] = {
	{"restart", 0}, {"ones", 1}, {"abort", 2}, {"park", 3}, {"stop", 4}};
static const cyaml_strval_t spaces[] = {
	{"auto", CONFIG_SPACE_AUTO}, {"mmio", CONFIG_SPACE_MMIO}, {"pio", CONFIG_SPACE_PIO}};
static const cyaml_strval_t thens[] = {{"ones", 0}, {"abort", 1}, {"park", 2}, {"stop", 3}};

struct config_schema {
	char **names; /* of the union of options; NULL-terminated */
	size_t count;
	cyaml_schema_field_t *options; /* count + 1 */
	cyaml_schema_field_t device[14];
	cyaml_schema_value_t device_value;
	cyaml_schema_field_t top[12];
	cyaml_schema_value_t top_value;
};

static const cyaml_schema_field_t device_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_DEFAULT, struct raw_device, name, 1, LIMIT_NAME),
	CYAML_FIELD_STRING_PTR("model", CYAML_FLAG_DEFAULT, struct raw_device, model, 1,
			       LIMIT_NAME),
	CYAML_FIELD_STRING_PTR("address", CYAML_FLAG_OPTIONAL, struct raw_device, address, 1, 64),
	CYAML_FIELD_ENUM("space", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct raw_device, space,
			 spaces, ARRAY_LEN(spaces)),
	CYAML_FIELD_UINT_PTR("irq", CYAML_FLAG_OPTIONAL, struct raw_device, irq),
	CYAML_FIELD_STRING_PTR("deadline", CYAML_FLAG_OPTIONAL, struct raw_device, deadline, 1, 64),
	CYAML_FIELD_ENUM("on_failure", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct raw_device,
			 on_failure, failures, ARRAY_LEN(failures)),
	CYAML_FIELD_ENUM("then", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct raw_device, then,
			 thens, ARRAY_LEN(thens)),
	CYAML_FIELD_STRING_PTR("dma", CYAML_FLAG_OPTIONAL, struct raw_device, dma, 1, 16),
	CYAML_FIELD_UINT_PTR("restart_limit", CYAML_FLAG_OPTIONAL, struct raw_device,
			     restart_limit),
	CYAML_FIELD_STRING_PTR("restart_backoff", CYAML_FLAG_OPTIONAL, struct raw_device,
			       restart_backoff, 1, 64),
	CYAML_FIELD_STRING_PTR("restart_window", CYAML_FLAG_OPTIONAL, struct raw_device,
			       restart_window, 1, 64),
	{.key = "options",
	 .data_offset = offsetof(struct raw_device, options)}, /* value: at run time */
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_ENUM("machine", CYAML_FLAG_STRICT, struct config_raw, machine, machines,
			 ARRAY_LEN(machines)),
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_OPTIONAL, struct config_raw, name, 1, LIMIT_NAME),
	CYAML_FIELD_ENUM("engine", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config_raw,
			 engine, engines, ARRAY_LEN(engines)),
	CYAML_FIELD_UINT_PTR("cpus", CYAML_FLAG_OPTIONAL, struct config_raw, cpus),
	CYAML_FIELD_STRING_PTR("memory", CYAML_FLAG_OPTIONAL, struct config_raw, memory, 1, 64),
	CYAML_FIELD_STRING_PTR("kernel", CYAML_FLAG_OPTIONAL, struct config_raw, kernel, 1, 4095),
	CYAML_FIELD_STRING_PTR("initrd", CYAML_FLAG_OPTIONAL, struct config_raw, initrd, 1, 4095),
	CYAML_FIELD_STRING_PTR("cmdline", CYAML_FLAG_OPTIONAL, struct config_raw, cmdline, 0,
			       LIMIT_CMDLINE),
	CYAML_FIELD_ENUM("on_unclaimed", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config_raw,
			 on_unclaimed, unclaimed, ARRAY_LEN(unclaimed)),
	CYAML_FIELD_STRING_PTR("timeout", CYAML_FLAG_OPTIONAL, struct config_raw, timeout, 1, 64),
	{.key = "devices",
	 .data_offset = offsetof(struct config_raw, devices)}, /* value: at run time */
	CYAML_FIELD_END,
};

/* libcyaml has no limit on the errors it logs; ours are complete, so it stays silent. */
static void cyaml_quiet(cyaml_log_t level, void *ctx, const char *fmt, va_list ap)
{
	struct sb *b = ctx;
	if (level >= CYAML_LOG_ERROR)
		sb_addv(b, fmt, ap);
}

int config_schema_option(const struct config_schema *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->names[i], name) == 0)
			return (int)i;
	return -1;
}

static void collect_options(struct config_schema *s, const struct models *models)
{
	s->names = xalloc(1, sizeof(*s->names));
	for (size_t m = 0; m < models->count; m++) {
		const Outrigger__ModelDescription *desc = models->items[m].desc;
		for (size_t i = 0; desc && i < desc->n_options; i++) {
			if (config_schema_option(s, desc->options[i]->name) >= 0)
				continue;
			s->names = xrealloc(s->names, s->count + 2, sizeof(*s->names));
			s->names[s->count++] = xstrdup(desc->options[i]->name);
			s->names[s->count] = NULL;
		}
	}
	s->options = xalloc(s->count + 1, sizeof(*s->options));
	for (size_t i = 0; i < s->count; i++)
		s->options[i] = (cyaml_schema_field_t){
			.key = s->names[i],
			.data_offset = (uint32_t)(i * sizeof(char *)),
			.value = {CYAML_VALUE_STRING(CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, char,
						     0, LIMIT_OPTION_BYTES)},
		};
}

struct config_schema *config_schema_create(const struct models *models)
{
	struct config_schema *s = xalloc(1, sizeof(*s));
	collect_options(s, models);
	_Static_assert(ARRAY_LEN(device_fields) == ARRAY_LEN(s->device), "fields");
	_Static_assert(ARRAY_LEN(top_fields) == ARRAY_LEN(s->top), "fields");
	memcpy(s->device, device_fields, sizeof(s->device));
	memcpy(s->top, top_fields, sizeof(s->top));
	cyaml_schema_field_t *options = &s->device[ARRAY_LEN(s->device) - 2];
	options->value = (cyaml_schema_value_t){
		.type = CYAML_MAPPING,
		.flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
		.data_size = (uint32_t)((s->count + 1) * sizeof(char *)),
		.mapping = {.fields = s->options},
	};
	s->device_value = (cyaml_schema_value_t){
		CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_device, s->device)};
	cyaml_schema_field_t *devices = &s->top[ARRAY_LEN(s->top) - 2];
	devices->count_offset = offsetof(struct config_raw, devices_count);
	devices->count_size = sizeof(((struct config_raw *)0)->devices_count);
	devices->value = (cyaml_schema_value_t){
		CYAML_VALUE_SEQUENCE(CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct raw_device,
				     &s->device_value, 0, LIMIT_DEVICES)};
	s->top_value = (cyaml_schema_value_t){
		CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_raw, s->top)};
	return s;
}

void config_schema_destroy(struct config_schema *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->names[i]);
	free(s->names);
	free(s->options);
	free(s);
}

/* ---- the walk ---- */

static void check_value(const cyaml_schema_value_t *v, const char *key, struct ynode *n,
			struct diag *d);

static void check_enum(const cyaml_schema_value_t *v, const char *key, const struct ynode *n,
		       struct diag *d)
{
	const char *words[16] = {0};
	AUTO_SB list = {0};
	for (uint32_t i = 0; i < v->enumeration.count && i < 15; i++) {
		words[i] = v->enumeration.strings[i].str;
		if (strcmp(words[i], n->text) == 0)
			return;
	}
	text_join(&list, words, ", ");
	const char *near = text_nearest(n->text, words);
	diag_add(d, n, "%s: \"%s\" is not known; %s%s%suse %s%s", key, n->text,
		 near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "",
		 v->enumeration.count > 1 ? "one of " : "", sb_str(&list));
}

static void check_scalar(const cyaml_schema_value_t *v, const char *key, struct ynode *n,
			 struct diag *d)
{
	uint64_t number = 0;
	if (v->type == CYAML_ENUM) {
		check_enum(v, key, n, d);
	} else if (v->type == CYAML_UINT) {
		if (text_u64(n->text, &number) < 0) {
			diag_add(d, n, "%s: \"%s\" is not a number; write it like 4 or 0x10", key,
				 n->text);
			return;
		}
		free(n->text);
		n->text = xasprintf("%llu", (unsigned long long)number);
	} else if (strlen(n->text) < v->string.min) {
		diag_add(d, n, "%s: has no value; give one or leave the key out", key);
	} else if (strlen(n->text) > v->string.max) {
		diag_add(d, n, "%s: %zu bytes are too long; at most %u", key, strlen(n->text),
			 v->string.max);
	}
}

static void check_map(const cyaml_schema_value_t *v, const char *where, struct ynode *n,
		      struct diag *d)
{
	const char *keys[64] = {0};
	size_t nkeys = 0;
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		if (nkeys + 1 < ARRAY_LEN(keys))
			keys[nkeys++] = f->key;
		if (!(f->value.flags & CYAML_FLAG_OPTIONAL) && !ynode_get(n, f->key))
			diag_add(d, n, "%s: key \"%s\" is missing", where, f->key);
	}
	for (size_t i = 0; i < n->count; i++) {
		const cyaml_schema_field_t *f = v->mapping.fields;
		while (f->key && strcmp(f->key, n->keys[i]) != 0)
			f++;
		if (f->key) {
			check_value(&f->value, f->key, n->items[i], d);
			continue;
		}
		AUTO_SB list = {0};
		text_join(&list, keys, ", ");
		struct ynode at = *n->items[i];
		at.line = at.key_line ? at.key_line : at.line;
		const char *near = text_nearest(n->keys[i], keys);
		if (near)
			diag_add(d, &at, "%s: unknown key \"%s\"; did you mean \"%s\"?", where,
				 n->keys[i], near);
		else
			diag_add(d, &at, "%s: unknown key \"%s\"; known are %s", where, n->keys[i],
				 sb_str(&list));
	}
}

static const char *kind_name(enum ynode_kind k)
{
	return k == Y_SCALAR ? "a plain value"
	       : k == Y_MAP  ? "a map (\"key: value\" lines)"
			     : "a list (\"- \" lines)";
}

static void check_value(const cyaml_schema_value_t *v, const char *key, struct ynode *n,
			struct diag *d)
{
	enum ynode_kind want = v->type == CYAML_MAPPING	   ? Y_MAP
			       : v->type == CYAML_SEQUENCE ? Y_SEQ
							   : Y_SCALAR;
	if (want != Y_SCALAR && n->kind == Y_SCALAR && !n->text[0] && !n->quoted)
		n->kind = want; /* "devices:" with nothing below is an empty list */
	if (n->kind != want) {
		diag_add(d, n, "%s: is %s, must be %s", key, kind_name(n->kind), kind_name(want));
		return;
	}
	if (want == Y_SCALAR) {
		check_scalar(v, key, n, d);
	} else if (want == Y_MAP && strcmp(key, "options") == 0) {
		for (size_t i = 0; i < n->count;
		     i++) /* keys: against the device's own model, later */
			if (n->items[i]->kind != Y_SCALAR)
				diag_add(d, n->items[i], "option %s: is %s, must be a plain value",
					 n->keys[i], kind_name(n->items[i]->kind));
	} else if (want == Y_MAP) {
		const struct ynode *name = ynode_get(n, "name");
		AUTO_SB where = {0};
		if (v->mapping.fields[1].key && strcmp(v->mapping.fields[1].key, "model") == 0)
			sb_addf(&where, "device %s",
				name && name->kind == Y_SCALAR ? name->text : "without a name");
		else
			sb_add(&where, key);
		check_map(v, sb_str(&where), n, d);
	} else {
		if (n->count > v->sequence.max)
			diag_add(d, n, "%s: %zu entries are too many; at most %u", key, n->count,
				 v->sequence.max);
		for (size_t i = 0; i < n->count; i++)
			check_value(v->sequence.entry, key, n->items[i], d);
	}
}

void config_schema_check(const struct config_schema *s, struct ynode *root, struct diag *d)
{
	check_value(&s->top_value, "config", root, d);
}

/* ---- loading ---- */

static cyaml_config_t cyaml_config(struct sb *log)
{
	return (cyaml_config_t){.log_level = CYAML_LOG_ERROR,
				.log_fn = cyaml_quiet,
				.log_ctx = log,
				.mem_fn = cyaml_mem};
}

int config_schema_load(const struct config_schema *s, const struct ynode *root,
		       struct config_raw **ret, struct diag *d)
{
	AUTO_SB text = {0};
	AUTO_SB log = {0};
	ynode_emit(root, &text);
	cyaml_config_t cfg = cyaml_config(&log);
	cyaml_data_t *data = NULL;
	cyaml_err_t e = cyaml_load_data((const uint8_t *)sb_str(&text), text.len, &cfg,
					&s->top_value, &data, NULL);
	if (e != CYAML_OK) {
		diag_at(d, 0, "%s: %s", cyaml_strerror(e), sb_str(&log));
		return -EINVAL;
	}
	*ret = data;
	return 0;
}

void config_schema_free(const struct config_schema *s, struct config_raw *raw)
{
	cyaml_config_t cfg = cyaml_config(NULL);
	if (raw)
		cyaml_free(&cfg, &s->top_value, raw, 0);
}

const char *config_machine_name(int machine)
{
	return machines[machine].str;
}

const char *config_engine_name(int engine)
{
	return engines[engine].str;
}

const char *config_unclaimed_name(int policy)
{
	return unclaimed[policy].str;
}

const char *config_then_name(int policy)
{
	return thens[policy].str;
}

const char *config_failure_name(int policy)
{
	return failures[policy].str;
}
