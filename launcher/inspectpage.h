/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a daemon says of its device (devmodel/core/inspect.c writes JSON) as a page for people, or as JSON again. The daemon is not
 * trusted: whatever it sent, the page has no control characters and the JSON is well-formed.
 */
#include "launcher/json.h"
#include "launcher/ynode.h"

/** inspect_parse - the tree of @len bytes of JSON; NULL: it is none, or too large. Free with ynode_free(). */
struct ynode *inspect_parse(const void *buf, size_t len);

/** inspect_text - appends the page. */
void inspect_text(const struct ynode *root, struct sb *out);

/** inspect_json - the members of the map @root as members of the open object of @j. */
void inspect_json(const struct ynode *root, struct json *j);
