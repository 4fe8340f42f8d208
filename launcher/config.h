/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A VM's configuration: YAML file plus overrides, loaded with libcyaml, resolved against the
 * installed models and the machine, and checked whole. Nothing here starts anything. Format:
 * docs/config.md.
 */
#include <stdbool.h>
#include <stdint.h>
#include "launcher/machine.h"
#include "launcher/models.h"
#include "launcher/restart.h"
#include "launcher/ynode.h"
#include "proto/limits.h"

struct config_range {
	uint64_t base, size;
	bool pio; /* I/O ports */
};

/** struct config_device - one device, resolved. */
struct config_device {
	const char *name; /* borrows from the loaded document */
	const struct model *model;
	struct config_range ranges[LIMIT_RANGES];
	unsigned nranges;
	uint32_t irqs[LIMIT_LINES];
	unsigned nirqs;
	uint64_t deadline_ns;	       /* 0: the core's default */
	const char *on_failure, *then; /* then: the policy once restarts are given up */
	struct restart_policy restart; /* on_failure: restart */
	const char *dma;	       /* "none", "map", "copy" */
	char **values;		  /* by index of model->desc->options, in plain units; NULL: none */
	const struct ynode *node; /* its place in the file */
};

/** struct config - everything `run` needs. */
struct config {
	char *path, *dir;
	char *name;
	const struct machine *machine;
	const char *engine;
	uint32_t cpus;
	uint64_t memory_bytes;
	char *kernel, *initrd; /* absolute or relative to the working directory; NULL: none */
	char *cmdline;
	const char *on_unclaimed;
	uint64_t timeout_ns; /* 0: none */
	struct config_device *devices;
	size_t ndevices;
	/* private: */
	struct ynode *root;
	struct config_raw *raw;
	struct config_schema *schema;
};

/** struct config_override - one value from the command line, as "key=value" (see ynode_set). */
struct config_overrides {
	const char *const *sets; /* of --set, NULL-terminated, may be NULL */
	const char *name, *kernel, *initrd, *cmdline, *append, *engine, *cpus, *memory, *timeout;
	const char *console; /* "pty": the first console device's chardev; else ignored here */
};

/** config_load - reads @path, applies @over, resolves and checks all. Every error found is in @d
 * with file, line, what is wrong and what would be right. 0, or -EINVAL with @d->errors > 0.
 * @models is borrowed and must outlive @c. On failure @c is to be given to config_fini() all the
 * same. */
int config_load(struct config *c, const char *path, const struct config_overrides *over,
		const struct models *models, struct diag *d);

/** config_fini - frees all of @c; a zeroed one is allowed. */
void config_fini(struct config *c);

/** config_console_device - index of the first device that can be the guest's console, or -1. */
int config_console_device(const struct config *c);

/** config_value - the value of @dev's option @name, NULL if not given and without a default. */
const char *config_value(const struct config_device *dev, const char *name);

/** enum chardev_kind - what a device's byte stream is joined to on the host. */
enum chardev_kind {
	CHARDEV_CONSOLE,
	CHARDEV_STDIO,
	CHARDEV_PTY,
	CHARDEV_FILE,
	CHARDEV_UNIX,
	CHARDEV_NULL
};

/** chardev_parse - "console", "stdio", "pty", "file:PATH", "unix:PATH" or "null". *@ret_path:
 * borrowed from @value, NULL where there is none. 0 or -EINVAL with @err. */
int chardev_parse(const char *value, enum chardev_kind *ret, const char **ret_path,
		  struct err *err);

/** config_option_io - true if an option of this type (OptionDescription.type) is a host object of launcher/hostio.h, or a sink. */
bool config_option_io(const char *type);

/** config_plain_value - @value of an option of this type as daemons take it, heap: sizes and times as plain numbers. What is
 * malformed stays as it is. */
char *config_plain_value(const char *type, const char *value);

/** config_path - @path seen from folder @dir: heap string. */
char *config_path(const char *dir, const char *path);

/* ---- between config*.c only ---- */

enum { CONFIG_SPACE_AUTO, CONFIG_SPACE_MMIO, CONFIG_SPACE_PIO };

struct raw_device {
	char *name, *model, *address, *deadline;
	uint64_t *irq;
	int on_failure, then, space;
	char *dma;
	uint64_t *restart_limit;
	char *restart_backoff, *restart_window;
	char **options; /* by index of the union of all models' options */
};

struct config_raw {
	int machine, engine, on_unclaimed;
	char *name, *memory, *kernel, *initrd, *cmdline, *timeout;
	uint64_t *cpus;
	struct raw_device *devices;
	unsigned devices_count;
};

/** config_schema_* - the libcyaml schema with the union of @models' options (config_schema.c). */
struct config_schema *config_schema_create(const struct models *models);
void config_schema_destroy(struct config_schema *s);
/** config_schema_check - compares @root with the schema: unknown keys, wrong types, bad words;
 * brings numbers to plain decimal. Errors go to @d. */
void config_schema_check(const struct config_schema *s, struct ynode *root, struct diag *d);
/** config_schema_load - has libcyaml load @root. 0 or -EINVAL with @d. */
int config_schema_load(const struct config_schema *s, const struct ynode *root,
		       struct config_raw **ret, struct diag *d);
void config_schema_free(const struct config_schema *s, struct config_raw *raw);
/** config_schema_option - index of option @name in raw_device.options, or -1. */
int config_schema_option(const struct config_schema *s, const char *name);
const char *config_machine_name(int machine);
const char *config_engine_name(int engine);
const char *config_unclaimed_name(int policy);
const char *config_failure_name(int policy);
const char *config_then_name(int policy);

/** config_device_resolve - one device against its model and the machine (config_device.c). */
void config_device_resolve(struct config *c, size_t index, const struct models *models,
			   struct diag *d);
void config_device_fini(struct config_device *dev);
/** config_layout_check - overlaps, places outside, duplicate names and interrupts
 * (config_layout.c). */
void config_layout_check(const struct config *c, struct diag *d);
/** config_layout_print - the memory map, one line per range, ascending. */
void config_layout_print(const struct config *c, struct sb *out);
