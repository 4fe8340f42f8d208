/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register table of virtio over MMIO, version 2: virtio 1.2, section 4.2.2.
 *
 * 4.2.2.2: control registers are accessed with 32 bits only. The region allows all widths for the configuration
 * space, so each control register says so by itself.
 */
#include "devmodel/virtio/transport.h"

/* clang-format off */

#define V(m) DM_FIELD(struct virtio, m)

static const struct dm_bits status_bits[] = {
	{"ACKNOWLEDGE", 0, 1, NULL}, {"DRIVER", 1, 1, NULL}, {"DRIVER_OK", 2, 1, NULL},
	{"FEATURES_OK", 3, 1, NULL}, {"DEVICE_NEEDS_RESET", 6, 1, NULL}, {"FAILED", 7, 1, NULL}, {}};
static const struct dm_bits int_bits[] = {
	{"USED_BUFFER", 0, 1, NULL}, {"CONFIG_CHANGE", 1, 1, NULL}, {}};

const struct dm_reg virtio_regs[] = {
	{.name = "MagicValue", .offset = R_MAGIC, .access = DM_RO, .widths = 4, .reset = 0x74726976,
	 .help = "\"virt\""},
	{.name = "Version", .offset = R_VERSION, .access = DM_RO, .widths = 4, .reset = 2,
	 .help = "2: virtio 1.0 and later"},
	{.name = "DeviceID", .offset = R_DEVICE_ID, .access = DM_RO, .widths = 4, V(device_id),
	 .help = "kind of device"},
	{.name = "VendorID", .offset = R_VENDOR_ID, .access = DM_RO, .widths = 4,
	 .reset = VIRTIO_VENDOR, .help = "\"ORTG\""},
	{.name = "DeviceFeatures", .offset = R_DEVICE_FEATURES, .access = DM_RO, .widths = 4,
	 V(device_features_word), .help = "features offered, the word that is selected"},
	{.name = "DeviceFeaturesSel", .offset = R_DEVICE_FEATURES_SEL, .access = DM_WO, .widths = 4,
	 V(device_features_sel), .help = "word of DeviceFeatures"},
	{.name = "DriverFeatures", .offset = R_DRIVER_FEATURES, .access = DM_WO, .widths = 4,
	 .help = "features accepted, the word that is selected; until FEATURES_OK"},
	{.name = "DriverFeaturesSel", .offset = R_DRIVER_FEATURES_SEL, .access = DM_WO, .widths = 4,
	 V(driver_features_sel), .help = "word of DriverFeatures"},
	{.name = "QueueSel", .offset = R_QUEUE_SEL, .access = DM_WO, .widths = 4, V(queue_sel),
	 .help = "the queue that the Queue registers are of"},
	{.name = "QueueNumMax", .offset = R_QUEUE_NUM_MAX, .access = DM_RO, .widths = 4,
	 V(queue_size_max), .help = "most entries; 0: there is no such queue"},
	{.name = "QueueNum", .offset = R_QUEUE_NUM, .access = DM_WO, .widths = 4, V(queue_size),
	 .help = "entries that the driver uses"},
	{.name = "QueueReady", .offset = R_QUEUE_READY, .access = DM_RW, .widths = 4, V(queue_ready),
	 .help = "1: the device may use the queue; 0 stops it"},
	{.name = "QueueNotify", .offset = R_QUEUE_NOTIFY, .access = DM_WO, .widths = 4,
	 .write = DM_WRITE_DOORBELL, .help = "number of a queue that has new buffers"},
	{.name = "InterruptStatus", .offset = R_INTERRUPT_STATUS, .access = DM_RO, .widths = 4,
	 .read = DM_READ_PENDING, .bits = int_bits, .help = "events that wait"},
	{.name = "InterruptACK", .offset = R_INTERRUPT_ACK, .access = DM_WO, .widths = 4,
	 .write = DM_WRITE_ACK, .bits = int_bits, .help = "1 clears an event"},
	{.name = "Status", .offset = R_STATUS, .access = DM_RW, .widths = 4, V(status),
	 .bits = status_bits, .help = "how far the driver is; 0 resets the device"},
	{.name = "QueueDescLow", .offset = R_QUEUE_DESC_LOW, .access = DM_WO, .widths = 4,
	 V(queue_desc_lo), .help = "descriptor area, bits 31:0"},
	{.name = "QueueDescHigh", .offset = R_QUEUE_DESC_HIGH, .access = DM_WO, .widths = 4,
	 V(queue_desc_hi), .help = "descriptor area, bits 63:32"},
	{.name = "QueueDriverLow", .offset = R_QUEUE_DRIVER_LOW, .access = DM_WO, .widths = 4,
	 V(queue_driver_lo), .help = "driver area, bits 31:0"},
	{.name = "QueueDriverHigh", .offset = R_QUEUE_DRIVER_HIGH, .access = DM_WO, .widths = 4,
	 V(queue_driver_hi), .help = "driver area, bits 63:32"},
	{.name = "QueueDeviceLow", .offset = R_QUEUE_DEVICE_LOW, .access = DM_WO, .widths = 4,
	 V(queue_device_lo), .help = "device area, bits 31:0"},
	{.name = "QueueDeviceHigh", .offset = R_QUEUE_DEVICE_HIGH, .access = DM_WO, .widths = 4,
	 V(queue_device_hi), .help = "device area, bits 63:32"},
	{.name = "SHMSel", .offset = R_SHM_SEL, .access = DM_WO, .widths = 4, V(shm_sel),
	 .help = "shared memory region; there are none"},
	/* 4.2.2: a region that does not exist reads all-ones in length and base. */
	{.name = "SHMLenLow", .offset = R_SHM_LEN_LOW, .access = DM_RO, .widths = 4, V(shm_len_lo),
	 .reset = 0xffffffff, .help = "its length, bits 31:0"},
	{.name = "SHMLenHigh", .offset = R_SHM_LEN_HIGH, .access = DM_RO, .widths = 4, V(shm_len_hi),
	 .reset = 0xffffffff, .help = "its length, bits 63:32"},
	{.name = "SHMBaseLow", .offset = R_SHM_BASE_LOW, .access = DM_RO, .widths = 4,
	 V(shm_base_lo), .reset = 0xffffffff, .help = "its address, bits 31:0"},
	{.name = "SHMBaseHigh", .offset = R_SHM_BASE_HIGH, .access = DM_RO, .widths = 4,
	 V(shm_base_hi), .reset = 0xffffffff, .help = "its address, bits 63:32"},
	{.name = "QueueReset", .offset = R_QUEUE_RESET, .access = DM_RW, .widths = 4,
	 V(queue_reset), .help = "1 resets the selected queue; reads 0: it has been"},
	/*
	 * Forwarded although it has no side effect. The daemon serves a forwarded read either before it touches the configuration
	 * or after it has published all of it, never in between. So a driver that reads the same generation twice has read no field
	 * of a half-published configuration between the two, although those reads were shadow reads.
	 */
	{.name = "ConfigGeneration", .offset = R_CONFIG_GENERATION, .access = DM_RO, .widths = 4,
	 V(config_generation), .read = DM_READ_FORWARD,
	 .help = "changes with the configuration"},
	{.name = "Config", .offset = R_CONFIG, .access = DM_RW, .width = 1, .bytes = true,
	 .count = VIRTIO_CONFIG_BYTES, V(config), .help = "configuration of the device, in any width"},
	{}};
