/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/engine.h"
#include "hv/engine_table.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdio.h>

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

/* A software engine spends some 15 instructions of the host on one of the guest's. */
#define SOFT_SLOWDOWN 16u

static char why_text[200];

static const char *speed_text(const struct engine_speed *s, char buf[48])
{
	snprintf(buf, 48, "%.*f M instructions/s", s->kernel_ips < 10000000 ? 1 : 0,
		 (double)s->kernel_ips / 1e6);
	return buf;
}

/* 0: @e works here and is fast enough to be taken where there is a choice. Else @why says what is wrong. */
static int look_at(const struct engine_ops *e, struct engine_speed *speed, struct err *why)
{
	char buf[48];
	int rc = e->probe ? e->probe(why) : 0;
	if (!rc && e->measure)
		rc = e->measure(speed, why);
	if (!rc && e->measure && speed->kernel_ips < speed->host_ips / SOFT_SLOWDOWN)
		rc = err_set(why, EAGAIN, "/dev/kvm runs guest kernel code at %s",
			     speed_text(speed, buf));
	return rc;
}

static int choose_auto(const char *isa, const struct engine_ops **ret, struct err *err)
{
	const struct engine_ops *kvm = engine_find("kvm", isa), *soft = engine_find("soft", isa);
	struct engine_speed speed = {0};
	struct err why = {0};
	char buf[48];
	int rc = kvm ? look_at(kvm, &speed, &why) : -ENOENT;
	if (kvm && !rc) {
		snprintf(why_text, sizeof(why_text), "chosen: %s", speed_text(&speed, buf));
		*ret = kvm;
		return 0;
	}
	if (soft) {
		snprintf(why_text, sizeof(why_text), "chosen automatically%s%.150s",
			 kvm ? ": " : "", kvm ? why.msg : "");
		*ret = soft;
		return soft->probe ? soft->probe(err) : 0;
	}
	if (rc == -EAGAIN) { /* there is no other: slow is better than nothing */
		snprintf(why_text, sizeof(why_text), "there is no other for %s, though %.120s", isa,
			 why.msg);
		*ret = kvm;
		return 0;
	}
	return err_set(err, -rc, "no engine for %s works here: %s", isa,
		       kvm ? why.msg : "none is in this build");
}

int engine_choose(const char *wanted, const char *isa, const struct engine_ops **ret,
		  const char **ret_why, struct err *err)
{
	*ret_why = why_text;
	if (!wanted[0] || !strcmp(wanted, "auto"))
		return choose_auto(isa, ret, err);
	const struct engine_ops *e = engine_find(wanted, isa);
	if (!e && !strcmp(wanted, "soft"))
		return err_set(err, ENOENT, "the software engine runs no %s guests; use kvm", isa);
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
	snprintf(why_text, sizeof(why_text), "as asked");
	return 0;
}

void engines_report(void)
{
	for (unsigned i = 0; i < engines_count; i++) {
		const struct engine_ops *e = engines[i];
		struct engine_speed s = {0};
		struct err why = {0};
		int rc = look_at(e, &s, &why);
		if (rc && rc != -EAGAIN)
			printf("%s %s no %s\n", e->name, e->isa, why.msg);
		else
			printf("%s %s ok %llu %llu %llu\n", e->name, e->isa,
			       (unsigned long long)s.kernel_ips, (unsigned long long)s.host_ips,
			       (unsigned long long)s.exit_ns);
	}
}
