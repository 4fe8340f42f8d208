/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk: features, configuration, options, the class. blk.h says how it works. */
#include "devmodel/virtio/blk/blk.h"
#include "devmodel/core/host.h"
#include "base/bytes.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* struct virtio_blk_config, 5.2.4. */
enum {
	C_CAPACITY = 0,
	C_SEG_MAX = 12,
	C_BLK_SIZE = 20,
	C_PHYSICAL_EXP = 24,
	C_ALIGNMENT = 25,
	C_MIN_IO = 26,
	C_OPT_IO = 28,
	C_WRITEBACK = 32,
	C_NUM_QUEUES = 34,
	C_MAX_DISCARD = 36,
	C_MAX_DISCARD_SEG = 40,
	C_DISCARD_ALIGN = 44,
	C_MAX_ZEROES = 48,
	C_MAX_ZEROES_SEG = 52,
	C_ZEROES_UNMAP = 56,
};

static unsigned number(struct dm *dm, const char *option)
{
	const char *v = dm_option_str(dm, option);
	return v ? (unsigned)strtoul(v, NULL, 10) : 0;
}

static bool is_readonly(struct dm *dm, const struct dm_disk_info *info)
{
	return info->readonly || dm_option_bool(dm, "readonly");
}

static bool option_writeback(struct dm *dm)
{
	return strcmp(dm_option_str(dm, "cache"), "writethrough") != 0;
}

/* ---- configuration ------------------------------------------------------------------------------------- */

/* Whole blocks only: the guest cannot see the rest of an image, and so cannot spoil it. */
static uint64_t sectors_of(struct dm *dm, uint64_t bytes)
{
	return align_down(bytes, number(dm, "block_size")) / BLK_SECTOR;
}

static void fill_config(struct dm *dm, struct blk *s)
{
	struct dm_disk_info info;
	uint32_t block = number(dm, "block_size"), entries = number(dm, "queue_size");
	dm_disk_info(dm, 0, &info);
	uint32_t physical = info.physical > block ? info.physical : block;
	memset(s->v.config, 0, sizeof(s->v.config));
	virtio_config_put(s, C_CAPACITY, 8, s->sectors);
	/* Header and status have a descriptor each. */
	virtio_config_put(s, C_SEG_MAX, 4, entries - 2);
	virtio_config_put(s, C_BLK_SIZE, 4, block);
	virtio_config_put(s, C_PHYSICAL_EXP, 1, (uint64_t)__builtin_ctz(physical / block));
	virtio_config_put(s, C_ALIGNMENT, 1, 0);
	virtio_config_put(s, C_MIN_IO, 2, physical / block);
	virtio_config_put(s, C_OPT_IO, 4, 0);
	virtio_config_put(s, C_WRITEBACK, 1, s->writeback);
	virtio_config_put(s, C_NUM_QUEUES, 2, s->v.nqueues);
	virtio_config_put(s, C_MAX_DISCARD, 4, BLK_MAX_SECTORS);
	virtio_config_put(s, C_MAX_DISCARD_SEG, 4, 1);
	virtio_config_put(s, C_DISCARD_ALIGN, 4, physical / BLK_SECTOR);
	virtio_config_put(s, C_MAX_ZEROES, 4, BLK_MAX_SECTORS);
	virtio_config_put(s, C_MAX_ZEROES_SEG, 4, 1);
	virtio_config_put(s, C_ZEROES_UNMAP, 1, 1);
}

/* The size that the host's file has now; tells the user of a rest that no guest sees. */
static void take_size(struct dm *dm, struct blk *s)
{
	struct dm_disk_info info;
	dm_disk_info(dm, 0, &info);
	uint64_t before = s->sectors, hidden;
	s->sectors = sectors_of(dm, info.bytes);
	hidden = info.bytes - s->sectors * BLK_SECTOR;
	if (hidden && (before != s->sectors || !before)) /* also one without a single whole block */
		dm_log(dm, DM_LOG_WARN,
		       "the image's size, %llu bytes, is no multiple of %u: its last %llu bytes "
		       "are not shown to the "
		       "guest and stay as they are",
		       (unsigned long long)info.bytes, number(dm, "block_size"),
		       (unsigned long long)hidden);
}

static uint64_t blk_features(struct dm *dm, const void *state)
{
	struct dm_disk_info info;
	(void)state;
	dm_disk_info(dm, 0, &info);
	uint64_t f =
		BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_TOPOLOGY | BLK_F_CONFIG_WCE;
	if (dm_option_u64(dm, "queues") > 1)
		f |= BLK_F_MQ;
	if (is_readonly(dm, &info))
		return f | BLK_F_RO;
	if (dm_option_bool(dm, "discard") && info.can_discard)
		f |= BLK_F_DISCARD;
	if (info.can_zero)
		f |= BLK_F_WRITE_ZEROES;
	return f;
}

static void set_writeback(struct dm *dm, struct blk *s, bool on)
{
	s->writeback = on;
	dm_disk_writeback(dm, 0, on);
}

static void blk_setup(struct dm *dm, void *state)
{
	struct blk *s = state;
	uint64_t queues = dm_option_u64(dm, "queues");
	s->v.nqueues = queues < 1 ? 1 : queues > BLK_QUEUES ? BLK_QUEUES : (uint32_t)queues;
	for (unsigned q = 0; q < s->v.nqueues; q++)
		s->q[q].size_max = (uint16_t)number(dm, "queue_size");
	blk_forget(s);
	set_writeback(dm, s, option_writeback(dm));
	take_size(dm, s);
	fill_config(dm, s);
}

/* 5.2.5: without CONFIG_WCE a driver that knows FLUSH expects a write-back cache, and one that does not
 * must not be given one. */
static void blk_driver_ok(struct dm *dm, void *state)
{
	struct blk *s = state;
	if (!virtio_has(s, BLK_F_CONFIG_WCE))
		set_writeback(dm, s, virtio_has(s, BLK_F_FLUSH) && option_writeback(dm));
	fill_config(dm, s);
}

static void blk_config_write(struct dm *dm, void *state, uint32_t offset, unsigned width)
{
	struct blk *s = state;
	bool on = s->v.config[C_WRITEBACK];
	if (offset <= C_WRITEBACK && offset + width > C_WRITEBACK &&
	    virtio_has(s, BLK_F_CONFIG_WCE))
		set_writeback(dm, s, on);
	else
		dm_guest_error(dm, "configuration bytes [%u, %u) are read-only", offset,
			       offset + width);
	fill_config(dm, s); /* everything else is as it was */
}

/* ---- size ------------------------------------------------------------------------------------------------ */

static void resized(struct dm *dm, struct blk *s)
{
	uint64_t before = s->sectors;
	take_size(dm, s);
	if (s->sectors == before)
		return;
	fill_config(dm, s);
	virtio_config_changed(dm, s);
	dm_log(dm, DM_LOG_INFO, "capacity %llu sectors", (unsigned long long)s->sectors);
}

static void blk_disk_changed(struct dm *dm, void *state, unsigned disk)
{
	(void)disk;
	resized(dm, state);
}

/* "4096", "64K", "10M", "2G", "1T". */
static bool parse_bytes(const char *v, uint64_t *ret)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	unsigned long long n = strtoull(v, &end, 10);
	if (!isdigit((unsigned char)v[0]) || errno)
		return false;
	unsigned shift = 0;
	if (*end) {
		const char *u = strchr(units, toupper((unsigned char)*end));
		if (!u || end[1])
			return false;
		shift = 10 * (unsigned)(u - units + 1);
	}
	if (n > UINT64_MAX >> shift)
		return false;
	*ret = (uint64_t)n << shift;
	return true;
}

static int blk_control(struct dm *dm, void *state, const char *name, const char *value, char *why,
		       size_t len)
{
	struct blk *s = state;
	uint64_t bytes = 0;
	(void)name; /* there is one */
	if (strcmp(value, "auto") != 0) {
		if (!parse_bytes(value, &bytes) || !bytes || bytes % number(dm, "block_size")) {
			snprintf(why, len,
				 "\"%s\" is not a size; write a multiple of %u in bytes, with K, "
				 "M, G "
				 "or T, or auto to take the image's size as it is now",
				 value, number(dm, "block_size"));
			return -EINVAL;
		}
		struct dm_disk_info info;
		dm_disk_info(dm, 0, &info);
		if (is_readonly(dm, &info)) {
			snprintf(why, len, "the disk is read-only");
			return -EINVAL;
		}
	}
	int rc = dm_disk_resize(dm, 0, bytes);
	if (rc) {
		snprintf(why, len, "%s",
			 rc == -ENOTSUP ? "a block device has the size that the host gives it: "
					  "resize it there, then "
					  "set auto"
					: strerror(-rc));
		return -EINVAL;
	}
	resized(dm, s);
	return 0;
}

/* ---- going on, looking at ----------------------------------------------------------------------------------- */

static void blk_resume(struct dm *dm, void *state)
{
	struct blk *s = state;
	dm_disk_writeback(dm, 0, s->writeback);
	blk_recover(dm, s);
	resized(dm, s); /* the image may be another one since, or have grown */
}

static void blk_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct blk *s = state;
	const char *serial = dm_option_str(dm, "serial");
	dm_text_item(text, "capacity", "%llu sectors of 512 bytes", (unsigned long long)s->sectors);
	dm_text_item(text, "cache", "%s, %s", dm_option_str(dm, "cache"),
		     s->writeback ? "stable after a flush" : "stable when a write is done");
	dm_text_item(text, "serial", "%s", serial ? serial : "");
	dm_text_item(text, "requests in flight", "%u of %u", s->inflight, BLK_TAGS);
}

static const struct virtio_model blk_model = {
	.device_id = 2,
	.queues = BLK_QUEUES,
	.config_writable = C_WRITEBACK + 1,
	.features = blk_features,
	.setup = blk_setup,
	.driver_ok = blk_driver_ok,
	.quiesce = blk_quiesce,
	.queue = blk_queue,
	.config_write = blk_config_write,
	.resume = blk_resume,
	.inspect = blk_inspect,
	.check = blk_check,
};

/* clang-format off */
extern const struct dm_class dm_class_virtio_blk;
const struct dm_class dm_class_virtio_blk = {
	.name = "virtio-blk",
	.version = 1,
	.summary = "virtio block device: a disk",
	VIRTIO_DM_CLASS(&blk_model),
	.options = (const struct dm_option[]){
		VIRTIO_OPTIONS,
		{.name = "path", .type = DM_OPT_DISK, .required = true,
		 .help = "the image: a raw file or a block device"},
		{.name = "readonly", .type = DM_OPT_BOOL, .def = "false",
		 .help = "the guest cannot write; several VMs may share such an image"},
		{.name = "cache", .type = DM_OPT_ENUM, .def = "writeback",
		 .choices = "none|writeback|writethrough",
		 .help = "the host's page cache: none goes around it (O_DIRECT); data is safe after a flush, with "
			 "writethrough after each write"},
		{.name = "aio", .type = DM_OPT_ENUM, .def = "auto", .choices = "auto|io_uring|threads",
		 .help = "how the host does the I/O; auto: io_uring where it is allowed"},
		{.name = "queues", .type = DM_OPT_ENUM, .def = "1", .choices = "1|2|3|4|5|6|7|8",
		 .help = "request queues, 1 to 8; one per vCPU is best"},
		{.name = "queue_size", .type = DM_OPT_ENUM, .def = "256",
		 .choices = "8|16|32|64|128|256|512|1024", .help = "entries of a queue"},
		{.name = "serial", .type = DM_OPT_STRING,
		 .help = "serial number that the guest sees; the first 20 bytes of it"},
		{.name = "block_size", .type = DM_OPT_ENUM, .def = "512", .choices = "512|4096",
		 .help = "logical block, bytes"},
		{.name = "discard", .type = DM_OPT_BOOL, .def = "true",
		 .help = "the guest may give space back to the host (TRIM)"},
		{}},
	.host = &dm_host_disk,
	.controls = (const struct dm_control[]){
		{.name = "capacity",
		 .help = "size in bytes, or with K, M, G or T; auto: the image's size as it is now"},
		{}},
	.state_size = sizeof(struct blk),
	.disk_done = blk_disk_done,
	.disk_changed = blk_disk_changed,
	.control = blk_control,
};
/* clang-format on */
