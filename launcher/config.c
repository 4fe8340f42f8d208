/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/bytes.h"
#include "base/fd.h"

enum { CONFIG_FILE_MAX = 1024 * 1024 };
#define MEMORY_MIN (2ull << 20)
#define MEMORY_DEFAULT (256ull << 20)
#define KERNEL_OFFSET                                                                              \
	0x80000ull /* where an image without a known header goes (as on QEMU's virt) */

char *config_path(const char *dir, const char *path)
{
	if (path[0] == '/' || strcmp(dir, ".") == 0)
		return xstrdup(path);
	return xasprintf("%s/%s", dir, path);
}

/* ---- reading and overriding ---- */

static char *file_read(const char *path, size_t *ret_len, struct diag *d)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		diag_at(d, 0, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	if (S_ISDIR(st.st_mode)) {
		diag_at(d, 0, "is a folder; a YAML file is needed");
		return NULL;
	}
	char *buf = xalloc(CONFIG_FILE_MAX + 1, 1);
	ssize_t n = fd_read_all(fd, buf, CONFIG_FILE_MAX + 1);
	if (n < 0 || n > CONFIG_FILE_MAX) {
		diag_at(d, 0, n < 0 ? "cannot be read: %s" : "is too large for a config%.0s",
			strerror((int)-n));
		free(buf);
		return NULL;
	}
	*ret_len = (size_t)n;
	return buf;
}

/* Applies an option of `run` that stands for a key of the file. */
static void override(struct ynode *root, const char *key, const char *option, const char *value,
		     struct diag *d)
{
	if (!value)
		return;
	AUTO_FREE char *set = xasprintf("%s=%s", key, value);
	if (ynode_set(root, set, d) == 0) {
		struct ynode *n = ynode_get(root, key);
		free(n->from);
		n->from = xasprintf("--%s %s", option, value);
	}
}

/* A path of the command line is seen from the working directory, not from the config's folder. */
static void override_path(struct ynode *root, const char *key, const char *value, struct diag *d)
{
	if (!value)
		return;
	AUTO_FREE char *cwd = value[0] == '/' ? NULL : realpath(".", NULL);
	AUTO_FREE char *full = config_path(cwd ? cwd : ".", value);
	override(root, key, key, full, d);
}

static void overrides_apply(struct ynode *root, const struct config_overrides *o, struct diag *d)
{
	for (size_t i = 0; o->sets && o->sets[i]; i++)
		ynode_set(root, o->sets[i], d);
	override_path(root, "kernel", o->kernel, d);
	if (o->initrd && strcmp(o->initrd, "none") == 0)
		override(root, "initrd", "initrd", "none", d);
	else
		override_path(root, "initrd", o->initrd, d);
	override(root, "name", "name", o->name, d);
	override(root, "engine", "engine", o->engine, d);
	override(root, "cpus", "cpus", o->cpus, d);
	override(root, "memory", "memory", o->memory, d);
	override(root, "timeout", "timeout", o->timeout, d);
	override(root, "cmdline", "cmdline", o->cmdline, d);
	const struct ynode *old = ynode_get(root, "cmdline");
	if (o->append && (!old || old->kind == Y_SCALAR)) {
		AUTO_FREE char *both = xasprintf("%s%s%s", old ? old->text : "",
						 old && old->text[0] ? " " : "", o->append);
		override(root, "cmdline", "append", both, d);
	}
}

/* ---- names of models and options, on the tree ---- */

static void check_option_names(const struct ynode *dev, const struct model *m, struct diag *d)
{
	const struct ynode *options = ynode_get(dev, "options");
	const char *names[LIMIT_OPTIONS + 1] = {0};
	for (size_t i = 0; i < m->desc->n_options && i < LIMIT_OPTIONS; i++)
		names[i] = m->desc->options[i]->name;
	for (size_t i = 0; options && i < options->count; i++) {
		if (model_option(m, options->keys[i]))
			continue;
		AUTO_SB list = {0};
		text_join(&list, names, ", ");
		const char *near = text_nearest(options->keys[i], names);
		struct ynode at = *options->items[i];
		at.line = at.key_line ? at.key_line : at.line;
		diag_add(d, &at,
			 "device %s: model %s has no option \"%s\"; %s%s%sits options are %s",
			 ynode_get(dev, "name") ? ynode_get(dev, "name")->text : "?", m->name,
			 options->keys[i], near ? "did you mean \"" : "", near ? near : "",
			 near ? "\"? " : "", names[0] ? sb_str(&list) : "none");
	}
}

static void check_model_names(const struct ynode *root, const struct models *models, struct diag *d)
{
	const struct ynode *devices = ynode_get(root, "devices");
	for (size_t i = 0; devices && devices->kind == Y_SEQ && i < devices->count; i++) {
		const struct ynode *dev = devices->items[i], *model = ynode_get(dev, "model");
		const struct ynode *name = ynode_get(dev, "name");
		if (!model || model->kind != Y_SCALAR || (name && name->kind != Y_SCALAR))
			continue;
		const struct model *m = models_find(models, model->text);
		AUTO_SB list = {0};
		text_join(&list, models->names, ", ");
		const char *near = text_nearest(model->text, models->names);
		if (!m)
			diag_add(d, model,
				 "device %s: unknown model \"%s\"; %s%s%sinstalled in %s are %s",
				 name ? name->text : "?", model->text,
				 near ? "did you mean \"" : "", near ? near : "",
				 near ? "\"? " : "", models->dir,
				 models->count ? sb_str(&list) : "none");
		else if (!m->desc)
			diag_add(d, model, "device %s: model %s cannot be used: %s %s",
				 name ? name->text : "?", m->name, m->path, m->why);
		else
			check_option_names(dev, m, d);
	}
}

/* ---- the VM's own keys ---- */

/* The bytes an image takes in memory at least: of an arm64 Image by its header (Linux,
 * Documentation/arch/arm64/booting.rst: image_size at 16, magic at 56), of a gzip file by its
 * trailer (RFC 1952, 2.3.1: ISIZE, the size modulo 2^32), else the file's size. */
static uint64_t image_bytes(int fd, uint64_t file_size)
{
	uint8_t h[64] = {0}, isize[4];
	ssize_t n = pread(fd, h, sizeof(h), 0);
	if (n == (ssize_t)sizeof(h) && memcmp(h + 56, "ARM\x64", 4) == 0 &&
	    load_le(h + 16, 8) > file_size)
		return load_le(h + 16, 8);
	if (n > 18 && h[0] == 0x1f && h[1] == 0x8b &&
	    pread(fd, isize, 4, (off_t)file_size - 4) == 4 && load_le(isize, 4) > file_size)
		return load_le(isize, 4);
	return file_size;
}

/* Checks a file of the guest; *@ret_size: what it takes of memory at least. */
static void check_file(const struct config *c, const char *key, const char *path,
		       uint64_t *ret_size, struct diag *d)
{
	const struct ynode *n = ynode_get(c->root, key);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		const char *hint = errno == ENOENT && strstr(path, "build/guests/")
					   ? "; run scripts/fetch-guests to get the guests"
				   : errno == ENOENT
					   ? "; paths in a config are seen from the config's folder"
					   : "";
		diag_add(d, n, "%s %s cannot be read: %s%s", key, path, strerror(errno), hint);
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		diag_add(d, n, "%s %s is not a file", key, path);
		return;
	}
	if (st.st_size == 0)
		diag_add(d, n, "%s %s is empty", key, path);
	*ret_size = strcmp(key, "kernel") == 0 ? image_bytes(fd, (uint64_t)st.st_size)
					       : (uint64_t)st.st_size;
}

static void check_images(const struct config *c, struct diag *d)
{
	uint64_t kernel = 0, initrd = 0;
	char mem[32];
	if (!c->kernel) {
		diag_at(d, 0, "no kernel: give the key kernel: or the option --kernel FILE");
		return;
	}
	check_file(c, "kernel", c->kernel, &kernel, d);
	if (c->initrd)
		check_file(c, "initrd", c->initrd, &initrd, d);
	text_size_format(mem, c->memory_bytes);
	if (kernel + KERNEL_OFFSET > c->memory_bytes)
		diag_add(d, ynode_get(c->root, "kernel"),
			 "kernel %s needs %llu bytes, more than the guest's memory of %s; raise "
			 "memory:",
			 c->kernel, (unsigned long long)kernel, mem);
	else if (kernel + KERNEL_OFFSET + initrd > c->memory_bytes)
		diag_add(d, ynode_get(c->root, "initrd"),
			 "kernel (%llu bytes) and initrd (%llu bytes) do not fit into the guest's "
			 "memory of %s; raise memory:",
			 (unsigned long long)kernel, (unsigned long long)initrd, mem);
}

static void resolve_memory(struct config *c, struct diag *d)
{
	c->memory_bytes = MEMORY_DEFAULT;
	if (!c->raw->memory)
		return;
	const struct ynode *n = ynode_get(c->root, "memory");
	char max[32];
	int r = text_size(c->raw->memory, &c->memory_bytes);
	if (r == -EINVAL)
		diag_add(d, n, "memory \"%s\" is not a size; write it like 256M or 2G",
			 c->raw->memory);
	else if (r == -ERANGE || c->memory_bytes > c->machine->ram_max)
		diag_add(d, n, "memory %s is too large; %s has at most %s", c->raw->memory,
			 c->machine->name, text_size_format(max, c->machine->ram_max));
	else if (c->memory_bytes < MEMORY_MIN || c->memory_bytes % 4096)
		diag_add(d, n, "memory %s is %s; use a multiple of 4K, at least 2M", c->raw->memory,
			 c->memory_bytes < MEMORY_MIN ? "too small" : "no multiple of 4K");
	else
		return;
	c->memory_bytes = MEMORY_DEFAULT;
}

/* The VM's name without one in the file: the file's, up to the first dot, with odd bytes replaced.
 */
static char *name_from_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = xstrdup(slash ? slash + 1 : path);
	char *dot = strchr(name + 1, '.');
	if (dot && name[0])
		*dot = 0;
	if (strlen(name) > LIMIT_NAME)
		name[LIMIT_NAME] = 0;
	for (char *p = name; *p; p++) {
		char one[3] = {'a', *p, 0};
		if (!text_name_ok(one))
			*p = '-';
	}
	if (!text_name_ok(name))
		memcpy(name, "v", name[0] ? 1 : 0);
	return name;
}

static void resolve_vm(struct config *c, struct diag *d)
{
	const struct config_raw *raw = c->raw;
	c->engine = config_engine_name(raw->engine);
	c->on_unclaimed = config_unclaimed_name(raw->on_unclaimed);
	c->cpus = 1;
	if (raw->cpus && (*raw->cpus == 0 || *raw->cpus > LIMIT_VCPUS))
		diag_add(d, ynode_get(c->root, "cpus"), "cpus %llu is out of range; use 1 to %d",
			 (unsigned long long)*raw->cpus, LIMIT_VCPUS);
	else if (raw->cpus)
		c->cpus = (uint32_t)*raw->cpus;
	c->name = raw->name ? xstrdup(raw->name) : name_from_path(c->path);
	if (!text_name_ok(c->name))
		diag_add(d, ynode_get(c->root, "name"),
			 "name \"%s\" must be 1 to %d letters, digits, '.', '_' or '-', and begin "
			 "with a letter or digit; use --name",
			 c->name, LIMIT_NAME);
	if (raw->timeout && text_duration(raw->timeout, true, &c->timeout_ns) < 0)
		diag_add(d, ynode_get(c->root, "timeout"),
			 "timeout \"%s\" is not a time; write it like 90, 90s or 5m", raw->timeout);
	c->cmdline = xstrdup(raw->cmdline ? raw->cmdline : "");
	c->kernel = raw->kernel ? config_path(c->dir, raw->kernel) : NULL;
	if (raw->initrd && strcmp(raw->initrd, "none") != 0)
		c->initrd = config_path(c->dir, raw->initrd);
	resolve_memory(c, d);
}

/* `run --console pty`: the same as chardev: pty at the console device. */
static void console_override(struct config *c, const struct config_overrides *o)
{
	int i = config_console_device(c);
	if (!o->console || strcmp(o->console, "pty") != 0 || i < 0 || !c->devices[i].values)
		return;
	const Outrigger__ModelDescription *desc = c->devices[i].model->desc;
	for (size_t k = 0; k < desc->n_options; k++)
		if (strcmp(desc->options[k]->type, "chardev") == 0) {
			free(c->devices[i].values[k]);
			c->devices[i].values[k] = xstrdup("pty");
			return;
		}
}

int config_console_device(const struct config *c)
{
	for (size_t i = 0; i < c->ndevices; i++) {
		const struct model *m = c->devices[i].model;
		if (m && m->desc && m->desc->fdt && m->desc->fdt->stdout)
			return (int)i;
	}
	return -1;
}

/* ---- all of it ---- */

static int config_tree(struct config *c, const struct config_overrides *over,
		       const struct models *models, struct diag *d)
{
	size_t len = 0;
	AUTO_FREE char *text = file_read(c->path, &len, d);
	c->root = text ? ynode_parse(text, len, d) : NULL;
	if (!c->root)
		return -EINVAL;
	if (c->root->kind != Y_MAP) {
		diag_at(d, c->root->line,
			"a config is a map of \"key: value\" lines; see docs/config.md");
		return -EINVAL;
	}
	overrides_apply(c->root, over, d);
	config_schema_check(c->schema, c->root, d);
	check_model_names(c->root, models, d);
	return d->errors ? -EINVAL : config_schema_load(c->schema, c->root, &c->raw, d);
}

int config_load(struct config *c, const char *path, const struct config_overrides *over,
		const struct models *models, struct diag *d)
{
	const char *slash = strrchr(path, '/');
	*c = (struct config){.path = xstrdup(path)};
	c->dir = !slash		 ? xstrdup(".")
		 : slash == path ? xstrdup("/")
				 : xasprintf("%.*s", (int)(slash - path), path);
	c->schema = config_schema_create(models);
	d->file = c->path;
	int r = config_tree(c, over, models, d);
	if (r < 0)
		return r;
	c->machine = machine_find(config_machine_name(c->raw->machine));
	resolve_vm(c, d);
	c->ndevices = c->raw->devices_count;
	c->devices = xalloc(c->ndevices, sizeof(*c->devices));
	for (size_t i = 0; i < c->ndevices; i++)
		config_device_resolve(c, i, models, d);
	config_layout_check(c, d);
	console_override(c, over);
	check_images(c, d);
	return d->errors ? -EINVAL : 0;
}

void config_fini(struct config *c)
{
	for (size_t i = 0; i < c->ndevices; i++)
		config_device_fini(&c->devices[i]);
	free(c->devices);
	if (c->schema)
		config_schema_free(c->schema, c->raw);
	config_schema_destroy(c->schema);
	ynode_free(c->root);
	free(c->path);
	free(c->dir);
	free(c->name);
	free(c->kernel);
	free(c->initrd);
	free(c->cmdline);
	*c = (struct config){0};
}
