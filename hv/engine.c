/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/engine.h"
#include "hv/engine_table.h"
#include "base/bytes.h"
#include <errno.h>

#define ENGINES_MAX 4u

static const struct engine_ops *engines[ENGINES_MAX];
static unsigned engines_count;

void engine_register(const struct engine_ops *ops)
{
	CHECK(engines_count < ENGINES_MAX);
	engines[engines_count++] = ops;
}

static bool engine_is(const struct engine_ops *e, const char *name, const char *isa)
{
	return !strcmp(e->name, name) && (!strcmp(e->isa, isa) || !strcmp(e->isa, "any"));
}

const struct engine_ops *engine_find(const char *name, const char *isa)
{
	for (unsigned i = 0; i < engines_count; i++)
		if (engine_is(engines[i], name, isa))
			return engines[i];
	return NULL;
}

/* The software engine works on any host and is the only one built in, so "auto" has nothing to
 * measure between. */
int engine_choose(const char *wanted, const char *isa, const struct engine_ops **ret,
		  const char **ret_why, struct err *err)
{
	bool is_auto = !wanted[0] || !strcmp(wanted, "auto");
	const struct engine_ops *e = engine_find(is_auto ? "soft" : wanted, isa);
	if (!e)
		return err_set(err, ENOENT,
			       "engine %s for %s is not in this build; use auto or soft", wanted,
			       isa);
	int rc = e->probe ? e->probe(err) : 0;
	if (rc) {
		err_prefix(err, "engine %s does not work here: ", e->name);
		return rc;
	}
	*ret = e;
	*ret_why = is_auto ? "chosen automatically" : "as asked";
	return 0;
}
