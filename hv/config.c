/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/config.h"
#include "base/bytes.h"
#include "hv/board.h"
#include "proto/limits.h"
#include <ctype.h>
#include <errno.h>

#define ULL(x) ((unsigned long long)(x))
#define MEMORY_MIN (2ull << 20)
#define MEMORY_MAX (1ull << 39) /* RAM begins at 1 GiB and ends below 2^40 */
#define DEADLINE_MAX_NS 3600000000000ull
#define SOCKET_PATH_MAX 101u /* "ipc://" and the path fit into dock_reply.control_url */

int config_unclaimed(const char *name, enum unclaimed_policy *ret, struct err *err)
{
	if (!name[0] || !strcmp(name, "abort"))
		*ret = UNCLAIMED_ABORT;
	else if (!strcmp(name, "ones"))
		*ret = UNCLAIMED_ONES;
	else if (!strcmp(name, "stop"))
		*ret = UNCLAIMED_STOP;
	else
		return err_set(err, EINVAL,
			       "on_unclaimed: \"%s\" is unknown; ones, abort or stop is", name);
	return 0;
}

int config_failure(const Outrigger__DeviceConfig *d, enum slot_policy *ret, bool *ret_restart,
		   struct err *err)
{
	*ret_restart = !strcmp(d->on_failure, "restart");
	return config_policy(*ret_restart ? d->then : d->on_failure, ret, err);
}

int config_policy(const char *name, enum slot_policy *ret, struct err *err)
{
	if (!name[0] || !strcmp(name, "ones"))
		*ret = POLICY_ONES;
	else if (!strcmp(name, "stop"))
		*ret = POLICY_STOP;
	else if (!strcmp(name, "abort"))
		*ret = POLICY_ABORT;
	else if (!strcmp(name, "park"))
		*ret = POLICY_PARK;
	else
		return err_set(
			err, EINVAL,
			"on_failure: \"%s\" is unknown; restart, ones, abort, park or stop is",
			name);
	return 0;
}

static int check_name(const char *what, const char *name, struct err *err)
{
	size_t len = strlen(name);
	bool good = len && len <= LIMIT_NAME && isalnum((unsigned char)name[0]);
	for (size_t i = 0; good && i < len; i++)
		good = isalnum((unsigned char)name[i]) || strchr("-_.", name[i]);
	if (good)
		return 0;
	return err_set(err, EINVAL,
		       "the %s name \"%.40s\" is not usable: 1 to %d letters, digits, '-', '_' and "
		       "'.' are",
		       what, name, LIMIT_NAME);
}

static int check_fd(const char *who, const char *what, int index, unsigned nfds, struct err *err)
{
	if (index >= -1 && index < (int)nfds)
		return 0;
	return err_set(err, EINVAL,
		       "%s: %s has descriptor index %d; %u descriptors came with the config", who,
		       what, index, nfds);
}

static int check_token(const Outrigger__DeviceConfig *d, struct err *err)
{
	if (strlen(d->token) == LIMIT_TOKEN && strspn(d->token, "0123456789abcdef") == LIMIT_TOKEN)
		return 0;
	return err_set(err, EINVAL, "%s: its dock token must be %d hexadecimal digits", d->name,
		       LIMIT_TOKEN);
}

static int check_range(const Outrigger__DeviceConfig *d, const Outrigger__RangeConfig *r,
		       const char *machine, struct err *err)
{
	bool pio = !strcmp(r->space, "pio");
	if (!pio && strcmp(r->space, "mmio") != 0)
		return err_set(err, EINVAL,
			       "%s: the address space \"%s\" is unknown; mmio or pio is", d->name,
			       r->space);
	if (pio && !board_find(machine)->has_pio)
		return err_set(err, EINVAL, "%s: the machine %s has no port I/O", d->name, machine);
	if (r->size > UINT32_MAX)
		return err_set(err, EINVAL,
			       "%s: a range of 0x%llx bytes; 4 GiB less one is the most", d->name,
			       ULL(r->size));
	return 0;
}

static int check_counts(const Outrigger__DeviceConfig *d, struct err *err)
{
	if (!d->n_ranges || d->n_ranges > LIMIT_RANGES)
		return err_set(err, EINVAL, "%s: %zu ranges; 1 to %d are possible", d->name,
			       d->n_ranges, LIMIT_RANGES);
	if (d->n_irqs > LIMIT_LINES)
		return err_set(err, EINVAL, "%s: %zu interrupts; at most %d are possible", d->name,
			       d->n_irqs, LIMIT_LINES);
	if (d->n_options > LIMIT_OPTIONS || d->n_backends > LIMIT_FDS)
		return err_set(err, EINVAL,
			       "%s: %zu options and %zu host descriptors; at most %d and %d",
			       d->name, d->n_options, d->n_backends, LIMIT_OPTIONS, LIMIT_FDS);
	if (d->shadow_pages > PORT_MAX_SHADOW_PAGES || d->state_bytes > LIMIT_STATE_BYTES)
		return err_set(err, EINVAL,
			       "%s: %u shadow pages and %u bytes of state; at most %u and %u",
			       d->name, d->shadow_pages, d->state_bytes, PORT_MAX_SHADOW_PAGES,
			       LIMIT_STATE_BYTES);
	if (d->deadline_ns > DEADLINE_MAX_NS)
		return err_set(err, EINVAL, "%s: a deadline of %llu s; an hour is the most",
			       d->name, ULL(d->deadline_ns / 1000000000u));
	return 0;
}

static int check_device(const Outrigger__VmConfig *c, size_t i, unsigned nfds, struct err *err)
{
	const Outrigger__DeviceConfig *d = c->devices[i];
	enum slot_policy policy;
	bool restart;
	int rc = check_name("device", d->name, err);
	if (!rc)
		rc = check_name("model", d->model, err);
	if (!rc)
		rc = check_token(d, err);
	if (!rc)
		rc = check_counts(d, err);
	if (!rc && config_failure(d, &policy, &restart, err)) {
		err_prefix(err, "%s: ", d->name);
		rc = -EINVAL;
	}
	for (size_t k = 0; !rc && k < d->n_ranges; k++)
		rc = check_range(d, d->ranges[k], c->machine, err);
	for (size_t k = 0; !rc && k < d->n_backends; k++)
		rc = check_fd(d->name, d->backends[k]->option, d->backends[k]->fd_index, nfds, err);
	for (size_t k = 0; !rc && k < i; k++) {
		if (!strcmp(d->name, c->devices[k]->name))
			rc = err_set(err, EINVAL, "two devices are named %s", d->name);
		else if (!strcmp(d->token, c->devices[k]->token))
			rc = err_set(err, EINVAL, "%s and %s have the same dock token", d->name,
				     c->devices[k]->name);
	}
	return rc;
}

int config_check(const Outrigger__VmConfig *c, unsigned nfds, struct err *err)
{
	enum unclaimed_policy policy;
	int rc = check_name("VM", c->name, err);
	if (rc)
		return rc;
	if (!board_find(c->machine))
		return err_set(err, EINVAL, "the machine \"%s\" is unknown; %s known", c->machine,
			       board_names());
	if (!c->cpus || c->cpus > LIMIT_VCPUS)
		return err_set(err, EINVAL, "%u CPUs; 1 to %d are possible", c->cpus, LIMIT_VCPUS);
	if (c->memory_bytes < MEMORY_MIN || c->memory_bytes > MEMORY_MAX ||
	    c->memory_bytes % MEMORY_MIN)
		return err_set(err, EINVAL,
			       "%llu bytes of memory; a multiple of 2 MiB from 2 MiB to 512 GiB is "
			       "possible",
			       ULL(c->memory_bytes));
	if (strlen(c->cmdline) > LIMIT_CMDLINE)
		return err_set(err, EINVAL, "the kernel command line has %zu bytes; Linux takes %d",
			       strlen(c->cmdline), LIMIT_CMDLINE);
	if (c->n_devices > LIMIT_DEVICES)
		return err_set(err, EINVAL, "%zu devices; at most %d are possible", c->n_devices,
			       LIMIT_DEVICES);
	if (!c->runtime_dir[0] ||
	    strlen(c->runtime_dir) + sizeof("/ctl..4294967295") + LIMIT_NAME > SOCKET_PATH_MAX)
		return err_set(err, EINVAL,
			       "the runtime directory \"%s\" is empty or too long: a socket's path "
			       "has at most %u bytes",
			       c->runtime_dir, SOCKET_PATH_MAX);
	rc = config_unclaimed(c->on_unclaimed, &policy, err);
	if (!rc)
		rc = check_fd("config", "kernel", c->kernel_fd_index, nfds, err);
	if (!rc)
		rc = check_fd("config", "initrd", c->initrd_fd_index, nfds, err);
	if (!rc)
		rc = check_fd("config", "dtb_out", c->dtb_out_fd_index, nfds, err);
	for (size_t i = 0; !rc && i < c->n_devices; i++)
		rc = check_device(c, i, nfds, err);
	return rc;
}
