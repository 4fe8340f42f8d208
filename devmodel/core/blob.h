/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* blob.h: the layout of a saved device, for what looks into one: docs/state-blobs.md. */
#include "devmodel/core/core.h"

#define BLOB_MAGIC 0x424d444fu /* "ODMB" */
#define BLOB_VERSION 2u
#define BLOB_RECORDS 256u
#define STATE_PREFIX "s." /* a field of the model's */
#define STATE_RAW "state" /* all of it, as the model's save() wrote it */
#define OUT_PREFIX "out." /* bytes queued on the channel of an option */

struct blob_head {
	uint32_t magic, version;
	char model[32];
	uint32_t model_version;
	uint32_t records;
	uint64_t bytes; /* of the whole blob */
};
static_assert(sizeof(struct blob_head) == 56, "layout");

struct blob_record {
	char name[32];
	uint32_t width; /* of an element: 1, 2, 4, 8 */
	uint32_t count;
};
static_assert(sizeof(struct blob_record) == 40, "layout");
