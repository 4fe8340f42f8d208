/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A YAML document as a tree that knows its lines. libcyaml loads typed data but not where a value
 * stood; this tree (built from libyaml's events) carries the lines, takes the --set overrides, and
 * is then given to libcyaml as canonical text. Aliases are expanded, within a limit.
 */
#include <stdbool.h>
#include <stddef.h>
#include "launcher/text.h"

/** struct diag - collects errors: "FILE:LINE: what is wrong". Zero-initialise; print with
 * diag_print(). */
struct diag {
	const char *file; /* borrows; the file that lines refer to */
	struct sb text;
	unsigned errors;
	unsigned limit_hit;
};

enum ynode_kind { Y_SCALAR, Y_MAP, Y_SEQ };

/** struct ynode - one node. In a map, @keys[i] is the key of @items[i]. */
struct ynode {
	enum ynode_kind kind;
	unsigned line;	   /* 1-based; 0: from --set */
	unsigned key_line; /* of the key that leads here, 0: none */
	char *text;	   /* scalar; of an override: the whole KEY=VALUE is in @from */
	bool quoted;
	char *from; /* "--set KEY=VALUE" that made this node, or NULL */
	char **keys;
	struct ynode **items;
	size_t count, cap;
};

/** diag_add - one error at @node's place (NULL: the file as a whole). */
void diag_add(struct diag *d, const struct ynode *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** diag_at - one error at line @line. */
void diag_at(struct diag *d, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** ynode_parse - parses @len bytes of YAML. NULL with errors in @d. The caller frees with
 * ynode_free(). */
struct ynode *ynode_parse(const char *buf, size_t len, struct diag *d);
void ynode_free(struct ynode *n);

/** ynode_get - the value of @key in map @n, or NULL (also if @n is NULL or no map). */
struct ynode *ynode_get(const struct ynode *n, const char *key);

/** ynode_set - applies one override "a.b.c=VALUE": a step in a list is an index or the `name` of an
 * entry; missing maps and keys are made. 0 or -EINVAL with @d. */
int ynode_set(struct ynode *root, const char *assignment, struct diag *d);

/** ynode_emit - appends the tree as YAML in flow style with quoted scalars. */
void ynode_emit(const struct ynode *n, struct sb *out);
