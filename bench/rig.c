/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/rig.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RIG_DEADLINE_NS 60000000000ull
#define RIG_TEXT_MAX 4096
#define RIG_QEMU_ARGS_MAX 40

/* A text that grows in a buffer of its own. */
struct text {
	size_t n;
	char at[RIG_TEXT_MAX];
};

__attribute__((format(printf, 2, 3))) static const char *text_add(struct text *t,
								  const char *format, ...)
{
	char *begin = t->at + t->n;
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(begin, RIG_TEXT_MAX - t->n, format, ap);
	va_end(ap);
	CHECK(n >= 0 && (size_t)n < RIG_TEXT_MAX - t->n);
	t->n += (size_t)n + 1;
	return begin;
}

/* The root image is the first device. */
static const struct rig_device *root_device(const struct vmm_setup *s)
{
	static char options[PATH_MAX + 80], blockdev[PATH_MAX + 80];
	static const struct rig_device root = {
		.model = "virtio-blk",
		.options = options,
		.qemu_backend = blockdev,
		.qemu_device = "virtio-blk-device,drive=root",
	};
	snprintf(options, sizeof options, "{path: \"%s\", readonly: true}", s->rootfs);
	snprintf(blockdev, sizeof blockdev,
		 "-drive if=none,id=root,format=raw,readonly=on,file.locking=off,file=%s",
		 s->rootfs);
	return &root;
}

static int config_write(const struct vmm_setup *s, const struct rig_device *const *d, size_t n,
			struct rig *rig, struct err *e)
{
	static unsigned count;
	snprintf(rig->config, sizeof rig->config, "%.4000s/rig-%d-%u.yaml", s->work, (int)getpid(),
		 count++);
	FILE *f = fopen(rig->config, "we");
	if (!f)
		return err_set(e, errno, "cannot write %s: %s", rig->config, strerror(errno));
	/* The kernel is given by the command line as well, but a config must name one. */
	fprintf(f,
		"machine: aarch64-virt\nmemory: %uM\ncpus: 1\nkernel: \"%s\"\ndevices:\n"
		"  - {name: uart0, model: pl011}\n  - {name: rtc, model: pl031}\n",
		s->memory_mib, s->kernel);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "  - {name: dev%zu, model: %s%s%s, options: %s}\n", i, d[i]->model,
			d[i]->dma ? ", dma: " : "", d[i]->dma ? d[i]->dma : "", d[i]->options);
	if (fclose(f))
		return err_set(e, errno, "cannot write %s: %s", rig->config, strerror(errno));
	return 0;
}

static void qemu_fill(const char *argv[RIG_QEMU_ARGS_MAX], struct text *t,
		      const struct rig_device *const *d, size_t n)
{
	size_t k = 0;
	/* The modern transport, as ours; vCPU threads that can be told from the others. */
	argv[k++] = "-global";
	argv[k++] = "virtio-mmio.force-legacy=false";
	argv[k++] = "-name";
	argv[k++] = "bench,debug-threads=on";
	for (size_t i = 0; i < n; i++) {
		const char *space = d[i]->qemu_backend ? strchr(d[i]->qemu_backend, ' ') : NULL;
		if (space) {
			argv[k++] = text_add(t, "%.*s", (int)(space - d[i]->qemu_backend),
					     d[i]->qemu_backend);
			argv[k++] = space + 1;
		}
		argv[k++] = "-device";
		argv[k++] = text_add(t, "%s,bus=virtio-mmio-bus.%zu", d[i]->qemu_device, i);
	}
	argv[k] = NULL;
}

/* shell_wait - until the shell has started: its prompt, then an answer of its own. */
static int shell_wait(struct rig *rig, struct err *e)
{
	uint64_t deadline = rig->child.started_ns + RIG_DEADLINE_NS;
	const char *out;
	if (child_wait_text(&rig->child, "# ", 0, deadline, NULL))
		return vmm_explain(&rig->child, rig->side, "did not boot to a shell", e);
	/* An echo of the commands would look like answers. */
	int rc = rig_run(rig, "stty -echo", 30, &out, e);
	if (!rc)
		rc = rig_run(rig,
			     "mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /run; "
			     "export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp; "
			     "cd /tmp",
			     30, &out, e);
	return rc;
}

int rig_start(const struct vmm_setup *s, enum report_side side, const struct rig_device *devices,
	      size_t n, struct rig *rig, struct err *e)
{
	const struct rig_device *all[RIG_DEVICES_MAX + 1] = {root_device(s)};
	const char *qemu_args[RIG_QEMU_ARGS_MAX];
	struct text text = {0};
	CHECK(n <= RIG_DEVICES_MAX);
	for (size_t i = 0; i < n; i++)
		all[i + 1] = &devices[i];
	*rig = (struct rig){.side = side};
	int rc = config_write(s, all, n + 1, rig, e);
	if (rc)
		return rc;
	qemu_fill(qemu_args, &text, all, n + 1);
	const struct vmm_image image = {
		.kernel = s->kernel,
		.initrd = s->initrd,
		.cmdline = "console=ttyAMA0 cryptomgr.notests=1 quiet root=/dev/vda ro "
			   "init=/bin/sh",
		.config = rig->config,
		.qemu_args = qemu_args,
	};
	rc = vmm_start(s, side, &image, &rig->child, e);
	if (rc)
		return rc;
	snprintf(rig->name, sizeof rig->name, "%s", vmm_name());
	rc = shell_wait(rig, e);
	if (rc)
		rig_stop(rig);
	return rc;
}

int rig_run(struct rig *rig, const char *command, double seconds, const char **ret_output,
	    struct err *e)
{
	struct child *c = &rig->child;
	uint64_t deadline = clock_now_ns() + (uint64_t)(seconds * 1e9);
	size_t from = c->output_len;
	/* The quotes keep the echo of this line, while there is one, from looking like the mark. */
	if (dprintf(c->in, "%s; echo '@@'$?'@@'\n", command) < 0)
		return vmm_explain(c, rig->side, "does not read its console", e);
	for (size_t at = from;;) {
		char *mark, *end;
		if (child_wait_text(c, "@@", at, deadline, NULL)) {
			err_set(e, ETIMEDOUT, "the guest's shell did not finish: %.100s", command);
			return -ETIMEDOUT;
		}
		mark = strstr(c->output + at, "@@");
		at = (size_t)(mark - c->output) + 2;
		if (!isdigit((unsigned char)mark[2]) &&
		    (mark[2] || child_wait_text(c, "@@", at, deadline, NULL)))
			continue;
		long status = strtol(mark + 2, &end, 10);
		if (end == mark + 2)
			continue;
		/* The rest of the mark may still be on its way. */
		if (child_wait_text(c, "@@", at, deadline, NULL))
			continue;
		*mark = 0;
		*ret_output = c->output + from;
		if (status) {
			const char *tail = strlen(*ret_output) > 200
						   ? *ret_output + strlen(*ret_output) - 200
						   : *ret_output;
			return err_set(e, EIO, "in the guest, status %ld: %.100s: %s", status,
				       command, tail);
		}
		return 0;
	}
}

void rig_stop(struct rig *rig)
{
	child_destroy(&rig->child);
	if (rig->config[0])
		unlink(rig->config);
	*rig = (struct rig){0};
}

double rig_stat(const struct vmm_setup *s, const struct rig *rig, const char *device,
		const char *key)
{
	char command[PATH_MAX + 100], quoted[80];
	static char json[1 << 18];
	snprintf(command, sizeof command, "'%s' stats %s --json", s->outrigger, rig->name);
	FILE *f = popen(command, "re");
	if (!f)
		return -1;
	size_t n = fread(json, 1, sizeof json - 1, f);
	pclose(f);
	json[n] = 0;
	snprintf(quoted, sizeof quoted, "\"name\":\"%s\"", device);
	/* With or without a space behind the colon. */
	char *at = strstr(json, quoted);
	if (!at) {
		snprintf(quoted, sizeof quoted, "\"name\": \"%s\"", device);
		at = strstr(json, quoted);
	}
	snprintf(quoted, sizeof quoted, "\"%s\":", key);
	at = at ? strstr(at, quoted) : NULL;
	return at ? strtod(at + strlen(quoted), NULL) : -1;
}
